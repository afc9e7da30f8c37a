"""A model whose optimal predictions are known: data of standard deviation STD around a template that the query names."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sgm.diffusion.noising import Denoiser
from sgm.diffusion.schedule import CosineSchedule

SCHEDULE = CosineSchedule()
B, Q, T, F, C = 3, 4, 6, 5, 2
STD = 0.7  # of the data around its template


def templates():
  """(Q, T, F, C): query q sits on a 2 x 2 block of its own."""
  out = np.zeros((Q, T, F, C), np.float32)
  for q in range(Q):
    out[q, q:q + 2, q % 4:q % 4 + 2] = 1.5
  return out


def predict_v(z, t, cond, std=STD):
  """Optimal v prediction where the condition is the mean of the data."""
  t = t.reshape(-1, *(1,) * (z.ndim - 1))
  alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
  whitened = (z - alpha * cond['mean']) / (alpha**2 * std**2 + sigma**2)
  return alpha * sigma * whitened - sigma * (cond['mean'] + alpha * std**2 * whitened)


def clips(seed=0):
  """z0 (B, T, F, C): clip i shows query i, the last clip nothing."""
  present = np.concatenate([templates()[:B - 1], np.zeros((1, T, F, C), np.float32)])
  return jnp.asarray(present + STD * np.random.default_rng(seed).standard_normal(present.shape), jnp.float32)


def drawn_noise(n, level=0):
  """The noises that clip i's key gives without antithetic pairs, (n, B, T, F, C)."""
  return np.stack([
      np.stack([jax.random.normal(jax.random.fold_in(key, level * n + j), (T, F, C)) for key in KEYS]) for j in range(n)])


QUERIES = dict(mean=jnp.asarray(templates()))
NOTHING = dict(mean=jnp.zeros((1, T, F, C)))
KEYS = jax.random.split(jax.random.key(0), B)
DENOISER = Denoiser(predict_v, SCHEDULE, 'v')
