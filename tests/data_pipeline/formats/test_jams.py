import json

from hypothesis import given
import pytest

from data_pipeline.formats import jams
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import PROCEDURAL, UnknownSpecies
from tests.data_pipeline.formats import strategies

BAND = (100.0, 8000.0)
ONE = Event('gltpip', 'call', 0.5, 1.25, 3000.0, 5000.0, -31.5, 30.0)


@strategies.RELAXED
@given(strategies.SOME_EVENTS)
def test_round_trip(tmp_path_factory, some):
  path = tmp_path_factory.mktemp('jams') / 'x.jams'
  jams.write(path, some, PROCEDURAL, source_file='å.wav')
  fields = ('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db', 'azimuth')
  strategies.check(some, jams.read(path, PROCEDURAL, BAND), fields, within=1e-9)


def test_a_scene(tmp_path):
  path = tmp_path / 'x.jams'
  jams.write(path, Scene((ONE,), 'forest', '', '', 10.0), PROCEDURAL)
  content = json.loads(path.read_text())
  assert content['file_metadata']['duration'] == content['annotations'][0]['duration'] == 10.0
  value = content['annotations'][0]['data'][0]['value']
  expected = {'label': 'gltpip', 'event_time': 0.5, 'event_duration': 0.75, 'snr': -31.5, 'role': 'foreground'}
  assert value.items() >= expected.items()
  assert jams.read(path, PROCEDURAL, BAND) == (ONE,)


def put(tmp_path, *data, namespace='scaper'):
  annotations = [{'namespace': 'beat', 'data': []}, {'namespace': namespace, 'data': data}]
  (tmp_path / 'x.jams').write_text(json.dumps({'annotations': annotations}))
  return tmp_path / 'x.jams'


def observation(**change):
  value = {'label': 'Tin pipit', 'source_file': 'x', 'event_time': 0, 'event_duration': 3, 'snr': 10, 'role': 'foreground',
           'pitch_shift': None, 'time_stretch': None, **{k: v for k, v in change.items() if k not in ('time', 'duration')}}
  span = {'time': change.get('time', 1.0), 'duration': change.get('duration', 2)}
  return {**span, 'confidence': 1.0, 'value': value}


def test_as_scaper_writes_it(tmp_path):
  """No boxes and levels; the background is no event."""
  path = put(tmp_path, observation(role='background', label='park'), observation())
  assert jams.read(path, PROCEDURAL, BAND, 'call', -20.0) == (Event('tinpip', 'call', 1.0, 3.0, 100.0, 8000.0, -20.0),)


@pytest.mark.parametrize('bad, kind, message', [
    (observation(label='Tim pipit'), UnknownSpecies, 'Tin pipit'), (observation(label=3), ValueError, "'label' is a int"),
    (observation(time=-1.0), ValueError, 'before the start'), (observation(time='x'), ValueError, "'time': 'x' is not a number"),
    (observation(time=[1]), ValueError, 'is not a number'), (observation(duration=0), ValueError, 'not after onset'),
    (observation(low_hz='?'), ValueError, "'low_hz'"), (observation(vocalisation='bark'), ValueError, "'bark'"),
    ({'time': 1.0}, ValueError, "no 'value'"), (7, ValueError, 'is not an object'),
])
def test_bad_observations(tmp_path, bad, kind, message):
  path = put(tmp_path, bad, observation())
  with pytest.raises(kind, match=f'x.jams, annotation 2, observation 1.*{message}'):
    jams.read(path, PROCEDURAL, BAND)
  skips = []
  assert len(jams.read(path, PROCEDURAL, BAND, skips=skips)) == len(skips) == 1


@pytest.mark.parametrize('text, message', [
    ('x', r'not JSON \(line 1: '), ('[]', 'expected an object'), ('{}', "not JAMS: no 'annotations'"),
    ('{"annotations": [{}]}', "not JAMS: no 'namespace'"), ('{"annotations": [{"namespace": "beat"}]}', "it has \\['beat'\\]"),
    ('{"annotations": [{"namespace": "scaper"}]}', "annotation 1: no 'data'"),
])
def test_broken_files(tmp_path, text, message):
  (tmp_path / 'x.jams').write_text(text)
  with pytest.raises(ValueError, match=f'x.jams.*{message}'):
    jams.read(tmp_path / 'x.jams', PROCEDURAL, BAND, skips=[])


def test_no_annotations(tmp_path):
  (tmp_path / 'x.jams').write_text('{"annotations": []}')
  assert jams.read(tmp_path / 'x.jams', PROCEDURAL, BAND) == ()
