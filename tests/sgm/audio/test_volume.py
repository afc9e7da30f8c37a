import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sgm.audio import volume

# few shapes: each is compiled
amplitudes = st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6).map(lambda x: np.asarray(x, np.float32))
levels = st.sampled_from([2, 3, 16, 33])


@settings(max_examples=60, deadline=None)
@given(s=amplitudes, levels=levels)
def test_round_trips(s, levels):
  for there, back in ((volume.triangular, volume.expectation), (volume.filled, volume.surface)):
    v = there(s, levels)
    assert v.shape == (*s.shape, levels) and v.min() >= 0 and v.max() <= 1
    np.testing.assert_allclose(back(v), s, atol=1e-5)
  half_a_level = 0.5 / (levels - 1)
  assert np.abs(volume.expectation(volume.one_hot(s, levels)) - s).max() <= half_a_level + 1e-5


@settings(max_examples=60, deadline=None)
@given(s=amplitudes, levels=levels)
def test_mass(s, levels):
  for there in (volume.triangular, volume.one_hot):
    np.testing.assert_allclose(there(s, levels).sum(-1), 1.0, atol=1e-5)
  np.testing.assert_allclose(volume.filled(s, levels).sum(-1), 1 + s * (levels - 1), rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(a=st.floats(0, 1, width=32), b=st.floats(0, 1, width=32), levels=levels)
def test_monotone(a, b, levels):
  """More amplitude: no bin of a filled volume is emptier, and no more of a bell's mass lies below any level."""
  low, high = (jnp.float32(x) for x in sorted((a, b)))
  assert (volume.filled(high, levels) >= volume.filled(low, levels)).all()
  for there in (volume.triangular, volume.one_hot):
    assert (jnp.cumsum(there(high, levels)) <= jnp.cumsum(there(low, levels)) + 1e-5).all()


def test_hand_cases():
  s = jnp.array([0.0, 0.25, 1.0])
  np.testing.assert_allclose(volume.triangular(s, 3), [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]])
  np.testing.assert_allclose(volume.filled(s, 3), [[1, 0, 0], [1, 0.5, 0], [1, 1, 1]])
  np.testing.assert_allclose(volume.one_hot(jnp.array([0.1, 0.4]), 3), [[1, 0, 0], [0, 1, 0]])
  assert volume.expectation(jnp.zeros((1, 3))) == 0.0


@pytest.mark.parametrize('there', [volume.triangular, volume.filled])
def test_gradients_are_finite_and_reach_the_amplitude(there):
  gradient = jax.vmap(jax.grad(lambda s: there(s, 5) @ jnp.arange(5.0) ** 2))(jnp.array([0.0, 0.1, 0.25, 0.6, 1.0]))
  assert np.isfinite(gradient).all() and (gradient[jnp.array([1, 3])] > 0).all()


def test_a_permutation_is_fixed_and_undone():
  assert sorted(volume.permutation(16)) == list(range(16))
  assert np.abs(np.diff(volume.permutation(16))).mean() > 3  # neighbours are not kept beside each other
  v = jax.random.uniform(jax.random.key(0), (3, 16))
  np.testing.assert_array_equal(volume.unpermute(volume.permute(v)), v)
  assert (volume.permute(v) != v).any()


def test_bad_input():
  with pytest.raises(ValueError, match='levels is 1: expected 2 or more'):
    volume.triangular(jnp.zeros(2), 1)
  with pytest.raises(ValueError, match=r'1 amplitudes that are not finite, the first at \(0, 2\)'):
    volume.filled(np.array([[0.0, 1.0, np.nan]]), 4)
