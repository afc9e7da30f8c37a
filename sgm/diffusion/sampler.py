"""Samplers: from noise z1 to data z0, each one `lax.scan` over the given times.

All share a signature: `model_fn(z (B, ...), t (B,)) -> prediction (B, ...)` of `kind` ('eps', 'x0' or 'v'), `z1`
(B, ...) at time ts[0], `ts` (n + 1,) strictly descending. The result is z (B, ...) at time ts[-1]; at ts[-1] = 0 the
schedule's small sigma(0) is still in it. `clip` bounds the predicted x0 to [-clip, clip] (None: unbounded).

Randomness of example i comes from keys[i] alone, so sample i does not depend on what else is in the batch.
"""

from __future__ import annotations

from typing import Any, Callable

import jax
import jax.numpy as jnp

from sgm.diffusion.prediction import check_kind, split
from sgm.diffusion.schedule import Schedule

ModelFn = Callable[[jax.Array, jax.Array], jax.Array]

_INITIAL = 0  # step keys are fold_in(key, 1 + step), so they never meet the initial noise's


def initial_noise(keys: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Standard normal z1 (B, *shape); row i from keys[i] alone, independent of what the samplers draw from keys[i]."""
  return _normal(keys, _INITIAL, shape)


def _normal(keys: jax.Array, index: int | jax.Array, shape: tuple[int, ...]) -> jax.Array:
  return jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, index), shape))(keys)


def _predict(model_fn: ModelFn, kind: str, z: jax.Array, point: dict[str, jax.Array], clip: float | None):
  """(x0, eps) of the model at one time; a clipped x0 gets the eps that goes with it."""
  prediction = model_fn(z, jnp.full(z.shape[:1], point['t'])).astype(z.dtype)  # networks may compute in bfloat16
  x0, eps = split(prediction, kind, z, point['alpha'], point['sigma'])
  if clip is not None:
    x0 = jnp.clip(x0, -clip, clip)
    eps = (z - point['alpha'] * x0) / point['sigma']
  return x0, eps


def _path(ts: jax.Array, schedule: Schedule, kind: str) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
  """The scan's input: t, alpha, sigma, logsnr and step index of each step's start and end, leaves (n,)."""
  check_kind(kind)
  if kind == 'eps' and schedule.zero_terminal:
    raise ValueError("zero terminal SNR cannot be sampled with kind 'eps': at t=1 eps says nothing about x0; use 'v'")
  ts = jnp.asarray(ts)
  if ts.ndim != 1 or ts.shape[0] < 2:
    raise ValueError(f'ts must have shape (n + 1,) with n >= 1, got {ts.shape}')
  points = dict(t=ts, alpha=schedule.alpha(ts), sigma=schedule.sigma(ts), logsnr=schedule.logsnr(ts))
  points['index'] = jnp.arange(ts.shape[0])
  return {k: v[:-1] for k, v in points.items()}, {k: v[1:] for k, v in points.items()}


def _need_keys(keys: jax.Array | None, z: jax.Array, name: str) -> jax.Array:
  if keys is None or keys.shape[0] != z.shape[0]:
    got = 'None' if keys is None else f'keys of shape {keys.shape}'
    raise ValueError(f'{name} draws noise: it needs one key per example, {z.shape[0]}, got {got}')
  return keys


def ddim(
    model_fn: ModelFn, z1: jax.Array, ts: jax.Array, schedule: Schedule, kind: str, keys: jax.Array | None = None, *,
    eta: float = 0.0, clip: float | None = None,
) -> jax.Array:
  """Denoising diffusion implicit model (Song et al., arXiv 2010.02502, equations 12 and 16).

  Args:
    eta: 0 = deterministic; 1 = DDPM's ancestral variance; needs `keys` (B,) when above 0.
  """
  if eta:
    keys = _need_keys(keys, z1, f'ddim with eta={eta}')

  def step(z, points):
    now, new = points
    x0, eps = _predict(model_fn, kind, z, now, clip)
    if not eta:
      return new['alpha'] * x0 + new['sigma'] * eps, None
    shrink = -jnp.expm1(now['logsnr'] - new['logsnr'])
    std = eta * new['sigma'] * jnp.sqrt(shrink)  # equation 16: sigma_s / sigma_t * sqrt(1 - alpha_t^2 / alpha_s^2)
    direction = jnp.sqrt(jnp.maximum(jnp.square(new['sigma']) - jnp.square(std), 0.0))
    return new['alpha'] * x0 + direction * eps + std * _normal(keys, now['index'] + 1, z.shape[1:]), None

  return jax.lax.scan(step, z1, _path(ts, schedule, kind))[0]


def ddpm(
    model_fn: ModelFn, z1: jax.Array, ts: jax.Array, schedule: Schedule, kind: str, keys: jax.Array | None = None, *,
    variance: str = 'small', clip: float | None = None,
) -> jax.Array:
  """Ancestral sampling (Ho et al., arXiv 2006.11239, algorithm 2; for any two times VDM, arXiv 2107.00630, eq. 25-32).

  The last step adds no noise.

  Args:
    keys: (B,), required.
    variance: 'small', that of q(z_s | z_t, x0), or 'large', that of q(z_t | z_s) (DDPM, section 3.2).
  """
  if variance not in ('small', 'large'):
    raise ValueError(f"unknown ddpm variance {variance!r}, known: small, large")
  keys = _need_keys(keys, z1, 'ddpm')
  last = jnp.shape(ts)[0] - 2

  def step(z, points):
    now, new = points
    x0, _ = _predict(model_fn, kind, z, now, clip)
    shrink = -jnp.expm1(now['logsnr'] - new['logsnr'])  # sigma_{t|s}^2 / sigma_t^2 = 1 - SNR_t / SNR_s
    keep = now['alpha'] / new['alpha'] * jnp.square(new['sigma'] / now['sigma'])
    mean = keep * z + new['alpha'] * shrink * x0
    std = jnp.sqrt(shrink) * (new['sigma'] if variance == 'small' else now['sigma'])
    std = jnp.where(now['index'] == last, 0.0, std)
    return mean + std * _normal(keys, now['index'] + 1, z.shape[1:]), None

  return jax.lax.scan(step, z1, _path(ts, schedule, kind))[0]


def ddim_invert(
    model_fn: ModelFn, z0: jax.Array, ts: jax.Array, schedule: Schedule, kind: str, *, path: bool = False
) -> jax.Array | tuple[jax.Array, jax.Array]:
  """DDIM run upwards, from data at ts[-1] to noise at ts[0] (DDIM, section 4.3; the encoding step of DiffEdit).

  Args:
    z0: (B, ...) at time ts[-1].
    ts: (n + 1,) DESCENDING, the same array that `ddim` takes on the way back.
    path: also return every z on the way.

  Returns:
    z at ts[0]; with `path`, also the encodings (n + 1, B, ...), entry k at time ts[k].
  """

  def step(z, points):
    now, new = points
    x0, eps = _predict(model_fn, kind, z, now, None)
    z = new['alpha'] * x0 + new['sigma'] * eps
    return z, z if path else None

  z1, encodings = jax.lax.scan(step, z0, _path(jnp.asarray(ts)[::-1], schedule, kind))
  return (z1, jnp.concatenate([z0[None], encodings])[::-1]) if path else z1


def heun(
    model_fn: ModelFn, z1: jax.Array, ts: jax.Array, schedule: Schedule, kind: str, keys: jax.Array | None = None, *,
    clip: float | None = None,
) -> jax.Array:
  """Heun's second-order method on the probability-flow ODE, two model calls a step; deterministic, `keys` unused.

  In the angle phi (tan phi = sigma / alpha) the ODE is dz/dphi = v (Salimans & Ho, arXiv 2202.00512, appendix D). The
  DDIM step, a rotation by delta, is the predictor; it expects the velocity `alpha_s eps_t - sigma_s x0_t` at its end, and
  what the model says instead is the correction, times tan(delta / 2). This is Heun's rule up to third order in delta,
  exact where DDIM is exact, and has no singular end, unlike steps in sigma / alpha (EDM, arXiv 2206.00364). As in EDM's
  algorithm 1 the last step is not corrected: near sigma = 0 a small error in x0 is a huge one in eps.
  """
  del keys
  last = jnp.shape(ts)[0] - 2

  def step(z, points):
    now, new = points
    x0, eps = _predict(model_fn, kind, z, now, clip)
    end = new['alpha'] * x0 + new['sigma'] * eps
    expected = new['alpha'] * eps - new['sigma'] * x0
    x0, eps = _predict(model_fn, kind, end, new, clip)
    sine = new['sigma'] * now['alpha'] - new['alpha'] * now['sigma']
    cosine = new['alpha'] * now['alpha'] + new['sigma'] * now['sigma']
    tan_half = jnp.where(now['index'] == last, 0.0, sine / (1.0 + cosine))
    return end + tan_half * (new['alpha'] * eps - new['sigma'] * x0 - expected), None

  return jax.lax.scan(step, z1, _path(ts, schedule, kind))[0]


def dpmpp_2m(
    model_fn: ModelFn, z1: jax.Array, ts: jax.Array, schedule: Schedule, kind: str, keys: jax.Array | None = None, *,
    lower_order_final: bool = True, clip: float | None = None,
) -> jax.Array:
  """DPM-Solver++(2M), midpoint (Lu et al., arXiv 2211.01095, algorithm 2); deterministic, `keys` unused.

  Args:
    lower_order_final: take the last step at first order. Steps uniform in t end with a long one in logSNR, over which the
      extrapolation of x0 overshoots, at any n. diffusers does so below 15 steps only.
  """
  del keys
  last = jnp.shape(ts)[0] - 2

  def step(carry, points):
    z, x0_before, h_before = carry
    now, new = points
    x0, _ = _predict(model_fn, kind, z, now, clip)
    h = 0.5 * (new['logsnr'] - now['logsnr'])
    second = now['index'] > 0
    if lower_order_final:
      second &= now['index'] < last
    # 1 / (2 r), r = h_before / h; at zero terminal SNR h_before is inf and the second step stays at first order
    extrapolate = jnp.where(second, 0.5 * h / h_before, 0.0)
    data = x0 + extrapolate * (x0 - x0_before)
    ratio = new['sigma'] / now['sigma']
    # alpha_s (1 - exp(-h)) without the infinite h of zero terminal SNR
    z = ratio * z + (new['alpha'] - now['alpha'] * ratio) * data
    return (z, x0, h), None

  path = _path(ts, schedule, kind)
  start = (z1, jnp.zeros_like(z1), jnp.ones((), path[0]['logsnr'].dtype))
  return jax.lax.scan(step, start, path)[0][0]


SAMPLERS: dict[str, Callable[..., jax.Array]] = {'ddim': ddim, 'ddpm': ddpm, 'heun': heun, 'dpmpp_2m': dpmpp_2m}


def sample(
    name: str, model_fn: ModelFn, z1: jax.Array, ts: jax.Array, schedule: Schedule, kind: str,
    keys: jax.Array | None = None, **options: Any,
) -> jax.Array:
  """Runs the sampler called `name` with its own `options`; an unknown name raises ValueError listing the known ones."""
  if name not in SAMPLERS:
    raise ValueError(f'unknown sampler {name!r}, known: {", ".join(SAMPLERS)}')
  return SAMPLERS[name](model_fn, z1, ts, schedule, kind, keys, **options)
