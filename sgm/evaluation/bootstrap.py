"""Confidence intervals: percentile bootstrap (over clips, or over whole recordings) and the Wilson score interval.

All pure numpy and reproducible: the resamples are a function of `seed` only.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Callable

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A figure with its uncertainty.

  Attributes:
    value: the statistic on all items.
    ci95: (low, high), 95 % percentile bootstrap interval; (nan, nan) when n is 0.
    n: number of items behind it (clips, events: whatever was passed in).
  """

  value: float
  ci95: tuple[float, float]
  n: int


@dataclasses.dataclass(frozen=True)
class Figure(Estimate):
  """An Estimate, most often a mean over classes, beside what chance gives.

  Attributes:
    chance: what predictions that know nothing get on the same truth, as the function that made it says.
    per_class: (S,) float, nan for a class that is left out; (1,) where a figure has no classes. `value` is their
      mean, unless a subclass says otherwise.
  """

  chance: float
  per_class: np.ndarray

  @property
  def dropped(self) -> int:
    """Number of classes left out because the figure is undefined, or too noisy, for them."""
    return int(np.isnan(self.per_class).sum())


def resample(n: int, *, resamples: int = RESAMPLES, seed: int = 0, groups: np.ndarray | None = None):
  """Yields `resamples` index arrays into n items, drawn with replacement.

  Args:
    n: number of items, >= 1.
    resamples: how many index arrays.
    seed: of the draws.
    groups: (n,) anything sortable, e.g. recording ids. When given, whole groups are drawn, so that clips of one
      recording are never counted as independent (cluster bootstrap); the arrays then differ in length.
  """
  rng = np.random.default_rng(seed)
  if groups is None:
    for _ in range(resamples):
      yield rng.integers(0, n, n)
    return
  groups = np.asarray(groups)
  if groups.shape != (n,):
    raise ValueError(f'groups has shape {groups.shape}: expected ({n},), one per item')
  _, member = np.unique(groups, return_inverse=True)  # (n,) in [0, G)
  members = [np.flatnonzero(member == g) for g in range(member.max() + 1)]
  for _ in range(resamples):
    yield np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])


def bootstrap(statistic: Callable[..., float], *arrays: np.ndarray, resamples: int = RESAMPLES, seed: int = 0,
              groups: np.ndarray | None = None) -> Estimate:
  """Percentile bootstrap of `statistic(*arrays)`, the arrays resampled together along their first axis.

  Resamples on which the statistic is undefined (nan: for instance a class lost its positives) are left out.

  Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.

  Raises:
    ValueError: arrays of different lengths.
  """
  arrays = tuple(np.asarray(a) for a in arrays)
  lengths = {len(a) for a in arrays}
  if len(lengths) != 1:
    raise ValueError(f'bootstrap: arrays of lengths {[len(a) for a in arrays]}: expected one length')
  n = lengths.pop()
  if n == 0:
    return Estimate(math.nan, (math.nan, math.nan), 0)
  draws = np.array([statistic(*(a[i] for a in arrays))
                    for i in resample(n, resamples=resamples, seed=seed, groups=groups)], float)
  return Estimate(float(statistic(*arrays)), percentile_interval(draws), n)


def figure(per_class: Callable[..., np.ndarray], *arrays: np.ndarray, chance: float, resamples: int = RESAMPLES, seed: int = 0,
           groups: np.ndarray | None = None) -> Figure:
  """Mean over classes of `per_class(*arrays)`, (S,) with nan for a class to leave out, with its bootstrap interval.

  Args:
    per_class: of arrays that are resampled together along their first axis, the clips.
    chance: goes into the Figure.
    resamples: 0 for no interval, (nan, nan).
    seed, groups: as in `resample`.
  """
  estimate = bootstrap(lambda *a: mean_of_known(per_class(*a)), *arrays, resamples=resamples, seed=seed, groups=groups)
  values = np.asarray(per_class(*arrays), float) if estimate.n else np.full(1, math.nan)
  return Figure(estimate.value, estimate.ci95, estimate.n, float(chance), values)


def derangement(n: int, rng: np.random.Generator) -> np.ndarray:
  """(n,) a random cycle through 0 to n - 1: everything moves. For chance levels by exchange, which nothing may escape.

  Raises:
    ValueError: n below 2: there is nothing to exchange with.
  """
  if n < 2:
    raise ValueError(f'derangement of {n}: expected 2 or more')
  order = rng.permutation(n)
  moved = np.empty(n, int)
  moved[order] = np.roll(order, 1)
  return moved


def mean_of_known(values: np.ndarray) -> float:
  """Mean of what is not nan; nan where nothing is, without numpy's warning."""
  values = np.asarray(values, float)
  known = values[~np.isnan(values)]
  return float(known.mean()) if known.size else math.nan


def percentile_interval(draws: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
  """The central `level` of the finite draws: (low, high); (nan, nan) when there is none."""
  draws = draws[np.isfinite(draws)]
  if not draws.size:
    return (math.nan, math.nan)
  low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
  return (float(low), float(high))


def wilson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
  """Wilson score interval of a proportion, (low, high) in [0, 1]; unlike the bootstrap it has a width at 0 and n.

  Source: Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.

  Raises:
    ValueError: successes outside [0, n].
  """
  if not 0 <= successes <= n:
    raise ValueError(f'wilson: {successes} successes of {n}: expected 0 <= successes <= n')
  if n == 0:
    return (math.nan, math.nan)
  z = statistics.NormalDist().inv_cdf((1 + level) / 2)
  p, z2 = successes / n, z * z
  centre = (p + z2 / (2 * n)) / (1 + z2 / n)
  half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
  return (max(centre - half, 0.0), min(centre + half, 1.0))
