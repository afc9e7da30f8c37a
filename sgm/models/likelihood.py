"""One currency for every head: nats per cell of the quantised spectrogram, -ln p(k) at k = round(S (A - 1)).

A head's output is a distribution over the amplitude of every cell. All have `nll(s)`; `location`, what a regression loss pulls
at; `amplitude()`, the expectation in [0, 1]; and `sample(key)`, a level drawn in every cell.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp

from sgm.audio import volume


@flax.struct.dataclass
class Logistic:
  """A logistic cut into levels. location may leave [0, 1] a little, so that a floor cell can be certain.

  location, log_scale: (B, T, F, C), in units of S.
  """

  location: jax.Array
  log_scale: jax.Array
  levels: int = flax.struct.field(pytree_node=False)

  def nll(self, s: jax.Array) -> jax.Array:
    """Nats of the level of S (B, T, F, C), the shape of s."""
    return discretised_logistic_nll(s, self.location, self.log_scale, self.levels)

  def amplitude(self) -> jax.Array:
    """(B, T, F, C) in [0, 1]: the location, which is the mean of what is not cut off."""
    return jnp.clip(self.location, 0.0, 1.0)

  def sample(self, key: jax.Array) -> jax.Array:
    """(B, T, F, C): a level of every cell, as amplitude."""
    drawn = self.location + jnp.exp(self.log_scale) * jax.random.logistic(key, self.location.shape)
    return jnp.round(jnp.clip(drawn, 0.0, 1.0) * (self.levels - 1)) / (self.levels - 1)


@flax.struct.dataclass
class Levels:
  """Any distribution over A levels. logits: (B, T, F, C, A), up to a constant per cell."""

  logits: jax.Array

  def nll(self, s: jax.Array) -> jax.Array:
    """Nats of the level of S (B, T, F, C), the shape of s."""
    k = jnp.round(s * (self.logits.shape[-1] - 1)).astype(jnp.int32)
    return -jnp.take_along_axis(jax.nn.log_softmax(self.logits), k[..., None], -1)[..., 0]

  @property
  def location(self) -> jax.Array:
    """(B, T, F, C): the expectation."""
    return jnp.exp(jax.nn.log_softmax(self.logits)) @ volume.amplitudes(self.logits.shape[-1])

  def amplitude(self) -> jax.Array:
    return self.location

  def sample(self, key: jax.Array) -> jax.Array:
    """(B, T, F, C): a level of every cell, as amplitude."""
    return jax.random.categorical(key, self.logits) / (self.logits.shape[-1] - 1)


@flax.struct.dataclass
class Exact:
  """An amplitude that is known, S (B, T, F, C) in [0, 1]: what a space without a decoder says. It has no likelihood."""

  location: jax.Array

  def amplitude(self) -> jax.Array:
    return self.location

  def sample(self, key: jax.Array) -> jax.Array:
    del key
    return self.location


def still_filled(logits: jax.Array) -> Levels:
  """The distribution of a filled volume's height, from one logit per bin.

  The logit of bin a > 0 is that of "filled, if the bin below is" (a continuation ratio; bin 0 is always filled, its logit unused):
  ln p(k) = sum over 0 < a <= k of ln sigmoid(l_a) + ln sigmoid(-l_(k + 1)). (B, T, F, C, A) -> Levels.
  """
  rise = jnp.cumsum(jax.nn.log_sigmoid(logits[..., 1:]), -1)  # ln P(height >= a), a = 1 .. A - 1
  reached = jnp.concatenate([jnp.zeros_like(rise[..., :1]), rise], -1)  # (..., A)
  stops = jnp.concatenate([jax.nn.log_sigmoid(-logits[..., 1:]), jnp.zeros_like(rise[..., :1])], -1)
  return Levels(reached + stops)


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
  volume.check_levels(levels)
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
