from hypothesis import given, strategies as st
import pytest

from data_pipeline.formats import birdclef
from data_pipeline.formats.detection import Detection, of_windows
from data_pipeline.scene import Event
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy, UnknownSpecies
from tests.data_pipeline.formats import strategies

EVENT = Event('gltpip', 'call', 4.0, 6.0, 3000.0, 5000.0, -31.5)
CODES = ('gltpip', 'embdov')


@strategies.RELAXED
@given(strategies.NAMES, st.lists(strategies.events(), max_size=3), st.floats(0.1, 60))
def test_round_trip_of_2022(tmp_path_factory, name, some, duration):
  path = tmp_path_factory.mktemp('birdclef') / 'x.csv'
  grid = of_windows(some, name, duration, PROCEDURAL.codes)
  birdclef.write(path, grid, PROCEDURAL)
  assert birdclef.read(path, PROCEDURAL) == grid


@strategies.RELAXED
@given(st.lists(strategies.events(), max_size=3), st.floats(0.1, 60), st.sampled_from(['7019', 'a b', 'x_y']))
def test_round_trip_of_2021(tmp_path_factory, some, duration, audio_id):
  path = tmp_path_factory.mktemp('birdclef') / 'x.csv'
  windows = birdclef.windows(some, audio_id, 'COR', duration, PROCEDURAL.codes)
  birdclef.write_soundscapes(path, windows, PROCEDURAL)
  assert birdclef.read_soundscapes(path, PROCEDURAL) == windows


def test_text_of_2022(tmp_path):
  path = tmp_path / 'x.csv'
  birdclef.write(path, of_windows([EVENT], 'soundscape_1', 9.0, CODES), PROCEDURAL)
  assert path.read_text() == ('row_id,target\nsoundscape_1_gltpip_5,True\nsoundscape_1_embdov_5,False\n'
                              'soundscape_1_gltpip_10,True\nsoundscape_1_embdov_10,False\n')
  path.write_text('row_id,target\na_gltpip_10,0.25\n')
  assert birdclef.read(path, PROCEDURAL) == (Detection('gltpip', 5.0, 10.0, 0.25, 'a'),)


def test_text_of_2021(tmp_path):
  path = tmp_path / 'x.csv'
  windows = birdclef.windows([EVENT, Event('embdov', 'song', 0.0, 1.0, 1.0, 2.0, -9.0)], '7019', 'COR', 15.0, CODES)
  birdclef.write_soundscapes(path, windows, PROCEDURAL)
  assert path.read_text() == ('row_id,site,audio_id,seconds,birds\n7019_COR_5,COR,7019,5,gltpip embdov\n'
                              '7019_COR_10,COR,7019,10,gltpip\n7019_COR_15,COR,7019,15,nocall\n')
  assert windows[1].detections() == (Detection('gltpip', 5.0, 10.0, 1.0, '7019_COR'),)
  assert windows[2].detections() == ()


@pytest.mark.parametrize('row, kind, message', [
    ('gltpip_5,True', ValueError, "row_id 'gltpip_5': expected"), ('_gltpip_5,True', ValueError, 'row_id'),
    ('a_gltpip_7,True', ValueError, "end time '7'"), ('a_gltpip_0,True', ValueError, "end time '0'"),
    ('a_gltpip_-5,True', ValueError, "end time '-5'"), ('a_gltpip_٥,True', ValueError, 'end time'),
    ('a_gltpip_5,yes', ValueError, "column 'target': 'yes' is not a number"), ('a_gltpip_5,2', ValueError, 'confidence 2.0'),
    ('a_brnowl_5,True', UnknownSpecies, "'brnowl'"),
])
def test_bad_rows_of_2022(tmp_path, row, kind, message):
  (tmp_path / 'x.csv').write_text(f'row_id,target\n{row}\na_gltpip_5,True\n')
  with pytest.raises(kind, match=f'x.csv, line 2.*{message}'):
    birdclef.read(tmp_path / 'x.csv', PROCEDURAL)
  skips = []
  assert len(birdclef.read(tmp_path / 'x.csv', PROCEDURAL, skips)) == len(skips) == 1


@pytest.mark.parametrize('row, kind, message', [
    ('1_COR_5,COR,1,10,nocall', ValueError, "row_id '1_COR_5': expected '1_COR_10'"),
    ('1_COR_x,COR,1,x,nocall', ValueError, 'end time'),
    ('1_COR_5,COR,1,5,', ValueError, "birds ''"), ('1_COR_5,COR,1,5,nocall gltpip', ValueError, 'nocall alone'),
    ('1_COR_5,COR,1,5,gltpip rucwar', UnknownSpecies, "'rucwar'"),
])
def test_bad_rows_of_2021(tmp_path, row, kind, message):
  (tmp_path / 'x.csv').write_text(f'row_id,site,audio_id,seconds,birds\n{row}\n')
  with pytest.raises(kind, match=f'x.csv, line 2.*{message}'):
    birdclef.read_soundscapes(tmp_path / 'x.csv', PROCEDURAL)


def test_what_cannot_be_written(tmp_path):
  odd = Taxonomy.from_rows([('a_b', 'Odd bird', '')], 'odd')
  for one, taxonomy in ((Detection('gltpip', 0, 3, 1.0, 'a'), PROCEDURAL), (Detection('gltpip', 0, 5), PROCEDURAL),
                        (Detection('a_b', 0, 5, 1.0, 'a'), odd), (Detection('nobody', 0, 5, 1.0, 'a'), PROCEDURAL)):
    with pytest.raises(ValueError):
      birdclef.write(tmp_path / 'x.csv', [one], taxonomy)
  with pytest.raises(ValueError, match='a site without _'):
    birdclef.write_soundscapes(tmp_path / 'x.csv', [birdclef.Window('1', 'A_B', 5)], PROCEDURAL)
  assert not list(tmp_path.iterdir())
