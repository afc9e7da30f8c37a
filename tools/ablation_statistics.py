"""Intervals over seeds, and paired differences between the arms of an ablation: of {seed: value}, pure."""

from __future__ import annotations

import dataclasses
import math
from typing import Hashable, Mapping, Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A mean of n independent values; ci95: its t-interval, None of a single value; p: two-sided, of a true mean of 0."""

  mean: float
  ci95: tuple[float, float] | None
  p: float | None
  n: int


@dataclasses.dataclass(frozen=True)
class Difference:
  """Paired: one value for each seed that both arms have.

  over_seeds: of the seeds' differences, taken as independent.
  over_clusters: of the clusters' mean differences (seeds of one cluster share a trained autoencoder); None: not known.
  """

  over_seeds: Estimate
  over_clusters: Estimate | None
  seeds: tuple[int, ...]


def estimate(values: Sequence[float]) -> Estimate:
  """Student's t-interval of the mean. Raises ValueError: no values, or some that are not finite.

  Values that are all the same have an interval of no width: they say nothing about their spread, so mistrust it.
  """
  x = np.asarray(values, float)
  if x.ndim != 1 or not x.size or not np.isfinite(x).all():
    raise ValueError(f'estimate of {values!r}: expected one or more finite numbers')
  mean, n = float(x.mean()), x.size
  if n == 1:
    return Estimate(mean, None, None, 1)
  error = float(x.std(ddof=1)) / math.sqrt(n)
  half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
  p = float(2 * stats.t.sf(abs(mean) / error, n - 1)) if error else float(mean == 0)
  return Estimate(mean, (mean - half, mean + half), p, n)


def difference(arm: Mapping[int, float], reference: Mapping[int, float],
               clusters: Mapping[int, Hashable] | None = None) -> Difference:
  """`arm` - `reference` over the seeds that both have.

  Args:
    clusters: of each seed; None where seeds have none, or not the same in both arms.

  Raises:
    ValueError: fewer than two such seeds.
  """
  seeds = tuple(sorted(set(arm) & set(reference)))
  if len(seeds) < 2:
    raise ValueError(f'{len(seeds)} paired seeds: expected 2 or more')
  each = {seed: arm[seed] - reference[seed] for seed in seeds}
  over_clusters = None
  if clusters is not None:
    members: dict[Hashable, list[float]] = {}
    for seed in seeds:
      members.setdefault(clusters[seed], []).append(each[seed])
    over_clusters = estimate([float(np.mean(m)) for m in members.values()])
  return Difference(estimate(list(each.values())), over_clusters, seeds)


def holm(p: Sequence[float]) -> list[float]:
  """p-values adjusted so that any false rejection among them all is as rare as asked (Holm 1979, Scand. J. Statist. 6)."""
  p = np.asarray(p, float)
  order = np.argsort(p, kind='stable')
  adjusted = np.empty_like(p)
  adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
  return adjusted.tolist()
