"""What distance does to sound outdoors: absorption by air (ISO 9613-1:1993) and a diffuse tail."""

from __future__ import annotations

import numpy as np

_REFERENCE_K, _TRIPLE_K, _REFERENCE_KPA = 293.15, 273.16, 101.325


def absorption_db(hz: np.ndarray, celsius: float, humidity: float, kilopascal: float = _REFERENCE_KPA) -> np.ndarray:
  """Attenuation of pure tones in dB per metre, ISO 9613-1 equations (3) to (5) and B.3; same shape as `hz`.

  Args:
    hz: frequencies, 0 or more.
    celsius, humidity (relative, %), kilopascal: of the air.
  """
  kelvin, pressure = celsius + 273.15, kilopascal / _REFERENCE_KPA
  warmth = kelvin / _REFERENCE_K
  vapour = humidity * 10 ** (4.6151 - 6.8346 * (_TRIPLE_K / kelvin) ** 1.261) / pressure  # molar concentration, %
  oxygen = pressure * (24 + 4.04e4 * vapour * (0.02 + vapour) / (0.391 + vapour))         # relaxation frequencies, Hz
  nitrogen = pressure * warmth ** -0.5 * (9 + 280 * vapour * np.exp(-4.170 * (warmth ** (-1 / 3) - 1)))
  f2 = np.square(np.asarray(hz, np.float64))
  return 8.686 * f2 * (1.84e-11 / pressure * warmth ** 0.5 + warmth ** -2.5 * (
      0.01275 * np.exp(-2239.1 / kelvin) / (oxygen + f2 / oxygen)
      + 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen + f2 / nitrogen)))


def tail(rt60: float, direct_db: float, sample_rate: int, channels: int, rng: np.random.Generator) -> np.ndarray:
  """A diffuse reverberation: noise that decays by 60 dB in `rt60` s, each channel its own.

  Returns (channels, samples) float32, to be convolved with a source. The expected energy of its channels lies `direct_db`
  below that of a unit impulse, the direct sound; it ends where it has decayed by 40 dB.
  """
  samples = int(rt60 * 2 / 3 * sample_rate)
  if not samples:
    return np.zeros((channels, 0), np.float32)
  decay = np.exp(np.arange(samples, dtype=np.float32) * np.float32(-3 * np.log(10) / (rt60 * sample_rate)))
  scale = 10 ** (-direct_db / 20) / np.sqrt(np.sum(np.square(decay, dtype=np.float64)))
  return rng.standard_normal((channels, samples), np.float32) * decay * np.float32(scale)
