"""The x0-space difference: how do the errors of reference and query about the clean latent compare, in each cell?

  difference = (e_ref - e_q) / (e_ref + e_q),   e = E|x0 - x0_hat|^2

E is over the noises of a level, |.|^2 over channels. It lies in [-1, 1]: a loud cell, where both errors are large in any unit,
counts no more than a quiet one. 1: the query explains all that the reference misses; 0: they agree; negative: it says worse.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from sgm.diffusion.map_reading import positive
from sgm.diffusion.noising import Denoiser, Levels, conditions


@dataclasses.dataclass(frozen=True)
class X0Difference(Levels):
  """The difference as a method of `sgm.diffusion.maps`.

  Every level counts the same: the relative differences are averaged over the levels. (A plain difference of squared errors in
  x0 space is the gain times 2 sigma^2 / alpha^2: at one level the same map, over several nearly that of the noisiest.)
  """

  def __call__(
      self, denoiser: Denoiser, z0: jax.Array, queries: Any, reference: Any, keys: jax.Array, words: jax.Array | None = None,
      max_rows: int = 1024,
  ) -> jax.Array:
    del words

    def errors(noise, x0):
      del noise
      reference, query = z0[:, None] - x0[:, :, :1], z0[:, None] - x0[:, :, 1:]  # (m, B, 1 or Q, *cells, C)
      # |r|^2 - |q|^2 without subtracting two nearly equal squares
      return jnp.sum((reference - query) * (reference + query), -1), jnp.sum(reference**2 + query**2, -1)

    cond = conditions(queries, reference, z0.shape[0])
    difference, total = self.mean(denoiser.x0, errors, z0, cond, keys, denoiser.schedule, max_rows)  # (K, B, Q, *cells)
    return (difference / positive(total)).mean(0)
