"""Many queries of a few clips at common noise: what every map of `sgm.diffusion.maps` is made with.

Shapes: latents z0 (B, *cells, C), cells usually (T, F). Clip i's noise comes from keys[i] alone and is the same for every query
(common random numbers), so that what differs between queries is what they say.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

import jax
import jax.numpy as jnp
import numpy as np

from sgm.diffusion import prediction as prediction_lib
from sgm.diffusion.schedule import Schedule, rows

ConditionalFn = Callable[[jax.Array, jax.Array, Any], jax.Array]


@dataclasses.dataclass(frozen=True)
class Denoiser:
  """A trained model, as maps need it.

  Attributes:
    predict: (z (R, *cells, C), t (R,), cond) -> prediction (R, *cells, C) of `kind`; cond is a pytree with leading axis R.
    schedule: the noise of z at t.
    kind: 'eps', 'x0' or 'v'.
    attend: (z, t, cond, words (R, L)) -> (R, *cells), the attention that each cell pays to words; None where there is no text.
  """

  predict: ConditionalFn
  schedule: Schedule
  kind: str
  attend: Callable[[jax.Array, jax.Array, Any, jax.Array], jax.Array] | None = None

  def eps(self, z: jax.Array, t: jax.Array, cond: Any) -> jax.Array:
    # networks may compute in bfloat16
    return prediction_lib.to_eps(self.predict(z, t, cond).astype(z.dtype), self.kind, z, t, self.schedule)

  def x0(self, z: jax.Array, t: jax.Array, cond: Any) -> jax.Array:
    return prediction_lib.to_x0(self.predict(z, t, cond).astype(z.dtype), self.kind, z, t, self.schedule)


@dataclasses.dataclass(frozen=True)
class Levels:
  """Noise levels and how many noises are averaged at each.

  Attributes:
    ts: K noise levels t in [0, 1].
    n: noises per level.
    antithetic: noises come in n / 2 pairs +eps, -eps, which cancels what is linear in eps; then n is even.
  """

  ts: tuple[float, ...] = (0.6, 0.7, 0.8, 0.9, 0.95)
  n: int = 2
  antithetic: bool = True

  def __post_init__(self):
    object.__setattr__(self, 'ts', tuple(self.ts))  # JSON gives lists
    if not self.ts or min(self.ts) < 0.0 or max(self.ts) > 1.0:
      raise ValueError(f'noise levels must lie in [0, 1], got {self.ts}')
    if self.n < 1 or (self.antithetic and self.n % 2):
      raise ValueError(f'n must be positive, and even for antithetic pairs, got {self.n}')

  def rows(self, queries: int) -> int:
    """Rows of the denoiser that the maps of so many queries take per clip: one more for the reference."""
    return len(self.ts) * self.n * (queries + 1)

  def mean(
      self, row_fn: ConditionalFn, cell_fn: Callable[[jax.Array, jax.Array], Any], z0: jax.Array, cond: Any, keys: jax.Array,
      schedule: Schedule, max_rows: int,
  ) -> Any:
    """Means over the noises, per level.

    One scan; each step takes as many (level, noise) items as fit into max_rows rows, which bounds memory.

    Args:
      row_fn: (z (R, *cells, C), t (R,), cond) -> (R, ...), what is computed of every row.
      cell_fn: (noise (m, B, 1, *cells, C), rows (m, B, N, ...)) -> pytree, leaves (m, B, ...): what is averaged.
      z0: (B, *cells, C) clean latents.
      cond: pytree, leaves (B, N, ...), see `conditions`.
      keys: (B,), one per clip.
      max_rows: rows of one model call; at least B N are needed, more take several noises at once.

    Returns:
      cell_fn's pytree, leaves (K, B, ...).
    """
    batch = z0.shape[0]
    if keys.shape[:1] != (batch,):
      raise ValueError(f'one key per clip: {batch} clips, keys of shape {keys.shape}')
    branches = jax.tree.leaves(cond)[0].shape[1]
    items = len(self.ts) * self.n
    fit = max(1, max_rows // (batch * branches))
    together = max(m for m in range(1, items + 1) if items % m == 0 and m <= fit)
    level, draw = np.divmod(np.arange(items), self.n)
    sign = np.where(draw % 2, -1.0, 1.0) if self.antithetic else np.ones(items)
    stream = level * self.n + (draw // 2 if self.antithetic else draw)  # the two of a pair share their stream
    cond_rows = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (together, *leaf.shape)).reshape(-1, *leaf.shape[2:]), cond)
    times = jnp.asarray(self.ts, jnp.float32)

    def draw_noise(stream, sign):
      noise = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, stream), z0.shape[1:], z0.dtype))(keys)
      return sign * noise  # (B, *cells, C)

    def values(item):
      noise = jax.vmap(draw_noise)(item['stream'], item['sign'])  # (m, B, *cells, C)
      t = times[item['level']]
      z = rows(schedule.alpha(t), noise) * z0 + rows(schedule.sigma(t), noise) * noise
      z = jnp.broadcast_to(z[:, :, None], (together, batch, branches, *z0.shape[1:]))
      out = row_fn(z.reshape(-1, *z0.shape[1:]), jnp.repeat(t, batch * branches), cond_rows)  # (m B N, ...)
      return cell_fn(noise[:, :, None], out.reshape(together, batch, branches, *out.shape[1:]))

    def step(total, item):
      return jax.tree.map(lambda whole, part: whole.at[item['level']].add(part / self.n), total, values(item)), None

    xs = dict(level=jnp.asarray(level, jnp.int32), sign=jnp.asarray(sign, z0.dtype), stream=jnp.asarray(stream, jnp.int32))
    xs = jax.tree.map(lambda x: x.reshape(-1, together), xs)
    shapes = jax.eval_shape(values, jax.tree.map(lambda x: x[0], xs))
    start = jax.tree.map(lambda s: jnp.zeros((len(self.ts), *s.shape[1:]), s.dtype), shapes)
    return jax.lax.scan(step, start, xs)[0]


def conditions(queries: Any, reference: Any, batch: int) -> Any:
  """One pytree, leaves (B, 1 + Q, ...), the reference first: its rows are computed once for all queries.

  Args:
    queries: pytree, leaves (Q, ...), or (B, Q, ...) where the queries differ between clips.
    reference: the same structure, leaves (1, ...) or (B, ...).

  Raises:
    ValueError: leaves of other shapes, or that differ in Q.
  """

  def join(query, reference):
    if query.ndim == reference.ndim:  # (Q, ...): the same for all clips
      query = jnp.broadcast_to(query, (batch, *query.shape))
    if query.ndim != reference.ndim + 1 or query.shape[0] != batch or reference.shape[0] not in (1, batch):
      raise ValueError(
          f'conditions must be queries (Q, ...) or ({batch}, Q, ...) with reference (1, ...) or ({batch}, ...), got shapes '
          f'{query.shape} and {reference.shape}')
    reference = jnp.broadcast_to(reference, (batch, *reference.shape[1:]))
    return jnp.concatenate([reference[:, None], query.astype(reference.dtype)], 1)

  joined = jax.tree.map(join, queries, reference)
  if len({leaf.shape[1] for leaf in jax.tree.leaves(joined)}) > 1:
    shapes = [leaf.shape for leaf in jax.tree.leaves(queries)]
    raise ValueError(f'all parts of the conditions must be of as many queries, got shapes {shapes}')
  return joined
