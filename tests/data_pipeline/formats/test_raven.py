import csv
import dataclasses
import os

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline.formats import raven
from data_pipeline.scene import VOCALISATIONS, Event, Scene
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy, UnknownSpecies

EVENT = Event('gltpip', 'call', 0.5, 1.25, 3000.0, 5000.0, -31.5)
HEADER = 'Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n'


@st.composite
def events(draw):
  onset, low = draw(st.floats(0, 9000)), draw(st.floats(0, 9000))
  return Event(draw(st.sampled_from(PROCEDURAL.codes)), draw(st.sampled_from(VOCALISATIONS)), onset,
               onset + draw(st.floats(0.001, 60)), low, low + draw(st.floats(1, 9000)), draw(st.floats(-90, 0)))


@settings(deadline=None)
@given(st.lists(events(), max_size=6, unique_by=lambda e: e.onset))
def test_round_trip(tmp_path_factory, some):
  path = tmp_path_factory.mktemp('raven') / 'labels.selections.txt'
  raven.write(path, some, PROCEDURAL)
  back = raven.read(path, PROCEDURAL)
  assert len(back) == len(some)
  for e, b in zip(sorted(some, key=lambda e: e.onset), back):
    assert (e.species, e.vocalisation) == (b.species, b.vocalisation)
    for field in ('onset', 'offset', 'low_hz', 'high_hz', 'level_db'):
      assert abs(getattr(e, field) - getattr(b, field)) < 1e-3


def test_columns_as_raven_reads_them(tmp_path):
  path = tmp_path / 'x.selections.txt'
  raven.write(path, Scene((EVENT,), '', '', '', 2.0), PROCEDURAL, channel=2, begin_path='a b/x.wav')
  with open(path, encoding='utf-8', newline='') as file:
    rows = list(csv.DictReader(file, delimiter='\t'))
  assert rows == [{
      'Selection': '1', 'View': 'Spectrogram 1', 'Channel': '2', 'Begin Time (s)': '0.500000', 'End Time (s)': '1.250000',
      'Low Freq (Hz)': '3000.000', 'High Freq (Hz)': '5000.000', 'Common Name': 'Glass pipit',
      'Scientific Name': 'Vitranthus ascendens', 'Species Code': 'gltpip', 'Vocalisation': 'call', 'Level (dB)': '-31.500',
      'Begin Path': 'a b/x.wav'}]
  assert os.listdir(tmp_path) == ['x.selections.txt']


def test_empty_table(tmp_path):
  path = tmp_path / 'x.txt'
  raven.write(path, (), PROCEDURAL)
  assert path.read_text() == '\t'.join(raven.COLUMNS) + '\n'
  assert raven.read(path, PROCEDURAL) == ()


def test_tables_of_other_programs(tmp_path):
  """BOM, CRLF, a label column of another name, swapped edges, waveform rows, short rows, a blank line."""
  path = tmp_path / 'x.txt'
  text = (HEADER.replace('Species', 'Annotation') +
          '1\tWaveform 1\t1\t0.5\t1.0\t0.0\t8000.0\tTIN PIPIT\n'
          '1\tSpectrogram 1\t1\t0.5\t1.0\t4322.5\t1389.4\tTIN PIPIT\n\n'
          '2\tWaveform 1\t1\t2\t3\t0\t8000\tCavistrix longivox\n')
  path.write_bytes(b'\xef\xbb\xbf' + text.replace('\n', '\r\n').encode())
  with pytest.warns(UserWarning, match='1 rows, first in line 3'):
    back = raven.read(path, PROCEDURAL, vocalisation='call', level_db=-20.0)
  assert back == (Event('tinpip', 'call', 0.5, 1.0, 1389.4, 4322.5, -20.0),
                  Event('holowl', 'call', 2.0, 3.0, 0.0, 8000.0, -20.0))


def test_non_ascii_names(tmp_path):
  taxonomy = Taxonomy.from_rows([('ruebus1', "Rüppell's Bustard", 'Heterotetrax rueppelii')], 'eBird', 2024)
  event = dataclasses.replace(EVENT, species='ruebus1')
  raven.write(tmp_path / 'x.txt', [event], taxonomy, begin_path='förråd/å.wav')
  assert raven.read(tmp_path / 'x.txt', taxonomy) == (event,)


@pytest.mark.parametrize('text, kind, message', [
    ('', ValueError, "no column 'Begin Time"),
    ('Selection\tBegin Time (s)\n', ValueError, "no column 'End Time"),
    (HEADER.replace('\tSpecies', ''), ValueError, 'no column any of'),
    (HEADER + '1\tS\t1\tx\t1\t1\t2\tTin pipit\n', ValueError, "line 2, column 'Begin Time \\(s\\)': 'x' is not a number"),
    (HEADER + '1\tS\t1\tnan\t1\t1\t2\tTin pipit\n', ValueError, "'nan' is not a number"),
    (HEADER + '1\tS\t1\t1\n', ValueError, "line 2, column 'End Time"),
    (HEADER + '1\tS\t1\t2\t1\t1\t2\tTin pipit\n', ValueError, 'line 2: .*not after onset'),
    (HEADER + '1\tS\t1\t0\t1\t1\t2\tTim pipit\n', UnknownSpecies, "line 2: .*'Tim pipit'.*Tin pipit"),
    (HEADER + '1\tS\t1\t0\t1\t1\t2\t\n', UnknownSpecies, 'line 2: no species: Species empty'),
])
def test_bad_tables(tmp_path, text, kind, message):
  path = tmp_path / 'bad.txt'
  path.write_text(text)
  with pytest.raises(kind, match=f'bad.txt.*{message}'):
    raven.read(path, PROCEDURAL)


def test_not_text(tmp_path):
  (tmp_path / 'bad.txt').write_bytes(b'\xff\xfe\x00')
  with pytest.raises(ValueError, match='bad.txt: not UTF-8'):
    raven.read(tmp_path / 'bad.txt', PROCEDURAL)


def test_a_refused_write_leaves_the_old_file(tmp_path):
  path = tmp_path / 'x.txt'
  raven.write(path, [EVENT], PROCEDURAL)
  before = path.read_bytes()
  for problem in (lambda: raven.write(path, [EVENT], PROCEDURAL, channel=0),
                  lambda: raven.write(path, [EVENT], PROCEDURAL, begin_path='a\tb'),
                  lambda: raven.write(path, [dataclasses.replace(EVENT, species='nobody')], PROCEDURAL)):
    with pytest.raises(ValueError):
      problem()
  assert path.read_bytes() == before and os.listdir(tmp_path) == ['x.txt']


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
  path = tmp_path / 'x.txt'
  raven.write(path, [EVENT], PROCEDURAL)
  before = path.read_bytes()

  def fail(*args):
    raise OSError('disk full')
  monkeypatch.setattr(os, 'replace', fail)
  with pytest.raises(OSError):
    raven.write(path, (), PROCEDURAL)
  assert path.read_bytes() == before and os.listdir(tmp_path) == ['x.txt']
