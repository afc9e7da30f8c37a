"""What a latent diffusion model needs of its autoencoder, trained or trivial: one interface, two kinds."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from sgm.models import autoencoder as autoencoder_lib
from sgm.training import checkpoint


@dataclasses.dataclass(frozen=True)
class Trained:
  """The autoencoder of a work directory, its averaged weights."""

  model: autoencoder_lib.Autoencoder
  workdir: str

  def restore(self) -> Any:
    return checkpoint.restore_params(self.workdir)

  @property
  def channels(self) -> int:
    return self.model.channels

  @property
  def time_factor(self) -> int:
    return self.model.patch[0]

  def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of S (B, T, F, C) -> shape of its latent."""
    return (shape[0], *(n // p for n, p in zip(shape[1:-1], self.model.patch)), self.model.latent_channels)

  def encode(self, params: Any, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    return self.model.apply({'params': params}, s, method='encode')

  def decode(self, params: Any, z: jax.Array) -> jax.Array:
    return jnp.clip(self.model.apply({'params': params}, z, method='decode')[0], 0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class PixelSpace:
  """No autoencoder: diffusion on the spectrogram itself, `channels` audio channels."""

  channels: int

  def restore(self) -> Any:
    return {}

  @property
  def time_factor(self) -> int:
    return 1

  def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape)

  def encode(self, params: Any, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    return 2.0 * s - 1.0, jnp.full_like(s, -jnp.inf)

  def decode(self, params: Any, z: jax.Array) -> jax.Array:
    return jnp.clip(0.5 * (z + 1.0), 0.0, 1.0)
