"""Examples for the tests of ops: features as they lie in a data set, and a runner eager and inside tf.data."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import registry
from data_pipeline.scene import ENVIRONMENTS, NEARS, NOISES, VOCALISATIONS, Event, Scene
from data_pipeline.taxonomy import PROCEDURAL

RATE = 8000


@dataclasses.dataclass(frozen=True)
class Info:
  """The part of DataInfo that ops read."""

  taxonomy = PROCEDURAL
  sample_rate: int = RATE
  channels: int = 1
  tokenizer: object = None


def _random_scene(rng, duration, events=None):
  """Up to 4 events of 0.1 s and more; times at whole samples, as no float32 can hold all others."""
  made = []
  for _ in range(rng.integers(0, 5) if events is None else events):
    onset, offset = np.sort(rng.choice(int(duration * 10) + 1, 2, replace=False)) / 10
    low = float(rng.integers(200, 2000))
    made.append(Event(str(rng.choice(PROCEDURAL.codes)), str(rng.choice(VOCALISATIONS)), float(np.float32(onset)),
                      float(np.float32(offset)), low, low + float(rng.integers(100, 1500)),
                      float(np.float32(rng.uniform(-70, 5)))))
  pick = lambda known: str(rng.choice(known + ('',)))
  return Scene(tuple(made), pick(ENVIRONMENTS), pick(NOISES), pick(NEARS), duration)


def _features_of(scene, rng, channels=1, stems=True, decoded=True):
  """Features of one example as the reader yields them (int16), or as `decode` leaves them."""
  n = round(scene.duration * RATE)
  e = scene.events
  one = {'audio': rng.integers(-20000, 20000, (n, channels)).astype(np.int16),
         'stems': rng.integers(-9000, 9000, (len(e) if stems else 0, n, channels)).astype(np.int16)}
  if decoded:
    one = {k: (v / 32767).astype(np.float32) for k, v in one.items()}
  one['species'] = np.array([PROCEDURAL.index(x.species) for x in e], np.int64)
  one['vocalisation'] = np.array([VOCALISATIONS.index(x.vocalisation) for x in e], np.int64)
  for key in ('onset', 'offset', 'low_hz', 'high_hz', 'level_db'):
    one[key] = np.array([getattr(x, key) for x in e], np.float32)
  one['azimuth'] = np.full(len(e), np.nan, np.float32)
  one.update(environment=scene.environment, noise=scene.noise, near=scene.near, id='x', group='g', recordist='',
             licence='', sample_rate=np.int32(RATE))
  return one


def _signature(features):
  def spec(name, value):
    value = tf.convert_to_tensor(value)
    shape = {'audio': [None, value.shape[-1]] if value.shape.rank == 2 else None,
             'stems': [None, None, value.shape[-1]] if value.shape.rank == 3 else None}.get(name)
    return tf.TensorSpec(shape if shape else [None] * value.shape.rank, value.dtype)
  return {k: spec(k, v) for k, v in features.items()}


@pytest.fixture(scope='session')
def make_info():
  """The class Info: make_info(), make_info(channels=2)."""
  return Info


@pytest.fixture(scope='session')
def random_scene():
  """random_scene(rng, duration, events=None) -> Scene."""
  return _random_scene


@pytest.fixture(scope='session')
def features_of():
  """features_of(scene, rng, channels=1, stems=True, decoded=True) -> dict of numpy arrays."""
  return _features_of


@pytest.fixture(scope='session')
def run():
  """run(op string, features, seed=0, info=Info(), graph=True): the op's output, after checking that tf.data gives the same."""
  def runner(text, features, seed=0, info=Info(), graph=True):
    [op] = registry.build([text], info)
    words = tf.constant([seed, 7], tf.int32)
    eager = {k: v.numpy() if isinstance(v, tf.Tensor) else v
             for k, v in op({k: tf.convert_to_tensor(v) for k, v in features.items()}, words).items()}
    if not graph:  # tracing costs most of the time: loops over seeds need it once
      return eager
    dataset = tf.data.Dataset.from_generator(lambda: [features], output_signature=_signature(features))
    [traced] = dataset.map(lambda f: op(f, words)).as_numpy_iterator()
    assert traced.keys() == eager.keys()
    for key in eager:
      np.testing.assert_array_equal(eager[key], traced[key], err_msg=key)
    return eager
  return runner
