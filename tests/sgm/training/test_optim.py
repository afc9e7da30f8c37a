from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.training import optim


@pytest.mark.parametrize('kind, expected', [
    ('cosine', lambda k: 0.5 * (1 + np.cos(np.pi * (k - 4) / 16))),
    ('constant', lambda k: 1.0),
    ('rsqrt', lambda k: (4 / k) ** 0.5)])
def test_schedule_follows_its_formula(kind, expected):
  rate = optim.learning_rate_schedule(20, 0.5, 4, kind)
  np.testing.assert_allclose([rate(k) for k in range(4)], [0.125, 0.25, 0.375, 0.5], rtol=1e-6)
  after = range(4, 21)
  np.testing.assert_allclose([rate(k) for k in after], [0.5 * expected(k) for k in after], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize('warmup', [0, 1])
def test_short_warmups_start_at_the_peak(warmup):
  assert float(optim.learning_rate_schedule(10, 0.5, warmup, 'cosine')(0)) == 0.5


def test_update_equals_adamw_by_hand():
  rate, decay, b1, b2 = 0.1, 0.5, 0.9, 0.99
  optimizer, _ = optim.build(
      10, learning_rate=rate, warmup_steps=0, weight_decay=decay, clip_norm=1.0, b2=b2, schedule='constant')
  params = {'layer': {'kernel': jnp.array([[1.0, -2.0]]), 'bias': jnp.array([3.0])}}
  grads = {'layer': {'kernel': jnp.array([[3.0, 0.0]]), 'bias': jnp.array([4.0])}}  # norm 5, clipped to 1
  state = optimizer.init(params)
  expected = {k: np.asarray(v) for k, v in params['layer'].items()}
  mean, square = {k: 0.0 for k in expected}, {k: 0.0 for k in expected}
  for t in (1, 2, 3):
    updates, state = jax.jit(optimizer.update)(grads, state, params)
    params = jax.tree.map(lambda p, u: p + u, params, updates)
    for k, g in grads['layer'].items():
      g = np.asarray(g) / 5
      mean[k], square[k] = b1 * mean[k] + (1 - b1) * g, b2 * square[k] + (1 - b2) * g**2
      step = mean[k] / (1 - b1**t) / (np.sqrt(square[k] / (1 - b2**t)) + 1e-8)
      expected[k] = expected[k] - rate * (step + (decay * expected[k] if k == 'kernel' else 0.0))
  for k in expected:
    np.testing.assert_allclose(params['layer'][k], expected[k], rtol=1e-5)


@pytest.mark.parametrize('change, message', [
    (dict(schedule='linear'), r"optim.schedule 'linear': expected one of \('cosine'"),
    (dict(warmup_steps=10), 'optim.warmup_steps is 10: expected'),
    (dict(learning_rate=0.0), 'optim.learning_rate is 0.0'),
    (dict(clip_norm=-1.0), 'optim.clip_norm -1.0'),
    (dict(warmup_steps='none'), "every='none'")])
def test_bad_values_are_named(change, message):
  good = dict(learning_rate=1e-3, warmup_steps='10%', weight_decay=0.0, clip_norm=1.0, b2=0.99, schedule='cosine')
  optim.build(10, **good)
  with pytest.raises(ValueError, match=message):
    optim.build(10, **{**good, **change})
