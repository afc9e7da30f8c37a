"""Do probabilities mean what they say? The expected calibration error, its reliability table, and what to compare it with."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation.bootstrap import RESAMPLES, Figure

SHUFFLES = 20


@dataclasses.dataclass(frozen=True)
class Reliability(Figure):
  """The expected calibration error, in [0, 1], 0 = calibrated, and the reliability table of B bins, empty ones left out.

  The error of a finite sample is biased upwards, and its bootstrap draws once more: compare it with `floor`, not with 0.

  Attributes:
    chance: of the same probabilities against the labels of other clips.
    floor: what labels that are drawn with exactly these probabilities would get.
    edges: (B, 2) range of each bin, low < probability <= high; 0 is in the first.
    count: (B,) probabilities in it.
    predicted, observed: (B,) their mean, and the share that is present.
    observed95: (B, 2) Wilson interval of that share.
  """

  floor: float
  edges: np.ndarray
  count: np.ndarray
  predicted: np.ndarray
  observed: np.ndarray
  observed95: np.ndarray


def calibration_error(probability: np.ndarray, presence: np.ndarray, *, bins: int = 15, equal_mass: bool = True,
                      resamples: int = RESAMPLES, seed: int = 0, groups: np.ndarray | None = None) -> Reliability:
  """Expected calibration error over all (clip, species) pairs: sum over bins of count / total |predicted - observed|.

  Most species are absent from most clips, so most pairs have low probabilities: with bins of equal width the lowest one decides
  the figure; bins of equal mass resolve it. Equal probabilities share a bin, so bins may come out fewer than asked for.

  Source: Naeini et al. (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI; Nixon et al. (2019),
  Measuring calibration in deep learning, for equal mass.

  Args:
    probability: (N, S) or (N,) in [0, 1].
    presence: of that shape, boolean or 0/1.
    bins: >= 1.
    equal_mass: bins between quantiles of the probabilities; False = of equal width.
    resamples, seed, groups: of a bootstrap over clips; the bins stay those of all clips. The seed is that of the shuffles too.

  Raises:
    ValueError: shapes that don't fit, values outside their range, no probabilities at all.
  """
  probability, presence = np.asarray(probability, np.float64), np.asarray(presence)
  if probability.ndim not in (1, 2) or presence.shape != probability.shape or not probability.size:
    raise ValueError(f'calibration_error: probability {probability.shape}, presence {presence.shape}: expected two equal '
                     '(N, S), not empty')
  if not ((probability >= 0) & (probability <= 1)).all():
    raise ValueError('calibration_error: probability: expected [0, 1]; logits need a sigmoid first')
  if not np.isin(presence, (0, 1)).all():
    raise ValueError('calibration_error: presence: expected booleans, or 0 and 1 only')
  if bins < 1:
    raise ValueError(f'calibration_error: bins {bins}: expected 1 or more')
  n = len(probability)
  probability, presence = probability.reshape(n, -1), presence.reshape(n, -1).astype(float)
  inner = np.linspace(0, 1, bins + 1)[1:-1]
  if equal_mass:
    last = (probability.size * np.arange(1, bins) + bins - 1) // bins - 1  # of each bin but the highest
    inner = np.unique(np.sort(probability, None)[last])
  cell = np.arange(n)[:, None] * (len(inner) + 1) + np.searchsorted(inner, probability)  # (N, S) low < p <= high

  def sums(values):  # (N, S) -> (N, B)
    return np.bincount(cell.ravel(), values.ravel(), n * (len(inner) + 1)).reshape(n, -1)

  count, predicted, present = sums(np.ones_like(probability)), sums(probability), sums(presence)
  rng = np.random.default_rng(seed)
  by_chance = [_error(count, predicted, sums(presence[rng.permutation(n)])) for _ in range(SHUFFLES)]
  figure = bootstrap_lib.figure(lambda *sums_: np.array([_error(*sums_)]), count, predicted, present, chance=np.mean(by_chance),
                                resamples=resamples, seed=seed, groups=groups)
  # A sum of independent coins is off its mean by sqrt(2 variance / pi) on average, if they are not too few.
  variance = sums(probability * (1 - probability)).sum(0)
  edges = np.stack([np.append(0.0, inner), np.append(inner, 1.0)], 1)
  total = count.sum(0)
  used = total > 0
  observed95 = [bootstrap_lib.wilson(int(k), int(m)) for k, m in zip(present.sum(0)[used], total[used])]
  return Reliability(**vars(figure), floor=float(np.sqrt(2 / math.pi * variance).sum() / probability.size), edges=edges[used],
                     count=total[used].astype(int), predicted=predicted.sum(0)[used] / total[used],
                     observed=present.sum(0)[used] / total[used], observed95=np.array(observed95))


def _error(count: np.ndarray, predicted: np.ndarray, present: np.ndarray) -> float:
  """Sums by clip and bin, (N, B) each -> the error over all clips."""
  return float(np.abs(predicted.sum(0) - present.sum(0)).sum() / count.sum())
