"""The attention of a latent diffusion task to the words of a query: hand-set, so that it is known where it looks."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import ldm
from sgm import tasks
from sgm.diffusion import maps
from sgm.diffusion import noising
from sgm.models import unet
from tests.sgm.tasks.conftest import Info

T, F, C, L = 8, 8, 4, 5
BIRD = 7  # its token


@pytest.fixture(scope='module')
def hand_set():
  """(task, params): one layer attends to text; where channel 0 of its input is high, to the token BIRD."""
  task = tasks.build(ldm.get_config('preset=tiny,data=d,autoencoder=none'), Info)
  model = unet.UNet(vocabulary=20, width=8, mults=(1,), attention=(True,), heads=1, text_width=8, text_layers=0)
  task = dataclasses.replace(task, model=model)
  condition = dict(tokens=jnp.ones((1, L), jnp.int32), roll=jnp.zeros((1, T, 3)), has_roll=jnp.zeros(1))
  shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, T, F, C)), jnp.zeros(1), *condition.values())['params']
  params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
  centre = (1, 1)
  params['in']['conv']['kernel'][*centre, 0, 0] = 1.0  # channel 0 of the latent, as it is
  for name, block in params.items():
    if 'skip' in block:  # the decoder's blocks pass on what comes from below
      block['skip']['kernel'][:8] = np.eye(8)
    if name.endswith('_text'):
      block['norm']['scale'][:] = block['norm_context']['scale'][:] = 1.0
      block['query']['kernel'][0, 0, 0] = 3.0
      block['key']['kernel'][0, 0, 0] = 3.0
  params['text']['embed']['embedding'][BIRD, 0] = 1.0
  params['text']['norm']['scale'][:] = 1.0
  return task, params, condition


def test_cells_that_sound_so_attend_to_the_bird(hand_set):
  task, params, condition = hand_set
  tokens = jnp.array([[3, BIRD, 4, 0, 0]])
  z = jnp.zeros((1, T, F, C)).at[0, 2:4, 5:7, 0].set(4.0)
  attend = jax.jit(lambda words: task.attention(params)(z, jnp.full(1, 0.5), condition | dict(tokens=tokens), words))
  bird = np.asarray(attend(jnp.array([[0, 1, 0, 0, 0]])))[0]
  assert bird.shape == (T, F)
  place = np.zeros((T, F), bool)
  place[2:4, 5:7] = True
  assert bird[place].min() > 0.5 > 0.35 > bird[~place].max()
  others = np.asarray(attend(jnp.array([[1, 0, 1, 0, 0]])))[0]
  assert others[place].max() < others[~place].min()
  # Padding is no word: it neither attracts attention nor counts in the mean.
  np.testing.assert_allclose(attend(jnp.array([[0, 1, 0, 1, 1]]))[0], bird, rtol=1e-6)
  first = attend(jnp.array([[1, 0, 0, 0, 0]]))[0]
  np.testing.assert_allclose(attend(jnp.array([[1, 3, 0, 0, 0]]))[0], (first + 3 * bird) / 4, rtol=1e-4)
  np.testing.assert_array_equal(attend(jnp.zeros((1, L))), 0.0)


def test_the_map_of_a_clip_shows_the_bird(hand_set):
  task, params, condition = hand_set
  queries = dict(tokens=np.array([[3, BIRD, 4, 0, 0], [3, 5, 6, 0, 0]]), roll=np.zeros((2, T, 3)), has_roll=np.zeros(2))
  denoiser = noising.Denoiser(task.denoiser(params), task.schedule, task.prediction, task.attention(params))
  z0 = jnp.zeros((1, T, F, C)).at[0, 2:4, 5:7, 0].set(6.0)
  method = maps.build(dict(name='attention', ts=(0.3, 0.5), n=4))
  words = np.array([[0, 1, 0, 0, 0], [0, 1, 1, 0, 0]], bool)
  nothing, keys = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[:1]), queries), jax.random.split(jax.random.key(0), 1)
  bird, other = np.asarray(jax.jit(lambda z0: method(denoiser, z0, queries, nothing, keys, words))(z0))[0]
  assert bird[2:4, 5:7].mean() > bird.mean() + 0.2
  assert np.ptp(other) < 1e-4  # tokens without a key: every cell attends to them alike
