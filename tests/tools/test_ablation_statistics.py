"""Intervals and paired differences: scipy, hand cases, properties."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy import stats as scipy_stats

from tools import ablation_statistics as stats

VALUES = st.lists(st.integers(-1000, 1000).map(lambda k: k / 1000), min_size=2, max_size=8)


@settings(deadline=None)
@given(VALUES)
def test_an_interval_is_that_of_scipy(values):
  assume(np.std(values) > 1e-6)
  e = stats.estimate(values)
  expected = scipy_stats.ttest_1samp(values, 0.0)
  assert (e.n, e.mean) == (len(values), pytest.approx(np.mean(values)))
  assert e.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
  assert e.ci95 == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-6, abs=1e-9)


def test_by_hand():
  e = stats.estimate([1.0, 3.0])  # mean 2, standard error 1, t(0.975, 1) = 12.7062
  assert e.mean == 2 and e.ci95 == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)
  assert e.p == pytest.approx(1 - 2 / math.pi * math.atan(2))  # one degree of freedom: Cauchy's distribution


def test_values_without_spread_or_company():
  assert stats.estimate([0.4]) == stats.Estimate(0.4, None, None, 1)
  assert stats.estimate([0.5, 0.5, 0.5]) == stats.Estimate(0.5, (0.5, 0.5), 0.0, 3)
  assert stats.estimate([0, 0]).p == 1
  for wrong in ([], [math.nan, 1], [math.inf], [[1, 2]]):
    with pytest.raises(ValueError, match='one or more finite numbers'):
      stats.estimate(wrong)


@settings(deadline=None)
@given(VALUES, st.floats(-1, 1), st.randoms())
def test_what_all_seeds_share_drops_out(values, gain, random):
  arm, reference = {}, {}
  for seed, value in enumerate(values):
    shared = random.uniform(-100, 100)  # a lucky seed is lucky in both arms
    arm[seed], reference[seed] = shared + value + gain, shared
  found = stats.difference(arm, reference).over_seeds
  assert found.mean == pytest.approx(np.mean(values) + gain, abs=1e-9)
  assert found.ci95 == pytest.approx(tuple(gain + v for v in stats.estimate(values).ci95), abs=1e-9)
  back = stats.difference(reference, arm).over_seeds
  assert back.ci95 == pytest.approx((-found.ci95[1], -found.ci95[0])) and back.p == pytest.approx(found.p)


def test_only_seeds_of_both_count():
  found = stats.difference({0: 1.0, 1: 2.0, 2: 4.0, 7: 100.0}, {2: 1.0, 1: 1.0, 0: 1.0, 9: -100.0})
  assert found.seeds == (0, 1, 2) and found.over_seeds == stats.estimate([0.0, 1.0, 3.0]) and found.over_clusters is None
  with pytest.raises(ValueError, match='1 paired seeds: expected 2'):
    stats.difference({0: 1.0, 1: 1.0}, {1: 1.0, 2: 1.0})


def test_clusters_count_as_one_each():
  arm = {0: 1.0, 1: 5.0, 2: 3.0, 3: 5.0, 4: 2.0}
  found = stats.difference(arm, dict.fromkeys(arm, 0.0), clusters={0: 'a', 1: 'b', 2: 'a', 3: 'b', 4: 'a'})
  assert found.over_clusters == stats.estimate([2.0, 5.0])
  assert stats.difference(arm, dict.fromkeys(arm, 0.0), clusters=dict.fromkeys(arm, 0)).over_clusters.ci95 is None


def test_intervals_cover_as_often_as_they_say():
  draws = np.random.default_rng(0).normal(0.3, 1.0, (2000, 3))
  inside = np.mean([low <= 0.3 <= high for low, high in (stats.estimate(row).ci95 for row in draws)])
  assert inside == pytest.approx(0.95, abs=0.02)  # 4 standard errors; the normal interval would cover 0.81


def test_holm_by_hand():
  assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # Holm's own way: 4p, 3p, 2p, p
  assert stats.holm([0.6, 0.7]) == [1.0, 1.0] and stats.holm([0.02]) == [0.02] and stats.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_between_nothing_and_bonferroni(p):
  adjusted = stats.holm(p)
  assert all(a <= b <= min(1.0, len(p) * a) + 1e-12 for a, b in zip(p, adjusted))
  assert [adjusted[i] for i in np.argsort(p, kind='stable')] == sorted(adjusted)
