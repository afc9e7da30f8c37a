"""One currency for every head: nats per cell of the quantised spectrogram."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def discretised_logistic_nll(s: jax.Array, location: jax.Array, log_scale: jax.Array, levels: int) -> jax.Array:
  """-ln p(k) of the level k = round(S (levels - 1)) under a logistic cut into levels (PixelCNN++, Salimans et al. 2017, eq. 2).

  The outermost levels take the tails, so that the probabilities of all levels sum to one.

  Args:
    s: spectrogram in [0, 1].
    location, log_scale: of the logistic, in units of S; shapes broadcast to s.
    levels: A >= 2.

  Returns:
    nats, the shape of s.
  """
  if levels < 2:
    raise ValueError(f'levels is {levels}: expected 2 or more')
  half = 0.5 / (levels - 1)
  k = jnp.round(s * (levels - 1))
  centred = k / (levels - 1) - location
  inv_scale = jnp.exp(-log_scale)
  upper, lower = inv_scale * (centred + half), inv_scale * (centred - half)
  # ln(sigmoid(u) - sigmoid(l)) = l.s.(u) + l.s.(-l) + ln(1 - e^(l - u)); exact and finite even far in a tail.
  middle = jax.nn.log_sigmoid(upper) + jax.nn.log_sigmoid(-lower) + jnp.log1p(-jnp.exp(-2 * half * inv_scale))
  log_p = jnp.where(k <= 0, jax.nn.log_sigmoid(upper), jnp.where(k >= levels - 1, jax.nn.log_sigmoid(-lower), middle))
  return -log_p


def gaussian_kl(mean: jax.Array, logvar: jax.Array) -> jax.Array:
  """KL(N(mean, exp(logvar)) || N(0, 1)) in nats per latent scalar (Kingma & Welling 2014, appendix B)."""
  return 0.5 * (mean**2 + jnp.exp(logvar) - 1.0 - logvar)
