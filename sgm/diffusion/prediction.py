"""What the network predicts (eps, x0 or v), how one turns into another, and the weight of its loss.

With `z = alpha x0 + sigma eps`, `v = alpha eps - sigma x0` (Salimans & Ho, arXiv 2202.00512, section 4).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sgm.diffusion.schedule import Schedule, rows

KINDS = ('eps', 'x0', 'v')


def check_kind(kind: str) -> None:
  """Raises ValueError unless `kind` is one of KINDS."""
  if kind not in KINDS:
    raise ValueError(f'unknown prediction kind {kind!r}, known: {", ".join(KINDS)}')


def split(prediction: jax.Array, kind: str, z: jax.Array, alpha: jax.Array, sigma: jax.Array) -> tuple[jax.Array, jax.Array]:
  """(x0, eps), both (B, ...), that `prediction` (B, ...) of `kind` means at `z` (B, ...).

  Args:
    alpha, sigma: scales that broadcast against z. 'eps' divides by alpha and 'x0' by sigma; 'v' divides by neither and
      is the kind for zero terminal SNR.
  """
  check_kind(kind)
  if kind == 'eps':
    return (z - sigma * prediction) / alpha, prediction
  if kind == 'x0':
    return prediction, (z - alpha * prediction) / sigma
  return alpha * z - sigma * prediction, sigma * z + alpha * prediction


def to_x0(prediction: jax.Array, kind: str, z: jax.Array, t: jax.Array, schedule: Schedule) -> jax.Array:
  """The clean data that `prediction` (B, ...) means at `z` (B, ...), t (B,)."""
  return split(prediction, kind, z, rows(schedule.alpha(t), z), rows(schedule.sigma(t), z))[0]


def to_eps(prediction: jax.Array, kind: str, z: jax.Array, t: jax.Array, schedule: Schedule) -> jax.Array:
  """The noise that `prediction` (B, ...) means at `z` (B, ...), t (B,)."""
  return split(prediction, kind, z, rows(schedule.alpha(t), z), rows(schedule.sigma(t), z))[1]


def to_v(prediction: jax.Array, kind: str, z: jax.Array, t: jax.Array, schedule: Schedule) -> jax.Array:
  """The velocity `alpha eps - sigma x0` that `prediction` (B, ...) means at `z` (B, ...), t (B,)."""
  if kind == 'v':
    return prediction
  alpha, sigma = rows(schedule.alpha(t), z), rows(schedule.sigma(t), z)
  x0, eps = split(prediction, kind, z, alpha, sigma)
  return alpha * eps - sigma * x0


def add_noise(x0: jax.Array, eps: jax.Array, t: jax.Array, schedule: Schedule) -> jax.Array:
  """z_t = alpha(t) x0 + sigma(t) eps for x0, eps (B, ...) and t (B,)."""
  return rows(schedule.alpha(t), x0) * x0 + rows(schedule.sigma(t), x0) * eps


def target(kind: str, x0: jax.Array, eps: jax.Array, t: jax.Array, schedule: Schedule) -> jax.Array:
  """What a network of `kind` should predict for x0, eps (B, ...) at t (B,)."""
  check_kind(kind)
  if kind == 'eps':
    return eps
  if kind == 'x0':
    return x0
  return rows(schedule.alpha(t), x0) * eps - rows(schedule.sigma(t), x0) * x0


def constant(kind: str, t: jax.Array, schedule: Schedule) -> jax.Array:
  """Weight 1, shape of t: the plain squared error in the space that the network predicts in."""
  del kind, schedule  # every weighting has the same arguments
  return jnp.ones_like(t)


def min_snr(kind: str, t: jax.Array, schedule: Schedule, gamma: float = 5.0) -> jax.Array:
  """Min-SNR-gamma weight of the squared error in the predicted space (Hang et al., arXiv 2303.09556, section 3.4).

  In x0 space the weight is min(SNR, gamma); an error in eps is 1 / SNR and one in v is 1 / (SNR + 1) of that. All three
  are written so that SNR 0 and very large SNR are harmless.

  Args:
    t: (B,) in [0, 1].
    gamma: SNR above which easy, nearly clean examples get no more weight.

  Returns:
    weights, shape of t.
  """
  check_kind(kind)
  if kind == 'x0':
    return jnp.minimum(jnp.exp(schedule.logsnr(t)), gamma)
  if kind == 'eps':
    return jnp.minimum(1.0, gamma * jnp.exp(-schedule.logsnr(t)))
  return jnp.minimum(schedule.alpha(t) ** 2, gamma * schedule.sigma(t) ** 2)


WEIGHTINGS = {'constant': constant, 'min_snr': min_snr}


def weight(name: str, kind: str, t: jax.Array, schedule: Schedule, **options: float) -> jax.Array:
  """The weighting called `name` at t (B,); an unknown name raises ValueError listing the known ones."""
  if name not in WEIGHTINGS:
    raise ValueError(f'unknown weighting {name!r}, known: {", ".join(WEIGHTINGS)}')
  return WEIGHTINGS[name](kind, t, schedule, **options)
