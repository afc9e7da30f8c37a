"""One vocalisation cut out of its recording: the recording's own noise taken out, its ends trimmed and faded.

A mix would else hold every source's noise as a patch around the bird, and its signal-to-noise ratio would count that noise as
bird. Spectral subtraction (Boll, 1979) with a smoothed gain: what remains is what stands out of the running floor.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, signal

FRAME_SECONDS = 0.032
CONTEXT_SECONDS = 2.0     # on either side of the vocalisation, where its noise is measured
QUANTILE = 0.2            # of a bin's power over the context is noise: of an exponential distribution
QUANTILE_OF_MEAN = -np.log(1 - QUANTILE)  # the quantile lies at this share of the mean
EXCESS = 2.0              # times the noise is taken away, which leaves fewer single cells of it standing
DEEPEST_DB = 30.0         # and no cell is lowered by more
BAND_MARGIN = 1.25        # factor below low_hz and above high_hz over which the sound fades out
ENDS_DB = 25.0            # quieter than this below its loudest moment the vocalisation has not begun, or is over
ENVELOPE_SECONDS = 0.01
PAD_SECONDS = 0.02        # of fading in and out, around it
SHORTEST_SECONDS = 0.03


def extract(audio: np.ndarray, sample_rate: int, onset: float, offset: float, low_hz: float,
            high_hz: float) -> tuple[np.ndarray, float, float] | None:
  """The vocalisation in a box.

  Args:
    audio: (N,) float, the box and as much as there is of CONTEXT_SECONDS around it.
    onset, offset: s of `audio`; low_hz, high_hz: the box.

  Returns:
    (samples (n,) float32, onset, offset in s of `audio`) where round(PAD_SECONDS * sample_rate) samples at either end lie
    outside of [onset, offset]; None where nothing stands out.
  """
  size = int(2 ** np.round(np.log2(FRAME_SECONDS * sample_rate)))
  hz, _, spectrum = signal.stft(audio, sample_rate, nperseg=size)  # (K, T), frames half overlapping
  power = spectrum.real ** 2 + spectrum.imag ** 2
  noise = np.quantile(power, QUANTILE, axis=1, keepdims=True) / QUANTILE_OF_MEAN
  seen = ndimage.uniform_filter(power, 3, mode='nearest')  # a single cell's power says little
  share = 1 - EXCESS * noise / np.maximum(seen, 1e-20)
  gain = np.sqrt(np.clip(share, 10 ** (-DEEPEST_DB / 10), 1))
  # The band fades by a straight line over log-frequency.
  low, high = max(low_hz, 1.0), max(high_hz, 2.0)
  edges = np.log([low / BAND_MARGIN, low, high, high * BAND_MARGIN])
  gain *= np.interp(np.log(np.maximum(hz, 0.5)), edges, (0.0, 1.0, 1.0, 0.0))[:, None]
  if not np.any(share > 0):
    return None
  _, clean = signal.istft(spectrum * gain, sample_rate, nperseg=size)
  clean = clean[:len(audio)].astype(np.float32)
  ends = _ends(clean, sample_rate, onset, offset)
  if ends is None:
    return None
  first, last = ends
  pad = round(PAD_SECONDS * sample_rate)
  padded = np.pad(clean, pad)[first:last + 2 * pad]
  return faded(padded, pad), first / sample_rate, last / sample_rate


def _ends(clean: np.ndarray, sample_rate: int, onset: float, offset: float) -> tuple[int, int] | None:
  """Samples [first, last) of [onset, offset] between the first and the last loud moment."""
  start, stop = max(round(onset * sample_rate), 0), min(round(offset * sample_rate), len(clean))
  width = max(round(ENVELOPE_SECONDS * sample_rate), 1)
  if stop - start < SHORTEST_SECONDS * sample_rate:
    return None
  envelope = ndimage.uniform_filter1d(np.square(clean[start:stop], dtype=np.float64), width, mode='constant')
  loud = np.flatnonzero(envelope > max(envelope.max() * 10 ** (-ENDS_DB / 10), 1e-12))
  if not len(loud) or loud[-1] + 1 - loud[0] < SHORTEST_SECONDS * sample_rate:
    return None
  return start + int(loud[0]), start + int(loud[-1]) + 1


def faded(samples: np.ndarray, pad: int) -> np.ndarray:
  """(n,) with its first and last `pad` samples faded by raised cosines."""
  out, pad = samples.copy(), min(pad, len(samples) // 2)
  ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(pad) + 0.5) / max(pad, 1))).astype(out.dtype)
  out[:pad] *= ramp
  out[len(out) - pad:] *= ramp[::-1]
  return out
