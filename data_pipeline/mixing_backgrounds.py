"""The sound of the place: stretches of recordings, looped without a click where they are short, several in layers."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_pipeline import environments, sampling
from data_pipeline.mixing_pools import Source

_ROUNDING = (1 / 32767) ** 2 / 12  # power of what 16 bits round off, white
_ABOVE_ROUNDING_DB = 6.0
_WINDOW = 1024


@dataclasses.dataclass(frozen=True)
class Layer:
  """A background as long as the clip: audio (N, C) float32; first: the sample of the source that it begins at; looped: whether
  the source was too short; spread: whether a source of one channel gave two, from two places of it."""

  audio: np.ndarray
  environment: str
  near: str
  first: int
  looped: bool
  spread: bool


def loop(audio: np.ndarray, samples: int, crossfade: int, start: int) -> np.ndarray:
  """A sound repeated: its last `crossfade` samples run into its first ones, at constant power.

  Args:
    audio: (n, C); crossfade: at most half of n is used; start: where in the loop to begin.

  Returns:
    (samples, C); a period is n less the crossfade.
  """
  fade = min(crossfade, len(audio) // 2)
  period = len(audio) - fade
  ramp = np.sin(0.5 * np.pi * (np.arange(fade, dtype=np.float32) + 0.5) / max(fade, 1))[:, None]  # (fade, 1)
  ring = audio[:period].copy()
  # Two stretches of noise are uncorrelated: their powers add up, hence sine and cosine.
  ring[:fade] = ring[:fade] * ramp + audio[period:] * ramp[::-1]
  return ring[(start + np.arange(samples)) % period]


def layer(source: Source, samples: int, sample_rate: int, channels: int, crossfade: float, level_db: float,
          rng: np.random.Generator) -> Layer | None:
  """A random stretch of a background at an RMS of `level_db`; None where it is silent there.

  A source of one channel gives both of a stereo clip, from two places far apart: the same in both would be a sound straight
  ahead, and a little apart one from the side.
  """
  if source.path is None:
    environment, _, near = sampling.draw_surroundings(rng)
    return Layer(environments.background(environment, near, level_db, samples, sample_rate, channels, rng), environment, near,
                 0, False, False)
  spread = source.channels < channels
  looped = source.frames < (1.5 if spread else 1) * samples  # two places are then a quarter of a clip apart or more
  if looped:
    whole = source.read()
    first = int(rng.integers(source.frames))
    parts = [loop(whole, samples, round(crossfade * sample_rate), first + k * source.frames // 2) for k in range(1 + spread)]
  else:
    room = source.frames - samples + 1
    first = int(rng.integers(room))
    parts = [source.read((first + k * room // 2) % room, samples) for k in range(1 + spread)]
  audio = np.concatenate(parts, axis=1)[:, :channels]
  if source.channels > channels:
    audio = np.mean(audio, axis=1, keepdims=True)
  rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
  if rms < 1e-5:
    return None
  return Layer(audio * np.float32(10 ** (level_db / 20) / rms), source.environment, source.near, first, looped, spread)


def top_hz(audio: np.ndarray, sample_rate: int) -> float:
  """The highest frequency of a background (N, C) that holds more than what 16 bits round off; inf where that is Nyquist.

  Recordings at a lower rate and lossy formats end below: a bird above that edge would give the mix away.
  """
  count = len(audio) // _WINDOW
  if not count:
    return float('inf')
  taper = np.hanning(_WINDOW).astype(np.float32)
  frames = audio[:count * _WINDOW].mean(1).reshape(count, _WINDOW)
  power = np.mean(np.square(np.abs(np.fft.rfft(frames * taper))), axis=0) / np.sum(taper ** 2)  # white noise: its variance
  above = np.flatnonzero(power > _ROUNDING * 10 ** (_ABOVE_ROUNDING_DB / 10))
  edge = float((above[-1] + 1) * sample_rate / _WINDOW) if len(above) else 0.0
  return float('inf') if edge > 0.95 * sample_rate / 2 else edge
