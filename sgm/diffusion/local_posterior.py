"""Which query holds which part of a clip? The denoising gains of all queries, weighed against each other, place by place.

A gain is evidence in favour of a query over a reference that names nothing. Two alike species both gain where one of them
sings, so that a query's gain alone cannot say which; and a loud bird's overtones gain a little for many. But one place is one
bird's:

  p(q | place) = exp(b g_q) / (1 + sum_j exp(b g_j))

with the gains g averaged over the place's neighbours and 1 for the reference, "none of them". b would be the number of cells of
a neighbourhood if cells were independent and gains in nats; they are not, and it is a setting. This is the diffusion classifier
(Li et al. 2023, arXiv 2303.16203; Clark & Jaini 2023, arXiv 2303.15233) at every place instead of once for a whole picture,
which lets several birds be in one clip.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def log_odds(gains: jax.Array, sharpness: float, spread: float) -> jax.Array:
  """ln p / (1 - p) of every query at every place, (B, Q, *cells), from gains (B, Q, *cells).

  Args:
    sharpness: b above.
    spread: standard deviation of the neighbourhood, in cells; 0: every cell by itself.
  """
  evidence = sharpness * _smooth(gains, spread)
  nothing = jnp.zeros_like(evidence[:, :1])
  all_of_them = jnp.concatenate([nothing, evidence], 1)  # (B, 1 + Q, *cells)
  rest = [jax.nn.logsumexp(jnp.delete(all_of_them, q + 1, 1), 1) for q in range(evidence.shape[1])]
  return evidence - jnp.stack(rest, 1)


def _smooth(x: jax.Array, spread: float) -> jax.Array:
  """Gaussian over the axes from the third on; what lies outside is 0."""
  if spread == 0:
    return x
  reach = max(1, round(3 * spread))
  kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / spread) ** 2)
  kernel = jnp.asarray(kernel / kernel.sum(), x.dtype)
  for axis in range(2, x.ndim):
    padded = jnp.pad(x, [(reach, reach) if a == axis else (0, 0) for a in range(x.ndim)])
    x = sum(w * jax.lax.slice_in_dim(padded, i, i + x.shape[axis], axis=axis) for i, w in enumerate(kernel))
  return x
