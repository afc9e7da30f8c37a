"""Boxes in time and frequency: their overlap, and the average precision of a detector that draws them."""

from __future__ import annotations

import math

import numpy as np

from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation import spans as spans_lib
from sgm.evaluation.bootstrap import RESAMPLES, Figure
from sgm.evaluation.spans import Spans


def box_iou(a: Spans, b: Spans) -> np.ndarray:
  """(n,), (m,) boxes -> (n, m) intersection over union of their areas in s x Hz, whatever their files and species.

  Raises:
    ValueError: a span without frequencies.
  """
  for x in (a, b):
    if np.isnan(x.low_hz).any():
      raise ValueError(f'box_iou: {int(np.isnan(x.low_hz).sum())} of {len(x)} spans say no frequencies: expected boxes')

  def overlap(low, high):  # of two sides, (n,) x (m,) each -> (n, m)
    inside = np.minimum(high[0][:, None], high[1]) - np.maximum(low[0][:, None], low[1])
    return np.maximum(inside, 0.0)

  both = (overlap((a.onset, b.onset), (a.offset, b.offset)) * overlap((a.low_hz, b.low_hz), (a.high_hz, b.high_hz)))
  area = [x.seconds * (x.high_hz - x.low_hz) for x in (a, b)]
  return both / (area[0][:, None] + area[1] - both)


def box_average_precision(truth: Spans, found: Spans, *, iou: float = 0.5, min_positives: int = 5, resamples: int = RESAMPLES,
                          seed: int = 0, groups: np.ndarray | None = None) -> Figure:
  """Mean over species of the average precision of boxes: AP50 for iou = 0.5.

  Boxes of a file and species take, surest first, the best of the true boxes that are still free and overlap enough, as in COCO
  (VOC calls a box wrong whose best true box is taken, even where a second one would do). The area under precision over recall
  is taken at all points, precision being the highest at that recall or beyond (VOC 2010; COCO samples it at 101). Boxes of
  equal confidence enter together.

  Chance: the boxes of every file against another file's truth. No boxes get 0.

  Args:
    truth, found: boxes of the same files and species.
    iou: in (0, 1].
    min_positives: species with fewer true boxes are dropped and counted.
    resamples, seed, groups: of a bootstrap over files; groups (F,) their recordings. The seed is that of the exchanges too.

  Raises:
    ValueError: arguments that don't fit each other, or spans without frequencies.
  """
  spans_lib.checked_pair('box_average_precision', truth, found)
  if not 0 < iou <= 1:
    raise ValueError(f'box_average_precision: iou {iou}: expected above 0, up to 1')
  there = truth.counts()  # (F, S)
  kept = there.sum(0) >= max(min_positives, 1)

  def curves(boxes):
    return _Ranked(boxes, matched(truth, boxes, iou), kept)

  def per_class(ranked, files):
    weight = np.bincount(files, minlength=truth.files)
    return ranked.average_precision(weight, weight @ there)

  everything = np.arange(truth.files)
  chance = spans_lib.exchange_chance(lambda x: [bootstrap_lib.mean_of_known(per_class(curves(x), everything))], found, seed)
  ranked = curves(found)
  return bootstrap_lib.figure(lambda files: per_class(ranked, files), everything, chance=chance[0], resamples=resamples,
                              seed=seed, groups=groups)


def matched(truth: Spans, found: Spans, iou: float) -> np.ndarray:
  """(m,) bool: which of the found boxes hit a true one of their own, greedily as in `box_average_precision`."""
  hit = np.zeros(len(found), bool)
  true_rows, found_rows = _rows_by_kind(truth), _rows_by_kind(found)
  for kind in true_rows.keys() & found_rows.keys():
    rows = found_rows[kind]
    overlap = box_iou(found.at(rows), truth.at(true_rows[kind]))  # (m', n')
    # Of equally sure boxes the one that fits best comes first, so that the order of the rows does not matter.
    for i in np.lexsort((-overlap.max(1), -found.confidence[rows])):
      best = int(overlap[i].argmax())
      if overlap[i, best] >= iou:
        hit[rows[i]] = True
        overlap[:, best] = -1.0  # taken
  return hit


class _Ranked:
  """Boxes in order of confidence, hits marked, for each species: their average precision under weights of the files."""

  def __init__(self, boxes: Spans, hit: np.ndarray, kept: np.ndarray):
    self._species = []
    for c in range(boxes.classes):
      rows = np.flatnonzero(boxes.species == c)
      rows = rows[np.argsort(-boxes.confidence[rows], kind='stable')]
      last = np.append(np.diff(boxes.confidence[rows]) != 0, True)[:len(rows)]  # the end of each run of ties
      self._species.append((boxes.file[rows], hit[rows], last) if kept[c] else None)

  def average_precision(self, weight: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(F,) how often each file counts, (S,) true boxes so weighted -> (S,), nan for a species that is dropped or not there."""
    values = np.full(len(there), math.nan)
    for c, ranked in enumerate(self._species):
      if ranked is None or not there[c]:
        continue
      file, hit, last = ranked
      hits, claimed = np.cumsum(weight[file] * hit)[last], np.cumsum(weight[file])[last]
      precision = np.maximum.accumulate((hits / np.maximum(claimed, 1))[::-1])[::-1]
      values[c] = np.sum(np.diff(hits, prepend=0) * precision) / there[c]
    return values


def _rows_by_kind(spans: Spans) -> dict[int, np.ndarray]:
  """Row numbers of each (file, species) that has any."""
  order = np.argsort(spans.kind, kind='stable')
  kinds, starts = np.unique(spans.kind[order], return_index=True)
  return dict(zip(kinds.tolist(), np.split(order, starts[1:])))
