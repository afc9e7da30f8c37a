"""The denoising gain: how much better does a query explain the noise that was really added, in each cell?

  gain = 1/2 (|eps - eps_ref|^2 - |eps - eps_q|^2)

It is absolute, unlike the published mask. Integrated over logSNR its sum over cells is a log-likelihood ratio,

  ln p(x0 | q) - ln p(x0 | ref) = integral 1/2 E_eps[|eps - eps_ref|^2 - |eps - eps_q|^2] d logSNR     (nats)

for optimal predictors (Kong et al., arXiv 2302.03792, equation 8; VDM, arXiv 2107.00630, equation 17). Single cells are
attributions, no likelihoods (Kong et al., arXiv 2310.07972, localise objects in images so).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from sgm.diffusion.noising import ConditionalFn, Denoiser, Levels, conditions
from sgm.diffusion.schedule import Schedule

WEIGHTINGS = ('mean', 'logsnr')


def gain(
    model_fn: ConditionalFn, z0: jax.Array, queries: Any, reference: Any, keys: jax.Array, schedule: Schedule, kind: str,
    ts: Sequence[float], n: int, antithetic: bool = True, weights: Sequence[float] | jax.Array | None = None,
    max_rows: int = 1024,
) -> jax.Array:
  """Denoising gain of every query over the reference, (B, Q, *cells), summed over channels.

  Args:
    z0: (B, *cells, C) clean latents.
    queries: condition pytree, leaves (Q, ...), or (B, Q, ...) where the queries differ between clips.
    reference: the same structure, leaves (1, ...) or (B, ...); its branch is computed once for all queries.
    keys: (B,), one per clip.
    ts, n, antithetic: see `noising.Levels`.
    weights: (K,) weights of the levels; None averages them. With `logsnr_weights(ts, schedule)` the result is in
      nats: its sum over cells is the part of the log-likelihood ratio between the first and the last level.
    max_rows: rows of one model call; at least B (Q + 1) are needed, more take several noises at once.

  Raises:
    ValueError: mismatched keys, conditions or weights.
  """
  levels = Levels(tuple(ts), n, antithetic)
  if weights is None:
    weights = np.full(len(ts), 1.0 / len(ts))
  weights = jnp.asarray(weights, z0.dtype)
  if weights.shape != (len(ts),):
    raise ValueError(f'gain needs one weight per level, {len(ts)}, got shape {weights.shape}')

  def cell_gain(noise, eps):
    reference, query = eps[:, :, :1], eps[:, :, 1:]
    # 1/2 (|e - r|^2 - |e - q|^2) without subtracting two nearly equal squares
    return 0.5 * jnp.sum((query - reference) * (2.0 * noise - reference - query), -1)

  denoiser = Denoiser(model_fn, schedule, kind)
  cond = conditions(queries, reference, z0.shape[0])
  return jnp.tensordot(weights, levels.mean(denoiser.eps, cell_gain, z0, cond, keys, schedule, max_rows), 1)


def logsnr_weights(ts: Sequence[float] | jax.Array, schedule: Schedule) -> jax.Array:
  """Trapezoid weights (K,) of the integral d logSNR over monotone levels ts, K >= 2."""
  if len(ts) < 2:
    raise ValueError(f'an integral over logSNR needs at least 2 levels, got {len(ts)}')
  widths = jnp.abs(jnp.diff(schedule.logsnr(jnp.asarray(ts, jnp.float32))))
  return 0.5 * (jnp.pad(widths, (0, 1)) + jnp.pad(widths, (1, 0)))


def log_likelihood_ratio(maps: jax.Array) -> jax.Array:
  """(B, Q) in nats: sum over cells of `gain` maps (B, Q, *cells) made with `logsnr_weights`."""
  return maps.reshape(*maps.shape[:2], -1).sum(-1)


@dataclasses.dataclass(frozen=True)
class Gain(Levels):
  """`gain` as a method of `sgm.diffusion.maps`.

  Attributes:
    weighting: of the levels: 'mean', or 'logsnr', the integral in nats between the first and the last of monotone ts.
  """

  weighting: str = 'mean'

  def __post_init__(self):
    super().__post_init__()
    if self.weighting not in WEIGHTINGS:
      raise ValueError(f'unknown gain weighting {self.weighting!r}, known: {", ".join(WEIGHTINGS)}')

  def __call__(
      self, denoiser: Denoiser, z0: jax.Array, queries: Any, reference: Any, keys: jax.Array, words: jax.Array | None = None,
      max_rows: int = 1024,
  ) -> jax.Array:
    del words
    weights = logsnr_weights(self.ts, denoiser.schedule) if self.weighting == 'logsnr' else None
    return gain(denoiser.predict, z0, queries, reference, keys, denoiser.schedule, denoiser.kind, self.ts, self.n,
                self.antithetic, weights, max_rows)
