"""Stereo features: levels of both channels, cosine and sine of the phase between them; magnitudes alone lose the delay."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sgm.audio import spectrogram
from sgm.audio.spectrogram import Frontend

CHANNELS = ('left', 'right', 'cosine', 'sine')


def features(audio: jax.Array, frontend: Frontend) -> jax.Array:
  """What each cell says of its level on either side, and of its direction.

  The phase is that of the cross-spectrum left * conj(right), summed over a band with the weights of the band's power. A pure
  delay by which the right channel is later turns it by + 2 pi hz delay; bands are narrow enough not to mix turns (300 Hz and
  0.6 ms: a fifth of one). Cosine and sine lie on the unit circle where both channels are above the floor of `db_range`, and
  are 0 elsewhere: silence has no direction.

  Args:
    audio: (..., N, 2), left and right, full scale 1.
    frontend: gives the grid.

  Returns:
    (..., T, F, 4) in the order of CHANNELS: levels in [0, 1] as `frontend(audio)`, cosine and sine in [-1, 1].

  Raises ValueError for another number of channels.
  """
  if audio.shape[-1] != 2:
    raise ValueError(f'audio is {audio.shape}: expected (..., N, 2), left and right')
  spectrum = spectrogram.stft_channels_first(jnp.moveaxis(audio, -1, -2), frontend)   # (..., 2, T, K)
  left, right = spectrum[..., 0, :, :], spectrum[..., 1, :, :]                        # (..., T, K)
  bank = jnp.asarray(spectrogram.filter_bank(frontend)).T                             # (K, F)
  band = lambda x: jnp.matmul(x, bank, precision='highest')                           # (..., T, F)
  powers = jnp.stack([band(left.real**2 + left.imag**2), band(right.real**2 + right.imag**2)], -1)
  cosine = band(left.real * right.real + left.imag * right.imag)
  sine = band(left.imag * right.real - left.real * right.imag)
  square = cosine**2 + sine**2
  heard = (powers.min(-1) > 10 ** (frontend.db_range[0] / 10)) & (square > 0)
  turn = lambda x: jnp.where(heard, x / jnp.sqrt(jnp.where(heard, square, 1.0)), 0.0)  # no NaN in gradients either
  return jnp.concatenate([frontend.compress(powers), turn(cosine)[..., None], turn(sine)[..., None]], axis=-1)
