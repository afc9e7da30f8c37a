"""Masks of a localiser: do they overlap the true ones, and are there any where the species is absent?

The published DiffEdit mask is scaled by its own mean, so it marks something whatever was asked for: the false-mask rate is what
tells a localiser from a detector.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation import false_alarms
from sgm.evaluation import metrics
from sgm.evaluation.bootstrap import RESAMPLES, Figure

EXCHANGES = 20


@dataclasses.dataclass(frozen=True)
class FalseMasks(Figure):
  """Share of absent (clip, species) pairs whose mask is not empty, in [0, 1], 0 = none.

  Attributes:
    chance: share of masks that are not empty among all pairs: what masks get that do not depend on the species' presence.
    exact95: Clopper-Pearson interval, with a width at 0 and 1. It takes pairs as independent; `ci95` draws whole clips.
    found: share of present pairs whose mask is not empty: no masks at all have no false ones either. nan if none is present.
    pairs: number of absent pairs.
  """

  exact95: tuple[float, float]
  found: float
  pairs: int


def false_mask_rate(masks: np.ndarray, presence: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0,
                    groups: np.ndarray | None = None) -> FalseMasks:
  """How often a species that is absent gets a mask.

  Args:
    masks: (N, S, T, F) boolean, or (N, S): whether the mask is not empty.
    presence: (N, S) boolean or 0/1.
    resamples, seed, groups: of a bootstrap over clips.

  Raises:
    ValueError: shapes that don't fit.
  """
  masks, presence = np.asarray(masks, bool), np.asarray(presence, bool)
  if presence.ndim != 2 or masks.ndim not in (2, 4) or masks.shape[:2] != presence.shape:
    raise ValueError(f'false_mask_rate: masks {masks.shape}, presence {presence.shape}: expected (N, S, T, F) or '
                     '(N, S), and (N, S)')
  marked = masks if masks.ndim == 2 else masks.any((2, 3))
  false, absent = (marked & ~presence).sum(1), (~presence).sum(1)  # (N,)

  def rate(k, n):
    return np.array([k.sum() / n.sum() if n.sum() else math.nan])

  figure = bootstrap_lib.figure(rate, false, absent, chance=marked.mean() if marked.size else math.nan, resamples=resamples,
                                seed=seed, groups=groups)
  k, n = int(false.sum()), int(absent.sum())
  exact = false_alarms.binomial_interval(np.array(k), np.array(n)) if n else (math.nan, math.nan)
  found = float(marked[presence].mean()) if presence.any() else math.nan
  return FalseMasks(**vars(figure), exact95=(float(exact[0]), float(exact[1])), found=found, pairs=n)


def mean_mask_iou(predicted: np.ndarray, true: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0,
                  groups: np.ndarray | None = None) -> Figure:
  """Mean of `metrics.mask_iou` over M birds; pairs of empty masks do not count.

  Chance: the same predictions for other birds, which keeps their sizes and the bands they like.

  Args:
    predicted, true: (M, T, F) boolean.
    resamples, seed, groups: of a bootstrap over birds; groups (M,) are their clips or recordings.
  """
  predicted, true = np.asarray(predicted, bool), np.asarray(true, bool)
  iou = metrics.mask_iou(predicted, true)
  if iou.ndim != 1:
    raise ValueError(f'mean_mask_iou: masks {true.shape}: expected (M, T, F)')
  rng = np.random.default_rng(seed)
  mean = bootstrap_lib.mean_of_known
  by_chance = [mean(metrics.mask_iou(predicted[bootstrap_lib.derangement(len(iou), rng)], true))
               for _ in range(EXCHANGES if len(iou) > 1 else 0)]
  return bootstrap_lib.figure(lambda x: np.array([mean(x)]), iou, chance=mean(by_chance), resamples=resamples, seed=seed,
                              groups=groups)
