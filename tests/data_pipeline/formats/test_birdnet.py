from hypothesis import given, strategies as st
import pytest

from data_pipeline.formats import birdnet
from data_pipeline.formats.detection import Detection
from data_pipeline.taxonomy import PROCEDURAL, UnknownSpecies
from tests.data_pipeline.formats import strategies

ONE = Detection('gltpip', 3.0, 6.0, 0.75, 'å/a, b.wav')


@strategies.RELAXED
@given(strategies.NAMES, st.lists(strategies.detections(st.just('')), max_size=5, unique_by=lambda d: d.onset))
def test_round_trip(tmp_path_factory, name, some):
  path = tmp_path_factory.mktemp('birdnet') / 'x.csv'
  some = [Detection(d.species, d.onset, d.offset, d.confidence, name) for d in some]
  birdnet.write(path, some, PROCEDURAL)
  strategies.check(some, birdnet.read(path, PROCEDURAL), ('species', 'onset', 'offset', 'confidence', 'path'))


def test_text(tmp_path):
  birdnet.write(tmp_path / 'x.csv', [ONE], PROCEDURAL)
  assert (tmp_path / 'x.csv').read_text() == (
      'Start (s),End (s),Scientific name,Common name,Confidence,File\n'
      '3.000000,6.000000,Vitranthus ascendens,Glass pipit,0.750000,"å/a, b.wav"\n')
  assert birdnet.read(tmp_path / 'x.csv', PROCEDURAL) == (ONE,)


def test_versions_of_birdnet(tmp_path):
  """Columns of settings behind, and the old form: `;`, no File, no scientific name."""
  path = tmp_path / 'x.csv'
  path.write_text(','.join(birdnet.COLUMNS) + ',lat,lon,week,overlap,sensitivity,min_conf,species_list,model\n'
                  '3.0,6.0,Vitranthus ascendens,Glass pipit,0.75,"å/a, b.wav",,,,0.0,1.0,0.1,,BirdNET.tflite\n')
  assert birdnet.read(path, PROCEDURAL) == (ONE,)
  path.write_text('Start (s);End (s);Scientific name;Common name;Confidence\n3.0;6.0;;Glass pipit;0.75\n')
  assert birdnet.read(path, PROCEDURAL) == (Detection('gltpip', 3.0, 6.0, 0.75),)


def test_birds_out_of_the_taxonomy(tmp_path):
  path = tmp_path / 'x.csv'
  path.write_text(','.join(birdnet.COLUMNS) + '\n0,3,Human vocal,Human vocal,0.9,a\n'
                  '3,6,,Glass pipit,1.5,a\n3,6,,Glass pipit,1,a\n')
  with pytest.raises(UnknownSpecies, match="x.csv, line 2: .*'Human vocal'"):
    birdnet.read(path, PROCEDURAL)
  skips = []
  assert birdnet.read(path, PROCEDURAL, skips) == (Detection('gltpip', 3.0, 6.0, 1.0, 'a'),)
  assert [bad.where for bad in skips] == [f'{path}, line 2', f'{path}, line 3'] and 'confidence 1.5' in skips[1].message
