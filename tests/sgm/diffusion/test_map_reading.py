"""Presence and place, read from maps."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion import map_reading


def test_standardise_leaves_one_out():
  scores = np.random.default_rng(1).normal(5.0, 2.0, (2, 6))
  absent = np.array([True, True, False, True, True, True])
  got = np.asarray(map_reading.standardise(jnp.asarray(scores), jnp.asarray(absent)))
  for clip, query in np.ndindex(2, 6):
    others = [j for j in range(6) if j != query and absent[j]]
    rest = scores[clip, others]
    assert np.isclose(got[clip, query], (scores[clip, query] - rest.mean()) / rest.std(ddof=1), rtol=1e-4)
  plain = np.asarray(map_reading.standardise(jnp.asarray(scores), divide=False))
  assert np.isclose(plain[0, 0], scores[0, 0] - scores[0, 1:].mean(), rtol=1e-4)
  np.testing.assert_array_equal(map_reading.standardise(jnp.ones((1, 4))), np.zeros((1, 4)))


def test_upsampling_and_threshold():
  maps = jnp.zeros((2, 4, 4)).at[0, 1, 2].set(1.0).at[1].set(-1.0)
  up = map_reading.upsample_map(maps, (32, 16))
  assert up.shape == (2, 32, 16)
  peak = np.unravel_index(np.argmax(up[0]), (32, 16))
  assert 8 <= peak[0] < 16 and 8 <= peak[1] < 12
  mask = np.asarray(map_reading.threshold_map(up))
  assert mask[0].any() and not mask[1].any()
  assert not np.asarray(map_reading.threshold_map(up, floor=2.0)).any()


@pytest.mark.parametrize('cells, shape', [((4,), (8,)), ((4, 2, 2), (8, 4, 4))])
def test_upsampling_keeps_the_leading_axes_and_constants(cells, shape):
  up = map_reading.upsample_map(jnp.ones((2, 3, *cells)), shape)
  np.testing.assert_allclose(up, np.ones((2, 3, *shape)), rtol=1e-6)


@pytest.mark.parametrize('call, message', [
    (lambda: map_reading.score(jnp.zeros((1, 2, 3, 3)), top=10), r'1\.\.9'),
    (lambda: map_reading.standardise(jnp.zeros((1, 2))), 'two others'),
])
def test_bad_arguments(call, message):
  with pytest.raises(ValueError, match=message):
    call()
