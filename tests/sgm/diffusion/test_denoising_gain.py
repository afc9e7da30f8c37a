"""The gain against log-likelihood ratios in closed form."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion import denoising_gain
from sgm.diffusion import map_reading
from tests.sgm.diffusion.gaussian import B, DENOISER, KEYS, NOTHING, Q, QUERIES, SCHEDULE, STD, clips, predict_v, templates

gain = functools.partial(jax.jit, static_argnames=('ts', 'n', 'antithetic', 'max_rows'))(
    lambda z0, queries, reference, keys, ts=(0.8, 0.85, 0.9), n=6, antithetic=True, weights=None, max_rows=1024:
    denoising_gain.gain(predict_v, z0, queries, reference, keys, SCHEDULE, 'v', ts, n, antithetic, weights, max_rows))


def wide_levels(n):
  return tuple(float(t) for t in SCHEDULE.t(jnp.linspace(-11.0, 11.0, n)))


def test_gain_integrates_to_the_log_likelihood_ratio_cell_by_cell():
  z0 = clips()
  ts = wide_levels(60)
  maps = gain(z0, QUERIES, NOTHING, KEYS, ts=ts, n=2, weights=denoising_gain.logsnr_weights(ts, SCHEDULE))
  x, mean = np.asarray(z0, np.float64)[:, None], templates()[None]
  expected = ((x**2 - (x - mean) ** 2) / (2 * STD**2)).sum(-1)  # (B, Q, T, F), in nats
  # a Gaussian's cells are independent, and antithetic pairs are exact for linear predictors
  np.testing.assert_allclose(maps, expected, atol=0.02, rtol=0.005)
  np.testing.assert_allclose(denoising_gain.log_likelihood_ratio(maps), expected.sum((2, 3)), atol=0.05, rtol=0.005)


def test_gain_of_a_mixture_integrates_to_its_log_likelihood_ratio():
  """A nonlinear predictor: the query says that the cell is at 2 or at 0, the reference that it is at 0."""

  def mixture_model(z, t, cond):
    t = t.reshape(-1, 1, 1, 1)
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    variance = alpha**2 * STD**2 + sigma**2
    peak = cond['peak'].reshape(-1, 1, 1, 1)
    share = jax.nn.sigmoid((z**2 - (z - alpha * peak) ** 2) / (2 * variance))  # of the mode at the peak
    return sigma * (z - alpha * share * peak) / variance  # eps = -sigma * score

  z0 = jnp.array([-0.3, 1.1, 2.2]).reshape(3, 1, 1, 1)
  ts = wide_levels(60)
  maps = jax.jit(lambda keys: denoising_gain.gain(
      mixture_model, z0, dict(peak=jnp.array([2.0])), dict(peak=jnp.zeros(1)), keys, SCHEDULE, 'eps', ts, 400,
      weights=denoising_gain.logsnr_weights(ts, SCHEDULE), max_rows=4096))(KEYS)
  density = lambda x, mean: np.exp(-(x - mean) ** 2 / (2 * STD**2))
  x = np.asarray(z0).ravel()
  expected = np.log(0.5 * density(x, 2.0) / density(x, 0.0) + 0.5)
  np.testing.assert_allclose(np.asarray(maps).ravel(), expected, atol=0.1)


def test_gain_tells_presence_and_place():
  maps = gain(clips(), QUERIES, NOTHING, KEYS)
  total = np.asarray(map_reading.score(maps))
  for clip in range(B - 1):
    assert total[clip, clip] > 0 and np.argmax(total[clip]) == clip
    assert (np.delete(total[clip], [clip, (clip + 1) % Q, (clip - 1) % Q]) < 0).all()  # neighbours share a cell
    mask = np.asarray(map_reading.threshold_map(maps, fraction=0.2))[clip, clip]
    block = templates()[clip].any(-1)
    assert (mask & block).sum() / (mask | block).sum() >= 0.5
    assert not (mask & ~block).any()
  assert (total[-1] < 0).all()  # nothing is there
  best = map_reading.score(maps, top=4)
  np.testing.assert_allclose(best, np.sort(np.asarray(maps).reshape(B, Q, -1))[..., -4:].mean(-1), rtol=1e-5)
  assert np.argmax(np.asarray(map_reading.standardise(best))[0]) == 0


def test_logsnr_weights_are_the_trapezoid_rule():
  ts = np.array([0.8, 0.83, 0.9])
  logsnr = np.asarray(SCHEDULE.logsnr(ts))
  values = np.array([1.0, 5.0, -2.0])
  expected = -np.trapezoid(values, logsnr)
  np.testing.assert_allclose(values @ np.asarray(denoising_gain.logsnr_weights(ts, SCHEDULE)), expected, rtol=1e-4)
  np.testing.assert_allclose(denoising_gain.logsnr_weights(ts[::-1], SCHEDULE).sum(), logsnr[0] - logsnr[-1], rtol=1e-5)


def test_the_weightings_of_the_method():
  levels = dict(ts=(0.8, 0.85, 0.9), n=2)

  def run(**settings):
    method = denoising_gain.Gain(**levels, **settings)
    return jax.jit(lambda z0: method(DENOISER, z0, QUERIES, NOTHING, KEYS))(clips())

  np.testing.assert_allclose(run(), gain(clips(), QUERIES, NOTHING, KEYS, **levels), atol=1e-6)
  weights = denoising_gain.logsnr_weights(levels['ts'], SCHEDULE)
  nats = gain(clips(), QUERIES, NOTHING, KEYS, **levels, weights=weights)
  np.testing.assert_allclose(run(weighting='logsnr'), nats, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('call, message', [
    (lambda: gain(clips(), QUERIES, NOTHING, KEYS, weights=jnp.ones(2)), 'one weight per level'),
    (lambda: denoising_gain.logsnr_weights([0.5], SCHEDULE), 'at least 2 levels'),
    (lambda: denoising_gain.Gain(weighting='snr'), 'mean, logsnr'),
])
def test_bad_arguments(call, message):
  with pytest.raises(ValueError, match=message):
    call()
