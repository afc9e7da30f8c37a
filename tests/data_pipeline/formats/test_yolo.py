import dataclasses
import json

from hypothesis import given, strategies as st
import pytest

from data_pipeline.formats import yolo
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy, UnknownSpecies
from tests.data_pipeline.formats import strategies

PICTURE = yolo.Picture(1000, 500, 10.0, 0.0, 16000.0)
ONE = Event('tinpip', 'song', 1.0, 3.0, 4000.0, 8000.0, -30.0)
SCENES = {'train/00000': Scene((ONE,), '', '', '', 10.0), 'val/å 1': Scene((), '', '', '', 10.0)}


@st.composite
def pictures_and_scenes(draw):
  picture = yolo.Picture(draw(st.integers(1, 3000)), draw(st.integers(1, 3000)), draw(st.floats(0.1, 9100)),
                         draw(st.floats(0, 100)), draw(st.floats(8000, 20000)))
  events = draw(st.lists(strategies.events(), max_size=4, unique_by=lambda e: e.onset))
  inside = [dataclasses.replace(
      e, onset=e.onset / 9001 * picture.seconds * 0.9, offset=min(e.offset / 9001, 1) * picture.seconds) for e in events]
  return picture, {'train/0': Scene(tuple(inside), '', '', '', picture.seconds)}


@strategies.RELAXED
@given(pictures_and_scenes())
def test_round_trip_within_a_pixel(tmp_path_factory, made):
  picture, scenes = made
  folder = tmp_path_factory.mktemp('yolo')
  yolo.write(folder, scenes, PROCEDURAL, picture)
  [back] = yolo.read(folder, PROCEDURAL).values()
  written = sorted(scenes['train/0'].events, key=lambda e: (e.onset, e.offset))
  assert [e.species for e in back] == [e.species for e in written]
  second, hz = picture.seconds / picture.width * 1.01, (picture.high_hz - picture.low_hz) / picture.height * 1.01
  cut = lambda f: min(max(f, picture.low_hz), picture.high_hz)
  for e, b in zip(written, back):
    assert abs(e.onset - b.onset) <= second and abs(e.offset - b.offset) <= second
    assert abs(cut(e.low_hz) - b.low_hz) <= hz and abs(cut(e.high_hz) - b.high_hz) <= hz


def test_content(tmp_path):
  yolo.write(tmp_path, SCENES, PROCEDURAL, PICTURE)
  # From 1 to 3 of 10 s; 4 to 8 of 16 kHz is the second quarter from below, the third from above.
  assert (tmp_path / 'labels/train/00000.txt').read_text() == '1 0.2000000 0.6250000 0.2000000 0.2500000\n'
  assert (tmp_path / 'labels/val/å 1.txt').read_text() == ''
  lines = (tmp_path / 'data.yaml').read_text().splitlines()
  assert lines[:5] == ['train: images/train', 'val: images/val', 'names:', '  0: "gltpip"', '  1: "tinpip"']
  axes = json.loads((tmp_path / 'axes.json').read_text())
  assert axes['picture'] == dict(width=1000, height=500, seconds=10.0, low_hz=0.0, high_hz=16000.0)
  assert axes['names'][1] == {'code': 'tinpip', 'common_name': 'Tin pipit', 'scientific_name': 'Vitranthus cadens'}
  [back] = yolo.read(tmp_path, PROCEDURAL)['train/00000']
  strategies.check([ONE], [back], within=1e-9)
  assert yolo.read(tmp_path, PROCEDURAL)['val/å 1'] == ()
  (tmp_path / 'labels/train/00000.txt').unlink()  # as a detector leaves it that finds nothing
  assert yolo.read(tmp_path, PROCEDURAL)['train/00000'] == ()


def test_data_yaml_is_yaml(tmp_path):
  yaml = pytest.importorskip('yaml')
  odd = Taxonomy.from_rows([('no', 'Norway bird', ''), ("a: 'b\"", 'Another', '')], 'odd')  # `no` alone is a truth value
  yolo.write(tmp_path, {'val/0': Scene((), '', '', '', 1.0)}, odd, PICTURE)
  assert yaml.safe_load((tmp_path / 'data.yaml').read_text()) == {'val': 'images/val', 'names': dict(enumerate(odd.codes))}


@pytest.mark.parametrize('line, message', [
    ('99 .5 .5 .1 .1', 'expected a class from 0 to 11'), ('0.5 .5 .5 .1 .1', 'expected a class'),
    ('0 .5 .5 .1', 'four numbers'), ('0 .5 .5 .1 x', "'x' is not a number"), ('0 .5 .5 0 .1', 'expected parts of a picture'),
    ('0 .9 .5 .3 .1', 'expected parts')])
def test_bad_lines(tmp_path, line, message):
  yolo.write(tmp_path, SCENES, PROCEDURAL, PICTURE)
  (tmp_path / 'labels/train/00000.txt').write_text(f'\n{line}\n1 .5 .5 .1 .1\n')
  with pytest.raises(ValueError, match=f'00000.txt, line 2.*{message}'):
    yolo.read(tmp_path, PROCEDURAL)
  skips = []
  assert len(yolo.read(tmp_path, PROCEDURAL, skips=skips)['train/00000']) == 1 and len(skips) == 1


def test_what_is_refused(tmp_path):
  for name in ('x', 'train/a/b', '../x'):
    with pytest.raises(ValueError, match='expected <split>/<name>'):
      yolo.write(tmp_path, {name: SCENES['train/00000']}, PROCEDURAL, PICTURE)
  with pytest.raises(UnknownSpecies):
    yolo.write(tmp_path, SCENES, Taxonomy.from_rows([('a', 'A bird', '')], 'small'), PICTURE)
  with pytest.raises(ValueError, match='some extent'):
    yolo.Picture(10, 10, 1.0, 5.0, 5.0)
  yolo.write(tmp_path, SCENES, PROCEDURAL, PICTURE)
  with pytest.raises(UnknownSpecies, match='line 1: .*tinpip'):
    yolo.read(tmp_path, Taxonomy.from_rows([('a', 'A bird', '')], 'small'))
  text = (tmp_path / 'axes.json').read_text()
  (tmp_path / 'axes.json').write_text(text.replace('train/00000', '../../x'))
  with pytest.raises(ValueError, match='leads out of the folder'):
    yolo.read(tmp_path, PROCEDURAL)
  (tmp_path / 'axes.json').write_text(text.replace('"units"', '"unit"'))
  with pytest.raises(ValueError, match='expected units'):
    yolo.read(tmp_path, PROCEDURAL)
