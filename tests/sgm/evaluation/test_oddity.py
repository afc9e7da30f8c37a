"""What is ordinary: features against a denoiser whose error is known, the density against scipy's, and how odd things rank."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from sgm.diffusion import noising, schedule
from sgm.evaluation import oddity

CELLS, CHANNELS = (4, 3), 2


def knows_nothing(z, t, cond):
  """The best guess of the noise for latents of unit variance, sigma z: its squared error is alpha^2 per channel."""
  return schedule.rows(schedule.CosineSchedule().sigma(t), z) * z


def features(z0, seed=0):
  keys = jnp.broadcast_to(jax.random.key(seed), z0.shape[:1])
  null = {'tokens': np.zeros((1, 5), np.int32), 'has_roll': np.zeros(1, np.float32)}
  return np.asarray(oddity.features(noising.Denoiser(knows_nothing, schedule.CosineSchedule(), 'eps'), z0, null, keys))


def test_features_are_the_errors_of_the_denoiser():
  z0 = np.random.default_rng(0).standard_normal((300, *CELLS, CHANNELS), np.float32)
  found = features(z0)
  levels = len(oddity.LEVELS.ts)
  assert found.shape == (300, 3 * levels)
  alpha, sigma = (np.asarray(f(np.array(oddity.LEVELS.ts, np.float32))) for f in
                  (schedule.CosineSchedule().alpha, schedule.CosineSchedule().sigma))
  # eps - sigma (alpha z0 + sigma eps) = alpha (alpha eps - sigma z0). Over an antithetic pair the term linear in eps is gone:
  # 1/2 alpha^2 (alpha^2 |eps|^2 + sigma^2 |z0|^2), where eps is the same for all windows.
  moving = 0.5 * (alpha * sigma) ** 2 * np.square(z0).sum(-1).mean((1, 2))[:, None]  # (B, K)
  assert np.ptp(found[:, :levels] - moving, axis=0) == pytest.approx(0, abs=1e-5)
  assert found[:, :levels].mean(0) == pytest.approx(0.5 * CHANNELS * alpha**2, rel=0.35)  # eps is one draw of 24 numbers
  assert (found[:, 2 * levels:] < found[:, :levels]).all() and (found[:, levels:2 * levels] > 0).all()


def test_a_window_does_not_depend_on_its_batch():
  z0 = np.random.default_rng(1).standard_normal((3, *CELLS, CHANNELS), np.float32)
  np.testing.assert_allclose(features(z0)[1:2], features(z0[1:2]), rtol=1e-5)


UNITS = np.array([1e-5, 1.0, 1e5])


def two_kinds(n, rng):
  """Correlated features of two kinds of clips, of units that differ by ten orders of magnitude."""
  kind = rng.random(n) < 0.3
  x = rng.multivariate_normal([0, 0, 0], [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], n) + 8 * kind[:, None]
  return x * UNITS


def test_surprise_is_the_mixtures_density():
  o = oddity.fit(two_kinds(600, np.random.default_rng(2)))
  x = two_kinds(50, np.random.default_rng(3))
  # In units in which scipy can tell a small variance from none; the density changes by their product.
  each = [stats.multivariate_normal(m / UNITS, np.linalg.inv((UNITS[:, None] * f) @ (UNITS[:, None] * f).T)).logpdf(x / UNITS)
          for m, f in zip(o.means, o.factors)]
  expected = np.log(UNITS).sum() - special.logsumexp(np.array(each) + np.log(o.weights)[:, None], axis=0)
  assert o.surprise(x) == pytest.approx(expected, rel=1e-4) and o.surprise(x).dtype == np.float32


def test_what_lies_between_two_kinds_is_odd_though_it_is_the_mean():
  o = oddity.fit(two_kinds(600, np.random.default_rng(4)))
  fresh = o.surprise(two_kinds(1000, np.random.default_rng(5)))
  between, against_the_grain = np.array([[4.0, 4.0, 4.0], [2.5, -2.5, 0.0]]) * UNITS
  assert (o.surprise(between[None]) > np.quantile(fresh, 0.999)).all()
  assert (o.surprise(against_the_grain[None]) > np.quantile(fresh, 0.99)).all()


def test_few_clips_and_features_without_variance_still_fit():
  o = oddity.fit(np.array([[1.0, 5.0], [2.0, 5.0]]))
  assert len(o.weights) == 1 and o.surprise(np.array([[1.5, 5.0]])) < o.surprise(np.array([[9.0, 5.0]]))
  assert len(oddity.fit(np.random.default_rng(0).normal(size=(120, 2))).weights) == 2


def test_bad_input_is_named():
  o = oddity.fit(np.arange(8.0).reshape(4, 2))
  with pytest.raises(ValueError, match=r'features \(3, 1\): expected \(B, 2\)'):
    o.surprise(np.zeros((3, 1)))
  with pytest.raises(ValueError, match='1 Gaussians of 2 features, but weights'):
    dataclasses.replace(o, weights=np.ones(2))
  with pytest.raises(ValueError, match='expected finite'):
    dataclasses.replace(o, means=o.means * np.nan)
