"""The sound of one singer where the microphones are: pitched, stretched, dulled by air, echoing, in two channels."""

from __future__ import annotations

import numpy as np
import scipy.fft
import soxr

from data_pipeline import air, microphone_pair
from data_pipeline.mixing_cleaning import FRAME_SECONDS, faded
from data_pipeline.mixing_placing import Redraw, Singer
from data_pipeline.mixing_spec import MixingSpec
from data_pipeline.time_stretch import time_stretch

CUT_SECONDS = 0.01   # over which a source fades where it is cut short
LEAST_SHARE = 0.5    # of its energy, which a bird keeps where it is band-limited
RINGING = 64         # samples on either side
_ROLL_OFF = 0.9      # of the highest frequency, from where on a band-limited event fades


def heard(singer: Singer, spec: MixingSpec, top_hz: float, rng: np.random.Generator) -> tuple[np.ndarray, int]:
  """One event of a singer, at an arbitrary level.

  Args:
    top_hz: above it there is to be nothing, inf = no limit.

  Returns:
    ((n, C) float32, how many of its first samples lie before the event's onset).

  Raises Redraw where most of it lies above `top_hz`.
  """
  dry, lead = _dry(singer, spec.sample_rate)
  if spec.channels == 1 and singer.metres is None and top_hz == np.inf:
    return dry[:, None], lead
  return _placed(dry, lead, singer, spec, top_hz, rng)


def _dry(singer: Singer, rate: int) -> tuple[np.ndarray, int]:
  source = singer.source
  first, count = round(singer.start * rate), round(singer.used * rate)
  begins, ends = first == 0, first + count + 2 * source.pad >= source.frames - 1
  dry = source.read(first, count + 2 * source.pad)[:, 0]
  pad = source.pad
  if not (begins and ends):  # what is cut short fades inside of the event, as nothing may be heard outside of its label
    inside = faded(dry[pad:pad + count], round(CUT_SECONDS * rate))
    dry, pad = inside, 0
  return stretched(dry, singer.stretch, singer.pitch, rate), round(pad * singer.stretch)


def stretched(dry: np.ndarray, stretch: float, pitch: float, rate: int) -> np.ndarray:
  """(n,) -> (round(n * stretch),): longer by a factor, higher by `pitch` semitones, each leaving the other alone."""
  ratio = 2 ** (pitch / 12)
  out = dry
  if abs(stretch * ratio - 1) > 1e-6:
    size = min(int(2 ** np.round(np.log2(FRAME_SECONDS * rate))), int(2 ** np.floor(np.log2(max(len(dry), 16)))))
    out = time_stretch(dry, 1 / (stretch * ratio), size)
  if abs(ratio - 1) > 1e-6:
    out = soxr.resample(out, rate * ratio, rate, quality='MQ')  # 96 dB, in a quarter of HQ's time: it is the slowest step
  samples = round(len(dry) * stretch)
  return np.pad(out, (0, samples - len(out))) if len(out) < samples else out[:samples]


def _placed(dry: np.ndarray, lead: int, singer: Singer, spec: MixingSpec, top_hz: float,
            rng: np.random.Generator) -> tuple[np.ndarray, int]:
  """All that is linear in one go: a spectrum times the way of the sound to each microphone."""
  rate, d, m = spec.sample_rate, spec.distance, spec.microphones
  # Filters and shifts by parts of a sample ring, and one channel hears the event before the point midway does.
  margin = RINGING + int(np.ceil(m.spacing / microphone_pair.SOUND_SPEED * rate))
  echo = np.zeros((spec.channels, 0), np.float32)
  if singer.metres is not None:
    direct_db = d.direct_db - 20 * np.log10(singer.metres / d.reference)
    echo = air.tail(singer.rt60, direct_db, rate, spec.channels, rng)
  samples = len(dry) + 2 * margin + echo.shape[1]
  size = scipy.fft.next_fast_len(samples, real=True)
  hz = np.fft.rfftfreq(size, 1 / rate)
  way = np.ones((spec.channels, len(hz)), np.complex64)
  if spec.channels == 2:
    seconds, gains = microphone_pair.arrivals(singer.azimuth, singer.metres, m.spacing, m.baffle_db)
    way *= microphone_pair.delays(hz, seconds) * gains[:, None]
  if echo.shape[1]:
    way += scipy.fft.rfft(echo, size)
  if singer.metres is not None:
    # Relative to the reference, where the source may have been recorded: what is nearer is not sharpened.
    way *= 10 ** (-air.absorption_db(hz, d.celsius, d.humidity, d.kilopascal) * max(singer.metres - d.reference, 0.0) / 20)
  spectrum = scipy.fft.rfft(np.pad(dry, (margin, 0)), size)
  if top_hz < rate / 2:
    below = np.interp(hz, (_ROLL_OFF * top_hz, top_hz), (1.0, 0.0)).astype(np.float32)
    if np.linalg.norm(spectrum * below) ** 2 < LEAST_SHARE * np.linalg.norm(spectrum) ** 2:
      raise Redraw('a bird sings above all that its background holds')
    spectrum *= below
  out = scipy.fft.irfft(spectrum * way, size)[:, :samples].T  # (n, C)
  return np.ascontiguousarray(out, np.float32), lead + margin
