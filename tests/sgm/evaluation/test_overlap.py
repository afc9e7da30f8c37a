"""Energy distance against scipy and closed forms, kinds of cells on a case by hand, samples drawn for a condition."""

import hypothesis
from hypothesis.extra import numpy as some_arrays
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from sgm.evaluation import overlap
from sgm.tasks import latent_diffusion

AMPLITUDES = st.floats(0, 1, width=32)
SAMPLES = some_arrays.arrays(np.float64, st.integers(2, 12), elements=AMPLITUDES)


def spread(x):
  """E|X - X'| over all pairs, of a sample with itself too."""
  return np.abs(x[:, None] - x[None]).mean()


@hypothesis.given(SAMPLES, SAMPLES)
def test_energy_distance_is_scipys_less_its_bias(x, y):
  # scipy has the root of the V-statistic, whose spreads count a sample's pair with itself.
  biased = scipy.stats.energy_distance(x, y)**2
  bias = spread(x) / (len(x) - 1) + spread(y) / (len(y) - 1)
  np.testing.assert_allclose(overlap.energy_distance(x, y), biased - bias, atol=1e-9)


@hypothesis.given(SAMPLES, SAMPLES, st.floats(0.1, 3), st.floats(-2, 2))
def test_energy_distance_is_symmetric_and_scales(x, y, factor, shift):
  d = overlap.energy_distance(x, y)
  np.testing.assert_allclose(overlap.energy_distance(y, x), d, atol=1e-9)
  np.testing.assert_allclose(overlap.energy_distance(factor * x + shift, factor * y + shift), factor * d, atol=1e-9)


def test_energy_distance_of_cells_is_that_of_each_cell():
  rng = np.random.default_rng(0)
  x, y = rng.random((9, 3, 2)), rng.random((5, 3, 2))
  d = overlap.energy_distance(x, y)
  assert d.shape == (3, 2)
  np.testing.assert_allclose(d[2, 1], overlap.energy_distance(x[:, 2, 1], y[:, 2, 1]))


def test_closed_forms():
  # Two constants: 2 |a - b|. Bernoulli p and q: 2 (p - q)^2, here with the expectation over all samples.
  assert overlap.energy_distance(np.full(3, 0.2), np.full(4, 0.7)) == pytest.approx(1.0)
  rng = np.random.default_rng(1)
  x, y = (rng.random((6, 20_000)) < 0.8).astype(float), (rng.random((4, 20_000)) < 0.3).astype(float)
  d = overlap.energy_distance(x, y)
  assert abs(d.mean() - 2 * 0.5**2) < 4 * d.std() / len(d)**0.5


def test_no_bias_however_few_samples():
  rng = np.random.default_rng(2)
  for n in (2, 5, 30):
    d = overlap.energy_distance(rng.random((n, 20_000)), rng.random((40, 20_000)))
    assert abs(d.mean()) < 4 * d.std() / len(d)**0.5


def test_one_mode_between_two_is_far_from_them():
  # What the expected amplitude of a cell does where a bird is there in every second rendering.
  real = np.tile([0.2, 0.8], 50)
  middle, drawn = np.full(64, 0.5), np.tile([0.2, 0.8], 32)
  assert overlap.energy_distance(middle, real) > 0.25 and abs(overlap.energy_distance(drawn, real)) < 0.02


@pytest.mark.parametrize('x, y', [(np.zeros((1, 2)), np.zeros((3, 2))), (np.zeros((3, 2)), np.zeros((3, 4)))])
def test_samples_that_cannot_be_compared(x, y):
  with pytest.raises(ValueError, match='energy_distance'):
    overlap.energy_distance(x, y)


def test_kinds_of_cells():
  # (20 renderings, 2 birds, 5 cells): both always; each in turn; the first in half; one time in twenty; two in twenty.
  audible = np.zeros((20, 2, 1, 5), bool)
  audible[:, :, 0, 0] = True
  audible[::2, 0, 0, 1] = audible[1::2, 1, 0, 1] = True
  audible[:10, 0, 0, 2] = audible[:9, 1, 0, 2] = True
  audible[0, 1, 0, 3] = audible[:2, 0, 0, 4] = True
  kinds = overlap.kinds_of_cells(audible)
  assert {kind: np.flatnonzero(cells[0]).tolist() for kind, cells in kinds.items()} == {
      'overlap': [0], 'single': [1, 2], 'background': [3]}
  with pytest.raises(ValueError, match='2 birds'):
    overlap.kinds_of_cells(audible[:, :1])


def test_rounding_to_levels():
  np.testing.assert_allclose(overlap.quantised(np.array([0.0, 0.4, 0.6, 1.0]), 3), [0, 0.5, 0.5, 1])
  s = np.random.default_rng(0).random(100)
  assert np.abs(overlap.quantised(s, 16) - s).max() <= 0.5 / 15 + 1e-6


class Stub:
  """A task whose clips say which condition and key they come from."""

  sampler = latent_diffusion.SamplerConfig('ddim', steps=16, guidance=3.0)

  def sample(self, params, frozen, keys, condition, sampler):
    assert sampler == latent_diffusion.SamplerConfig('ddim', steps=16, guidance=1)
    return {'latent': condition['roll'][:, None] + jax.vmap(jax.random.uniform)(keys)[:, None]}

  def render(self, frozen, latent, keys, amplitude):
    s = latent[:, :, None, None] * jnp.ones((1, 1, 2, 1))
    return s if amplitude == 'expectation' else s + 100


@pytest.mark.parametrize('batch_size', [3, 8])
def test_clips_of_a_condition_depend_on_their_number_only(batch_size):
  conditions = {'tokens': np.zeros((2, 4), int), 'roll': np.array([10.0, 20.0]), 'has_roll': np.ones(2)}
  out = overlap.generated(Stub(), {}, {}, conditions, count=5, seed=3, batch_size=batch_size)
  s = out['expectation']
  assert s.shape == (2, 5, 1, 2) and len(np.unique(s)) == 10
  np.testing.assert_array_equal(s.astype(int)[..., 0, 0], np.repeat([[10], [20]], 5, 1))
  np.testing.assert_allclose(out['sample'], s + 100)  # the same latents
  np.testing.assert_allclose(s[1, 0, 0, 0] % 10, jax.random.uniform(jax.random.fold_in(jax.random.key(3), 5)), rtol=1e-4)
