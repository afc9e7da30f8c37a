from hypothesis import given, strategies as st
import pytest

from data_pipeline.formats import annotations
from data_pipeline.scene import Event
from data_pipeline.taxonomy import PROCEDURAL, UnknownSpecies
from tests.data_pipeline.formats import strategies

BAND = (100.0, 8000.0)
ONE = Event('gltpip', 'song', 0.5, 1.5, 2000.0, 4000.0, -30.0)


@strategies.RELAXED
@given(strategies.EVENTS_BY_FILE, st.sampled_from([None, 48000]))
def test_round_trip_of_sequences(tmp_path_factory, events, sample_rate):
  path = tmp_path_factory.mktemp('seq') / 'x.csv'
  annotations.write_sequences(path, events, PROCEDURAL, sample_rate)
  back = annotations.read(path, PROCEDURAL, BAND)
  assert list(back) == list(events)
  for name, some in events.items():
    strategies.check(some, back[name], ('species', 'onset', 'offset'))


@strategies.RELAXED
@given(strategies.SOME_EVENTS)
def test_round_trip_of_boxes(tmp_path_factory, some):
  path = tmp_path_factory.mktemp('box') / 'x.csv'
  annotations.write_boxes(path, some, PROCEDURAL)
  back = annotations.read(path, PROCEDURAL)
  assert set(back) <= {''}
  strategies.check(some, back.get('', ()), ('species', 'onset', 'offset', 'low_hz', 'high_hz'))


@strategies.RELAXED
@given(strategies.EVENTS_BY_FILE)
def test_round_trip_of_khz(tmp_path_factory, events):
  path = tmp_path_factory.mktemp('khz') / 'x.csv'
  annotations.write_khz(path, events, PROCEDURAL)
  back = annotations.read(path, PROCEDURAL)
  assert list(back) == list(events)
  for name, some in events.items():
    strategies.check(some, back[name])


def test_text_of_sequences(tmp_path):
  """Names and order as crowsetta's schema wants them; a file without events takes no number."""
  path = tmp_path / 'x.csv'
  annotations.write_sequences(path, {'a.wav': [ONE], 'silent.wav': [], 'b.wav': [ONE]}, PROCEDURAL, 1000)
  assert path.read_text() == (
      'label,onset_s,offset_s,onset_sample,offset_sample,notated_path,annot_path,sequence,annotation\n'
      'gltpip,0.500000,1.500000,500,1500,a.wav,x.csv,0,0\ngltpip,0.500000,1.500000,500,1500,b.wav,x.csv,0,1\n')
  annotations.write_sequences(path, {}, PROCEDURAL)
  assert path.read_text() == 'label,onset_s,offset_s,notated_path,annot_path,sequence,annotation\n'
  assert annotations.read(path, PROCEDURAL, BAND) == {}


def test_tables_of_r(tmp_path):
  """kHz, no species, R's NA; edges missing and swapped."""
  path = tmp_path / 'x.csv'
  path.write_text('sound.files,channel,selec,start,end,bottom.freq,top.freq\na.wav,1.0,1,0.5,1.5,2,4\nb.wav,1,1,0.5,1.5,4.0,2.0\n'
                  'b.wav,1,2,0.5,1.5,NA,4\n')
  with pytest.raises(ValueError, match='x.csv: not an annotation table: no column any of'):
    annotations.read(path, PROCEDURAL)
  with pytest.warns(UserWarning, match='1 rows, first in line 3'):
    back = annotations.read(path, PROCEDURAL, (2000.0, 9000.0), species='Glass pipit')
  assert back == {'a.wav': (ONE,), 'b.wav': (ONE, ONE)}
  with pytest.raises(ValueError, match="line 4, column 'bottom.freq': 'NA' is not a number"):
    annotations.read(path, PROCEDURAL, species='gltpip')


def test_raven_columns_in_khz(tmp_path):
  path = tmp_path / 'x.csv'
  path.write_text('Begin Time (s);End Time (s);Low Freq (kHz);High Freq (kHz);Species\n0,5;1,5;2,0;4,0;Glass pipit\n')
  assert annotations.read(path, PROCEDURAL) == {'': (ONE,)}


@pytest.mark.parametrize('header, row, kind, message', [
    ('start,end,label', '0,1,gltpip', ValueError, ': no columns of low and high frequency: expected band_hz'),
    ('start,label', '0,gltpip', ValueError, ": not an annotation table: no column any of \\('offset_s'"),
    ('start,end,bottom.freq,top.freq,label', '0,1,2000,4000,gltpip', ValueError, ', line 2: 4000.0 kHz: is the column in Hz'),
    ('start,end,low_hz,high_hz,label', '0,1,2,4,', UnknownSpecies, ', line 2: no species'),
    ('start,end,low_hz,high_hz,label', '0,1,2,4,Tim pipit', UnknownSpecies, ', line 2: .*Tin pipit'),
    ('start,end,low_hz,high_hz,label', '-1,1,2,4,gltpip', ValueError, ", line 2, column 'start': -1.0 s is before"),
])
def test_bad_tables(tmp_path, header, row, kind, message):
  (tmp_path / 'x.csv').write_text(f'{header}\n{row}\n')
  with pytest.raises(kind, match=f'x.csv{message}'):
    annotations.read(tmp_path / 'x.csv', PROCEDURAL)


def test_which_column_names_the_species(tmp_path):
  """A column of species before one of syllables; where it is empty, the next; marks of ignorance stay."""
  path = tmp_path / 'x.csv'
  path.write_text('start,end,label,species,annotation\n0,1,A,gltpip,0\n0,1,tinpip,NA,0\n0,1,,,embdov\n0,1,,????,\n0,1,-,,\n')
  assert [b.label for b in annotations.boxes(path, edged=False)] == ['gltpip', 'tinpip', 'embdov', '????', '']
  [one, *_] = annotations.boxes(path, edged=False)
  assert (one.low_hz, one.high_hz, one.level_db, one.file, one.where) == (None, None, None, '', f'{path}, line 2')
