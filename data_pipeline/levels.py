"""The level of a clip, as the op `level` of training sets it, for windows that no pipeline prepares."""

from __future__ import annotations

import numpy as np

MAX_GAIN_DB = 40.0  # faint clips are raised by no more, or a recorder's hiss would become a wind
SILENCE = 1e-6      # RMS below which a clip is silent (-120 dB, far under one step of int16)


def to_level(audio: np.ndarray, db: float) -> np.ndarray:
  """Audio (N, C) scaled to an RMS of `db` dBFS over all samples and channels, by MAX_GAIN_DB at most; silence is left alone."""
  rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
  if rms < SILENCE:
    return audio
  return (audio * 10 ** (min(db - 20 * np.log10(rms), MAX_GAIN_DB) / 20)).astype(np.float32)
