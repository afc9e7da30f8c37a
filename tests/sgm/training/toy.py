"""A toy task for the tests of the loop: regression with a small network, no sound in it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

INPUTS, HIDDEN = 8, 64


class Regression:
  """y = scale * mlp(x + noise); `scale` is the frozen part, the noise makes the loss depend on rng."""

  def __init__(self, noise: float):
    self.noise = noise

  def restore_frozen(self, batches):
    return {'scale': np.float32(np.mean(np.abs(next(batches)['y'])) * 0 + 2.0) * np.ones((), np.float32)}

  def init(self, rng, batch):
    a, b = jax.random.split(rng)
    width = batch['x'].shape[1]
    return {
        'hidden': {'kernel': jax.random.normal(a, (width, HIDDEN)) / width**0.5, 'bias': jnp.zeros(HIDDEN)},
        'wide': {'kernel': jax.random.normal(b, (HIDDEN, 512)) / HIDDEN**0.5, 'bias': jnp.zeros(512)}}

  def _predict(self, params, frozen, x):
    h = jnp.tanh(x @ params['hidden']['kernel'] + params['hidden']['bias'])
    return frozen['scale'] * (h @ params['wide']['kernel'] + params['wide']['bias']).mean(-1)

  def loss(self, params, frozen, rng, batch):
    x = batch['x'] + self.noise * jax.random.normal(rng, batch['x'].shape)
    error = (self._predict(params, frozen, x) - batch['y']) ** 2  # (B,)
    return error.mean(), {'squared_error': error}

  def eval(self, params, frozen, rng, batch):
    return {'squared_error': (self._predict(params, frozen, batch['x']) - batch['y']) ** 2}


def batch_at(k: int, size: int = 16) -> dict[str, np.ndarray]:
  """Batch k, a function of k only; 'id' is text, as in real batches."""
  rng = np.random.default_rng([7, k])
  x = rng.normal(size=(size, INPUTS)).astype(np.float32)
  return {'x': x, 'y': np.sin(x.sum(-1)), 'id': np.array([f'{k}-{i}' for i in range(size)])}


def batches(start: int):
  while True:
    yield batch_at(start)
    start += 1


class SquaredError:
  """An evaluator: mean squared error on 5 examples, with a picture and a sound."""

  def __init__(self, task, every):
    self.task, self.every, self.runs = task, every, 0

  def run(self, params, frozen):
    self.runs += 1
    values = self.task.eval(params, frozen, None, {k: v for k, v in batch_at(10_000, 5).items() if k != 'id'})
    return {'mse': (values['squared_error'].sum(), 5), 'nothing': (0.0, 0)}

  def media(self):
    return {'images': {'grey': np.full((4, 6, 3), 128, np.uint8)}, 'audio': {'sine': (np.sin(np.arange(160) / 9), 16_000)}}


def config(**changes) -> ml_collections.ConfigDict:
  """The fields that the loop reads."""
  c = ml_collections.ConfigDict(dict(
      seed=3, total_steps=4, batch_size=16, accumulate=1, ema=0.9, log_every=1, mesh=dict(data=1, fsdp=1),
      optim=dict(name='adamw', learning_rate=1e-2, warmup_steps=1, schedule='cosine', weight_decay=0.1, clip_norm=1.0, b2=0.99),
      checkpoint=dict(every=2, keep=2)))
  c.update_from_flattened_dict(changes)
  return c
