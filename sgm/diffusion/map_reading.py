"""What maps (B, Q, *cells) say: is a query present (`score`, `standardise`), and where (`upsample_map`, `threshold_map`)?"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def score(maps: jax.Array, top: int | None = None) -> jax.Array:
  """Presence score (..., Q) of maps (B, Q, *cells): the mean of the `top` strongest cells (None: of all of them)."""
  flat = maps.reshape(*maps.shape[:2], -1)
  if top is None:
    return flat.mean(-1)
  if not 1 <= top <= flat.shape[-1]:
    raise ValueError(f'top must lie in 1..{flat.shape[-1]}, the number of cells, got {top}')
  return jax.lax.top_k(flat, top)[0].mean(-1)


def standardise(scores: jax.Array, absent: jax.Array | None = None, divide: bool = True) -> jax.Array:
  """Scores (B, Q) less the clip's mean over OTHER queries, over their standard deviation (leave one out).

  What is common to all queries of a clip (a loud, an unusual, a badly modelled clip) goes away.

  Args:
    absent: bool (Q,) or (B, Q), queries that are known to be absent, or stand in for it; None: all. For every query
      at least two others must remain.
    divide: False subtracts the mean only.
  """
  size = scores.shape[-1]
  absent = jnp.ones(scores.shape, bool) if absent is None else jnp.broadcast_to(absent, scores.shape)
  if size < 3:
    raise ValueError(f'standardise compares a query with at least two others: got {size} queries')
  others = absent[:, None, :] & ~jnp.eye(size, dtype=bool)  # (B, Q, Q)
  count = others.sum(-1)
  mean = jnp.where(others, scores[:, None, :], 0.0).sum(-1) / count  # (B, Q)
  if not divide:
    return scores - mean
  deviation = jnp.where(others, scores[:, None, :] - mean[..., None], 0.0)
  std = jnp.sqrt(jnp.square(deviation).sum(-1) / (count - 1))
  return (scores - mean) / positive(std)


def upsample_map(maps: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Maps (..., *cells) to (..., *shape), as many axes, linear: the spectrogram's (T, F), say."""
  return jax.image.resize(maps, (*maps.shape[:-len(shape)], *shape), 'linear')


def threshold_map(maps: jax.Array, fraction: float = 0.5, floor: float = 0.0) -> jax.Array:
  """Bool (..., T, F): at least `fraction` of the map's maximum, and above the absolute `floor`, so it can be empty."""
  return (maps >= fraction * maps.max((-2, -1), keepdims=True)) & (maps > floor)


def positive(x: jax.Array) -> jax.Array:
  """x where positive, else the smallest normal number, so that 0 / 0 becomes 0."""
  return jnp.maximum(x, jnp.finfo(x.dtype).tiny)
