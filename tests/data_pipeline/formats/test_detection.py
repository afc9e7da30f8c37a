import pytest

from data_pipeline.formats import detection
from data_pipeline.formats.detection import Detection
from data_pipeline.scene import Event, Scene

EVENT = Event('gltpip', 'call', 4.0, 5.0, 3000.0, 5000.0, -31.5)


@pytest.mark.parametrize('values, message', [
    ((-1, 1), 'expected 0 <= onset'), ((1, 1), 'expected 0 <= onset'), ((0, float('nan')), 'expected 0 <= onset'),
    ((0, float('inf')), 'expected 0 <= onset'), ((0, 1, 1.1), 'confidence 1.1'), ((0, 1, float('nan')), 'confidence nan'),
])
def test_impossible(values, message):
  with pytest.raises(ValueError, match=f'gltpip: .*{message}'):
    Detection('gltpip', *values)


def test_of_events():
  later = Event('embdov', 'song', 6.0, 7.0, 100.0, 200.0, -20.0)
  scene = Scene((later, EVENT), '', '', '', 8.0)
  assert detection.of_events(scene, 'a.wav', 0.5) == (
      Detection('gltpip', 4.0, 5.0, 0.5, 'a.wav'), Detection('embdov', 6.0, 7.0, 0.5, 'a.wav'))


def test_of_windows():
  """An event that ends at a border is not in the next window; the last window is whole."""
  assert detection.of_windows([EVENT], 'a', 8.0, ['gltpip', 'embdov']) == (
      Detection('gltpip', 0, 5, 1.0, 'a'), Detection('embdov', 0, 5, 0.0, 'a'),
      Detection('gltpip', 5, 10, 0.0, 'a'), Detection('embdov', 5, 10, 0.0, 'a'))
