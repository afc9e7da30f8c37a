"""By how much one signal is later than another, to a part of a sample: the top of a correlation."""

from __future__ import annotations

import numpy as np

TAPS = 64  # neighbours on either side from which a correlation is interpolated


def peak(correlation: np.ndarray, most: int) -> tuple[float, float]:
  """Lag and height of the largest magnitude, within `most` of 0, of a circular correlation; interpolated by a windowed sinc."""
  lags = np.arange(-most, most + 1)
  k = int(lags[np.argmax(np.abs(correlation[lags]))])
  near = np.arange(-TAPS, TAPS + 1)
  steps = np.linspace(-1, 1, 41)
  away = steps[:, None] - near  # (41, 2 taps + 1)
  fine = (np.sinc(away) * np.cos(np.pi * away / (2 * TAPS + 4)) ** 2) @ correlation[k + near].astype(np.float64)
  i = int(np.clip(np.argmax(abs(fine)), 1, len(steps) - 2))
  return k + float(steps[i] + vertex(*abs(fine[i - 1:i + 2])) * (steps[1] - steps[0])), float(fine[i])


def vertex(before: float, at: float, after: float) -> float:
  """Where the parabola through three equally spaced values has its top, in steps from the middle one; -1 to 1."""
  bend = before - 2 * at + after
  return float(np.clip(0.5 * (before - after) / bend, -1, 1)) if bend < 0 else 0.0
