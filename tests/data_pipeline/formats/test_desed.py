from hypothesis import given, strategies as st
import pytest

from data_pipeline.formats import desed
from data_pipeline.formats.detection import Detection
from data_pipeline.taxonomy import PROCEDURAL, UnknownSpecies
from tests.data_pipeline.formats import strategies


@strategies.RELAXED
@given(strategies.NAMES, st.lists(strategies.detections(st.just('x')), max_size=5, unique_by=lambda d: d.onset))
def test_round_trip(tmp_path_factory, name, some):
  path = tmp_path_factory.mktemp('desed') / 'x.tsv'
  some = [Detection(d.species, d.onset, d.offset, 1.0, name) for d in some]
  desed.write(path, some, PROCEDURAL)
  strategies.check(some, desed.read(path, PROCEDURAL), ('species', 'onset', 'offset', 'confidence', 'path'))


@strategies.RELAXED
@given(st.dictionaries(strategies.NAMES, st.floats(0.001, 1e6), max_size=5))
def test_round_trip_of_durations(tmp_path_factory, durations):
  path = tmp_path_factory.mktemp('desed') / 'x.tsv'
  desed.write_durations(path, durations)
  assert desed.read_durations(path) == pytest.approx(durations, abs=1e-6)


def test_text(tmp_path):
  path = tmp_path / 'x.tsv'
  one = Detection('gltpip', 0.5, 1.5, 1.0, 'a "b".wav')
  desed.write(path, [one], PROCEDURAL)
  assert path.read_text() == 'filename\tonset\toffset\tevent_label\na "b".wav\t0.500000\t1.500000\tgltpip\n'
  path.write_text('filename\tonset\toffset\tevent_label\nsilent.wav\t\t\t\nquiet.wav\na "b".wav\t0.5\t1.5\tGlass pipit\n')
  assert desed.read(path, PROCEDURAL) == (one,)


@pytest.mark.parametrize('row, kind, message', [
    ('a.wav\t0\t1\t', UnknownSpecies, 'no species'), ('\t0\t1\tgltpip', ValueError, 'filename is empty'),
    ('a.wav\t2\t1\tgltpip', ValueError, 'expected 0 <= onset < offset'), ('a.wav\t-2\t1\tgltpip', ValueError, 'before the start'),
])
def test_bad_rows(tmp_path, row, kind, message):
  (tmp_path / 'x.tsv').write_text('\t'.join(desed.COLUMNS) + f'\n{row}\n')
  with pytest.raises(kind, match=f'x.tsv, line 2.*{message}'):
    desed.read(tmp_path / 'x.tsv', PROCEDURAL)
  skips = []
  assert desed.read(tmp_path / 'x.tsv', PROCEDURAL, skips) == () and len(skips) == 1


@pytest.mark.parametrize('rows, message', [
    ('a\t1\na\t1', 'line 3: .*twice'), ('a\t0', 'line 2: duration 0.0'), ('a\t', 'not a number'),
])
def test_bad_durations(tmp_path, rows, message):
  (tmp_path / 'x.tsv').write_text(f'filename\tduration\n{rows}\n')
  with pytest.raises(ValueError, match=f'x.tsv, .*{message}'):
    desed.read_durations(tmp_path / 'x.tsv')


def test_a_detection_without_path(tmp_path):
  with pytest.raises(ValueError, match='expected a path'):
    desed.write(tmp_path / 'x.tsv', [Detection('gltpip', 0, 1)], PROCEDURAL)
