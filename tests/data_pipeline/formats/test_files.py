import pathlib

from hypothesis import given, strategies as st
import pytest

from data_pipeline.formats import files
from tests.data_pipeline.formats import strategies


def test_inside(tmp_path):
  folder = tmp_path / 'data'
  (folder / 'sub').mkdir(parents=True)
  assert files.inside(folder, 'sub/å b.wav') == folder / 'sub/å b.wav'
  assert files.inside(folder, 'sub/../x.wav') == folder / 'x.wav'
  assert files.inside(folder, folder / 'x.wav') == folder / 'x.wav'


@pytest.mark.parametrize('path', ['../x.wav', 'sub/../../x.wav', '/etc/passwd', '../data2/x.wav', 'a\0b', 'link/x.wav', 'loop'])
def test_outside(tmp_path, path):
  folder = tmp_path / 'data'
  folder.mkdir()
  (tmp_path / 'data2').mkdir()
  (folder / 'link').symlink_to(tmp_path)
  (folder / 'loop').symlink_to(folder / 'loop')
  with pytest.raises(ValueError, match='leads out of|is no path'):
    files.inside(folder, path)


@strategies.RELAXED
@given(st.text(st.sampled_from('./\\a~'), max_size=12))
def test_inside_or_refused(path):
  root = pathlib.Path('/data/some')
  try:
    assert root in (files.inside(root, path) / 'x').parents
  except ValueError:
    pass


@pytest.mark.parametrize('text, message', [
    ('', r'not JSON \(line 1: '), ('{\n"a": }', r'not JSON \(line 2: '), ('[1]', 'a JSON list: expected an object'),
    ('[' * 100_000, 'nested too deeply'),
])
def test_broken_json(tmp_path, text, message):
  (tmp_path / 'x.json').write_text(text)
  with pytest.raises(ValueError, match=f'x.json.*{message}'):
    files.read_json_object(tmp_path / 'x.json')


@pytest.mark.parametrize('value, message', [
    ([], 'is not an object'), ({}, "no 'a'"), ({'a': '1'}, "'a' is a str: expected a int"),
])
def test_member(value, message):
  with pytest.raises(ValueError, match=f'here: .*{message}'):
    files.member(value, 'a', int, 'here')
  assert files.member({'a': 1}, 'a', int, 'here') == 1
