"""Spectrogram autoencoder: patches folded into channels, a few residual blocks, a diagonal Gaussian latent.

Convolutions at full resolution with few channels are the slowest thing a CPU can do; folding 8 x 8 patches first costs a
quarter of the time and keeps the bird.
"""

from __future__ import annotations

import math

from flax import linen as nn
import jax
import jax.numpy as jnp

from sgm.models import layers
from sgm.models import likelihood
from sgm.models import representation as representation_lib

LOGVAR_RANGE = (-12.0, 4.0)


class Encoder(nn.Module):
  """Lifted spectrogram (B, *grid, c) -> mean, logvar, each (B, *grid/patch, latent_channels)."""

  patch: tuple[int, ...]
  width: int
  blocks: int
  latent_channels: int
  factorised: bool

  @nn.compact
  def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    x = nn.Dense(self.width, name='in')(layers.fold(x, self.patch))
    x = layers.PositionBias(name='position')(x)
    for i in range(self.blocks):
      x = layers.ResBlock(self.width, self.factorised, name=f'block_{i}')(x)
    x = nn.Dense(2 * self.latent_channels, name='out')(layers.group_norm(x, 'norm'))
    mean, logvar = jnp.split(x, 2, axis=-1)
    return mean, jnp.clip(logvar, *LOGVAR_RANGE)


class Decoder(nn.Module):
  """z (B, *grid/patch, latent_channels) -> (B, *grid, outputs)."""

  patch: tuple[int, ...]
  width: int
  blocks: int
  outputs: int
  factorised: bool

  @nn.compact
  def __call__(self, z: jax.Array) -> jax.Array:
    x = layers.Conv(self.width, factorised=self.factorised, name='in')(z)
    x = layers.PositionBias(name='position')(x)
    for i in range(self.blocks):
      x = layers.ResBlock(self.width, self.factorised, name=f'block_{i}')(x)
    x = nn.Dense(self.outputs * math.prod(self.patch), name='out')(nn.silu(layers.group_norm(x, 'norm')))
    return layers.unfold(x, self.patch, self.outputs)


class Autoencoder(nn.Module):
  """KL autoencoder (Kingma & Welling 2014; latent geometry of Rombach et al. 2022), for `dims` = 1, 2 or 3 grid axes.

  Attributes:
    dims: axes of the networks' grid: the spectrogram's, and one more where the representation is a volume.
    patch: cells per axis of that grid that become one latent cell.
    channels: of the audio.
    representation, levels: see `representation`.
  """

  dims: int = 2
  patch: tuple[int, ...] = (8, 8)
  width: int = 96
  blocks: int = 1
  latent_channels: int = 8
  channels: int = 1
  representation: str = 'scalar'
  levels: int = 64

  def setup(self):
    r = self._representation
    if len(self.patch) != self.dims:
      raise ValueError(f'Autoencoder.patch {self.patch} has {len(self.patch)} axes, dims is {self.dims}: expected as many')
    if r.extra_axes and self.levels % self.patch[-1]:
      raise ValueError(f'Autoencoder.levels is {self.levels}: expected a multiple of the patch {self.patch[-1]} along amplitude, '
                       f'nearest {max(1, round(self.levels / self.patch[-1])) * self.patch[-1]}')
    self.encoder = Encoder(self.patch, self.width, self.blocks, self.latent_channels, r.factorised)
    self.decoder = Decoder(self.patch, self.width, self.blocks, r.outputs * self.channels, r.factorised)

  @property
  def _representation(self) -> representation_lib.Scalar:
    return representation_lib.build(self.representation, self.levels)

  def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the latent (B, *latent, latent_channels) of S with shape (B, *grid, C)."""
    grid = (*shape[1:-1], *(self.levels,) * self._representation.extra_axes)
    return (shape[0], *(n // p for n, p in zip(grid, self.patch)), self.latent_channels)

  def encode(self, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """S (B, *grid, C) in [0, 1] -> mean, logvar (B, *latent, latent_channels)."""
    if s.ndim + self._representation.extra_axes != self.dims + 2 or s.shape[-1] != self.channels:
      raise ValueError(f'Autoencoder(dims={self.dims}, channels={self.channels}, representation={self.representation!r}) got '
                       f'spectrograms of shape {s.shape}')
    return self.encoder(self._representation.lift(s))

  def decode(self, z: jax.Array) -> likelihood.Logistic | likelihood.Levels:
    """z (B, *latent, latent_channels) -> distribution over S (B, *grid, C), see `likelihood`."""
    return self._representation.distribution(self.decoder(z))

  def __call__(self, s: jax.Array, eps: jax.Array) -> tuple[likelihood.Logistic | likelihood.Levels, jax.Array, jax.Array]:
    """Reparameterised pass: S, eps ~ N(0, 1) of the latent's shape -> distribution, mean, logvar."""
    mean, logvar = self.encode(s)
    return self.decode(mean + jnp.exp(0.5 * logvar) * eps), mean, logvar
