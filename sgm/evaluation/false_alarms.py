"""Rates of false alarms: which ones n absent clips can reach, control over many species, per hour, and exact intervals.

Plain functions of numbers and arrays; nothing here knows a model or a file. B windows, S species.
"""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np
from scipy import stats

from sgm.evaluation.bootstrap import Estimate, LEVEL


def ranks(rate: float, counts: np.ndarray) -> np.ndarray:
  """The largest m with m / (n + 1) <= rate, for each n of `counts`: so many of the n + 1 p-values are alarms."""
  n = np.asarray(counts)
  m = np.floor(rate * (n + 1)).astype(int)  # of a rounded product: it may be one off
  return m + ((m + 1) / (n + 1) <= rate) - (m / (n + 1) > rate)


def check_rate(rate: float, counts: np.ndarray, names: Sequence[str], what: str) -> None:
  """Raises ValueError, which starts with `what`, where the smallest p-value of n clips, 1 / (n + 1), is above the rate."""
  if not 0 < rate < 1:
    raise ValueError(f'{what} of {rate:g}: expected one between 0 and 1')
  few = np.flatnonzero(ranks(rate, counts) == 0)
  if len(few):
    least = few[counts[few].argmin()]
    more = f', and {len(few) - 1} more have too few' if len(few) > 1 else ''
    raise ValueError(f'{what} of {rate:g} needs {math.ceil(1 / rate - 1e-9) - 1} absent clips: {names[least]} has '
                     f'{counts[least]}{more}')


def benjamini_hochberg(p: np.ndarray, q: float) -> np.ndarray:
  """p-values (B, S) -> bool (B, S): discoveries among each row's S, at a false discovery rate of at most q.

  Holds for independent, or positively dependent, p-values; under any dependence with q / (1 + 1/2 + ... + 1/S) for q.
  In a window without birds every discovery is false: there q bounds the share of windows with one or more of them.

  Source: Benjamini & Hochberg (1995), JRSS B 57; Benjamini & Yekutieli (2001), Annals of Statistics 29.
  """
  p = np.asarray(p, np.float64)
  if p.ndim != 2 or not ((p >= 0) & (p <= 1)).all() or not 0 < q < 1:
    raise ValueError(f'benjamini_hochberg: p {p.shape}, q = {q}: expected (B, S) in [0, 1] and a q between 0 and 1')
  size = p.shape[1]
  ordered = np.sort(p, axis=1)
  line = q * np.arange(1, size + 1) / size * (1 + 1e-12)  # p-values of n clips may lie on it, but for the rounding
  last = np.where(ordered <= line, ordered, -1.0).max(axis=1, initial=-1.0)  # the largest p-value under the line
  return p <= last[:, None]


def false_events_per_hour(rate: float, windows_per_hour: float, species: int) -> float:
  """Expected false events per hour, at most: `rate` per (window, absent species), all `species` absent, no windows merged.

  Windows that begin h seconds apart are 3600 / h per hour.
  """
  return rate * windows_per_hour * species


def measured_events_per_hour(events: int, hours: float) -> Estimate:
  """Events counted in hours of sound -> events per hour, with the exact 95 % interval of a Poisson count.

  Events that come in groups (one tractor, twenty windows) are no Poisson count: merge them first.

  Source: Garwood (1936), Biometrika 28.
  """
  if events < 0 or not hours > 0:
    raise ValueError(f'measured_events_per_hour: {events} events in {hours} hours: expected 0 or more, in more than 0')
  tail = (1 - LEVEL) / 2
  low = stats.chi2.ppf(tail, 2 * events) / 2 if events else 0.0
  high = stats.chi2.ppf(1 - tail, 2 * events + 2) / 2
  return Estimate(events / hours, (float(low / hours), float(high / hours)), int(events))


def binomial_interval(k: np.ndarray, n: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
  """Clopper-Pearson interval of a proportion, (low, high) in [0, 1], elementwise; (0, 1) when n is 0.

  Covers at least `level` for every n and proportion; `bootstrap.wilson` does so on average.

  Source: Clopper & Pearson (1934), Biometrika 26.
  """
  k, n = np.broadcast_arrays(k, n)
  if ((k < 0) | (k > n)).any():
    raise ValueError(f'binomial_interval: {k} of {n}: expected 0 <= k <= n')
  tail = (1 - level) / 2
  low = np.where(k > 0, stats.beta.ppf(tail, np.maximum(k, 1), n - k + 1), 0.0)
  high = np.where(k < n, stats.beta.ppf(1 - tail, k + 1, np.maximum(n - k, 1)), 1.0)
  return low[()], high[()]


def expected_false_alarms(rate: float, absent: int, fresh: int, level: float = LEVEL) -> tuple[int, int]:
  """How many of `fresh` independent windows that lack a species to expect at `p <= rate`: (low, high), both included.

  Wider than a binomial's, as one calibration, on `absent` clips, misses the rate by a little: it hits a draw from
  Beta(m, n + 1 - m), where m / (n + 1) is the rate (Vovk 2012, Conditional validity of inductive conformal predictors).
  """
  check_rate(rate, np.array([absent]), ('the species',), 'expected_false_alarms: a rate')
  m = int(ranks(rate, absent))
  count = stats.betabinom(fresh, m, absent + 1 - m)
  return int(count.ppf((1 - level) / 2)), int(count.ppf((1 + level) / 2))
