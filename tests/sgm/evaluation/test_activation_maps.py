"""Class-activation maps: a hand-made classifier whose maps are known in closed form, and the levels of the real one."""

import functools
import types

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.evaluation import activation_maps
from sgm.evaluation.activation_maps import Settings
from sgm.models import classifier as classifier_lib

T, F, S = 3, 4, 2


class Looks(nn.Module):
  """Logit k is the weighted sum, by cell, of two features of the spectrogram; frame logits are the frames' means."""

  dims: int = 2
  mults: tuple[int, ...] = (1,)

  @nn.compact
  def __call__(self, s):
    x = nn.Dense(2, use_bias=False, name='block_0')(s)  # (B, T, F, 2)
    clip = nn.Dense(S + 1, use_bias=False, name='clip')(x.reshape(len(x), -1))
    return clip, jnp.stack([s.mean((2, 3))] * S, -1)


def task(model):
  def hear(params, s):
    clip, frame = model.apply({'params': params}, s)
    return {'clip': clip, 'frame_probability': jax.nn.sigmoid(frame)}
  return types.SimpleNamespace(model=model, hear=hear)


@pytest.fixture(scope='module')
def case():
  rng = np.random.default_rng(0)
  s = rng.uniform(0, 1, (2, T, F, 1)).astype(np.float32)
  kernel = rng.normal(size=(1, 2)).astype(np.float32)          # of the features
  weight = rng.normal(size=(T, F, 2, S + 1)).astype(np.float32)  # of cells, in the logits
  params = {'block_0': {'kernel': kernel}, 'clip': {'kernel': weight.reshape(-1, S + 1)}}
  a = s * kernel                                                # (B, T, F, 2)
  g = np.moveaxis(weight[..., :S], -1, 0)                       # (S, T, F, 2)
  return s, params, a[:, None], g[None]


def expected(kind, a, g):
  if kind == 'grad_cam':
    g = np.broadcast_to(g.mean((2, 3), keepdims=True), g.shape)
  elif kind == 'layer_cam':
    g = np.maximum(g, 0)
  return np.maximum((g * a).sum(-1), 0)  # (B, S, T, F)


@pytest.mark.parametrize('kind', activation_maps.KINDS)
def test_maps_of_a_linear_classifier(case, kind):
  s, params, a, g = case
  scores, maps = activation_maps.hear(task(Looks()), params, s, Settings(kind=kind))
  np.testing.assert_allclose(scores, (a * g).sum((2, 3, 4)), rtol=1e-5)
  np.testing.assert_allclose(maps, expected(kind, a, g), atol=1e-6)


def test_frames_multiply_by_their_probability(case):
  s, params, a, g = case
  _, maps = activation_maps.hear(task(Looks()), params, s, Settings(kind='hires_cam', frames=True))
  frames = 1 / (1 + np.exp(-s.mean((2, 3))))  # (B, T)
  np.testing.assert_allclose(maps, expected('hires_cam', a, g) * frames[:, None, :, None], atol=1e-6)


def test_lights_up_where_the_classifier_looks():
  """Species 0 is heard by cell (2, 1) alone, species 1 by the band 3: where they sing, the maps are, and nowhere else."""
  weight = np.zeros((T, F, 2, S + 1), np.float32)
  weight[2, 1, 0, 0] = weight[:, 3, 0, 1] = 1
  params = {'block_0': {'kernel': np.float32([[1, 0]])}, 'clip': {'kernel': weight.reshape(-1, S + 1)}}
  s = np.ones((1, T, F, 1), np.float32)
  _, maps = jax.jit(functools.partial(activation_maps.hear, task(Looks()), settings=Settings(kind='hires_cam')))(params, s)
  assert np.argwhere(maps[0, 0]).tolist() == [[2, 1]]
  assert np.argwhere(maps[0, 1]).tolist() == [[t, 3] for t in range(T)]
  _, spread = activation_maps.hear(task(Looks()), params, s, Settings(kind='grad_cam'))
  assert (np.asarray(spread[0]) > 0).all()  # weights averaged over cells do not know which cell


@pytest.mark.parametrize('dims, grid, level, cells', [
    (2, (32, 32, 1), 0, (8, 8)), (2, (32, 32, 1), 1, (8, 4)), (2, (32, 32, 1), -1, (8, 4)), (3, (32, 32, 8, 1), 0, (8, 8))])
def test_every_level_of_the_classifier(dims, grid, level, cells):
  model = classifier_lib.Classifier(classes=5, dims=dims, width=8, mults=(1, 1), time_patch=4)
  params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *grid)))['params']
  hear = lambda p, s: activation_maps.hear(task(model), p, s, Settings(level))
  scores, maps = jax.eval_shape(hear, params, jnp.zeros((3, *grid)))
  assert scores.shape == (3, 5) and maps.shape == (3, 5, *cells)


def test_refused():
  with pytest.raises(ValueError, match="'cam': expected one of grad_cam, hires_cam, layer_cam"):
    Settings(kind='cam')
  with pytest.raises(ValueError, match='level 1: the classifier has 1'):
    activation_maps.hear(task(Looks()), {}, jnp.zeros((1, T, F, 1)), Settings(level=1))
  with pytest.raises(ValueError, match='no frequencies'):
    activation_maps.hear(task(Looks(dims=1)), {}, jnp.zeros((1, T, 1)), Settings())
