"""Signal-to-noise ratios of events, in the cells of time and frequency that hold them.

SNR = power of the event over power of the background, both summed over those cells of a spectrogram that hold 95 % of the
event's energy, the strongest ones (Hann windows of 32 ms, half overlapping, frame k from sample k * hop on; channels' powers
are averaged). The noise of the event's own recording was taken out beforehand (`mixing_cleaning`). A faint whistle above a
loud river so has a high SNR, as it has to the ear.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import scipy.fft
from scipy import signal

ENERGY_SHARE = 0.95
FRAME_SECONDS = 0.032
_SILENT = 1e-14  # power of a cell below which nothing is compared: -140 dB


@functools.lru_cache(maxsize=8)
def window(sample_rate: int) -> int:
  """Samples of a frame: a power of two near FRAME_SECONDS."""
  return int(2 ** np.round(np.log2(FRAME_SECONDS * sample_rate)))


@functools.lru_cache(maxsize=8)
def _taper(size: int) -> np.ndarray:
  taper = signal.get_window('hann', size).astype(np.float32)
  return taper * np.float32(np.sqrt(2 / (size * np.sum(taper.astype(np.float64) ** 2))))  # cells of a frame add up to its power


def power(audio: np.ndarray, sample_rate: int) -> np.ndarray:
  """(N, C) -> power of its cells (T, K), from the frames that lie in it wholly; zeros follow up to the first frame's length."""
  size = window(sample_rate)
  missing = max(size - len(audio), (size - len(audio)) % (size // 2))
  audio = np.asarray(audio, np.float32)
  if missing:
    audio = np.concatenate([audio, np.zeros((missing, audio.shape[1]), np.float32)])
  frames = np.lib.stride_tricks.sliding_window_view(audio, size, axis=0)[::size // 2]  # (T, C, size)
  spectrum = scipy.fft.rfft(frames * _taper(size))
  cells = spectrum.real ** 2 + spectrum.imag ** 2
  return cells[:, 0] if cells.shape[1] == 1 else cells.mean(1)


def frames_around(first: int, count: int, samples: int, sample_rate: int) -> slice:
  """The samples of whole frames of a clip that samples first to first + count reach into."""
  size = window(sample_rate)
  hop = size // 2
  start = max(0, -(-(first - size + 1) // hop)) * hop
  stop = max((first + count - 1) // hop, 0) * hop + size
  return slice(start, min(stop, samples))


@dataclasses.dataclass(frozen=True)
class Cells:
  """Where an event's energy is: a mask (T, K) over the cells of some frames, its power there, and the band of all of it."""

  mask: np.ndarray
  power: float
  low_hz: float
  high_hz: float


def cells_of(event: np.ndarray, sample_rate: int) -> Cells | None:
  """The cells of an event alone (N, C); None where it is silent.

  low_hz and high_hz hold ENERGY_SHARE of its energy, and a bin on either side.
  """
  cells = power(event, sample_rate)
  order = np.sort(cells, axis=None)[::-1]
  total = np.cumsum(order, dtype=np.float64)
  if total[-1] <= _SILENT:
    return None
  least = order[np.searchsorted(total, ENERGY_SHARE * total[-1])]
  mask = cells >= least
  spectrum = np.cumsum(cells.sum(0, dtype=np.float64))
  tail = (1 - ENERGY_SHARE) / 2 * spectrum[-1]
  low, high = np.searchsorted(spectrum, [tail, spectrum[-1] - tail])
  step = sample_rate / window(sample_rate)
  return Cells(mask, float(cells[mask].sum(dtype=np.float64)), max(float(low - 1) * step, 1.0),
               min(float(high + 1) * step, sample_rate / 2))


def ratio_db(cells: Cells, other: np.ndarray, sample_rate: int) -> float | None:
  """An event over another sound (N, C) in the event's cells, in dB; None where the other is silent there."""
  beside = float(power(other, sample_rate)[cells.mask].sum(dtype=np.float64))
  return None if beside <= _SILENT * cells.mask.sum() else 10 * float(np.log10(cells.power / beside))
