"""Spectrogram autoencoder: patches folded into channels, a few residual blocks, a diagonal Gaussian latent.

Convolutions at full resolution with few channels are the slowest thing a CPU can do; folding 8 x 8 patches first costs a
quarter of the time and keeps the bird.
"""

from __future__ import annotations

from flax import linen as nn
import jax
import jax.numpy as jnp

from sgm.models import layers

LOGVAR_RANGE = (-12.0, 4.0)
LOG_SCALE_RANGE = (-6.0, 0.0)  # of the decoder's logistic, in units of S in [0, 1]


class Encoder(nn.Module):
  """S (B, *grid, C) in [0, 1] -> mean, logvar, each (B, *grid/patch, latent_channels)."""

  patch: tuple[int, ...]
  width: int
  blocks: int
  latent_channels: int

  @nn.compact
  def __call__(self, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    x = nn.Dense(self.width, name='in')(layers.fold(2.0 * s - 1.0, self.patch))
    x = layers.PositionBias(name='position')(x)
    for i in range(self.blocks):
      x = layers.ResBlock(self.width, name=f'block_{i}')(x)
    x = nn.Dense(2 * self.latent_channels, name='out')(layers.group_norm('norm')(x))
    mean, logvar = jnp.split(x, 2, axis=-1)
    return mean, jnp.clip(logvar, *LOGVAR_RANGE)


class Decoder(nn.Module):
  """z (B, *grid/patch, latent_channels) -> location in [0, 1] and log scale of a logistic, each (B, *grid, C)."""

  patch: tuple[int, ...]
  width: int
  blocks: int
  channels: int

  @nn.compact
  def __call__(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    x = layers.Conv(self.width, name='in')(z)
    x = layers.PositionBias(name='position')(x)
    for i in range(self.blocks):
      x = layers.ResBlock(self.width, name=f'block_{i}')(x)
    cells = self.channels
    for p in self.patch:
      cells *= p
    x = nn.Dense(2 * cells, name='out')(nn.silu(layers.group_norm('norm')(x)))
    x = layers.unfold(x, self.patch, 2 * self.channels)
    location, log_scale = jnp.split(x, 2, axis=-1)
    # The logistic's location may leave [0, 1] a little, so that a floor cell can be certain; pictures clip it.
    return location + 0.5, jnp.clip(log_scale - 3.0, *LOG_SCALE_RANGE)


class Autoencoder(nn.Module):
  """KL autoencoder (Kingma & Welling 2014; latent geometry of Rombach et al. 2022), for `dims` = 1, 2 or 3 grid axes."""

  dims: int = 2
  patch: tuple[int, ...] = (8, 8)
  width: int = 96
  blocks: int = 1
  latent_channels: int = 8
  channels: int = 1

  def setup(self):
    if len(self.patch) != self.dims:
      raise ValueError(f'Autoencoder.patch {self.patch} has {len(self.patch)} axes, dims is {self.dims}: expected as many')
    self.encoder = Encoder(self.patch, self.width, self.blocks, self.latent_channels)
    self.decoder = Decoder(self.patch, self.width, self.blocks, self.channels)

  def encode(self, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """S (B, *grid, C) in [0, 1] -> mean, logvar (B, *latent, latent_channels)."""
    if s.ndim != self.dims + 2 or s.shape[-1] != self.channels:
      raise ValueError(f'Autoencoder(dims={self.dims}, channels={self.channels}) got spectrograms of shape {s.shape}')
    return self.encoder(s)

  def decode(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """z (B, *latent, latent_channels) -> location, log scale (B, *grid, C)."""
    return self.decoder(z)

  def __call__(self, s: jax.Array, eps: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Reparameterised pass: S, eps ~ N(0, 1) of the latent's shape -> location, log scale, mean, logvar."""
    mean, logvar = self.encode(s)
    return *self.decode(mean + jnp.exp(0.5 * logvar) * eps), mean, logvar
