"""What a latent diffusion model needs of its autoencoder, trained or trivial: one interface, two kinds.

Latents are pictures to all but the network, (B, T', F', c): a volume's planes of amplitude are channels, so that samplers,
guidance and detector need not know of them. `split` gives the network its axis, (B, T', F', A', c / A'), `merge` takes it back.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from sgm.models import autoencoder as autoencoder_lib
from sgm.models import likelihood
from sgm.models import representation as representation_lib
from sgm.training import checkpoint


class Codec(abc.ABC):
  """Between S (B, T, F, C) and latents."""

  channels: int  # of the audio
  time_factor: int  # frames per latent frame

  @abc.abstractmethod
  def restore(self) -> Any:
    """Its weights."""

  @abc.abstractmethod
  def grid_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of S -> shape of what the network sees, (B, T', F'[, A'], c)."""

  @abc.abstractmethod
  def encode(self, params: Any, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """S -> the latent's mean and logvar, (B, T', F', c)."""

  @abc.abstractmethod
  def decode(self, params: Any, z: jax.Array) -> likelihood.Logistic | likelihood.Levels | likelihood.Exact:
    """Latent (B, T', F', c) -> distribution over S."""

  def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of S -> shape of its latent, (B, T', F', c)."""
    grid = self.grid_shape(shape)
    return (*grid[:3], math.prod(grid[3:]))

  @property
  @abc.abstractmethod
  def planes(self) -> int:
    """A': planes of amplitude of the latent; 0: it has no such axis."""

  def split(self, z: jax.Array) -> jax.Array:
    return z.reshape(*z.shape[:3], self.planes, -1) if self.planes else z

  def merge(self, z: jax.Array) -> jax.Array:
    return z.reshape(*z.shape[:3], -1)


@dataclasses.dataclass(frozen=True)
class Trained(Codec):
  """The autoencoder of a work directory, its averaged weights."""

  model: autoencoder_lib.Autoencoder
  workdir: str

  def restore(self):
    return checkpoint.restore_params(self.workdir)

  @property
  def channels(self):
    return self.model.channels

  @property
  def time_factor(self):
    return self.model.patch[0]

  @property
  def planes(self):
    return self.model.levels // self.model.patch[2] if self.model.dims == 3 else 0

  def grid_shape(self, shape):
    return self.model.latent_shape(shape)

  def encode(self, params, s):
    mean, logvar = self.model.apply({'params': params}, s, method='encode')
    return self.merge(mean), self.merge(logvar)

  def decode(self, params, z):
    return self.model.apply({'params': params}, self.split(z), method='decode')


@dataclasses.dataclass(frozen=True)
class PixelSpace(Codec):
  """No autoencoder: diffusion on the spectrogram itself, `channels` audio channels, in a representation."""

  channels: int
  representation: str = 'scalar'
  levels: int = 64

  time_factor = 1

  @property
  def _representation(self) -> representation_lib.Scalar:
    return representation_lib.build(self.representation, self.levels)

  @property
  def planes(self):
    return self.levels * self._representation.extra_axes

  def restore(self):
    return {}

  def grid_shape(self, shape):
    return jax.eval_shape(self._representation.lift, jax.ShapeDtypeStruct(shape, jnp.float32)).shape

  def encode(self, params, s):
    z = self.merge(self._representation.lift(s))
    return z, jnp.full_like(z, -jnp.inf)

  def decode(self, params, z):
    return self._representation.lower(self.split(z))
