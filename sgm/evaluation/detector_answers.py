"""What a detector says of clips whose birds are known, once its scores are calibrated: who is there, where, and how surely.

N clips of one length, S species, M birds (a clip and a species) whose true masks are known.
"""

from __future__ import annotations

import dataclasses
from typing import Iterable, Iterator

import numpy as np

from sgm.audio.spectrogram import Frontend
from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation import calibration as calibration_lib
from sgm.evaluation import localisation
from sgm.evaluation import spans as spans_lib
from sgm.evaluation.detector_methods import Heard, Method
from sgm.evaluation.spans import Spans

LOOSEST = 0.2  # p-value up to which a species is searched for: beyond it precision is that of chance
_PAIRS = 256   # of a clip and a species, whose masks are made at a time: another number of them would be compiled anew


@dataclasses.dataclass(frozen=True)
class Truth:
  """What is in N clips.

  Attributes:
    codes: S species. presence: (N, S) bool. events: Spans of N files. seconds: of every clip.
    mixture: (N,) bool, the clips that all figures but those of false masks and of probabilities are taken on.
    bird: (M, 2) clip and species whose true masks (M, T, F), none empty, are known; None where none are.
    groups: (N,) recordings, over which intervals are drawn; None = every clip is one.
    pairs: of species that are easily confused, as columns of `presence`.
  """

  codes: tuple[str, ...]
  presence: np.ndarray
  events: Spans
  seconds: float
  mixture: np.ndarray
  bird: np.ndarray | None = None
  masks: np.ndarray | None = None
  groups: np.ndarray | None = None
  pairs: tuple[tuple[int, int], ...] = ()


@dataclasses.dataclass(frozen=True)
class Answers:
  """What a method says of them.

  Attributes:
    scores, probability, p_values: (N, S).
    marked: (N, S) bool, whether a species' mask is not empty; False where its p-value is above LOOSEST.
    events: Spans of N files, of species with p-values up to LOOSEST; their confidence is the probability.
    masks: (M, T, F) bool, of the birds of `Truth.bird`, whatever their p-values; None where those are.
  """

  scores: np.ndarray
  probability: np.ndarray
  p_values: np.ndarray
  marked: np.ndarray
  events: Spans
  masks: np.ndarray | None

  def found(self, rate: float) -> np.ndarray:
    """(N, S) bool: who is reported at a false-alarm rate, the masks not being empty."""
    return self.marked & (self.p_values <= rate)

  def events_at(self, rate: float) -> Spans:
    return self.events.at(self.p_values[self.events.file, self.events.species] <= rate)

  def exchanged(self, seed: int) -> 'Answers':
    """Every clip's answer given to another clip, every bird's mask to another bird: what knows nothing of its clip."""
    rng = np.random.default_rng(seed)
    to = bootstrap_lib.derangement(len(self.scores), rng)  # clip i's answer goes to clip to[i]
    of = np.argsort(to)
    bird = None if self.masks is None else self.masks[bootstrap_lib.derangement(len(self.masks), rng)]
    return Answers(self.scores[of], self.probability[of], self.p_values[of], self.marked[of],
                   dataclasses.replace(self.events, file=to[self.events.file]), bird)


def answers(method: Method, heard: Heard, s: np.ndarray, truth: Truth,
            calibration: calibration_lib.Calibration, frontend: Frontend,
            rules: localisation.Rules = localisation.Rules()) -> Answers:
  """The answers of a method.

  Args:
    heard: of N clips. s: (N, T, F), their spectrograms.
    calibration: of this method's scores.
    rules: of boxes and events.
  """
  p, probability = calibration.p_values(heard.scores), calibration.probability(heard.scores)
  searched = np.argwhere(p <= LOOSEST)
  marked, events = boxed(searched, _masks(method, heard, s, searched), probability, truth, frontend, rules)
  mine = None if truth.bird is None else np.concatenate(list(_masks(method, heard, s, truth.bird)))
  return Answers(heard.scores, probability, p, marked, events, mine)


def perfect(truth: Truth, frontend: Frontend, rules: localisation.Rules = localisation.Rules()) -> Answers:
  """The true masks as answers: what the rules that make events of masks would let the best detector reach."""
  probability = truth.presence.astype(float)
  _, events = boxed(truth.bird, [truth.masks], probability, truth, frontend, rules)
  return Answers(probability, probability, 1 - probability, truth.presence, events, truth.masks)


def marked(method: Method, heard: Heard, s: np.ndarray) -> np.ndarray:
  """(N, S) bool: whose masks are not empty, whatever the scores say."""
  shape = heard.scores.shape
  every = np.argwhere(np.ones(shape, bool))
  return np.concatenate([part.any((1, 2)) for part in _masks(method, heard, s, every)]).reshape(shape)


def boxed(pairs: np.ndarray, masks: Iterable[np.ndarray], probability: np.ndarray, truth: Truth, frontend: Frontend,
          rules: localisation.Rules) -> tuple[np.ndarray, Spans]:
  """Masks of pairs (P, 2) of a clip and a species, in parts -> which are not empty (N, S), and the events they make."""
  marked = np.zeros(truth.presence.shape, bool)
  events: list[list[localisation.DetectedEvent]] = [[] for _ in marked]
  for (clip, species), mask in zip(pairs, (one for part in masks for one in part), strict=True):
    marked[clip, species] = mask.any()
    merger = localisation.Merger(rules=rules)
    merger.add(0.0, truth.seconds, truth.codes[species],
               localisation.boxes(mask, frontend, rules, float(probability[clip, species])))
    events[clip] += merger.flush()
  return marked, spans_lib.of_files(events, truth.codes)


def _masks(method: Method, heard: Heard, s: np.ndarray, pairs: np.ndarray) -> Iterator[np.ndarray]:
  """Masks (<= _PAIRS, T, F) of pairs (P, 2) of a clip and a species, in parts."""
  if not len(pairs):
    yield np.zeros((0, *s.shape[1:]), bool)
  for i in range(0, len(pairs), _PAIRS):
    clip, species = pairs[np.minimum(np.arange(i, i + _PAIRS), len(pairs) - 1)].T
    yield method.rule.masks(s[clip], heard.maps[clip, species], species)[:len(pairs) - i]
