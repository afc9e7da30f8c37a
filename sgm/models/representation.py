"""How a spectrogram meets the networks: as a picture, as channels of levels, or as a volume. All arms of that question are here.

  scalar           one amplitude per cell in, a logistic out
  scalar_softmax   one amplitude per cell in, a softmax over A levels out: the likelihood alone
  levels           A levels as channels of a 2D network: the information without the geometry
  factorised       the volume, with (2+1)D convolutions: time x frequency, then amplitude
  volume           time x frequency x amplitude, triangular bins
  volume_filled    the volume that is solid below its surface
  volume_permuted  the volume with its levels in a fixed random order: a gain that survives it is not amplitude locality

A network sees `lift(s)` and gives `outputs` numbers per cell and audio channel, which `distribution` reads.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from sgm.audio import volume
from sgm.models import likelihood

LOG_SCALE_RANGE = (-6.0, 0.0)  # of the logistic, in units of S in [0, 1]


@dataclasses.dataclass(frozen=True)
class Scalar:
  """See the module, for this class and those below. levels: A of the likelihood, and of the volume.

  extra_axes: grid axes that the networks have beside the spectrogram's own. factorised: kernels are.
  inputs, outputs: numbers per cell of the networks' grid and audio channel, into the encoder and out of the decoder.
  """

  levels: int
  extra_axes = 0
  factorised = False
  inputs = 1
  outputs = 2

  def __post_init__(self):
    volume.check_levels(self.levels)

  def lift(self, s: jax.Array) -> jax.Array:
    """S (B, *grid, C) in [0, 1] -> (B, *grid[, A], inputs C), of about unit variance."""
    return 2.0 * s - 1.0

  def lower(self, x: jax.Array) -> likelihood.Exact:
    """Back from what `lift` gives, or something near it: diffusion without an autoencoder."""
    return likelihood.Exact(jnp.clip(0.5 * (x + 1.0), 0.0, 1.0))

  def distribution(self, raw: jax.Array) -> likelihood.Logistic | likelihood.Levels:
    """The decoder's (B, *grid[, A], outputs C) -> distribution over the amplitude of S (B, *grid, C)."""
    location, log_scale = jnp.split(raw, 2, axis=-1)
    return likelihood.Logistic(location + 0.5, jnp.clip(log_scale - 3.0, *LOG_SCALE_RANGE), self.levels)


class ScalarSoftmax(Scalar):

  @property
  def outputs(self) -> int:
    return self.levels

  def distribution(self, raw):
    return likelihood.Levels(raw.reshape(*raw.shape[:-1], -1, self.levels))


class LevelChannels(ScalarSoftmax):

  @property
  def inputs(self) -> int:
    return self.levels

  def lift(self, s):
    v = volume.triangular(s, self.levels) * self.levels**0.5  # (B, *grid, C, A)
    return v.reshape(*s.shape[:-1], -1)

  def lower(self, x):
    v = x.reshape(*x.shape[:-1], -1, self.levels)
    return likelihood.Exact(volume.expectation(jnp.maximum(v, 0.0)))


class Volume(Scalar):
  extra_axes = 1
  outputs = 1

  def lift(self, s):
    return jnp.moveaxis(self._bins(s), -1, -2)  # (B, *grid, A, C)

  def lower(self, x):
    return likelihood.Exact(self._surface(jnp.moveaxis(x, -2, -1)))

  def distribution(self, raw):
    return self._heights(jnp.moveaxis(raw, -2, -1))

  # With the levels last, (B, *grid, C, A):

  def _bins(self, s: jax.Array) -> jax.Array:
    return volume.triangular(s, self.levels) * self.levels**0.5

  def _surface(self, v: jax.Array) -> jax.Array:
    return volume.expectation(jnp.maximum(v, 0.0))

  def _heights(self, logits: jax.Array) -> likelihood.Levels:
    return likelihood.Levels(logits)


class Factorised(Volume):
  factorised = True


class FilledVolume(Volume):

  def _bins(self, s):
    return 2.0 * volume.filled(s, self.levels) - 1.0

  def _surface(self, v):
    return volume.surface(jnp.clip(0.5 * (v + 1.0), 0.0, 1.0))

  def _heights(self, logits):
    return likelihood.still_filled(logits)


class PermutedVolume(Volume):

  def _bins(self, s):
    return volume.permute(super()._bins(s))

  def _surface(self, v):
    return super()._surface(volume.unpermute(v))

  def _heights(self, logits):
    return super()._heights(volume.unpermute(logits))


KNOWN = {
    'scalar': Scalar, 'scalar_softmax': ScalarSoftmax, 'levels': LevelChannels, 'factorised': Factorised, 'volume': Volume,
    'volume_filled': FilledVolume, 'volume_permuted': PermutedVolume,
}


def build(name: str, levels: int) -> Scalar:
  """The representation `name` with A = `levels`; ValueError: unknown name (the known are listed), fewer than two levels."""
  if name not in KNOWN:
    raise ValueError(f'representation {name!r} is not known; known: {", ".join(KNOWN)}')
  return KNOWN[name](levels)
