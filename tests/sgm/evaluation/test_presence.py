"""Who is reported: each rule against its calibration, on all species and on some."""

import numpy as np
import pytest

from sgm.evaluation import calibration, presence

SPECIES = ('a', 'b', 'c', 'd')
RNG = np.random.default_rng(0)


def of_clips(n=2000):
  there = RNG.random((n, 4)) < 0.2
  return calibration.fit(RNG.standard_normal((n, 4)) + 3 * there, there, RNG.random(n), species=SPECIES, fingerprint='f',
                         settings={})


CALIBRATION = of_clips()
ALL = np.ones(4, bool)
ORDINARY, STRANGE = np.median(CALIBRATION.ood), CALIBRATION.ood.max() + 1


def test_a_rate_holds_for_each_species():
  rule = presence.Calibrated(CALIBRATION, ALL, 0.05, None, 0.01)
  scores, ood = RNG.standard_normal((20000, 4)), np.full(20000, ORDINARY)
  verdict = rule(scores, ood)
  assert not verdict.odd.any() and (np.abs(verdict.found.mean(0) - 0.05) < 0.02).all()
  np.testing.assert_array_equal(verdict.found, verdict.p_values <= 0.05)
  np.testing.assert_array_equal(verdict.confidence, CALIBRATION.probability(scores))


def test_a_false_discovery_rate_holds_for_each_window():
  rule = presence.Calibrated(CALIBRATION, ALL, None, 0.1, 0.01)
  there = RNG.random((20000, 4)) < 0.3
  found = rule(RNG.standard_normal((20000, 4)) + 3 * there, np.full(20000, ORDINARY)).found
  false = (found & ~there).sum(1) / np.maximum(found.sum(1), 1)
  assert 0.02 < false.mean() < 0.1 and found[there].mean() > 0.5
  empty = rule(RNG.standard_normal((20000, 4)), np.full(20000, ORDINARY)).found
  assert empty.any(1).mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize('rate, fdr', [(0.05, None), (None, 0.05)])
def test_some_species_are_a_smaller_family(rate, fdr):
  chosen = np.array([False, True, False, True])
  scores, ood = RNG.standard_normal((500, 4)) + 1.5, np.full(500, ORDINARY)
  some, all_of_them = (presence.Calibrated(CALIBRATION, which, rate, fdr, 0.01)(scores, ood) for which in (chosen, ALL))
  assert not some.found[:, ~chosen].any() and some.found[:, chosen].any()
  np.testing.assert_array_equal(some.p_values[:, chosen], all_of_them.p_values[:, chosen])
  if rate:
    np.testing.assert_array_equal(some.found[:, chosen], all_of_them.found[:, chosen])
  else:  # an only species needs p <= q alone
    one = presence.Calibrated(CALIBRATION, np.array([True, False, False, False]), None, fdr, 0.01)(scores, ood)
    np.testing.assert_array_equal(one.found[:, 0], one.p_values[:, 0] <= fdr)
    assert (one.found[:, 0] & ~all_of_them.found[:, 0]).any()


def test_odd_windows_are_not_searched():
  rule = presence.Calibrated(CALIBRATION, ALL, 0.05, None, 0.01)
  verdict = rule(np.full((2, 4), 9.0), np.array([ORDINARY, STRANGE]))
  assert verdict.odd.tolist() == [False, True] and verdict.found.tolist() == [[True] * 4, [False] * 4]


def test_too_few_clips_are_told_at_once():
  small = of_clips(50)
  with pytest.raises(ValueError, match='a rate of 0.001 needs 999 absent clips'):
    presence.Calibrated(small, ALL, 0.001, None, 0.1)
  with pytest.raises(ValueError, match='q = 0.05 over 4 species'):
    presence.Calibrated(small, ALL, None, 0.05, 0.1)


def test_promises():
  chosen = np.array([True, True, True, False])
  figures, sentence = presence.Calibrated(CALIBRATION, chosen, 0.01, None, 0.01).promise(1000.0)
  assert figures == {'false_alarms_per_hour_at_most': pytest.approx(30.0)} and 'up to 30 false alarms an hour' in sentence
  figures, sentence = presence.Calibrated(CALIBRATION, chosen, None, 0.05, 0.01).promise(1000.0)
  assert list(figures.values()) == [pytest.approx(50.0)] and '50 of 1000 windows an hour' in sentence
  assert presence.Raw(ALL, 0.0).promise(1000.0)[0] == {}
  assert [presence.per_hour(x) for x in (5880.4, 43, 0.361)] == ['5,880', '43', '0.36']


def test_raw_scores():
  verdict = presence.Raw(np.array([True, False]), 1.0)(np.array([[2.0, 2.0], [1.0, 0.0]]), np.zeros(2))
  assert verdict.found.tolist() == [[True, False], [False, False]] and verdict.p_values is None
  assert verdict.confidence[1, 1] == 0.5


def test_another_calibration_is_another_rule():
  rule = lambda c, chosen=ALL: presence.Calibrated(c, chosen, 0.05, None, 0.01).about()
  assert rule(CALIBRATION) == rule(CALIBRATION) != rule(of_clips())
  assert rule(CALIBRATION) != rule(CALIBRATION, np.array([True, True, True, False]))
