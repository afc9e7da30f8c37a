"""Who sang when? F1 of detected events on a grid of segments, and of events whose ends lie within a collar.

As sed_eval computes them (Mesaros et al. 2016, Metrics for polyphonic sound event detection, Applied Sciences 6), with interval
and chance level. Anchors: silence gets F1 0 and error rate 1; a species that is claimed throughout gets a segment F1 of
2 p / (1 + p), p being the share of segments it is heard in.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import sparse

from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation import spans as spans_lib
from sgm.evaluation.bootstrap import RESAMPLES, Figure
from sgm.evaluation.spans import Spans

_NEAR = 1e-9  # seconds: 0.1 + 0.2 is not to lie outside a collar of 0.3


@dataclasses.dataclass(frozen=True)
class F1:
  """F1 = 2 TP / (2 TP + FP + FN). Chance: the detections of every file compared with another file's truth.

  Attributes:
    micro: all events, or segments, of all species together.
    macro: mean over the species with `min_positives` or more true ones.
    precision, recall: of all together; nan where nothing was found, or nothing is there.
  """

  micro: Figure
  macro: Figure
  precision: float
  recall: float


@dataclasses.dataclass(frozen=True)
class SegmentF1(F1):
  """F1 of segments and their error rate, (substitutions + deletions + insertions) / true ones: 0 = perfect, silence gets 1."""

  error_rate: Figure


def segment_f1(truth: Spans, found: Spans, durations: np.ndarray, *, seconds: float = 1.0, min_positives: int = 1,
               resamples: int = RESAMPLES, seed: int = 0, groups: np.ndarray | None = None) -> SegmentF1:
  """F1 and error rate over (segment, species) pairs; an event marks all segments that it reaches into.

  Within a segment, missed and wrong species pair up to substitutions; what remains are deletions or insertions.

  Args:
    truth, found: of the same files and species. What lies behind the end of a file does not count.
    durations: (F,) seconds; the last segment of a file may be cut short by its end.
    seconds: length of a segment.
    min_positives: species with fewer true segments are left out of the macro mean.
    resamples, seed, groups: of a bootstrap over files; groups (F,) their recordings. The seed is that of the exchanges too.

  Raises:
    ValueError: arguments that don't fit each other.
  """
  spans_lib.checked_pair('segment_f1', truth, found)
  durations = spans_lib.checked_durations(durations, truth.files)
  if not seconds > 0:
    raise ValueError(f'segment_f1: segments of {seconds} s: expected more than 0')
  segments = np.maximum(np.ceil(durations / seconds - _NEAR).astype(int), 1)  # (F,)
  first = np.append(0, np.cumsum(segments))  # (F + 1,)
  roll = _roll(truth.within(durations), first, seconds)

  def by_file(x):  # (segments,) or (segments, S) -> (F,) or (F, S)
    return np.add.reduceat(x.astype(int), first[:-1], axis=0) if truth.files else np.zeros((0, *x.shape[1:]), int)

  def counts(spans):
    other = _roll(spans.within(durations), first, seconds)
    missed, wrong = (roll & ~other).sum(1), (other & ~roll).sum(1)
    return by_file(roll & other), by_file(roll), by_file(other), by_file(np.maximum(missed, wrong))

  return SegmentF1(**_figures(counts, found, min_positives, resamples, seed, groups))


def event_f1(truth: Spans, found: Spans, *, collar: float = 0.2, offset_share: float | None = 0.5, min_positives: int = 1,
             resamples: int = RESAMPLES, seed: int = 0, groups: np.ndarray | None = None) -> F1:
  """F1 of events: onset within the collar, offset within the larger of the collar and a share of the true length.

  Truth and detections are paired one to one so that as many as possible fit (Hopcroft-Karp): taking them in order, as older
  programs do, can use up a detection that only another event could have had, and makes the figure depend on the order.

  Args:
    truth, found: of the same files and species.
    collar: seconds.
    offset_share: 0.5 as in DCASE 2016 and sed_eval, 0.2 as in DCASE task 4; None: onsets only.
    min_positives: species with fewer true events are left out of the macro mean.
    resamples, seed, groups: as in `segment_f1`.
  """
  spans_lib.checked_pair('event_f1', truth, found)
  if not collar >= 0:
    raise ValueError(f'event_f1: collar {collar} s: expected 0 or more')

  def counts(spans):
    hit = truth.at(paired(truth, spans, collar, offset_share))
    return hit.counts(), truth.counts(), spans.counts()

  return F1(**_figures(counts, found, min_positives, resamples, seed, groups))


def paired(truth: Spans, found: Spans, collar: float, offset_share: float | None) -> np.ndarray:
  """(n,) bool: the true events that have a detection in a largest one-to-one pairing; see `event_f1`."""
  if not len(truth) or not len(found):
    return np.zeros(len(truth), bool)
  # Onsets of all files and species on one axis, far apart: an event's candidates are a range of the sorted ones, checked below.
  apart = max(truth.onset.max(), found.onset.max()) + 2 * collar + 1.0
  order = np.argsort(found.onset + found.kind * apart)
  onset = (found.onset + found.kind * apart)[order]
  centre = truth.onset + truth.kind * apart
  low, high = np.searchsorted(onset, centre - collar - 1e-3), np.searchsorted(onset, centre + collar + 1e-3, 'right')
  event = np.repeat(np.arange(len(truth)), high - low)
  detection = order[np.arange(len(event)) - np.repeat(np.cumsum(high - low) - high, high - low)]
  fits = np.abs(truth.onset[event] - found.onset[detection]) <= collar + _NEAR
  if offset_share is not None:
    allowed = np.maximum(collar, offset_share * truth.seconds)[event]
    fits &= np.abs(truth.offset[event] - found.offset[detection]) <= allowed + _NEAR
  graph = sparse.csr_array((np.ones(fits.sum(), np.int8), (event[fits], detection[fits])), (len(truth), len(found)))
  return sparse.csgraph.maximum_bipartite_matching(graph, perm_type='column') >= 0


def _roll(spans: Spans, first: np.ndarray, seconds: float) -> np.ndarray:
  """(segments, S) bool: which segments of each file, which begin at `first`, an event reaches into."""
  steps = np.zeros((first[-1] + 1, spans.classes), int)
  start = first[spans.file] + np.floor(spans.onset / seconds + _NEAR).astype(int)
  stop = first[spans.file] + np.ceil(spans.offset / seconds - _NEAR).astype(int)
  np.add.at(steps, (start, spans.species), 1)
  np.add.at(steps, (np.minimum(stop, first[spans.file + 1]), spans.species), -1)
  return np.cumsum(steps, 0)[:-1] > 0


def _figures(counts, found, min_positives, resamples, seed, groups):
  """Fields of F1, and of SegmentF1 where `counts(spans)` gives errors too: hits, true ones, found ones (F, S), errors (F,)."""
  least = max(min_positives, 1)

  def micro(hits, there, claimed):
    return _f1(np.array([hits.sum()]), there.sum() + claimed.sum())

  def macro(hits, there, claimed):
    return np.where(there.sum(0) >= least, _f1(hits.sum(0), there.sum(0) + claimed.sum(0)), np.nan)

  def error_rate(errors, there):
    return np.array([errors.sum() / there.sum() if there.sum() else math.nan])

  def values(spans):
    hits, there, claimed, *errors = counts(spans)
    return (micro(hits, there, claimed)[0], bootstrap_lib.mean_of_known(macro(hits, there, claimed)),
            *(error_rate(e, there)[0] for e in errors))

  chance = spans_lib.exchange_chance(values, found, seed)
  hits, there, claimed, *errors = counts(found)
  how = dict(resamples=resamples, seed=seed, groups=groups)
  fields = dict(micro=bootstrap_lib.figure(micro, hits, there, claimed, chance=chance[0], **how),
                macro=bootstrap_lib.figure(macro, hits, there, claimed, chance=chance[1], **how),
                precision=float(hits.sum() / claimed.sum()) if claimed.sum() else math.nan,
                recall=float(hits.sum() / there.sum()) if there.sum() else math.nan)
  for e in errors:
    fields['error_rate'] = bootstrap_lib.figure(error_rate, e, there, chance=chance[2], **how)
  return fields


def _f1(hits: np.ndarray, either: np.ndarray) -> np.ndarray:
  """2 hits / (true + found), nan where there are neither."""
  return np.where(either > 0, 2 * hits / np.maximum(either, 1), np.nan)
