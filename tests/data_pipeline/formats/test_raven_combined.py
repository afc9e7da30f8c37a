import csv

from hypothesis import given
import pytest

from data_pipeline.formats import raven, raven_combined
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import PROCEDURAL, UnknownSpecies
from tests.data_pipeline.formats import strategies

ONE = Event('gltpip', 'call', 0.5, 1.25, 3000.0, 5000.0, -31.5)
SCENES = {'a b.wav': Scene((ONE,), '', '', '', 10.0), 'silent.wav': Scene((), '', '', '', 5.0),
          'å.wav': Scene((ONE,), '', '', '', 10.0)}


@strategies.RELAXED
@given(strategies.SCENES)
def test_round_trip(tmp_path_factory, scenes):
  path = tmp_path_factory.mktemp('raven') / 'x.selections.txt'
  raven_combined.write(path, scenes, PROCEDURAL)
  back = raven_combined.read(path, PROCEDURAL)
  assert list(back) == [name for name in scenes if scenes[name].events]
  for name, some in back.items():
    strategies.check(scenes[name].events, some)


def test_times_run_on_and_offsets_start_anew(tmp_path):
  path = tmp_path / 'x.txt'
  raven_combined.write(path, SCENES, PROCEDURAL, channel={'a b.wav': 1, 'silent.wav': 1, 'å.wav': 2})
  with open(path, encoding='utf-8', newline='') as file:
    rows = list(csv.DictReader(file, delimiter='\t'))
  some = ('Selection', 'Channel', 'Begin Time (s)', 'End Time (s)', 'File Offset (s)', 'Begin Path')
  assert [tuple(row[c] for c in some) for row in rows] == [
      ('1', '1', '0.500000', '1.250000', '0.500000', 'a b.wav'), ('2', '2', '15.500000', '16.250000', '0.500000', 'å.wav')]


def test_without_file_offset(tmp_path):
  """Times that run on need the durations; a table of one file does not."""
  path = tmp_path / 'x.txt'
  header = '\t'.join(raven.COLUMNS[:7]) + '\tSpecies\tBegin File\n'
  row = '{}\tSpectrogram 1\t1\t{}\t{}\t3000\t5000\tgltpip\t{}\n'
  path.write_text(header + row.format(1, 0.5, 1.25, 'a.wav') + row.format(2, 15.5, 16.25, 'c.wav'))
  with pytest.raises(ValueError, match='x.txt: rows of 2 files without File Offset'):
    raven_combined.read(path, PROCEDURAL)
  expected = {'a.wav': (ONE,), 'c.wav': (ONE,)}
  read = lambda durations, **kw: raven_combined.read(path, PROCEDURAL, 'call', -31.5, durations, **kw)
  assert read({'a.wav': 10.0, 'b.wav': 5.0, 'c.wav': 10.0}) == expected
  with pytest.raises(ValueError, match="line 3: no duration of 'c.wav'"):
    read({'a.wav': 10.0})
  skips = []
  assert read({'a.wav': 20.0, 'c.wav': 10.0}, skips=skips) == {'a.wav': (ONE,)}
  assert 'line 3: Begin Time (s) 15.5 is before its file' in str(skips[0])
  path.write_text(header + row.format(1, 0.5, 1.25, 'a.wav'))
  assert raven_combined.read(path, PROCEDURAL, 'call', -31.5) == {'a.wav': (ONE,)}


def test_rounding_makes_no_negative_times(tmp_path):
  path = tmp_path / 'x.txt'
  path.write_text('\t'.join(raven.COLUMNS[:7]) + '\tSpecies\tBegin Path\n1\tSpectrogram 1\t1\t0.333333\t1\t1\t2\tgltpip\tb\n')
  [event] = raven_combined.read(path, PROCEDURAL, durations={'a': 1 / 3, 'b': 1.0})['b']
  assert event.onset == 0.0


def test_as_birdnet_writes_it(tmp_path):
  path = tmp_path / 'x.txt'
  path.write_text('\t'.join(raven.COLUMNS[:7]) + '\tCommon Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\n'
                  '1\tSpectrogram 1\t1\t60.0\t63.0\t0\t15000\tTin pipit\ttinpip\t0.9\tC:\\x\\b.wav\t3.0\n')
  [event] = raven_combined.read(path, PROCEDURAL)['C:\\x\\b.wav']
  assert (event.species, event.onset, event.offset) == ('tinpip', 3.0, 6.0)


def test_refused(tmp_path):
  path = tmp_path / 'x.txt'
  with pytest.raises(ValueError, match="no channel for 'silent.wav'"):
    raven_combined.write(path, SCENES, PROCEDURAL, channel={'a b.wav': 1})
  with pytest.raises(ValueError, match='channel is 0'):
    raven_combined.write(path, SCENES, PROCEDURAL, channel=0)
  raven.write(path, [ONE], PROCEDURAL)
  with pytest.raises(ValueError, match='line 2: Begin Path is empty'):
    raven_combined.read(path, PROCEDURAL)
  path.write_text('\t'.join(raven.COLUMNS[:7]) + '\tSpecies\n')
  with pytest.raises(ValueError, match='no column any of .*Begin File'):
    raven_combined.read(path, PROCEDURAL)
  path.write_text('\t'.join(raven.COLUMNS[:7]) + '\tSpecies\tBegin Path\n1\tS\t1\t0\t1\t1\t2\tTim pipit\ta\n')
  with pytest.raises(UnknownSpecies, match='line 2: .*Tin pipit'):
    raven_combined.read(path, PROCEDURAL)


def test_a_row_without_file_offset_among_others(tmp_path):
  path = tmp_path / 'x.txt'
  row = '1\tS\t1\t{}\t{}\t3000\t5000\tgltpip\t{}\t{}\n'
  path.write_text('\t'.join(raven.COLUMNS[:7]) + '\tSpecies\tBegin Path\tFile Offset (s)\n' + row.format(0, 1, 'a', 0) +
                  row.format(9, 10, 'b', '') + row.format(11, 12, 'b', 2))
  skips = []
  assert {name: [e.onset for e in some] for name, some in raven_combined.read(path, PROCEDURAL, skips=skips).items()} == {
      'a': [0.0], 'b': [2.0]}
  assert [s.message for s in skips] == [f'{path}, line 3: File Offset (s) is empty']
