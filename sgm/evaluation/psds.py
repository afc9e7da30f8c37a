"""The polyphonic sound detection score: the share of events that is found, over the false alarms an hour that are put up with.

Bilen et al. (2020), A framework for the robust evaluation of sound event detection, ICASSP, arXiv 1910.08440; the scenarios and
100 false alarms an hour are DCASE 2021 task 4's. Detections need not lie within a collar: they have to intersect. Per species
and operating point (a threshold),

  * a detection is relevant if events of its species cover `dtc` of it (detection tolerance), else it is a false positive;
  * an event is found if relevant detections cover `gtc` of it (ground truth intersection);
  * a false positive is also a cross trigger of each other species whose events cover `cttc` of it;
  * eFPR = false positives an hour + alpha_ct x mean over other species of (cross triggers per hour of that species' events);
  * its PSD-ROC r(e) is the highest share of events found at an operating point with eFPR <= e.

PSDS = 1 / max_efpr x integral from 0 to max_efpr of max(0, mean of r - alpha_st x standard deviation of r) over the species.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation import spans as spans_lib
from sgm.evaluation.bootstrap import RESAMPLES, Figure
from sgm.evaluation.spans import Spans

_NEAR = 1e-6  # seconds: 7 of 10 s are 0.7 of them, whatever the rounding


@dataclasses.dataclass(frozen=True)
class Scenario:
  """What counts; see above. `cttc` None = cross triggers are not looked for, and alpha_ct is then 0."""

  dtc: float
  gtc: float
  cttc: float | None = None
  alpha_ct: float = 0.0
  alpha_st: float = 1.0
  max_efpr: float = 100.0  # an hour

  def __post_init__(self):
    for name in ('dtc', 'gtc', 'cttc'):
      value = getattr(self, name)
      if value is not None and not 0 < value <= 1:
        raise ValueError(f'Scenario.{name} is {value}: expected above 0, up to 1')
    if self.alpha_ct < 0 or self.alpha_st < 0 or not self.max_efpr > 0:
      raise ValueError(f'{self}: expected weights from 0 and max_efpr above 0')
    if (self.cttc is None) != (self.alpha_ct == 0):
      raise ValueError(f'Scenario: cttc {self.cttc} with alpha_ct {self.alpha_ct}: expected both, or None and 0')


REACT_FAST = Scenario(dtc=0.7, gtc=0.7)  # scenario 1: when?
TELL_APART = Scenario(dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5)  # scenario 2: which species?


@dataclasses.dataclass(frozen=True)
class PSDS(Figure):
  """The score, in [0, 1], and in `per_class` the normalised area under each species' own PSD-ROC, whose mean is not the score.

  Chance: the detections of every file compared with another file's truth. Silence gets 0.

  Attributes:
    efpr: (X,) an hour, ascending from 0: where the curves step.
    roc: (X,) the mean less the spread there, and up to the next step.
    per_class_roc: (S, X).
  """

  efpr: np.ndarray
  roc: np.ndarray
  per_class_roc: np.ndarray


def thresholds_of(found: Spans, limit: int = 100) -> np.ndarray:
  """Operating points: all confidences there are, or `limit` of their quantiles, so that only their order counts. Ascending."""
  values = np.unique(found.confidence)
  if len(values) > limit:
    values = np.unique(np.quantile(found.confidence, np.linspace(0, 1, limit), method='inverted_cdf'))
  return values


def psds(truth: Spans, found: Spans, durations: np.ndarray, scenario: Scenario = REACT_FAST, *,
         thresholds: np.ndarray | None = None, resamples: int = RESAMPLES, seed: int = 0,
         groups: np.ndarray | None = None) -> PSDS:
  """PSDS of detections with confidences: operating point k keeps those of at least thresholds[k].

  Spans of one species that overlap are merged, in the truth and at every operating point: the question is when a species is
  heard, and no share may exceed 1. Species without events are left out of all means, and are counted in `dropped`.

  Args:
    truth, found: of the same files and species. What lies behind the end of a file does not count.
    durations: (F,) seconds.
    scenario: REACT_FAST, TELL_APART or one's own.
    thresholds: (K,); None = `thresholds_of(found)`. DCASE's are 50 from 0.01 to 0.99.
    resamples, seed, groups: of a bootstrap over files; groups (F,) their recordings. The seed is that of the exchanges too.

  Raises:
    ValueError: arguments that don't fit each other.
  """
  spans_lib.checked_pair('psds', truth, found)
  durations = spans_lib.checked_durations(durations, truth.files)
  thresholds = thresholds_of(found) if thresholds is None else np.asarray(thresholds, float)
  if thresholds.ndim != 1:
    raise ValueError(f'psds: thresholds {thresholds.shape}: expected (K,)')
  kept, point = np.nonzero(found.confidence[:, None] >= thresholds)
  return psds_of_points(truth, found.at(kept), point, durations, scenario, resamples=resamples, seed=seed, groups=groups)


def psds_of_points(truth: Spans, found: Spans, point: np.ndarray, durations: np.ndarray, scenario: Scenario, *,
                   resamples: int = RESAMPLES, seed: int = 0, groups: np.ndarray | None = None) -> PSDS:
  """PSDS of operating points with detections of their own, as of a smoothed score that is cut at several heights.

  Args:
    truth, durations, scenario, resamples, seed, groups: as in `psds`.
    found: the detections of all points.
    point: (n,) int >= 0, the operating point of each.
  """
  spans_lib.checked_pair('psds_of_points', truth, found)
  durations = spans_lib.checked_durations(durations, truth.files)
  truth, _ = truth.within(durations).merged()
  seconds = np.zeros((truth.files, truth.classes))
  np.add.at(seconds, (truth.file, truth.species), truth.seconds)
  points = int(np.max(point, initial=-1)) + 1
  number = dataclasses.replace(found, confidence=np.asarray(point, float))  # carried through the exchange and the cut
  everything = np.arange(truth.files)

  def counted(spans):
    spans = spans.within(durations)
    return _Counts(truth, *spans.merged(spans.confidence.astype(int)), points, scenario)

  def curves(counts, files):
    weight = np.bincount(files, minlength=truth.files)
    return counts.curves(weight, weight @ truth.counts(), weight @ seconds, float(weight @ durations))

  def score(counts, files):
    return np.array([_area(*_effective(*curves(counts, files), scenario), scenario)])

  chance = spans_lib.exchange_chance(lambda x: score(counted(x), everything), number, seed)
  counts = counted(number)
  figure = bootstrap_lib.figure(lambda files: score(counts, files), everything, chance=chance[0], resamples=resamples,
                                seed=seed, groups=groups)
  efpr, roc = curves(counts, everything)
  fields = vars(figure) | {'per_class': np.array([_area(efpr, r, scenario) for r in roc])}
  return PSDS(**fields, efpr=efpr, roc=_effective(efpr, roc, scenario)[1], per_class_roc=roc)


class _Counts:
  """Hits, false positives and cross triggers of all operating points, each with its file, so that files can be weighted."""

  def __init__(self, truth: Spans, found: Spans, point: np.ndarray, points: int, scenario: Scenario):
    self.scenario, self.shape = scenario, (points, truth.classes)
    hits, false, cross = [], [], []
    true_end, found_end = (np.searchsorted(np.sort(x.file), np.arange(x.files + 1)) for x in (truth, found))
    true_rows, found_rows = (np.argsort(x.file, kind='stable') for x in (truth, found))
    for f in np.unique(found.file):
      g = truth.at(true_rows[true_end[f]:true_end[f + 1]])
      rows = found_rows[found_end[f]:found_end[f + 1]]
      d, at = found.at(rows), point[rows]
      inside = np.minimum(d.offset[:, None], g.offset) - np.maximum(d.onset[:, None], g.onset)
      inside = np.maximum(inside, 0.0)                                              # (m, n) s
      own = inside * (d.species[:, None] == g.species)
      relevant = own.sum(1) >= scenario.dtc * d.seconds - _NEAR                     # (m,)
      covered = np.zeros((points, len(g)))
      np.add.at(covered, at[relevant], own[relevant])
      k, n = np.nonzero(covered >= scenario.gtc * g.seconds - _NEAR)
      hits.append((np.full(len(k), f), k, g.species[n]))
      wrong = np.flatnonzero(~relevant)
      false.append((np.full(len(wrong), f), at[wrong], d.species[wrong]))
      if scenario.cttc is not None:
        by_species = inside[wrong] @ np.eye(truth.classes)[g.species]               # (wrong, S) s
        w, other = np.nonzero((by_species >= scenario.cttc * d.seconds[wrong, None] - _NEAR)
                              & (np.arange(truth.classes) != d.species[wrong, None]))
        cross.append((np.full(len(w), f), at[wrong[w]], d.species[wrong[w]], other))
    self.hits, self.false, self.cross = ([np.concatenate(c) for c in zip(*rows)] if rows else [np.zeros(0, int)] * 4
                                         for rows in (hits, false, cross))

  def _sum(self, rows, weight):  # -> (K, S)
    flat = rows[1] * self.shape[1] + rows[2]
    return np.bincount(flat, weight, math.prod(self.shape)).reshape(self.shape)

  def curves(self, weight: np.ndarray, events: np.ndarray, seconds: np.ndarray, total: float) -> tuple[np.ndarray, np.ndarray]:
    """How often each file counts (F,), events and their seconds of each species (S,), seconds of all files, so weighted.

    Returns:
      The steps (X,), ascending from 0 an hour, and the PSD-ROCs there (S, X), nan for a species without events.
    """
    known = events > 0
    share = self._sum(self.hits, weight[self.hits[0]]) / np.where(known, events, np.nan)
    efpr = self._sum(self.false, weight[self.false[0]]) * 3600 / total
    if self.scenario.cttc is not None and known.sum() > 1:
      rate = 3600 / np.where(known, seconds, np.inf)
      cross = self._sum(self.cross, weight[self.cross[0]] * rate[self.cross[3]])
      efpr = efpr + self.scenario.alpha_ct * cross / (known.sum() - 1)
    steps = np.unique(np.append(0.0, efpr[:, known]))
    steps = steps[steps < self.scenario.max_efpr]
    roc = np.full((self.shape[1], len(steps)), np.nan)
    for c in np.flatnonzero(known):
      best = np.zeros(len(steps) + 1)
      np.maximum.at(best, np.searchsorted(steps, efpr[:, c]), share[:, c])
      roc[c] = np.maximum.accumulate(best[:-1])
    return steps, roc


def _effective(efpr: np.ndarray, roc: np.ndarray, scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
  """PSD-ROCs (S, X) -> the PSD-ROC (X,); nan where no species has events."""
  known = roc[~np.isnan(roc).any(1)]
  if not len(known):
    return efpr, np.full(len(efpr), np.nan)
  return efpr, np.maximum(known.mean(0) - scenario.alpha_st * known.std(0), 0.0)


def _area(efpr: np.ndarray, roc: np.ndarray, scenario: Scenario) -> float:
  """Under a curve that steps at `efpr`, up to max_efpr, of which it is a share."""
  return float(np.sum(roc * np.diff(efpr, append=scenario.max_efpr)) / scenario.max_efpr)
