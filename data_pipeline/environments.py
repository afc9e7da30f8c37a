"""Background textures: forest, wind, rain, insects, a stream, traffic. Pure numpy and scipy.fft.

Noise is drawn in the frequency domain, so that its colour costs one inverse FFT; what is granular (drops, bubbles) is a sum
of short decaying tones. Every texture is diffuse: the channels of a stereo background are independent, grains are panned.
"""

from __future__ import annotations

import functools

import numpy as np
import scipy.fft

from data_pipeline import scene as scene_lib

# RMS of the whole background in dB re full scale, before a spread of +-NOISE_SPREAD_DB.
NOISE_DB = {'quiet': -58.0, 'lightly noisy': -48.0, 'noisy': -38.0}
NOISE_SPREAD_DB = 2.0

# Spectral density of each noise: (Hz, dB) knots, straight lines over log-frequency, relative to each other only.
_COLOURS = {
    'ambient': ((60, 0), (200, -4), (1000, -14), (3000, -20), (8000, -26), (16000, -34)),
    'gust': ((40, 0), (120, -3), (400, -17), (1000, -34), (4000, -55), (16000, -75)),
    'leaves': ((300, -30), (1000, -8), (2500, 0), (5000, -3), (8000, -10), (16000, -22)),
    'rain': ((100, -24), (500, -12), (1500, -3), (4000, 0), (8000, -3), (16000, -12)),
    'stream': ((100, -12), (300, -2), (700, 0), (1500, -4), (3500, -12), (8000, -24), (16000, -38)),
    'rumble': ((40, -3), (90, 0), (250, -7), (600, -17), (1100, -19), (2500, -34), (8000, -60), (16000, -75)),
    'rustle': ((500, -30), (1500, -9), (3000, 0), (6000, -2), (8000, -8), (16000, -20)),
}


@functools.lru_cache(maxsize=64)
def _colour(name: str, size: int, sample_rate: int) -> np.ndarray:
  """Magnitudes (size // 2 + 1,) float32 of a noise of `size` samples and unit RMS."""
  hz = np.fft.rfftfreq(size, 1 / sample_rate)
  knots, db = np.array(_COLOURS[name]).T
  magnitude = 10 ** (np.interp(np.log(np.maximum(hz, 1.0)), np.log(knots), db) / 20)
  magnitude[hz < 0.6 * knots[0]] = 0.0
  return _unit(magnitude, size)


def _unit(magnitude: np.ndarray, size: int) -> np.ndarray:
  """Scaled so that complex normal noise (variance 2 per bin) of these magnitudes has an expected RMS of 1."""
  return (magnitude * (size / 2 / np.sqrt(np.sum(magnitude ** 2)))).astype(np.float32)


def _noise(magnitude: np.ndarray, samples: int, size: int, channels: int, rng: np.random.Generator) -> np.ndarray:
  """(samples, channels) float32 of noise with these magnitudes."""
  bins = rng.standard_normal((channels, len(magnitude), 2), np.float32).view(np.complex64)[..., 0]  # (C, size/2 + 1)
  return scipy.fft.irfft(bins * magnitude, size)[:, :samples].T


def _coloured(name: str, samples: int, sample_rate: int, channels: int, rng: np.random.Generator) -> np.ndarray:
  size = scipy.fft.next_fast_len(samples, real=True)
  return _noise(_colour(name, size, sample_rate), samples, size, channels, rng)


def _slow(samples: int, sample_rate: int, per_second: float, db: float, rng: np.random.Generator) -> np.ndarray:
  """(samples, 1) smooth random gain: knots `per_second`, standard deviation `db`."""
  seconds = samples / sample_rate
  count = int(seconds * per_second) + 4
  knots = np.exp(rng.normal(0, db * np.log(10) / 20, count))
  knots = np.convolve(np.repeat(knots, 4), [0.25, 0.5, 0.25], 'same')  # rounds the corners
  at = (np.arange(len(knots)) / 4 - 1) / per_second * sample_rate
  return np.interp(np.arange(samples), at, knots).astype(np.float32)[:, None]


def _grains(samples: int, sample_rate: int, channels: int, rate: float, hz: tuple[float, float], decay: tuple[float, float],
            rise: float, rng: np.random.Generator) -> np.ndarray:
  """(samples, channels) float32: decaying tones at random times.

  Args:
    rate: grains per s; hz: range of their frequency, log-uniform; decay: range of their time constant in s.
    rise: part of its frequency by which a grain rises per time constant (bubbles do; Minnaert, 1933).
  """
  count = rng.poisson(rate * samples / sample_rate)
  length = int(4 * decay[1] * sample_rate)
  start = rng.integers(0, max(samples - length, 1), count)
  f = np.exp(rng.uniform(np.log(hz[0]), np.log(hz[1]), (count, 1))).astype(np.float32)
  tau = rng.uniform(*decay, (count, 1)).astype(np.float32)
  loud = np.exp(rng.normal(0, 0.9, (count, 1))).astype(np.float32)
  t = np.arange(length, dtype=np.float32) / sample_rate
  grain = loud * np.exp(-t / tau) * np.sin(2 * np.pi * f * t * (1 + 0.5 * rise * t / tau))  # (count, length)
  index = (start[:, None] + np.arange(length)).ravel()
  pan = rng.uniform(0.5, 1.0, (count, channels)) if channels > 1 else np.ones((count, 1))
  out = [np.bincount(index, (grain * pan[:, c, None]).ravel(), samples)[:samples] for c in range(channels)]
  return np.stack(out, 1).astype(np.float32)


def _rms(x: np.ndarray) -> float:
  return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) or 1.0


def _forest(n, sr, c, rng):
  out = _coloured('ambient', n, sr, c, rng) * _slow(n, sr, 1.5, 1.5, rng)
  for _ in range(rng.poisson(0.5 * n / sr)):  # an animal in the leaves
    length = min(int(rng.uniform(0.1, 0.5) * sr), n)
    start = rng.integers(0, n - length + 1)
    envelope = np.hanning(length).astype(np.float32)[:, None] * _slow(length, sr, 40.0, 6.0, rng)
    out[start:start + length] += rng.uniform(0.08, 0.3) * envelope * _coloured('rustle', length, sr, c, rng)
  return out


def _wind(n, sr, c, rng):
  gust = _slow(n, sr, rng.uniform(0.7, 2.0), 5.0, rng)
  return (_coloured('gust', n, sr, c, rng) * gust + rng.uniform(0.1, 0.3) * _coloured('leaves', n, sr, c, rng) * gust
          + 0.15 * _coloured('ambient', n, sr, c, rng))


def _rain(n, sr, c, rng):
  drops = _grains(n, sr, c, rng.uniform(25, 90), (1200, min(7000, 0.45 * sr)), (0.001, 0.004), 0.0, rng)
  return _coloured('rain', n, sr, c, rng) * _slow(n, sr, 2.0, 1.0, rng) + rng.uniform(0.4, 1.0) * drops / _rms(drops)


def _insects(n, sr, c, rng):
  """One or two stridulators: a narrow band of noise, steady, pulsed, or pulsed in chirps."""
  size = scipy.fft.next_fast_len(n, real=True)
  hz = np.fft.rfftfreq(size, 1 / sr)
  t = np.arange(n, dtype=np.float32) / sr
  out = 0.5 * _coloured('ambient', n, sr, c, rng)
  for _ in range(rng.integers(1, 3)):
    centre, width = rng.uniform(3800, min(7600, 0.47 * sr)), rng.uniform(60, 220)
    band = _noise(_unit(np.exp(-0.5 * ((hz - centre) / width) ** 2), size), n, size, c, rng)
    kind = rng.integers(3)
    if kind > 0:
      band = band * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(22, 45) * t))[:, None] ** 2
    if kind > 1:
      chirp = np.sin(2 * np.pi * (rng.uniform(1.5, 3.5) * t + rng.random()))
      band = band * np.clip(2.5 * (chirp + rng.uniform(0.0, 0.6)), 0.0, 1.0)[:, None]
    out += rng.uniform(0.5, 1.0) * band / _rms(band)
  return out


def _river(n, sr, c, rng):
  bubbles = _grains(n, sr, c, rng.uniform(40, 120), (350, 2400), (0.003, 0.014), 0.15, rng)
  return _coloured('stream', n, sr, c, rng) * _slow(n, sr, 4.0, 1.5, rng) + rng.uniform(0.35, 0.8) * bubbles / _rms(bubbles)


def _road(n, sr, c, rng):
  return _coloured('rumble', n, sr, c, rng) * _slow(n, sr, 0.5, 3.5, rng)


TEXTURES = {'forest': _forest, 'wind': _wind, 'rain': _rain, 'insects': _insects, 'river': _river, 'road': _road}
assert set(TEXTURES) == set(scene_lib.ENVIRONMENTS + scene_lib.NEARS)


def background(environment: str, near: str, level_db: float, samples: int, sample_rate: int, channels: int,
               rng: np.random.Generator) -> np.ndarray:
  """The sound of a place without birds.

  Args:
    environment: one of scene.ENVIRONMENTS; near: one of scene.NEARS or ''.
    level_db: RMS of the result in dB re full scale, over all samples and channels.

  Returns:
    (samples, channels) float32.
  """
  out = TEXTURES[environment](samples, sample_rate, channels, rng)
  out = out / _rms(out)
  if near:
    other = TEXTURES[near](samples, sample_rate, channels, rng)
    out = out + other * (10 ** (rng.uniform(-4.0, 2.0) / 20) / _rms(other))
  return (out * (10 ** (level_db / 20) / _rms(out))).astype(np.float32)
