"""DiffEdit as a detector: where, and how strongly, does the diffusion model see what a query describes?

Two contrasts of a query's prediction with a reference's, at the same noise (common random numbers), per latent cell:

* `contrast`: the published mask (DiffEdit, arXiv 2210.11427, section 3.1). It is rescaled by itself, so it marks
  something even for a species that is absent: place, never presence.
* `gain`: the denoising gain `1/2 (|eps - eps_ref|^2 - |eps - eps_q|^2)`, how much better the query explains the noise
  that was really added. Absolute. Integrated over logSNR its sum over cells is a log-likelihood ratio,

    ln p(x0 | q) - ln p(x0 | ref) = integral 1/2 E_eps[|eps - eps_ref|^2 - |eps - eps_q|^2] d logSNR     (nats)

  for optimal predictors (Kong et al., arXiv 2302.03792, equation 8; VDM, arXiv 2107.00630, equation 17). Single cells
  are attributions, no likelihoods (Kong et al., arXiv 2310.07972, localise objects in images so).

Shapes: latents z0 (B, *cells, C), cells usually (T, F); maps (B, Q, *cells). `model_fn(z (R, *cells, C), t (R,), cond)
-> prediction`, cond a pytree with leading axis R. Clip i's noise comes from keys[i] alone and is the same for every query.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, NamedTuple, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from sgm.diffusion.prediction import split
from sgm.diffusion.schedule import Schedule, rows

ConditionalFn = Callable[[jax.Array, jax.Array, Any], jax.Array]

ORDERS = ('mean_then_clamp', 'clamp_then_mean')
NORMS = ('l1', 'l2')
SPACES = ('eps', 'x0')


@dataclasses.dataclass(frozen=True)
class ContrastSettings:
  """How the published mask is computed; implementations disagree on nearly every field.

  Attributes:
    strength: noise level t, or several whose maps are averaged.
    n: noises per level.
    antithetic: noises come in pairs of opposite sign; then n is even.
    clamp: differences are clamped at this multiple of their mean over cells.
    order: 'mean_then_clamp' averages the noises first (diffusers); 'clamp_then_mean' removes each noise's extremes
      before averaging and rescales to [0, 1] by minimum and maximum (the paper's wording).
    norm: over channels, 'l1' mean of |d| or 'l2' root mean square.
    space: difference of 'eps' or of 'x0'. At one level they are proportional; over several, 'x0' weighs noisy levels more.
    guidance: classifier-free scale on both branches. With one shared null, null + g (c - null), the null cancels
      from the difference, which is g times the plain one: it scales `raw`, needs no extra rows, and leaves the mask alone.
    threshold: the mask is the map above this, the map being in [0, 1].
  """

  strength: float | tuple[float, ...] = 0.5
  n: int = 10
  antithetic: bool = False
  clamp: float = 3.0
  order: str = 'mean_then_clamp'
  norm: str = 'l1'
  space: str = 'eps'
  guidance: float = 1.0
  threshold: float = 0.5

  def __post_init__(self):
    for field, known in (('order', ORDERS), ('norm', NORMS), ('space', SPACES)):
      if getattr(self, field) not in known:
        raise ValueError(f'unknown contrast {field} {getattr(self, field)!r}, known: {", ".join(known)}')
    if self.clamp <= 0 or self.guidance <= 0 or not 0 <= self.threshold < 1:
      raise ValueError(f'contrast needs clamp > 0, guidance > 0 and 0 <= threshold < 1, got {self}')


# StableDiffusionDiffEditPipeline.generate_mask with its defaults; the rule amounts to: above 1.5 times the map's mean.
DIFFUSERS = ContrastSettings(strength=0.5, n=10, clamp=3.0, order='mean_then_clamp', norm='l1', guidance=7.5, threshold=0.5)


class Contrast(NamedTuple):
  """`raw`: mean difference before it is rescaled; `map`: in [0, 1]; `mask`: bool; all (B, Q, *cells)."""

  raw: jax.Array
  map: jax.Array
  mask: jax.Array


def contrast(
    model_fn: ConditionalFn, z0: jax.Array, queries: Any, reference: Any, keys: jax.Array, schedule: Schedule, kind: str,
    settings: ContrastSettings = ContrastSettings(), max_rows: int = 1024,
) -> Contrast:
  """DiffEdit's mask of every query against the reference; other arguments as for `gain`."""

  def difference(noise, reference, query, cells):
    del noise
    d = settings.guidance * (query - reference)
    d = jnp.mean(jnp.abs(d), -1) if settings.norm == 'l1' else jnp.sqrt(jnp.mean(jnp.square(d), -1))
    if settings.order == 'clamp_then_mean':
      d = jnp.minimum(d, settings.clamp * d.mean(cells, keepdims=True))
    return d

  ts = settings.strength if isinstance(settings.strength, tuple) else (settings.strength,)
  levels = _mean_over_noises(
      difference, settings.space, model_fn, z0, queries, reference, keys, schedule, kind, ts, settings.n,
      settings.antithetic, max_rows)
  raw = levels.mean(0)  # (B, Q, *cells)
  cells = tuple(range(2, raw.ndim))
  if settings.order == 'mean_then_clamp':
    magnitude = settings.clamp * raw.mean(cells, keepdims=True)
    scaled = jnp.minimum(raw, magnitude) / _positive(magnitude)
  else:
    low, high = raw.min(cells, keepdims=True), raw.max(cells, keepdims=True)
    scaled = (raw - low) / _positive(high - low)
  return Contrast(raw, scaled, scaled > settings.threshold)


def gain(
    model_fn: ConditionalFn, z0: jax.Array, queries: Any, reference: Any, keys: jax.Array, schedule: Schedule, kind: str,
    ts: Sequence[float] = (0.6, 0.7, 0.8, 0.9, 0.95), n: int = 2, antithetic: bool = True,
    weights: Sequence[float] | jax.Array | None = None, max_rows: int = 1024,
) -> jax.Array:
  """Denoising gain of every query over the reference, (B, Q, *cells), summed over channels.

  Args:
    z0: (B, *cells, C) clean latents.
    queries: condition pytree, leaves (Q, ...), or (B, Q, ...) where the queries differ between clips.
    reference: the same structure, leaves (1, ...) or (B, ...); its branch is computed once for all queries.
    keys: (B,), one per clip.
    ts: K noise levels.
    n: noises per level; with `antithetic`, n / 2 pairs +eps, -eps, which cancels the term linear in eps.
    weights: (K,) weights of the levels; None averages them. With `logsnr_weights(ts, schedule)` the result is in
      nats: its sum over cells is the part of the log-likelihood ratio between the first and the last level.
    max_rows: rows of one model call; at least B (Q + 1) are needed, more take several noises at once.

  Raises:
    ValueError: mismatched keys, conditions or weights.
  """
  if weights is None:
    weights = np.full(len(ts), 1.0 / len(ts))
  weights = jnp.asarray(weights, z0.dtype)
  if weights.shape != (len(ts),):
    raise ValueError(f'gain needs one weight per level, {len(ts)}, got shape {weights.shape}')

  def cell_gain(noise, reference, query, cells):
    del cells
    # 1/2 (|e - r|^2 - |e - q|^2) without subtracting two nearly equal squares
    return 0.5 * jnp.sum((query - reference) * (2.0 * noise - reference - query), -1)

  levels = _mean_over_noises(
      cell_gain, 'eps', model_fn, z0, queries, reference, keys, schedule, kind, ts, n, antithetic, max_rows)
  return jnp.tensordot(weights, levels, 1)


def logsnr_weights(ts: Sequence[float] | jax.Array, schedule: Schedule) -> jax.Array:
  """Trapezoid weights (K,) of the integral d logSNR over monotone levels ts, K >= 2."""
  if len(ts) < 2:
    raise ValueError(f'an integral over logSNR needs at least 2 levels, got {len(ts)}')
  widths = jnp.abs(jnp.diff(schedule.logsnr(jnp.asarray(ts, jnp.float32))))
  return 0.5 * (jnp.pad(widths, (0, 1)) + jnp.pad(widths, (1, 0)))


def score(maps: jax.Array, top: int | None = None) -> jax.Array:
  """Presence score (..., Q) of maps (B, Q, *cells): the mean of the `top` strongest cells (None: of all of them)."""
  flat = maps.reshape(*maps.shape[:2], -1)
  if top is None:
    return flat.mean(-1)
  if not 1 <= top <= flat.shape[-1]:
    raise ValueError(f'top must lie in 1..{flat.shape[-1]}, the number of cells, got {top}')
  return jax.lax.top_k(flat, top)[0].mean(-1)


def log_likelihood_ratio(maps: jax.Array) -> jax.Array:
  """(B, Q) in nats: sum over cells of `gain` maps (B, Q, *cells) made with `logsnr_weights`."""
  return maps.reshape(*maps.shape[:2], -1).sum(-1)


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
  return (scores - mean) / _positive(std)


def upsample_map(maps: jax.Array, shape: tuple[int, int]) -> jax.Array:
  """Maps (..., T, F) to (..., *shape), the spectrogram's grid, bilinear."""
  return jax.image.resize(maps, (*maps.shape[:-2], *shape), 'bilinear')


def threshold_map(maps: jax.Array, fraction: float = 0.5, floor: float = 0.0) -> jax.Array:
  """Bool (..., T, F): at least `fraction` of the map's maximum, and above the absolute `floor`, so it can be empty."""
  return (maps >= fraction * maps.max((-2, -1), keepdims=True)) & (maps > floor)


def _positive(x: jax.Array) -> jax.Array:
  """x where positive, else the smallest normal number: 0 / 0 becomes 0."""
  return jnp.maximum(x, jnp.finfo(x.dtype).tiny)


def _conditions(queries: Any, reference: Any, batch: int) -> Any:
  """One pytree, leaves (B, 1 + Q, ...), the reference first."""

  def join(query, reference):
    if query.ndim == reference.ndim:  # (Q, ...): the same for all clips
      query = jnp.broadcast_to(query, (batch, *query.shape))
    if query.ndim != reference.ndim + 1 or query.shape[0] != batch or reference.shape[0] not in (1, batch):
      raise ValueError(
          f'conditions must be queries (Q, ...) or ({batch}, Q, ...) with reference (1, ...) or ({batch}, ...), got shapes '
          f'{query.shape} and {reference.shape}')
    reference = jnp.broadcast_to(reference, (batch, *reference.shape[1:]))
    return jnp.concatenate([reference[:, None], query.astype(reference.dtype)], 1)

  return jax.tree.map(join, queries, reference)


def _mean_over_noises(
    cell_fn: Callable[..., jax.Array], space: str, model_fn: ConditionalFn, z0: jax.Array, queries: Any, reference: Any,
    keys: jax.Array, schedule: Schedule, kind: str, ts: Sequence[float], n: int, antithetic: bool, max_rows: int,
) -> jax.Array:
  """Mean over n noises of cell_fn(noise, reference, query predictions, cell axes), per level: (K, B, Q, *cells).

  One scan; each step takes as many (level, noise) items as fit into max_rows rows, which bounds memory.
  """
  batch = z0.shape[0]
  if keys.shape[:1] != (batch,):
    raise ValueError(f'one key per clip: {batch} clips, keys of shape {keys.shape}')
  if n < 1 or (antithetic and n % 2):
    raise ValueError(f'n must be positive, and even for antithetic pairs, got {n}')
  if len(ts) == 0 or min(ts) < 0.0 or max(ts) > 1.0:
    raise ValueError(f'noise levels must lie in [0, 1], got {tuple(ts)}')
  cond = _conditions(queries, reference, batch)
  branches = jax.tree.leaves(cond)[0].shape[1]  # 1 + Q
  items = len(ts) * n
  fit = max(1, max_rows // (batch * branches))
  together = max(m for m in range(1, items + 1) if items % m == 0 and m <= fit)
  level, draw = np.divmod(np.arange(items), n)
  sign = np.where(draw % 2, -1.0, 1.0) if antithetic else np.ones(items)
  stream = level * n + (draw // 2 if antithetic else draw)  # the two of a pair share their stream
  cond_rows = jax.tree.map(
      lambda leaf: jnp.broadcast_to(leaf, (together, *leaf.shape)).reshape(-1, *leaf.shape[2:]), cond)
  times = jnp.asarray(ts, jnp.float32)
  cells = tuple(range(3, z0.ndim + 1))  # in (items, B, Q, *cells)

  def draw_noise(stream, sign):
    noise = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, stream), z0.shape[1:], z0.dtype))(keys)
    return sign * noise  # (B, *cells, C)

  def step(total, item):
    noise = jax.vmap(draw_noise)(item['stream'], item['sign'])  # (m, B, *cells, C)
    t = times[item['level']]
    z = rows(schedule.alpha(t), noise) * z0 + rows(schedule.sigma(t), noise) * noise
    shape = (together, batch, branches, *z0.shape[1:])
    z = jnp.broadcast_to(z[:, :, None], shape).reshape(-1, *z0.shape[1:])  # (m B (1 + Q), *cells, C)
    t = jnp.repeat(t, batch * branches)
    prediction = model_fn(z, t, cond_rows).astype(z.dtype)  # networks may compute in bfloat16
    x0, eps = split(prediction, kind, z, rows(schedule.alpha(t), z), rows(schedule.sigma(t), z))
    out = (eps if space == 'eps' else x0).reshape(shape)
    values = cell_fn(noise[:, :, None], out[:, :, :1], out[:, :, 1:], cells)  # (m, B, Q, *cells)
    return total.at[item['level']].add(values / n), None

  start = jnp.zeros((len(ts), batch, branches - 1, *z0.shape[1:-1]), z0.dtype)
  xs = dict(level=jnp.asarray(level, jnp.int32), sign=jnp.asarray(sign, z0.dtype), stream=jnp.asarray(stream, jnp.int32))
  xs = jax.tree.map(lambda x: x.reshape(-1, together), xs)
  return jax.lax.scan(step, start, xs)[0]
