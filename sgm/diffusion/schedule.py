"""Noise schedules: how much signal and how much noise is left at time t.

The forward process is variance preserving, `z_t = alpha(t) x0 + sigma(t) eps` with `alpha^2 + sigma^2 = 1`, t = 0 clean
and t = 1 noise (Kingma et al., Variational Diffusion Models, arXiv 2107.00630). `logsnr = ln(alpha^2 / sigma^2)`.

Both schedules keep their angles (`tan angle = sigma / alpha`) instead of logSNRs, because angles stay finite at zero
terminal SNR.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np


class Schedule(Protocol):
  """A monotone path from signal (t = 0) to noise (t = 1); implementations are hashable, so static under jit."""

  @property
  def zero_terminal(self) -> bool:
    """Whether alpha(1) is exactly 0: then a prediction of eps at t = 1 says nothing about x0."""

  def alpha(self, t: jax.Array) -> jax.Array:
    """Signal scale, same shape as t."""

  def sigma(self, t: jax.Array) -> jax.Array:
    """Noise scale, same shape as t."""

  def logsnr(self, t: jax.Array) -> jax.Array:
    """ln(alpha^2 / sigma^2), strictly decreasing in t."""

  def t(self, logsnr: jax.Array) -> jax.Array:
    """The inverse of `logsnr`; values beyond the schedule's range give 0 or 1."""


@dataclasses.dataclass(frozen=True)
class CosineSchedule:
  """alpha = cos(pi t / 2), sigma = sin(pi t / 2) (Nichol & Dhariwal, arXiv 2102.09672, in VDM's continuous time).

  t runs over the part of the quarter circle whose logSNR lies between `logsnr_min` and `logsnr_max`, so both ends are
  safe and logSNR stays strictly monotone (clipping would give plateaus, on which multistep solvers divide by zero).

  Attributes:
    shift: added to the logSNR, 2 ln(reference side / side) for larger pictures (Hoogeboom et al., simple diffusion,
      arXiv 2301.11093, section 3.1). Negative = noisier.
    logsnr_min, logsnr_max: logSNR at t = 1 and t = 0 before the shift; `logsnr_min=-inf` is zero terminal SNR.
  """

  shift: float = 0.0
  logsnr_min: float = -15.0
  logsnr_max: float = 15.0

  def __post_init__(self):
    if not self.logsnr_min < self.logsnr_max or not math.isfinite(self.logsnr_max) or not math.isfinite(self.shift):
      raise ValueError(f'CosineSchedule needs logsnr_min < logsnr_max < inf and a finite shift, got {self}')

  @property
  def zero_terminal(self) -> bool:
    return math.isinf(self.logsnr_min)

  @property
  def _ends(self) -> tuple[float, float]:
    """Angle at t = 0, and what is missing to a right angle at t = 1 (0 at zero terminal SNR)."""
    return math.atan(math.exp(-0.5 * self.logsnr_max)), math.atan(math.exp(0.5 * self.logsnr_min))

  def _unnormalised(self, t: jax.Array) -> tuple[jax.Array, jax.Array]:
    first, missing = self._ends
    span = 0.5 * math.pi - first - missing
    t = jnp.asarray(t)
    # Each scale is the sine of a small angle at its own small end, so neither loses digits there.
    alpha = jnp.sin(missing + (1.0 - t) * span)
    sigma = math.exp(-0.5 * self.shift) * jnp.sin(first + t * span)
    return alpha, sigma

  def alpha(self, t: jax.Array) -> jax.Array:
    alpha, sigma = self._unnormalised(t)
    return alpha / jnp.hypot(alpha, sigma)

  def sigma(self, t: jax.Array) -> jax.Array:
    alpha, sigma = self._unnormalised(t)
    return sigma / jnp.hypot(alpha, sigma)

  def logsnr(self, t: jax.Array) -> jax.Array:
    alpha, sigma = self._unnormalised(t)
    return 2.0 * (jnp.log(alpha) - jnp.log(sigma))

  def t(self, logsnr: jax.Array) -> jax.Array:
    first, missing = self._ends
    angle = jnp.arctan(jnp.exp(-0.5 * (jnp.asarray(logsnr) - self.shift)))
    return jnp.clip((angle - first) / (0.5 * math.pi - first - missing), 0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class LinearSchedule:
  """The discrete schedule of DDPM (Ho et al., arXiv 2006.11239), its angles interpolated between the steps.

  `t = n / (steps - 1)` is step n: t = 0 has the noise of step 0, which is small but not zero.

  Attributes:
    beta_start, beta_end: variances of the first and the last step.
    steps: number of discrete steps.
    scaled: sqrt(beta) is linear instead of beta ('scaled_linear' of latent diffusion, arXiv 2112.10752).
    zero_terminal: sqrt(alphas_cumprod) is shifted and scaled so that the last step is pure noise (Lin et al.,
      arXiv 2305.08891, algorithm 1).
  """

  beta_start: float = 1e-4
  beta_end: float = 0.02
  steps: int = 1000
  scaled: bool = False
  zero_terminal: bool = False

  def __post_init__(self):
    if not (0.0 < self.beta_start < self.beta_end < 1.0 and self.steps >= 2):
      raise ValueError(f'LinearSchedule needs 0 < beta_start < beta_end < 1 and steps >= 2, got {self}')

  def _interpolate(self, table: np.ndarray, t: jax.Array) -> jax.Array:
    position = jnp.clip(jnp.asarray(t), 0.0, 1.0) * (self.steps - 1)
    below = jnp.clip(jnp.floor(position).astype(jnp.int32), 0, self.steps - 2)
    fraction = position - below
    table = jnp.asarray(table, position.dtype)
    return table[below] * (1.0 - fraction) + table[below + 1] * fraction

  def alpha(self, t: jax.Array) -> jax.Array:
    return jnp.sin(self._interpolate(_linear_angles(self)[0], t))

  def sigma(self, t: jax.Array) -> jax.Array:
    return jnp.sin(self._interpolate(_linear_angles(self)[1], t))

  def logsnr(self, t: jax.Array) -> jax.Array:
    return 2.0 * (jnp.log(self.alpha(t)) - jnp.log(self.sigma(t)))

  def t(self, logsnr: jax.Array) -> jax.Array:
    angle = jnp.arctan(jnp.exp(-0.5 * jnp.asarray(logsnr)))
    table = jnp.asarray(_linear_angles(self)[1], angle.dtype)
    return jnp.interp(angle, table, jnp.linspace(0.0, 1.0, self.steps, dtype=angle.dtype))


@functools.lru_cache(maxsize=16)
def _linear_angles(schedule: LinearSchedule) -> tuple[np.ndarray, np.ndarray]:
  """arcsin(alpha) and arcsin(sigma) of every step, (steps,) float64 each."""
  if schedule.scaled:
    betas = np.linspace(schedule.beta_start**0.5, schedule.beta_end**0.5, schedule.steps) ** 2
  else:
    betas = np.linspace(schedule.beta_start, schedule.beta_end, schedule.steps)
  alpha = np.sqrt(np.cumprod(1.0 - betas))
  if schedule.zero_terminal:
    alpha = (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])
  sigma = np.sqrt(1.0 - alpha**2)
  return np.arctan2(alpha, sigma), np.arctan2(sigma, alpha)


SPACINGS = ('uniform', 'logsnr')


def timesteps(n: int, schedule: Schedule, spacing: str = 'uniform', start: float = 1.0, end: float = 0.0) -> jax.Array:
  """Times for n sampler steps, (n + 1,) float32, descending from `start` to `end`.

  Args:
    n: number of steps, at least 1.
    schedule: read by `spacing='logsnr'` only, which needs a finite logSNR at `start`.
    spacing: 'uniform' in t, or in 'logsnr' (Lu et al., arXiv 2206.00927).
    start, end: 1 >= start > end >= 0.
  """
  if n < 1 or not 1.0 >= start > end >= 0.0:
    raise ValueError(f'timesteps needs n >= 1 and 1 >= start > end >= 0, got n={n}, start={start}, end={end}')
  if spacing == 'uniform':
    return jnp.linspace(start, end, n + 1, dtype=jnp.float32)
  if spacing == 'logsnr':
    if schedule.zero_terminal and start == 1.0:
      raise ValueError("spacing='logsnr' from t=1 is impossible at zero terminal SNR: choose start < 1 or 'uniform'")
    ends = schedule.logsnr(jnp.asarray([start, end], jnp.float32))
    ts = schedule.t(jnp.linspace(ends[0], ends[1], n + 1))
    return ts.at[0].set(start).at[-1].set(end).astype(jnp.float32)
  raise ValueError(f'unknown spacing {spacing!r}, known: {", ".join(SPACINGS)}')


def rows(values: jax.Array, like: jax.Array) -> jax.Array:
  """Appends axes of length 1 to `values` (B,) until it broadcasts against `like` (B, ...)."""
  values = jnp.asarray(values)
  return values.reshape(values.shape + (1,) * (like.ndim - values.ndim))
