"""Calibrated scores and maps -> who is found and which events: on clips where the maps are the true masks."""

import numpy as np
import pytest

from sgm.evaluation import detector_answers
from tests.sgm.evaluation import detector_stubs as stubs


@pytest.fixture(scope='module')
def truth():
  return stubs.truth()


def test_certain_scores_find_every_bird_and_its_event(truth):
  a = stubs.answers(truth, noise=0.01)
  assert (a.found(0.01) >= truth.presence).all()
  assert (a.p_values[truth.presence] <= 0.01).all() and np.median(a.p_values[~truth.presence]) > 0.2
  mine = a.events.at(truth.presence[a.events.file, a.events.species])
  order = lambda x: np.lexsort((x.species, x.file))
  for field in ('file', 'species', 'onset', 'offset', 'low_hz', 'high_hz'):
    np.testing.assert_allclose(getattr(mine.at(order(mine)), field), getattr(truth.events.at(order(truth.events)), field))
  np.testing.assert_array_equal(a.masks, truth.masks)


def test_only_species_up_to_a_p_value_are_searched(truth):
  a = stubs.answers(truth, noise=1.0)
  assert (a.marked == (a.p_values <= detector_answers.LOOSEST)).all()  # the stub's masks are never empty
  assert (a.events.counts() > 0).sum() == a.marked.sum()
  few = a.events_at(0.05)
  assert 0 < len(few) < len(a.events) and (a.p_values[few.file, few.species] <= 0.05).all()
  assert (a.found(0.05) == (a.p_values <= 0.05)).all()
  np.testing.assert_array_equal(a.events.confidence, a.probability[a.events.file, a.events.species])


def test_an_empty_mask_is_nobody_found(truth):
  heard = stubs.heard(truth, 0.01)
  heard.maps[:, 1] = 0
  known = stubs.truth(200, seed=5)
  calibration = stubs.calibrated(stubs.heard(known, 0.01).scores, known.presence)
  s = np.zeros((len(truth.presence), stubs.T, stubs.F))
  a = detector_answers.answers(stubs.method(), heard, s, truth, calibration, stubs.FRONTEND)
  assert not a.found(0.05)[:, 1].any() and a.found(0.05)[:, 0].any() and not (a.events.species == 1).any()
  bare = detector_answers.marked(stubs.method(), heard, s)
  assert bare[:, [0, 2]].all() and not bare[:, 1].any()


def test_exchanged_answers_belong_to_other_clips(truth):
  a = stubs.answers(truth, noise=0.5)
  b = a.exchanged(seed=0)
  to = np.array([np.flatnonzero((b.scores == row).all(1)).item() for row in a.scores])
  assert (to != np.arange(len(to))).all() and sorted(to) == list(range(len(to)))
  np.testing.assert_array_equal(b.p_values[to], a.p_values)
  np.testing.assert_array_equal(b.events.counts()[to], a.events.counts())
  np.testing.assert_array_equal(b.events_at(0.1).counts()[to], a.events_at(0.1).counts())
  assert b.masks.shape == a.masks.shape and (b.masks != a.masks).any((1, 2)).mean() > 0.5


def test_perfect_answers_are_the_truth(truth):
  a = detector_answers.perfect(truth, stubs.FRONTEND)
  np.testing.assert_array_equal(a.found(0.01), truth.presence)
  np.testing.assert_allclose(np.sort(a.events.onset), np.sort(truth.events.onset))
  np.testing.assert_array_equal(a.events.counts(), truth.events.counts())
