"""Copies that were coded with losses: one gain and one delay in every band.

Coding adds noise of its own to each channel, in songs from mp3 and ogg files -5 to -30 dB, as much as two microphones differ by
in a quiet place. But noise has no direction: what is a copy keeps its gain and its delay in all bands, all the time, while two
microphones hear each frequency with another gain and another phase.
"""

from __future__ import annotations

import dataclasses
from typing import Sequence

import numpy as np
from scipy import fft

from data_pipeline import lags

EDGES_HZ = (100, 200, 400, 800, 1200, 1800, 2700, 4000, 6000, 9000, 13000)
LAG_HZ = (100, 2700)   # where a lag is looked for: ogg does not keep the phase of what is higher
ALIKE_DB = -3.0        # bands of which less is common tell neither gain nor phase
LEAST_ALIKE = 0.5      # of the bands; 15 real pairs of microphones have as many
# Of 80 % of those bands: the largest deviation of the gain, of the phase, and of both at once, dB x degrees. No real pair of
# microphones came near: two have phases within 0.2 degrees with gains 1.1 and 1.9 dB apart, three gains within 0.5 dB with 3.3
# degrees and more.
GAIN_DB, PHASE_DEG, BOTH, MOST = 0.35, 4.0, 0.5, 0.8


@dataclasses.dataclass(frozen=True)
class Bands:
  """A block, right against left. `lag`: samples by which right is later; `sign`: -1 = inverted. For each band, (K,): `gain_db`
  of right; `phase_deg` that is left; `residual_db`, what is no copy."""

  lag: float
  sign: int
  gain_db: np.ndarray
  phase_deg: np.ndarray
  residual_db: np.ndarray


def compare(spectra: np.ndarray, size: int, sample_rate: int, most: int) -> Bands:
  """The bands of a block.

  Args:
    spectra: (2, size // 2 + 1) of left and right, padded to at least twice their length.
    size: samples of the transform.
    most: samples that a lag may be.
  """
  hz = np.arange(spectra.shape[1]) * sample_rate / size
  cross = np.conj(spectra[0]) * spectra[1]
  low = (hz >= LAG_HZ[0]) & (hz < LAG_HZ[1])
  lag, height = lags.peak(fft.irfft(np.where(low, cross / np.maximum(np.abs(cross), 1e-30), 0), size), most)
  sign = 1 if height >= 0 else -1
  cross = sign * cross * np.exp(2j * np.pi * hz / sample_rate * lag)
  edges = [e for e in EDGES_HZ if e < 0.95 * sample_rate / 2]
  first = np.searchsorted(hz, edges)
  total = lambda a: np.add.reduceat(a[:first[-1]], first[:-1])
  common, left, right = total(cross), total(np.abs(spectra[0]) ** 2), total(np.abs(spectra[1]) ** 2)
  both = np.maximum(left * right, 1e-30)
  decibels = lambda ratio: 10 * np.log10(np.maximum(ratio, 1e-12))
  return Bands(lag, sign, decibels(right / np.maximum(left, 1e-30)), np.degrees(np.angle(common)),
               decibels(1 - np.abs(common) ** 2 / both))


def copied(blocks: Sequence[Bands]) -> bool:
  """Whether the right channel is a copy of the left one, so far as coding lets it be told."""
  alike = np.concatenate([b.residual_db < ALIKE_DB for b in blocks])
  if alike.mean() < LEAST_ALIKE:
    return False
  gain, phase = (np.concatenate([getattr(b, name) for b in blocks])[alike] for name in ('gain_db', 'phase_deg'))
  gain, phase = np.quantile(np.abs(gain - np.median(gain)), MOST), np.quantile(np.abs(phase), MOST)
  return bool(gain < GAIN_DB and phase < PHASE_DEG and gain * phase < BOTH)
