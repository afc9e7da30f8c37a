"""The published DiffEdit mask (Couairon et al., arXiv 2210.11427, section 3.1): the contrast of two predictions of the noise.

Rescaled by itself as it is, the map marks something even for a species that is absent: it tells place, never presence.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from sgm.diffusion.map_reading import positive
from sgm.diffusion.noising import Denoiser, Levels, conditions

ORDERS = ('mean_then_clamp', 'clamp_then_mean')
NORMS = ('l1', 'l2')


@dataclasses.dataclass(frozen=True)
class Contrast:
  """How the published mask is computed; implementations disagree on nearly every field.

  Attributes:
    strength: noise level t, or several whose differences are averaged.
    n: noises per level.
    antithetic: noises come in pairs of opposite sign; then n is even.
    clamp: differences are clamped at this multiple of their mean over cells.
    order: 'clamp_then_mean' clamps each noise's differences, then averages and rescales to [0, 1] by minimum and maximum (the
      paper's wording: 'remove extreme values in noise predictions and stabilize the effect by averaging'); 'mean_then_clamp'
      averages first and rescales by the clamp (diffusers).
    norm: over channels, 'l1' mean of |d| or 'l2' root mean square.
    guidance: classifier-free scale on both branches. With one shared null, null + g (c - null), the null cancels
      from the difference, which is g times the plain one: it scales what is not rescaled, needs no extra rows, and leaves the
      mask alone.
    rescaled: maps in [0, 1], as published; False: the averaged difference itself, which is absolute but has no sign.
    threshold: the mask is the rescaled map above this.
  """

  strength: float | tuple[float, ...] = 0.5
  n: int = 10
  antithetic: bool = False
  clamp: float = 3.0
  order: str = 'clamp_then_mean'
  norm: str = 'l1'
  guidance: float = 1.0
  rescaled: bool = True
  threshold: float = 0.5

  def __post_init__(self):
    if isinstance(self.strength, list):  # from JSON
      object.__setattr__(self, 'strength', tuple(self.strength))
    for field, known in (('order', ORDERS), ('norm', NORMS)):
      if getattr(self, field) not in known:
        raise ValueError(f'unknown contrast {field} {getattr(self, field)!r}, known: {", ".join(known)}')
    if self.clamp <= 0 or self.guidance <= 0 or not 0 <= self.threshold < 1:
      raise ValueError(f'contrast needs clamp > 0, guidance > 0 and 0 <= threshold < 1, got {self}')
    self._levels  # refuses levels and n that cannot be

  @property
  def _levels(self) -> Levels:
    ts = self.strength if isinstance(self.strength, tuple) else (self.strength,)
    return Levels(ts, self.n, self.antithetic)

  def rows(self, queries: int) -> int:
    """Rows of the denoiser that the maps of so many queries take per clip."""
    return self._levels.rows(queries)

  def __call__(
      self, denoiser: Denoiser, z0: jax.Array, queries: Any, reference: Any, keys: jax.Array, words: jax.Array | None = None,
      max_rows: int = 1024,
  ) -> jax.Array:
    """Maps (B, Q, *cells); arguments as of every method, see `sgm.diffusion.maps`."""
    del words

    def difference(noise, eps):
      del noise
      d = self.guidance * (eps[:, :, 1:] - eps[:, :, :1])  # (m, B, Q, *cells, C)
      d = jnp.mean(jnp.abs(d), -1) if self.norm == 'l1' else jnp.sqrt(jnp.mean(jnp.square(d), -1))
      if self.order == 'clamp_then_mean':
        d = jnp.minimum(d, self.clamp * d.mean(_cells(d, 3), keepdims=True))
      return d

    cond = conditions(queries, reference, z0.shape[0])
    raw = self._levels.mean(denoiser.eps, difference, z0, cond, keys, denoiser.schedule, max_rows).mean(0)  # (B, Q, *cells)
    return self.rescale(raw) if self.rescaled else raw

  def rescale(self, raw: jax.Array) -> jax.Array:
    """The published map, in [0, 1], of averaged differences (B, Q, *cells), which rescaled=False gives."""
    cells = _cells(raw, 2)
    if self.order == 'mean_then_clamp':
      magnitude = self.clamp * raw.mean(cells, keepdims=True)
      return jnp.minimum(raw, magnitude) / positive(magnitude)
    low, high = raw.min(cells, keepdims=True), raw.max(cells, keepdims=True)
    return (raw - low) / positive(high - low)

  def mask(self, rescaled: jax.Array) -> jax.Array:
    """The published mask, bool, of rescaled maps."""
    return rescaled > self.threshold


# StableDiffusionDiffEditPipeline.generate_mask with its defaults, for one picture a call (for several, the pipeline clamps at
# the mean over all of them). The rule amounts to: above 1.5 times the map's mean. Where query and reference agree everywhere
# this mask is empty; the pipeline divides 0 by 0 and marks every cell.
DIFFUSERS = Contrast(strength=0.5, n=10, clamp=3.0, order='mean_then_clamp', norm='l1', guidance=7.5, threshold=0.5)


def _cells(x: jax.Array, first: int) -> tuple[int, ...]:
  return tuple(range(first, x.ndim))
