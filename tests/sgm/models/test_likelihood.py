import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st

from sgm.models import likelihood


@settings(max_examples=50, deadline=None)
@given(location=st.floats(-0.5, 1.5), log_scale=st.floats(-6, 0), levels=st.sampled_from([2, 17, 64]))
def test_probabilities_sum_to_one(location, log_scale, levels):
  s = jnp.arange(levels) / (levels - 1)
  nll = likelihood.discretised_logistic_nll(s, jnp.float32(location), jnp.float32(log_scale), levels)
  assert abs(float(jnp.exp(-nll).sum()) - 1) < 1e-3


def test_equals_scipys_logistic():
  levels, location, scale = 17, 0.4, 0.07
  s = np.arange(levels) / (levels - 1)
  half = 0.5 / (levels - 1)
  logistic = scipy.stats.logistic(location, scale)
  p = np.diff(np.concatenate([[0.0], logistic.cdf(s[:-1] + half), [1.0]]))
  nll = likelihood.discretised_logistic_nll(jnp.asarray(s), location, np.log(scale), levels)
  np.testing.assert_allclose(nll, -np.log(p), rtol=1e-4)


def test_finite_gradients_far_in_the_tail():
  grad = jax.grad(lambda m, l: likelihood.discretised_logistic_nll(jnp.array([0.0, 0.5, 1.0]), m, l, 64).sum(), argnums=(0, 1))
  for g in grad(3.0, -6.0):
    assert np.isfinite(g)


def test_uniform_levels_cost_ln_a():
  nll = likelihood.discretised_logistic_nll(jnp.linspace(0, 1, 2), 0.5, 0.0, 2)
  np.testing.assert_allclose(nll, np.log(2), rtol=1e-5)


def test_one_level_is_refused():
  with pytest.raises(ValueError, match='levels is 1'):
    likelihood.discretised_logistic_nll(jnp.zeros(1), 0.0, 0.0, 1)


def test_gaussian_kl_against_monte_carlo():
  mean, std = 0.7, 0.5
  x = np.random.default_rng(0).normal(mean, std, 400_000)
  estimate = np.mean(scipy.stats.norm(mean, std).logpdf(x) - scipy.stats.norm().logpdf(x))
  assert abs(float(likelihood.gaussian_kl(jnp.array(mean), jnp.array(2 * np.log(std)))) - estimate) < 5e-3
