"""Where in a recording something vocalises: band energies against a running noise floor.

Xeno-canto style recordings name a species and nothing else. The regions found here become the events of their clips: a
label of moderate quality (naive segmentation leaves 10 to 83 % label noise per species), and the reason why the levels
and thresholds are constants that a data set records.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage, signal

FRAME_SECONDS = 0.032
HOP_SECONDS = 0.01
LOW_HZ = 150.0            # lowest a region reaches; below CLEAR_HZ lie owls, doves and grouse, but wind and traffic as well,
CLEAR_HZ = 400.0          # so that sound there counts only while it is a tone:
RUMBLE_HZ = 30.0          # of what rises above the floor from here to CLEAR_HZ,
TONE_SHARE = 0.7          # three neighbouring bins above LOW_HZ hold this share
TONE_SECONDS = 0.09       # on average over this time. Hoots last longer, and a gust's bins agree by chance only briefly.
BAND_HZ = 500.0           # a whistle fills a band of this width, broad noise fills many
FLOOR_QUANTILE = 0.2      # of a band's energy over FLOOR_SECONDS: what it holds when nothing sings
FLOOR_SECONDS = 8.0
START_DB = 10.0           # a region holds a band this far above its floor,
STAY_DB = 7.0             # and lasts while one is this far above
RANGE_DB = 20.0           # what is this far below the loudest moment is an echo or another, distant bird
MERGE_SECONDS = 0.2       # syllables closer than this are one vocalisation
MIN_SECONDS = 0.05
ENERGY_SHARE = 0.95       # low and high Hz hold this share of a region's energy above the floor


@dataclasses.dataclass(frozen=True)
class Region:
  """One vocalisation: onset, offset in s; low_hz, high_hz; level_db = noise-corrected RMS in dB re full scale."""

  onset: float
  offset: float
  low_hz: float
  high_hz: float
  level_db: float


def find(audio: np.ndarray, sample_rate: int) -> list[Region]:
  """The active regions of a recording, by onset; they do not overlap.

  Args:
    audio: (N, C) float, full scale 1; the power of its channels is averaged.
    sample_rate: samples per second.
  """
  power, hz = _power(audio, sample_rate)  # (T, K)
  if not len(power):
    return []
  rumble = ~_tones(power[:, hz < CLEAR_HZ], hz[hz < CLEAR_HZ])  # (T,)
  power, hz = power[:, hz >= LOW_HZ], hz[hz >= LOW_HZ]
  bands = _bands(power, hz)  # (T, B), the first one below CLEAR_HZ
  floor = _running_floor(bands)
  # Rumble counts as floor, both where regions are sought and in the bins that describe them.
  bands[rumble, 0] = np.minimum(bands, floor)[rumble, 0]
  low = hz < CLEAR_HZ
  power[:, low] = np.where(rumble[:, None], np.minimum(power[:, low], _running_floor(power[:, low])), power[:, low])
  # A recording that was muted in places has a floor of nothing: no deeper than 100 dB below its loudest.
  floor = np.maximum(floor, bands.max() * 1e-10 + 1e-20)
  above = 10 * np.log10(np.maximum(bands / floor, 1e-3)).max(1)  # (T,)
  excess = np.maximum(bands - floor, 0).sum(1)
  above[excess < excess.max() * 10 ** (-RANGE_DB / 10)] = -np.inf
  seconds = len(audio) / sample_rate
  found = (_describe(power[first:last], hz, _running_floor_of(power, first, last), first, last, seconds)
           for first, last in _runs(above))
  return [region for region in found if region is not None]


def _power(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
  """Power spectrum whose sum over bins is the mean square of the windowed frame: (T, K), and the bins' Hz from RUMBLE_HZ."""
  size = int(2 ** np.round(np.log2(FRAME_SECONDS * sample_rate)))
  hop = round(HOP_SECONDS * sample_rate)
  window = signal.get_window('hann', size)
  padded = np.pad(np.asarray(audio, np.float32), ((size // 2, size), (0, 0)))
  frames = np.lib.stride_tricks.sliding_window_view(padded, size, axis=0)[::hop][:-(-len(audio) // hop)]  # (T, C, size)
  power = np.zeros((len(frames), size // 2 + 1))
  for start in range(0, len(frames), 4096):  # a long recording's spectrum at once would be large
    spectrum = np.fft.rfft(frames[start:start + 4096] * window)
    power[start:start + 4096] = np.mean(np.abs(spectrum) ** 2, axis=1)
  power *= 2 / (size * np.sum(window ** 2))
  hz = np.arange(size // 2 + 1) * sample_rate / size
  # The last 5 % before Nyquist hold what the resampler left.
  use = (hz >= RUMBLE_HZ) & (hz <= 0.95 * sample_rate / 2)
  return power[:, use], hz[use]


def _tones(power: np.ndarray, hz: np.ndarray) -> np.ndarray:
  """Frames in which a tone between LOW_HZ and CLEAR_HZ outdoes all rumble: (T, K) from RUMBLE_HZ to CLEAR_HZ -> (T,) bool."""
  excess = np.maximum(power - _running_floor(power), 0)
  excess = ndimage.uniform_filter1d(excess, round(TONE_SECONDS / HOP_SECONDS), axis=0, mode='nearest')
  line = 3 * ndimage.uniform_filter1d(excess, 3, axis=1, mode='constant')  # a Hann window spreads a tone over three bins
  return line[:, hz >= LOW_HZ].max(1) > TONE_SHARE * excess.sum(1)


def _bands(power: np.ndarray, hz: np.ndarray) -> np.ndarray:
  """Energy of one band below CLEAR_HZ and of bands of BAND_HZ above, smoothed over three frames: (T, K) -> (T, B)."""
  starts = [0, *np.searchsorted(hz, np.arange(hz[hz >= CLEAR_HZ][0], hz[-1] - BAND_HZ / 2, BAND_HZ))]
  return ndimage.uniform_filter1d(np.add.reduceat(power, starts, axis=1), 3, axis=0, mode='nearest')


def _running_floor(values: np.ndarray) -> np.ndarray:
  """FLOOR_QUANTILE over FLOOR_SECONDS around each second, in between linear: (T, B) -> (T, B)."""
  half, step = round(FLOOR_SECONDS / 2 / HOP_SECONDS), round(1 / HOP_SECONDS)
  centres = np.arange(0, len(values), step)
  # At the borders the window moves inwards and keeps its length.
  starts = np.clip(centres - half, 0, max(len(values) - 2 * half, 0))
  floors = np.stack([np.quantile(values[s:s + 2 * half], FLOOR_QUANTILE, axis=0) for s in starts])
  at = np.arange(len(values))
  return np.stack([np.interp(at, centres, f) for f in floors.T], axis=1)


def _running_floor_of(power: np.ndarray, first: int, last: int) -> np.ndarray:
  """The floor of every bin around frames first to last: (K,)."""
  half = round(FLOOR_SECONDS / 2 / HOP_SECONDS)
  start = int(np.clip((first + last) // 2 - half, 0, max(len(power) - 2 * half, 0)))
  return np.quantile(power[start:start + 2 * half], FLOOR_QUANTILE, axis=0)


def _runs(above: np.ndarray) -> list[tuple[int, int]]:
  """Frames [first, last) that stay above STAY_DB and somewhere pass START_DB, near ones merged, short ones dropped."""
  stay = above >= STAY_DB
  edges = np.flatnonzero(np.diff(np.concatenate([[False], stay, [False]]).astype(np.int8))).reshape(-1, 2)
  runs: list[list[int]] = []
  for first, last in edges.tolist():
    if above[first:last].max() < START_DB:
      continue
    if runs and (first - runs[-1][1]) * HOP_SECONDS < MERGE_SECONDS:
      runs[-1][1] = last
    else:
      runs.append([first, last])
  return [(first, last) for first, last in runs if (last - first) * HOP_SECONDS >= MIN_SECONDS]


def _describe(power: np.ndarray, hz: np.ndarray, floor: np.ndarray, first: int, last: int,
              seconds: float) -> Region | None:
  """The region of frames [first, last), whose power is (t, K) over a floor (K,); None when nothing is above it."""
  spectrum = np.maximum(power - 10 ** (STAY_DB / 10) * floor, 0).mean(0)  # only cells that stand out place the band
  share = np.cumsum(spectrum)
  if share[-1] <= 0:
    return None
  tail = (1 - ENERGY_SHARE) / 2 * share[-1]
  low, high = np.searchsorted(share, [tail, share[-1] - tail])
  step = hz[1] - hz[0]
  energy = np.maximum(power - floor, 0).mean(0)[low:high + 1].sum()
  onset, offset = max((first - 0.5) * HOP_SECONDS, 0.0), min((last - 0.5) * HOP_SECONDS, seconds)
  return Region(onset, offset, float(hz[low] - step), float(hz[high] + step), float(10 * np.log10(energy)))
