"""Where a sound comes from, out of two channels: by how much one microphone hears it earlier, and louder, than the other.

  heard = direction.correlate(samples, 16000, span=(1.0, 2.2), band=(2000, 6000), max_delay_us=640)
  e = direction.estimate(heard)
  e.delay_us, e.level_db    # positive: the left microphone hears it earlier, and louder
  e.ambiguous               # a steady tone: every period of it fits as well as the next

Cross-spectra of short frames are added up for each delay that there may be (Knapp and Carter, The generalized correlation
method for estimation of time delay, 1976). Cells count by how far they stand over the noise of their frequency, and over the
loudest that was there a moment ago: sound that begins comes straight, echoes come later (the precedence effect: Litovsky et
al., 1999). With 'phat' all those cells count alike, whatever their level; with 'band' loud ones count more, which is plain
cross-correlation within the band.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Iterator

import numpy as np
from scipy import fft, signal

from data_pipeline.lags import vertex

WEIGHTINGS = ('phat', 'band')
FRAME_SECONDS = 0.032
FRAME_DELAYS = 8          # a frame lasts this many times the longest delay at least, or it is not the same sound on both sides
HOPS = 4                  # per frame
RECENT_HOPS = range(2, 7) # a moment ago: cells no louder than the loudest of then do not count; nearer frames share most sound
CONTEXT_SECONDS = 1.0     # of sound on either side of an event, to tell its noise; more is of no use
NOISE_QUANTILE = 0.2      # of a frequency's levels over time is taken for noise
QUANTILE_OF_MEAN = 0.35   # where that lies in Gaussian noise: product of two magnitudes, over its mean
OVER_NOISE = 4.0          # 6 dB: cells that stand over the noise by less do not count
STEP_US = 4.0             # between the delays that are tried, at most; peaks are found between them
GROUPS = 10               # parts of an event, each left out once to see how the delay changes
LIKE = 0.96               # a second peak this high, of the first: tones reach 0.99, songs 0.84
RANGE_DB = -50.0          # cells this far under the loudest one do not count: in clean sound they are rounding
CHANCE = 4.0              # a peak of fewer standard deviations than this of what random phases give is none


@dataclasses.dataclass(frozen=True)
class Correlogram:
  """How well each delay fits each frame of an event.

  Attributes:
    delays_us: (D,) that are tried, equally spaced around 0.
    fits: (T, D) share of each frame in the correlation.
    weights: (T,) the most that `fits` can be, where all cells of the frame agree.
    squares: (T,) the variance that `fits` has where phases are random.
    powers: (T, 2) of the cells that count, left and right.
    frame_s: from one frame to the next.
  """

  delays_us: np.ndarray
  fits: np.ndarray
  weights: np.ndarray
  squares: np.ndarray
  powers: np.ndarray
  frame_s: float

  def __getitem__(self, frames: slice) -> 'Correlogram':
    return dataclasses.replace(self, fits=self.fits[frames], weights=self.weights[frames], squares=self.squares[frames],
                               powers=self.powers[frames])


@dataclasses.dataclass(frozen=True)
class Estimate:
  """One direction.

  Attributes:
    delay_us: microseconds by which the right channel is later: positive = the source is on the left.
    error_us: standard error of it, by leaving parts of the event out; about its peak, so ambiguity is not in it. NaN for
      less than three frames.
    level_db: of left over right, positive = left is louder; up to 0.1 more on the earlier side, where a sound that begins is
      further on.
    peak_ratio: height of the second highest peak over that of the highest, 0 to 1.
    coherence: height of the highest peak, 1 = all cells agree.
    confidence: 0 to 1: coherence, less where a second peak is nearly as high, or the first no higher than chance.
    ambiguous: the delay may as well be another one.
  """

  delay_us: float
  error_us: float
  level_db: float
  peak_ratio: float
  coherence: float
  confidence: float
  ambiguous: bool


def correlate(samples: np.ndarray, sample_rate: int, span: tuple[float, float], band: tuple[float, float],
              max_delay_us: float, weighting: str = 'phat') -> Correlogram:
  """The correlogram of an event.

  Args:
    samples: (N, 2), left and right: the event and up to CONTEXT_SECONDS of what is around it.
    sample_rate: Hz.
    span: onset and offset in s from the start of `samples`.
    band: Hz, lowest and highest.
    max_delay_us: the longest delay either way.
    weighting: one of WEIGHTINGS.

  Raises ValueError: arguments that do not fit, or a band without a frequency in it.
  """
  if weighting not in WEIGHTINGS:
    raise ValueError(f'weighting is {weighting!r}: expected one of {", ".join(WEIGHTINGS)}')
  if samples.ndim != 2 or samples.shape[1] != 2:
    raise ValueError(f'samples are {samples.shape}: expected (N, 2), left and right')
  if not 0 < max_delay_us < math.inf or not span[0] < span[1]:
    raise ValueError(f'max_delay_us is {max_delay_us} and span {span}: expected more than 0, and an end after the start')
  spectra, hz, hop_s = _spectra(samples, sample_rate, max_delay_us)
  inside = (hz >= max(band[0], 1.0)) & (hz <= band[1])  # at 0 Hz there is no phase
  if not inside.any():
    raise ValueError(f'band {band[0]:g} to {band[1]:g} Hz holds no frequency of a sound of {sample_rate} Hz')
  spectra = spectra[:, :, inside]
  times = np.arange(len(spectra)) * hop_s
  mine = (times >= span[0]) & (times <= span[1])
  if not mine.any():  # shorter than a frame's hop
    mine[np.argmin(abs(times - sum(span) / 2))] = True
  cross = spectra[:, 0] * np.conj(spectra[:, 1])  # (T, K), phase + 2 pi hz delay
  level = np.abs(cross)
  noise = np.maximum(np.quantile(level, NOISE_QUANTILE, axis=0) / QUANTILE_OF_MEAN, level[mine].max() * 10 ** (RANGE_DB / 10))
  recent = np.max([np.pad(level, ((hops, 0), (0, 0)))[:len(level)] for hops in RECENT_HOPS], axis=0)
  weight = np.maximum(0, 1 - np.maximum(OVER_NOISE * noise, recent) / np.maximum(level, 1e-30))
  weight, cross, spectra = weight[mine], cross[mine], spectra[mine]
  if weighting == 'phat':
    cross = cross / np.maximum(np.abs(cross), 1e-30)
  cross = cross * weight
  delays, fits = _fits(cross, inside, sample_rate, max_delay_us)
  # Neighbours in time share most of a frame, neighbours in frequency the window.
  return Correlogram(delays, fits, np.abs(cross).sum(1), HOPS * (np.abs(cross) ** 2).sum(1),
                     (np.abs(spectra) ** 2 * weight[:, None]).sum(2), hop_s)


def estimate(heard: Correlogram) -> Estimate:
  """The delay that most cells agree on. Silence, or an event that nothing stands out of, is ambiguous with confidence 0."""
  total, most = heard.fits.sum(0), heard.weights.sum()
  if most <= 0:
    return Estimate(0.0, math.nan, 0.0, 1.0, 0.0, 0.0, True)
  peaks = signal.find_peaks(np.pad(total, 1, constant_values=-np.inf))[0] - 1  # the ends of the range count, too
  peaks = peaks[np.argsort(-total[peaks])]
  best = int(peaks[0])
  ratio = float(np.clip(total[peaks[1]] / max(total[best], 1e-30), 0, 1)) if len(peaks) > 1 else 0.0
  coherence = float(np.clip(total[best] / most, 0, 1))
  over_chance = total[best] / (CHANCE * math.sqrt(heard.squares.sum()))
  left, right = heard.powers.sum(0)
  return Estimate(_peak(heard.delays_us, total, best), _error(heard, total, best),
                  float(10 * np.log10(max(left, 1e-30) / max(right, 1e-30))), ratio, coherence,
                  coherence * float(np.clip(min((1 - ratio) / (1 - LIKE), over_chance), 0, 1)), ratio >= LIKE or over_chance <= 1)


def pieces(heard: Correlogram, seconds: float = 0.5) -> Iterator[Estimate]:
  """Estimates of consecutive parts of some `seconds` of an event: two birds may sing in it, one after the other."""
  count = max(1, round(len(heard.fits) * heard.frame_s / seconds))
  for frames in np.array_split(np.arange(len(heard.fits)), count):
    yield estimate(heard[frames[0]:frames[-1] + 1])


def _spectra(samples: np.ndarray, rate: int, max_delay_us: float) -> tuple[np.ndarray, np.ndarray, float]:
  """(N, 2) -> (T, 2, K) at (K,) Hz, frame t centred on t hops; seconds of a hop."""
  size = 2 ** round(math.log2(max(FRAME_SECONDS, FRAME_DELAYS * max_delay_us * 1e-6) * rate))
  padded = np.pad(samples.astype(np.float64), ((size // 2, size // 2), (0, 0)))
  framed = np.lib.stride_tricks.sliding_window_view(padded, size, axis=0)[::size // HOPS]  # (T, 2, size)
  return fft.rfft(framed * signal.get_window('hann', size)), fft.rfftfreq(size, 1 / rate), size // HOPS / rate


def _fits(cross: np.ndarray, inside: np.ndarray, rate: int, max_delay_us: float) -> tuple[np.ndarray, np.ndarray]:
  """Cross-spectra (T, K') of the frequencies that are `inside` (K,) -> delays (D,) us, and (T, D) what fits each."""
  size = 2 * (len(inside) - 1) * 2 ** max(0, math.ceil(math.log2(1e6 / (rate * STEP_US))))
  step_us = 2e6 * (len(inside) - 1) / (rate * size)
  full = np.zeros((len(cross), len(inside)), complex)
  full[:, inside] = np.conj(cross)
  lags = np.arange(-math.ceil(max_delay_us / step_us), math.ceil(max_delay_us / step_us) + 1)
  return lags * step_us, fft.irfft(full, size)[:, lags] * (size / 2)


def _peak(delays: np.ndarray, fits: np.ndarray, i: int) -> float:
  return float(delays[i] + (vertex(*fits[i - 1:i + 2]) * (delays[1] - delays[0]) if 0 < i < len(fits) - 1 else 0.0))


def _error(heard: Correlogram, total: np.ndarray, best: int) -> float:
  """Jackknife: the spread of the peak when each of GROUPS parts is left out once."""
  parts = [p.sum(0) for p in np.array_split(heard.fits, min(GROUPS, len(heard.fits)))]  # (D,) each
  if len(parts) < 3:
    return math.nan
  near = round(40 / (heard.delays_us[1] - heard.delays_us[0]))
  start, end = max(0, best - near), best + near + 1
  moved = [_peak(heard.delays_us, total - p, start + int(np.argmax((total - p)[start:end]))) for p in parts]
  return float(np.sqrt((len(parts) - 1) * np.var(moved)))
