"""Whether the two channels of a file truly differ: many stereo files are one channel written twice."""

from __future__ import annotations

import os

import numpy as np
import soundfile

BLOCK_SECONDS = 4.0
MAX_LAG_SECONDS = 0.02
RESIDUAL_DB = -40.0  # lossy coding of a copy leaves -70 dB or less (-40 where it was cut hard), two microphones over -30


def residual_db(left: np.ndarray, right: np.ndarray, sample_rate: int) -> float:
  """What of the quieter channel is no copy of the other, in dB of its power: at most 0, -inf for a dead channel.

  A copy may have another gain, the other sign, and a delay of whole samples up to 20 ms.

  Args:
    left, right: (N,) of one length.
    sample_rate: of both, per second.
  """
  left, right = left.astype(np.float64), right.astype(np.float64)
  left, right = left - left.mean(), right - right.mean()
  powers = np.dot(left, left), np.dot(right, right)
  if min(powers) <= 1e-8 * max(powers):  # -80 dB: one microphone was not there
    return -np.inf
  size = 1 << int(np.ceil(np.log2(2 * len(left))))
  product = np.fft.irfft(np.fft.rfft(left, size) * np.conj(np.fft.rfft(right, size)), size)
  most = min(round(MAX_LAG_SECONDS * sample_rate), len(left) // 2)
  lags = np.arange(-most, most + 1)
  lag = int(lags[np.argmax(np.abs(product[lags]))])  # > 0: left is the later one
  # Only where both are: the ends of a delayed copy would pass for a difference.
  left, right = left[max(lag, 0):len(left) + min(lag, 0)], right[max(-lag, 0):len(right) - max(lag, 0)]
  common = np.dot(left, right) ** 2 / max(np.dot(left, left) * np.dot(right, right), 1e-300)
  return 10.0 * np.log10(max(1.0 - common, 1e-12))


def truly_stereo(path: str | os.PathLike) -> bool:
  """Whether a sound has exactly two channels and one block of it at least has two different sounds in them."""
  with soundfile.SoundFile(path) as f:
    if f.channels != 2:
      return False
    rate = f.samplerate
    for block in f.blocks(round(BLOCK_SECONDS * rate), dtype='float32', always_2d=True):
      if len(block) >= 0.1 * rate and residual_db(block[:, 0], block[:, 1], rate) > RESIDUAL_DB:
        return True
  return False
