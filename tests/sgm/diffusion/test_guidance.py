"""Guidance: the formula, one call, and what interval, negative and several conditions do."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion.guidance import classifier_free_guidance, compose

Z = jnp.arange(12.0).reshape(3, 4)
T = jnp.array([0.1, 0.5, 0.9])
COND = dict(a=jnp.array([[1.0], [2.0], [3.0]]))
NULL = dict(a=jnp.zeros((1, 1)))


class Counting:
  """A model that is nonlinear in the condition and remembers the rows of every call."""

  def __init__(self):
    self.rows = []

  def __call__(self, z, t, cond):
    assert z.shape[0] == t.shape[0] == cond['a'].shape[0]
    self.rows.append(z.shape[0])
    return jnp.sin(z) + t[:, None] * cond['a'] ** 2 + 1.0


def test_formula_in_one_call():
  model = Counting()
  got = classifier_free_guidance(model, COND, NULL, 3.0)(Z, T)
  plain = Counting()
  null = plain(Z, T, dict(a=jnp.zeros((3, 1))))
  np.testing.assert_allclose(got, null + 3.0 * (plain(Z, T, COND) - null), rtol=1e-6)
  assert model.rows == [6]


def test_scale_one_costs_one_row_an_example():
  model = Counting()
  np.testing.assert_allclose(classifier_free_guidance(model, COND, NULL, 1.0)(Z, T), Counting()(Z, T, COND))
  assert model.rows == [3]


def test_interval_and_scale_per_example():
  got = classifier_free_guidance(Counting(), COND, NULL, jnp.array([2.0, 4.0, 8.0]), interval=(0.4, 0.6))(Z, T)
  cond = np.sin(Z) + np.asarray(T)[:, None] * np.asarray(COND['a']) ** 2 + 1.0
  null = np.sin(Z) + 1.0
  np.testing.assert_allclose(got, null + np.array([[1.0], [4.0], [1.0]]) * (cond - null), rtol=1e-5)


def test_negative_takes_the_place_of_null():
  negative = dict(a=jnp.full((1, 1), 5.0))
  got = classifier_free_guidance(Counting(), COND, NULL, 2.0, negative=negative)(Z, T)
  np.testing.assert_allclose(got, classifier_free_guidance(Counting(), COND, negative, 2.0)(Z, T))
  assert not np.allclose(got, classifier_free_guidance(Counting(), COND, NULL, 2.0)(Z, T))


def test_compose():
  model, other = Counting(), dict(a=jnp.full((1, 1), -2.0))
  got = compose(model, [COND, other], NULL, [1.5, 2.0])(Z, T)
  assert model.rows == [9]
  delta = lambda a: np.asarray(T)[:, None] * np.asarray(a) ** 2
  np.testing.assert_allclose(got, np.sin(Z) + 1.0 + 1.5 * delta(COND['a']) + 2.0 * delta(other['a']), rtol=1e-5)
  single = compose(Counting(), [COND], NULL, [3.0], interval=(0.0, 0.6))(Z, T)
  np.testing.assert_allclose(
      single, classifier_free_guidance(Counting(), COND, NULL, 3.0, interval=(0.0, 0.6))(Z, T), rtol=1e-6)


def test_bad_arguments():
  with pytest.raises(ValueError, match='as many scales'):
    compose(Counting(), [COND], NULL, [1.0, 2.0])
  with pytest.raises(ValueError, match='interval'):
    classifier_free_guidance(Counting(), COND, NULL, 2.0, interval=(0.8, 0.2))
