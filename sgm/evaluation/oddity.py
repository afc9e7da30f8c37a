"""How unlike the clips of a calibration is a window? By how hard its sound is to denoise, at several noise levels.

A diffusion model that is told nothing predicts the noise in a window's latent; its squared error, integrated over noise levels,
bounds -ln p(window) (VDM, arXiv 2107.00630, equation 17). One such number flags too little: silence and hum are likelier than
any bird clip (Nalisnick et al., arXiv 1810.09136). So the profile of the errors over levels and cells is compared with those of
ordinary clips, by their density: a mixture of Gaussians, which hold apart clips with and without birds, loud and quiet ones
(one Gaussian would be the distance of Lee et al., arXiv 1807.03888).

B windows, K noise levels, D = 3 K features, M Gaussians.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special
from sklearn import mixture

from sgm.diffusion import noising

LEVELS = noising.Levels(ts=(0.1, 0.3, 0.5, 0.7, 0.9), n=2)
WEAKEST = 0.25  # share of the cells, those without a bird in nearly every clip
GAUSSIANS = 4
CLIPS_EACH = 50  # that a Gaussian needs
SHRINKAGE = 0.05  # of the variance of the standardised features, added to every Gaussian's
MAX_ROWS = 1024


def features(denoiser: noising.Denoiser, z0: jax.Array, null: Any, keys: jax.Array) -> jax.Array:
  """(B, D): per noise level mean and deviation over the cells of the denoising error, and mean of its weakest cells.

  Args:
    z0: (B, *cells, C) clean latents.
    null: the condition that tells nothing, leaves (1, ...).
    keys: (B,), one per window.
  """
  def error(noise, eps):  # (m, B, 1, *cells, C) each
    return 0.5 * jnp.sum(jnp.square(noise - eps), -1)[:, :, 0]

  cond = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(z0), *leaf.shape)), null)  # (B, 1, ...)
  errors = LEVELS.mean(denoiser.eps, error, z0, cond, keys, denoiser.schedule, MAX_ROWS)  # (K, B, *cells)
  errors = jnp.sort(errors.reshape(*errors.shape[:2], -1), -1)
  weakest = errors[..., :max(1, round(WEAKEST * errors.shape[-1]))]
  return jnp.concatenate([errors.mean(-1), errors.std(-1), weakest.mean(-1)]).T


@dataclasses.dataclass(frozen=True, eq=False)
class Ordinary:
  """Density of the features of ordinary clips.

  Attributes:
    weights: (M,) of the Gaussians, sum 1. means: (M, D). factors: (M, D, D), precision = factor factor^T, factor triangular.
  """

  weights: np.ndarray
  means: np.ndarray
  factors: np.ndarray

  def __post_init__(self):
    m, d = self.means.shape
    if self.weights.shape != (m,) or self.factors.shape != (m, d, d):
      raise ValueError(f'{m} Gaussians of {d} features, but weights {self.weights.shape} and factors {self.factors.shape}')
    if not all(np.isfinite(x).all() for x in (self.weights, self.means, self.factors)):
      raise ValueError('expected finite weights, means and factors')

  def surprise(self, x: np.ndarray) -> np.ndarray:
    """Features (B, D) -> (B,) float32, -ln density in nats: the larger, the odder. ValueError for another D."""
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or x.shape[1] != self.means.shape[1]:
      raise ValueError(f'features {x.shape}: expected (B, {self.means.shape[1]})')
    whitened = np.einsum('bmd,mde->bme', x[:, None] - self.means, self.factors)
    log_det = np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(1)  # (M,)
    each = np.log(self.weights) + log_det - 0.5 * np.square(whitened).sum(2) - 0.5 * x.shape[1] * np.log(2 * np.pi)
    return -special.logsumexp(each, axis=1).astype(np.float32)


def fit(x: np.ndarray) -> Ordinary:
  """The density of features (N, D), N >= 2; of one Gaussian where there are few clips."""
  x = np.asarray(x, np.float64)
  centre, scale = x.mean(0), x.std(0)
  scale[scale == 0] = 1.0
  size = int(np.clip(len(x) // CLIPS_EACH, 1, GAUSSIANS))
  found = mixture.GaussianMixture(size, reg_covar=SHRINKAGE, n_init=2, max_iter=300, random_state=0).fit((x - centre) / scale)
  return Ordinary(found.weights_, centre + scale * found.means_, found.precisions_cholesky_ / scale[:, None])
