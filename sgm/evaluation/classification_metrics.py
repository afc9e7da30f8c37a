"""Which species is in which clip? The competitions' figures beside their chance levels. The plain ones are in `metrics`.

N clips or windows, S species. Chance levels are exact expectations over random rankings, or over random assignments of the same
predictions to the clips: on few positives they lie well above the prevalence, which is why ratios are taken above them.
"""

from __future__ import annotations

import math

import numpy as np

from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation import metrics
from sgm.evaluation.bootstrap import RESAMPLES, Figure


def above_chance(value: float, chance: float, reference: float = 1.0) -> float:
  """(value - chance) / (reference - chance): 0 at chance, 1 at the reference; a plain ratio would credit chance.

  Raises:
    ValueError: a reference that is not above chance.
  """
  if not reference > chance:
    raise ValueError(f'above_chance: reference {reference} is not above chance {chance}: there is nothing to compare with')
  return (value - chance) / (reference - chance)


def average_precision_chance(presence: np.ndarray, *, min_positives: int = 5, padding: int = 0) -> float:
  """Expected macro average precision of a random order without ties, exactly. (Constant scores get the prevalence.)

  Per class with R positives among N, behind P padded ones: the item at rank k is positive with probability R / N, and then
  P + 1 + (k - 1) (R - 1) / (N - 1) positives are expected up to it. Without padding that is the closed form of Bestgen (2015),
  Exact expected average precision of the random baseline, Prague Bulletin of Mathematical Linguistics 103.

  Args:
    presence: (N, S) boolean or 0/1.
    min_positives: classes with fewer are left out, as in `metrics.macro_average_precision`.
    padding: P, as in `padded_average_precision`; classes without positives are then 1, whoever ranks.

  Returns:
    The mean over classes; nan when none is left.
  """
  presence = _binary('average_precision_chance: presence', presence)
  n, positives = len(presence), presence.sum(0)  # (S,)
  k = np.arange(1, n + 1)
  first, later = np.sum(1 / (padding + k)), np.sum((k - 1) / (padding + k))
  among = positives / max(n, 1) * ((padding + 1) * first + (positives - 1) / max(n - 1, 1) * later)
  value = (padding + among) / np.maximum(padding + positives, 1)
  return bootstrap_lib.mean_of_known(np.where(positives + padding >= max(min_positives, 1), value, np.nan))


def padded_average_precision(scores: np.ndarray, presence: np.ndarray, *, padding: int = 5, resamples: int = RESAMPLES,
                             seed: int = 0, groups: np.ndarray | None = None) -> Figure:
  """Padded cmAP of BirdCLEF 2023 and BirdSet: `padding` rows that hold every species, found with certainty, are added.

  It keeps rare classes from being noisy by flattering them: a class without positives gets 1, one with few nearly that. Never
  compare it with an unpadded figure; look at its chance level.

  Args:
    scores: (N, S) finite; the padded rows score above all others, so the figure depends on the order alone.
    presence: (N, S) boolean or 0/1.
    padding: rows to add, >= 1.
    resamples, seed, groups: as in `bootstrap.figure`; the padding is not resampled.

  Returns:
    A Figure over all classes, none is dropped; its chance is that of a random order.

  Raises:
    ValueError: shapes that don't fit, scores that are not finite, a padding below 1.
  """
  if padding < 1:
    raise ValueError(f'padded_average_precision: padding {padding}: expected 1 or more (without: macro_average_precision)')
  scores, presence = np.asarray(scores, np.float64), _binary('padded_average_precision: presence', presence)
  _same_shape('padded_average_precision', scores=scores, presence=presence)

  def per_class(s, y):
    top = np.full((padding, s.shape[1]), s.max(initial=0) + 1)
    return metrics.macro_average_precision(np.concatenate([top, s]), np.concatenate([np.ones(top.shape, bool), y]),
                                           min_positives=padding).per_class

  chance = average_precision_chance(presence, min_positives=1, padding=padding)
  return bootstrap_lib.figure(per_class, scores, presence, chance=chance, resamples=resamples, seed=seed, groups=groups)


def top1_present(scores: np.ndarray, presence: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0,
                 groups: np.ndarray | None = None) -> Figure:
  """Share of clips whose highest score is one of their species (BirdSet's T1-Acc). Clips without species are left out.

  A tie counts the share of the tied that are there. Chance: the mean share of species that are there.

  Args:
    scores, presence: (N, S).
    resamples, seed, groups: as in `bootstrap.figure`.
  """
  scores, presence = np.asarray(scores, np.float64), _binary('top1_present: presence', presence)
  _same_shape('top1_present', scores=scores, presence=presence)
  there = presence.any(1)
  scores, presence = scores[there], presence[there]
  top = scores == scores.max(1, keepdims=True, initial=-np.inf)
  hit = (top & presence).sum(1) / np.maximum(top.sum(1), 1)
  return bootstrap_lib.figure(lambda h: h.mean(keepdims=True), hit, chance=presence.mean() if there.any() else math.nan,
                              resamples=resamples, seed=seed, groups=None if groups is None else np.asarray(groups)[there])


def birdclef_2022(predicted: np.ndarray, presence: np.ndarray, scored: np.ndarray | None = None, *, resamples: int = RESAMPLES,
                  seed: int = 0, groups: np.ndarray | None = None) -> Figure:
  """The score of BirdCLEF 2022, called 'macro F1' there: per species (TPR + TNR) / 2 over its scored rows, species equal.

  It is a balanced accuracy. Chance: 0.5 for whatever does not look at the clip, always and never included. A species without
  positives or without negatives among its scored rows is dropped.

  Args:
    predicted, presence: (N, S) boolean or 0/1.
    scored: (N, S) which (window, species) rows count; None = all.
    resamples, seed, groups: as in `bootstrap.figure`.
  """
  predicted, presence = (_binary(f'birdclef_2022: {name}', x) for name, x in (('predicted', predicted), ('presence', presence)))
  scored = np.ones_like(presence) if scored is None else _binary('birdclef_2022: scored', scored)
  _same_shape('birdclef_2022', predicted=predicted, presence=presence, scored=scored)

  def per_class(p, y, rows):
    return (_ratio((p & y & rows).sum(0), (y & rows).sum(0)) + _ratio((~p & ~y & rows).sum(0), (~y & rows).sum(0))) / 2

  return bootstrap_lib.figure(per_class, predicted, presence, scored, chance=0.5, resamples=resamples, seed=seed, groups=groups)


def macro_f1(predicted: np.ndarray, presence: np.ndarray, *, min_positives: int = 1, resamples: int = RESAMPLES, seed: int = 0,
             groups: np.ndarray | None = None) -> Figure:
  """Mean over species of F1 = 2 TP / (positives + predicted). Not BirdCLEF 2022's score of that name.

  Chance: exactly 2 R Q / (N (R + Q)) for Q predictions that are dealt to the clips at random, R of which hold the species.

  Args:
    predicted, presence: (N, S) boolean or 0/1.
    min_positives: species with fewer, and those with none, are dropped.
    resamples, seed, groups: as in `bootstrap.figure`.
  """
  predicted, presence = (_binary(f'macro_f1: {name}', x) for name, x in (('predicted', predicted), ('presence', presence)))
  _same_shape('macro_f1', predicted=predicted, presence=presence)
  least = max(min_positives, 1)

  def per_class(p, y):
    return np.where(y.sum(0) >= least, _ratio(2 * (p & y).sum(0), p.sum(0) + y.sum(0)), np.nan)

  r, q = presence.sum(0), predicted.sum(0)
  chance = bootstrap_lib.mean_of_known(np.where(r >= least, _ratio(2 * r * q, max(len(presence), 1) * (r + q)), np.nan))
  return bootstrap_lib.figure(per_class, predicted, presence, chance=chance, resamples=resamples, seed=seed, groups=groups)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """a / b, nan where b is 0."""
  return np.where(b > 0, a / np.maximum(b, 1), np.nan)


def _binary(name: str, x: np.ndarray) -> np.ndarray:
  """(N, S) as booleans. Raises ValueError."""
  x = np.asarray(x)
  if x.ndim != 2:
    raise ValueError(f'{name} {x.shape}: expected (N, S)')
  if x.dtype != bool and not np.isin(x, (0, 1)).all():
    raise ValueError(f'{name}: expected booleans, or 0 and 1 only')
  return x.astype(bool)


def _same_shape(function: str, **arrays: np.ndarray) -> None:
  if len({x.shape for x in arrays.values()}) > 1:
    raise ValueError(f'{function}: {", ".join(f"{name} {x.shape}" for name, x in arrays.items())}: expected equal shapes')
