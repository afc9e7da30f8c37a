"""Spectrograms as volumes: the amplitude on an axis of its own, (time x frequency x amplitude), and back.

S[t, f] in [0, 1] becomes V[t, f, a] over A levels, level a standing for the amplitude a / (A - 1):

  triangular   V = max(0, 1 - |S (A - 1) - a|)           a cell's mass, 1, on the two levels beside its amplitude
  one_hot      V = 1 at a = round(S (A - 1))             the nearest level alone; rounds, and passes no gradient
  filled       V = min(1, max(0, S (A - 1) - a + 1))     solid below the surface: what people draw as a 3D spectrogram

`expectation` inverts triangular exactly and one_hot up to its rounding, `surface` inverts filled exactly. All are monotone in S
and pure; A is checked, S too where it is no tracer.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

PERMUTATION_SEED = 0


def check_levels(levels: int) -> int:
  """`levels` if it is A >= 2, else ValueError."""
  if levels < 2:
    raise ValueError(f'levels is {levels}: expected 2 or more amplitude levels, nearest 2')
  return levels


def amplitudes(levels: int) -> np.ndarray:
  """(A,) float32: the amplitude of every level, from 0 to 1."""
  return (np.arange(check_levels(levels)) / (levels - 1)).astype(np.float32)


def triangular(s: jax.Array, levels: int) -> jax.Array:
  """S (...) in [0, 1] -> V (..., A) in [0, 1], sum 1 over A."""
  return jnp.maximum(0.0, 1.0 - jnp.abs(_height(s, levels) - jnp.arange(levels)))


def one_hot(s: jax.Array, levels: int) -> jax.Array:
  """S (...) in [0, 1] -> V (..., A) in {0, 1}, sum 1 over A."""
  return jax.nn.one_hot(jnp.round(_height(s, levels)[..., 0]).astype(jnp.int32), levels)


def filled(s: jax.Array, levels: int) -> jax.Array:
  """S (...) in [0, 1] -> V (..., A) in [0, 1], falling along A; level 0 is always full."""
  return jnp.clip(_height(s, levels) - jnp.arange(levels) + 1.0, 0.0, 1.0)


def expectation(v: jax.Array) -> jax.Array:
  """V (..., A) >= 0 -> the mean amplitude (...) in [0, 1] of its mass; 0 where there is none."""
  mass = v.sum(-1)
  return v @ amplitudes(v.shape[-1]) / jnp.where(mass > 0, mass, 1.0)


def surface(v: jax.Array) -> jax.Array:
  """Filled V (..., A) -> the height (...) in [0, 1] that it is filled to."""
  return jnp.clip((v.sum(-1) - 1.0) / (check_levels(v.shape[-1]) - 1), 0.0, 1.0)


@functools.lru_cache
def permutation(levels: int) -> np.ndarray:
  """(A,) a fixed random order of the levels, the same everywhere: place i of a permuted volume holds level permutation[i]."""
  return np.random.default_rng(PERMUTATION_SEED).permutation(check_levels(levels))


def permute(v: jax.Array) -> jax.Array:
  """V (..., A) in the order of the levels -> in the fixed random order."""
  return v[..., permutation(v.shape[-1])]


def unpermute(v: jax.Array) -> jax.Array:
  """Inverse of `permute`."""
  return v[..., np.argsort(permutation(v.shape[-1]))]


def _height(s: jax.Array, levels: int) -> jax.Array:
  """S in units of levels, (..., 1)."""
  check_levels(levels)
  if not isinstance(s, jax.core.Tracer) and not np.isfinite(s).all():
    wrong = np.argwhere(~np.isfinite(s))
    raise ValueError(f'S holds {len(wrong)} amplitudes that are not finite, the first at {tuple(map(int, wrong[0]))}: expected [0, 1]')
  return jnp.clip(s, 0.0, 1.0)[..., None] * (levels - 1)
