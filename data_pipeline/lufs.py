"""Integrated loudness as broadcasters measure it (ITU-R BS.1770-4), in LUFS."""

from __future__ import annotations

import math

import numpy as np
import scipy.signal

BLOCK_SECONDS, STEP_SECONDS = 0.4, 0.1
ABSOLUTE_GATE = -70.0  # LUFS
RELATIVE_GATE = -10.0  # LU, below the loudness of what passes the absolute gate
OFFSET = -0.691        # dB: the K filter's gain at 1 kHz taken back


def k_filter(sample_rate: int) -> np.ndarray:
  """The two second-order sections (2, 6) of the K weighting: the head's high shelf, then the low cut.

  The recommendation gives coefficients for 48 kHz only; these are the analog prototypes behind them, by the bilinear transform
  at any rate (so De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 145, 2018).
  """
  k = math.tan(math.pi * 1681.974450955533 / sample_rate)
  q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
  band = high ** 0.4996667741545416
  a0 = 1 + k / q + k * k
  shelf = ((high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - band * k / q + k * k) / a0,
           1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0)
  k = math.tan(math.pi * 38.13547087602444 / sample_rate)
  q = 0.5003270373238773
  a0 = 1 + k / q + k * k
  cut = (1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0)
  return np.array((shelf, cut))


def integrated(audio: np.ndarray, sample_rate: int) -> float:
  """Gated loudness of a sound in LUFS; -inf where nothing passes the absolute gate.

  Args:
    audio: (N, C), full scale 1; the channels are front ones, which count alike. A sound shorter than a block is one block.
    sample_rate: Hz.
  """
  if not len(audio):
    return -math.inf
  rate = int(sample_rate)
  weighted = scipy.signal.sosfilt(k_filter(rate), np.asarray(audio, np.float64), axis=0)
  energy = np.concatenate([[0.0], np.cumsum(np.square(weighted).sum(-1))])  # (N + 1,) up to each sample
  block = min(round(BLOCK_SECONDS * rate), len(audio))
  starts = np.arange(0, len(audio) - block + 1, round(STEP_SECONDS * rate))
  power = (energy[starts + block] - energy[starts]) / block  # (blocks,)
  loud = power[power > _power(ABSOLUTE_GATE)]
  if not len(loud):
    return -math.inf
  return OFFSET + 10 * math.log10(loud[loud > loud.mean() * 10 ** (RELATIVE_GATE / 10)].mean())


def _power(lufs: float) -> float:
  return 10 ** ((lufs - OFFSET) / 10)
