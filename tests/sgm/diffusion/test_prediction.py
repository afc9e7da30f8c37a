"""Conversions between eps, x0 and v, and the loss weights."""

from __future__ import annotations

import functools
import math

from hypothesis import given, settings, strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion import prediction
from sgm.diffusion.schedule import CosineSchedule, LinearSchedule


@functools.partial(jax.jit, static_argnames=('kind', 'schedule'))
def through(x0, eps, t, kind, schedule):
  z = prediction.add_noise(x0, eps, t, schedule)
  exact = prediction.target(kind, x0, eps, t, schedule)
  return [to(exact, kind, z, t, schedule) for to in (prediction.to_x0, prediction.to_eps, prediction.to_v)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from(prediction.KINDS), st.sampled_from([CosineSchedule(), LinearSchedule()]))
def test_the_exact_prediction_gives_back_all_three(seed, kind, schedule):
  rng = np.random.default_rng(seed)
  x0, eps = rng.standard_normal((2, 4, 3, 2)).astype(np.float32)
  t = rng.uniform(0.05, 0.95, 4).astype(np.float32)
  alpha, sigma = (np.asarray(scale(t))[:, None, None] for scale in (schedule.alpha, schedule.sigma))
  for got, want in zip(through(x0, eps, t, kind, schedule), (x0, eps, alpha * eps - sigma * x0)):
    np.testing.assert_allclose(got, want, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize('schedule', [CosineSchedule(logsnr_min=-math.inf), LinearSchedule(zero_terminal=True)], ids=str)
def test_v_at_zero_terminal_snr(schedule):
  x0, eps = jax.random.normal(jax.random.key(0), (2, 5, 3))
  t = jnp.ones(5)
  z = prediction.add_noise(x0, eps, t, schedule)
  np.testing.assert_array_equal(z, eps)
  v = prediction.target('v', x0, eps, t, schedule)
  np.testing.assert_allclose(prediction.to_x0(v, 'v', z, t, schedule), x0, atol=1e-6)
  np.testing.assert_allclose(prediction.to_eps(v, 'v', z, t, schedule), eps, atol=1e-6)
  assert np.isfinite(prediction.min_snr('v', t, schedule)).all()
  assert np.isfinite(prediction.min_snr('eps', t, schedule)).all()


@pytest.mark.parametrize('name, options', [('min_snr', dict(gamma=5.0)), ('constant', {})])
def test_min_snr_is_one_loss_in_three_spaces(name, options):
  schedule = CosineSchedule()
  t = jnp.linspace(0.02, 0.98, 50)
  alpha, sigma = np.asarray(schedule.alpha(t)), np.asarray(schedule.sigma(t))
  weights = {kind: np.asarray(prediction.weight(name, kind, t, schedule, **options)) for kind in prediction.KINDS}
  if name == 'constant':
    assert all((w == 1).all() for w in weights.values())
    return
  # an error d in x0 is alpha / sigma d in eps and d / sigma in v, at the same z
  np.testing.assert_allclose(weights['x0'], np.minimum(alpha**2 / sigma**2, 5.0), rtol=1e-4)
  np.testing.assert_allclose(weights['eps'] * (alpha / sigma) ** 2, weights['x0'], rtol=1e-4)
  np.testing.assert_allclose(weights['v'] / sigma**2, weights['x0'], rtol=1e-4)


def test_unknown_names_list_the_known():
  x = jnp.zeros((1, 2))
  with pytest.raises(ValueError, match='known: eps, x0, v'):
    prediction.target('noise', x, x, jnp.zeros(1), CosineSchedule())
  with pytest.raises(ValueError, match='known: constant, min_snr'):
    prediction.weight('p2', 'v', jnp.zeros(1), CosineSchedule())
