from hypothesis import given
import pytest

from data_pipeline.formats import perch
from data_pipeline.scene import Event
from data_pipeline.taxonomy import PROCEDURAL
from tests.data_pipeline.formats import strategies

ONE = Event('gltpip', 'song', 0.5, 1.5, 2000.0, 4000.0, -30.0)


@strategies.RELAXED
@given(strategies.EVENTS_BY_FILE)
def test_round_trip(tmp_path_factory, events):
  path = tmp_path_factory.mktemp('perch') / 'x.csv'
  perch.write(path, events, PROCEDURAL)
  back = perch.read(path, PROCEDURAL)
  assert list(back) == list(events)
  for name, some in events.items():
    strategies.check(some, back[name], ('species', 'onset', 'offset', 'low_hz', 'high_hz'))


def test_text(tmp_path):
  perch.write(tmp_path / 'x.csv', {'a.flac': [ONE], 'silent.flac': []}, PROCEDURAL)
  assert (tmp_path / 'x.csv').read_text() == (
      'Filename,Start Time (s),End Time (s),Low Freq (Hz),High Freq (Hz),Species eBird Code\n'
      'a.flac,0.500000,1.500000,2000.000,4000.000,gltpip\n')


def test_swapped_frequencies(tmp_path):
  path = tmp_path / 'x.csv'
  path.write_text(','.join(perch.COLUMNS) + '\na.flac,0.5,1.5,4000,2000,gltpip\nb.flac,0.5,1.5,4000,2000,gltpip\n')
  with pytest.warns(UserWarning, match='x.csv: low frequency above high frequency in 2 rows, first in line 2') as caught:
    assert perch.read(path, PROCEDURAL) == {'a.flac': (ONE,), 'b.flac': (ONE,)}
  assert caught[0].filename == __file__
