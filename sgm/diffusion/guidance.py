"""Guidance: several conditional predictions turned into one, all in one batched call of the network.

Affine combinations whose weights sum to 1 mean the same in eps, x0 and v at a given z, so these functions need not know
which of them `model_fn` predicts.
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

import jax
import jax.numpy as jnp

from sgm.diffusion.schedule import rows

ConditionalFn = Callable[[jax.Array, jax.Array, Any], jax.Array]
ModelFn = Callable[[jax.Array, jax.Array], jax.Array]


def classifier_free_guidance(
    model_fn: ConditionalFn, cond: Any, null: Any, scale: float | jax.Array,
    interval: tuple[float, float] | None = None, negative: Any | None = None,
) -> ModelFn:
  """`null + scale (cond - null)` (Ho & Salimans, arXiv 2207.12598).

  Args:
    model_fn: (z (R, ...), t (R,), condition with leading axis R) -> prediction (R, ...).
    cond: pytree, leaves (B, ...) or (1, ...).
    null: the dropped condition, same structure, leaves (B, ...) or (1, ...).
    scale: a number or (B,). The Python number 1 means no guidance: one row an example.
    interval: (low, high) in t: outside of it the scale is 1 (Kynkaanniemi et al., arXiv 2404.07724). None: everywhere.
    negative: a condition to lead away from, in the place of `null`.

  Returns:
    function (z (B, ...), t (B,)) -> guided prediction (B, ...).
  """
  _check_interval(interval)
  if isinstance(scale, (int, float)) and scale == 1:
    return lambda z, t: model_fn(z, t, _broadcast(cond, z.shape[0]))
  base = null if negative is None else negative

  def guided(z: jax.Array, t: jax.Array) -> jax.Array:
    predictions = _batched(model_fn, z, t, [cond, base])  # (2, B, ...)
    weight = _inside(scale, t, interval, outside=1.0)
    return predictions[1] + rows(weight, z) * (predictions[0] - predictions[1])

  return guided


def compose(
    model_fn: ConditionalFn, conds: Sequence[Any], null: Any, scales: Sequence[float | jax.Array],
    interval: tuple[float, float] | None = None,
) -> ModelFn:
  """`null + sum_i scale_i (cond_i - null)`, one term per species, say (Liu et al., arXiv 2206.01714, equation 11).

  Args are those of `classifier_free_guidance`, for several conditions; outside `interval` every scale is
  1 / len(conds), so that the conditions are averaged.
  """
  if not conds or len(conds) != len(scales):
    raise ValueError(f'compose needs as many scales as conditions and at least one, got {len(conds)} and {len(scales)}')
  _check_interval(interval)

  def guided(z: jax.Array, t: jax.Array) -> jax.Array:
    *predictions, base = _batched(model_fn, z, t, [*conds, null])  # each (B, ...)
    out = base
    for prediction, scale in zip(predictions, scales):
      out += rows(_inside(scale, t, interval, outside=1.0 / len(conds)), z) * (prediction - base)
    return out

  return guided


def _broadcast(cond: Any, size: int) -> Any:
  return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (size, *leaf.shape[1:])), cond)


def _batched(model_fn: ConditionalFn, z: jax.Array, t: jax.Array, conds: Sequence[Any]) -> jax.Array:
  """Predictions (len(conds), B, ...) from one call on len(conds) * B rows."""
  size = z.shape[0]
  stacked = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(_broadcast(c, size) for c in conds))
  tiled = jnp.tile(z, (len(conds), *(1,) * (z.ndim - 1)))  # (len(conds) * B, ...)
  return model_fn(tiled, jnp.tile(t, len(conds)), stacked).reshape(len(conds), *z.shape)


def _inside(scale: float | jax.Array, t: jax.Array, interval: tuple[float, float] | None, outside: float) -> jax.Array:
  """`scale` as (B,), replaced by `outside` where t lies out of the interval."""
  scale = jnp.broadcast_to(jnp.asarray(scale, t.dtype), t.shape)
  if interval is None:
    return scale
  return jnp.where((t >= interval[0]) & (t <= interval[1]), scale, outside)


def _check_interval(interval: tuple[float, float] | None) -> None:
  if interval is not None and not 0.0 <= interval[0] <= interval[1] <= 1.0:
    raise ValueError(f'guidance interval must be 0 <= low <= high <= 1 in t, got {interval}')
