"""The figures by which models are judged: plain numpy functions of arrays, each with its chance level stated.

N clips, S species. Scores are any real numbers, larger = more likely. Nothing here knows a model or a file.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import sklearn.metrics

from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation.bootstrap import Estimate


@dataclasses.dataclass(frozen=True)
class Accuracy(Estimate):
  """An Estimate of a proportion, with the Wilson interval beside the bootstrap's (which has no width at 0 and 1)."""

  wilson95: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Macro:
  """A mean over classes.

  Attributes:
    value: unweighted mean over the classes kept; nan when none was.
    per_class: (S,) float, nan for a dropped class.
    dropped: number of classes left out because the figure is undefined, or too noisy, for them.
    ci95: bootstrap interval; (nan, nan) unless it was asked for.
    n: number of clips.
  """

  value: float
  per_class: np.ndarray
  dropped: int
  ci95: tuple[float, float]
  n: int


def top1_accuracy(scores: np.ndarray, labels: np.ndarray, *, seed: int = 0,
                  groups: np.ndarray | None = None) -> Accuracy:
  """Share of clips whose highest score is the label's. Chance: 1 / S for balanced labels.

  Args:
    scores: (N, S). A tie is split: a clip whose label shares the top score with k - 1 others counts 1 / k, so that
      constant scores get chance and not the share of class 0.
    labels: (N,) int in [0, S).
    seed: of the bootstrap.
    groups: (N,) recording ids, for a bootstrap by recording.

  Raises:
    ValueError: shapes that don't fit, a label out of range, or scores that are not finite.
  """
  scores, labels = _finite('scores', scores), np.asarray(labels)
  if scores.ndim != 2 or labels.shape != scores.shape[:1]:
    raise ValueError(f'top1_accuracy: scores {scores.shape}, labels {labels.shape}: expected (N, S) and (N,)')
  if labels.size and not (0 <= labels.min() and labels.max() < scores.shape[1]):
    raise ValueError(f'top1_accuracy: labels in [{labels.min()}, {labels.max()}]: expected [0, {scores.shape[1]})')
  hit = np.zeros(0)
  if len(labels):
    top = scores == scores.max(axis=1, keepdims=True)  # (N, S)
    hit = top[np.arange(len(labels)), labels] / top.sum(axis=1)  # (N,) in [0, 1]
  estimate = bootstrap_lib.bootstrap(np.mean, hit, seed=seed, groups=groups)
  wilson = bootstrap_lib.wilson(int(round(hit.sum())), len(hit))
  return Accuracy(estimate.value, estimate.ci95, estimate.n, wilson)


def median(values: np.ndarray, *, seed: int = 0, groups: np.ndarray | None = None) -> Estimate:
  """Median of (N,) with a bootstrap interval.

  Raises:
    ValueError: a value that is not finite: a miss must be given its price (e.g. the clip's length) by the caller.
  """
  return bootstrap_lib.bootstrap(np.median, _finite('values', values), seed=seed, groups=groups)


def macro_auroc(scores: np.ndarray, presence: np.ndarray, *, interval: bool = False, seed: int = 0,
                groups: np.ndarray | None = None) -> Macro:
  """Mean over classes of the area under the ROC curve. Chance: 0.5, whatever the prevalence.

  Per class the Mann-Whitney statistic with half-counted ties (Hanley & McNeil 1982), equal to the trapezoid area.
  A class without positives or without negatives is dropped and counted.

  Args:
    scores, presence: (N, S); presence is boolean or 0/1.
    interval: whether to bootstrap (over clips, or over groups).
    seed, groups: as in `top1_accuracy`.
  """
  return _macro(_auroc_per_class, scores, presence, interval, seed, groups)


def macro_average_precision(scores: np.ndarray, presence: np.ndarray, *, min_positives: int = 5,
                            interval: bool = False, seed: int = 0, groups: np.ndarray | None = None) -> Macro:
  """cmAP: mean over classes of the average precision. Chance: the mean prevalence of the kept classes.

  Args:
    scores, presence: (N, S).
    min_positives: classes with fewer positives are dropped and counted; 5 is BirdCLEF's and DCASE's habit.
    interval, seed, groups: as in `macro_auroc`.
  """
  def per_class(s, y):
    return np.array([_average_precision(s[:, c], y[:, c])
                     if y[:, c].sum() >= max(min_positives, 1) else math.nan for c in range(y.shape[1])])
  return _macro(per_class, scores, presence, interval, seed, groups)


def mask_iou(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
  """Intersection over union of boolean masks over their last two axes: (..., T, F) x 2 -> (...).

  nan where both are empty: there was nothing to find and nothing was claimed; average with `np.nanmean`.
  """
  predicted, true = np.asarray(predicted, bool), np.asarray(true, bool)
  if predicted.shape != true.shape:
    raise ValueError(f'mask_iou: shapes {predicted.shape} and {true.shape}: expected equal ones')
  both = (predicted & true).sum(axis=(-2, -1))
  either = (predicted | true).sum(axis=(-2, -1))
  return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def within_class_diversity(embeddings: np.ndarray, labels: np.ndarray, real_embeddings: np.ndarray,
                           real_labels: np.ndarray) -> Macro:
  """How varied clips of one class are, as a fraction of how varied real clips of it are. One = as varied as real.

  Per class: mean Euclidean distance over pairs of different clips, divided by the same figure of the real clips;
  then the mean over classes. 0: one prototype per class, which a closed-set judge would reward. Classes with fewer
  than two clips on either side, or whose real clips are all equal, are dropped and counted.

  Args:
    embeddings, labels: (N, D) and (N,) int >= 0.
    real_embeddings, real_labels: (M, D) and (M,) int >= 0.
  """
  embeddings, real_embeddings = _finite('embeddings', embeddings), _finite('real_embeddings', real_embeddings)
  labels, real_labels = np.asarray(labels), np.asarray(real_labels)
  if embeddings.ndim != 2 or real_embeddings.ndim != 2 or embeddings.shape[1] != real_embeddings.shape[1]:
    raise ValueError(f'within_class_diversity: embeddings {embeddings.shape}, real {real_embeddings.shape}: '
                     'expected (N, D) and (M, D)')
  classes = int(max(labels.max(initial=-1), real_labels.max(initial=-1))) + 1
  ratio = np.full(classes, math.nan)
  for c in range(classes):
    spread = _mean_distance(embeddings[labels == c])
    real = _mean_distance(real_embeddings[real_labels == c])
    if real > 0:  # False for nan too
      ratio[c] = spread / real
  return _summarise(ratio, (math.nan, math.nan), len(embeddings))


def log_spectral_distance_db(power: np.ndarray, reference: np.ndarray, floor_db: float) -> np.ndarray:
  """Log-spectral distance: per frame the RMS over bands of the difference in dB, then the mean over frames.

  Args:
    power, reference: (B, T, F, C) band power, full-scale sine = 1 (0 dB).
    floor_db: cells of both below it are raised to it, or else the inaudible decides the figure.

  Returns:
    (B,) dB, >= 0. Source: Rabiner & Juang, Fundamentals of Speech Recognition (1993), section 4.5.
  """
  power, reference = np.asarray(power, np.float64), np.asarray(reference, np.float64)
  if power.shape != reference.shape or power.ndim != 4:
    raise ValueError(f'log_spectral_distance_db: shapes {power.shape} and {reference.shape}: expected two equal '
                     '(B, T, F, C)')
  floor = 10 ** (floor_db / 10)
  difference = 10 * np.log10(np.maximum(power, floor) / np.maximum(reference, floor))  # (B, T, F, C)
  return np.sqrt(np.mean(difference ** 2, axis=2)).mean(axis=(1, 2))


def _auroc_per_class(scores: np.ndarray, presence: np.ndarray) -> np.ndarray:
  """(N, S), (N, S) bool -> (S,), nan without positives or negatives."""
  ranks = np.stack([_mean_ranks(column) for column in scores.T], axis=1)  # (N, S)
  positives = presence.sum(axis=0)  # (S,)
  negatives = len(presence) - positives
  pairs = positives * negatives
  u = (ranks * presence).sum(axis=0) - positives * (positives + 1) / 2
  return np.where(pairs > 0, u / np.maximum(pairs, 1), np.nan)


def _mean_ranks(values: np.ndarray) -> np.ndarray:
  """(N,) -> (N,) ranks from 1, ties get the mean of the ranks they share."""
  _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
  return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _average_precision(scores: np.ndarray, presence: np.ndarray) -> float:
  """(N,), (N,) bool -> sum of precision x step in recall; tied scores enter together (as scikit-learn defines it)."""
  order = np.argsort(-scores, kind='stable')
  hits = np.cumsum(presence[order])  # (N,)
  last = np.append(np.diff(scores[order]) != 0, True)  # the end of each run of ties
  found = hits[last]
  precision = found / (np.flatnonzero(last) + 1)
  return float(np.sum(precision * np.diff(found, prepend=0)) / hits[-1])


def _macro(per_class, scores, presence, interval, seed, groups) -> Macro:
  scores, presence = _finite('scores', scores), np.asarray(presence)
  if scores.ndim != 2 or presence.shape != scores.shape:
    raise ValueError(f'scores {scores.shape}, presence {presence.shape}: expected two equal (N, S)')
  if not np.isin(presence, (0, 1)).all():
    raise ValueError('presence: expected booleans, or 0 and 1 only')
  presence = presence.astype(bool)
  values = per_class(scores, presence) if len(scores) else np.full(scores.shape[1], math.nan)
  ci95 = (math.nan, math.nan)
  if interval and len(scores):
    draws = np.array([_mean(per_class(scores[i], presence[i]))
                      for i in bootstrap_lib.resample(len(scores), seed=seed, groups=groups)])
    ci95 = bootstrap_lib.percentile_interval(draws)
  return _summarise(values, ci95, len(scores))


def _summarise(per_class: np.ndarray, ci95: tuple[float, float], n: int) -> Macro:
  return Macro(_mean(per_class), per_class, int(np.isnan(per_class).sum()), ci95, n)


def _mean(values: np.ndarray) -> float:
  """Mean without the nans; nan of none, without numpy's warning."""
  kept = values[~np.isnan(values)]
  return float(kept.mean()) if kept.size else math.nan


def _mean_distance(x: np.ndarray) -> float:
  """(N, D) -> mean distance over the N (N - 1) / 2 pairs; nan when N < 2."""
  if len(x) < 2:
    return math.nan
  distance = sklearn.metrics.pairwise_distances(x)  # (N, N), zero diagonal
  return float(distance.sum() / (len(x) * (len(x) - 1)))


def _finite(name: str, values: np.ndarray) -> np.ndarray:
  values = np.asarray(values, np.float64)
  if not np.isfinite(values).all():
    raise ValueError(f'{name}: {int((~np.isfinite(values)).sum())} of {values.size} are not finite numbers')
  return values
