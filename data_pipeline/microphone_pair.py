"""Two microphones in the open, or on the sides of a baffle: when and how strongly each hears a source.

Channel 0 is the left one. Azimuth is in degrees from straight ahead, negative = left, so a source on the left arrives earlier
in channel 0.
"""

from __future__ import annotations

import numpy as np

SOUND_SPEED = 343.0  # m/s, at 20 degrees C


def arrivals(azimuth: float, distance: float | None, spacing: float, baffle_db: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
  """Delays and gains of the two microphones, relative to a point midway between them.

  Args:
    azimuth: degrees.
    distance: m from that point; None = far away, where the wave is plane and both hear the same level.
    spacing: m between the microphones, less than twice the distance.
    baffle_db: what a baffle takes from the far side at 90 degrees, half of it given to the near one: level difference =
      baffle_db * sin(azimuth).

  Returns:
    ((2,) seconds, positive = later, (2,) factors on the amplitude). The exact spherical distances.

  Raises ValueError: a source between the microphones.
  """
  side = np.sin(np.radians(azimuth))
  ears = np.array([-0.5, 0.5]) * spacing  # m along the axis, left is negative
  gains = 10 ** (np.array([-0.5, 0.5]) * baffle_db * side / 20)
  if distance is None:
    return -ears * side / SOUND_SPEED, gains
  if distance <= spacing / 2:
    raise ValueError(f'a source at {distance} m lies between microphones {spacing} m apart')
  away = np.sqrt(distance ** 2 + ears ** 2 - 2 * distance * ears * side)
  return (away - distance) / SOUND_SPEED, gains * distance / away


def delays(hz: np.ndarray, seconds: np.ndarray) -> np.ndarray:
  """Factors on a spectrum at `hz` (K,) that delay it exactly, by any fraction of a sample: (C,) s -> (C, K) complex64."""
  return np.exp(-2j * np.pi * np.asarray(seconds)[:, None] * hz).astype(np.complex64)
