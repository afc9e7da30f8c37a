"""Exact intervals against published ones and by their coverage; Benjamini-Hochberg against scipy and by simulation."""

from fractions import Fraction

from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as st_numpy
import numpy as np
import pytest
from scipy import stats

from sgm.evaluation import false_alarms


@settings(deadline=None, max_examples=1000)
@given(st.integers(1, 100000).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))), st.sampled_from([None, 0, 1]))
def test_ranks_are_exact(case, towards):
  n, i = case
  rate = i / (n + 1)  # a p-value itself, or the number next to it
  if towards is not None:
    rate = np.nextafter(rate, towards)
  m = int(false_alarms.ranks(rate, np.array([n]))[0])
  assert m / (n + 1) <= rate < (m + 1) / (n + 1)
  assert abs(m - Fraction(rate) * (n + 1)) <= 1


@settings(deadline=None)
@given(st_numpy.arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 12)),
                       elements=st.floats(0, 1) | st.integers(1, 50).map(lambda i: i / 50)), st.sampled_from([0.05, 0.1, 0.3]))
def test_benjamini_hochberg_is_scipys(p, q):
  adjusted = stats.false_discovery_control(p, axis=1)
  found = false_alarms.benjamini_hochberg(p, q)
  decided = abs(adjusted - q) > 1e-9  # where both are equal, scipy's rounding decides
  assert (found == (adjusted <= q))[decided].all()


def test_benjamini_hochberg_by_hand():
  # Benjamini & Hochberg (1995), section 3.2: of 15 hypotheses 4 are rejected at 0.05.
  p = np.array([0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
                1.0])
  shuffled = np.random.default_rng(0).permutation(15)
  assert (false_alarms.benjamini_hochberg(p[None, shuffled], 0.05)[0] == (shuffled < 4)).all()
  # p-values of 19 clips lie on the line itself.
  assert false_alarms.benjamini_hochberg(np.array([[3, 3, 3, 20]]) / 20, 0.2).tolist() == [[True, True, True, False]]
  assert false_alarms.benjamini_hochberg(np.array([[1 / 30, 1, 1]]), 0.1).tolist() == [[True, False, False]]
  assert not false_alarms.benjamini_hochberg(np.ones((2, 3)), 0.1).any()
  assert false_alarms.benjamini_hochberg(np.zeros((0, 3)), 0.1).shape == (0, 3)
  for p, q in ((np.array([[np.nan]]), 0.1), (np.array([[1.1]]), 0.1), (np.array([0.1]), 0.1), (np.array([[0.1]]), 1.0)):
    with pytest.raises(ValueError, match='benjamini_hochberg'):
      false_alarms.benjamini_hochberg(p, q)


@pytest.mark.parametrize('common', [0.0, 0.7])  # correlation of a window's scores
def test_benjamini_hochberg_controls_the_false_discovery_rate(common):
  rng = np.random.default_rng(1)
  size, windows, q = 40, 20000, 0.2
  present = rng.random((windows, size)) < np.where(rng.random((windows, 1)) < 0.5, 0.0, 0.15)  # half hold no bird
  noise = np.sqrt(1 - common) * rng.normal(size=present.shape) + np.sqrt(common) * rng.normal(size=(windows, 1))
  found = false_alarms.benjamini_hochberg(stats.norm.sf(noise + 3 * present), q)
  share = (found & ~present).sum(1) / np.maximum(found.sum(1), 1)
  assert share.mean() <= q + 3 * share.std() / np.sqrt(windows)
  assert (found & present).sum() > 0.4 * present.sum()
  empty = ~present.any(1)
  assert found[empty].any(1).mean() <= q + 0.01  # every discovery is false there


def test_binomial_interval():
  # Newcombe (1998), Statistics in Medicine 17, table I, method 5: 81/263, 15/148, 0/20, 1/29.
  low, high = false_alarms.binomial_interval(np.array([81, 15, 0, 1, 0, 7]), np.array([263, 148, 20, 29, 0, 7]))
  assert low == pytest.approx([0.2527, 0.0578, 0.0, 0.0009, 0.0, 0.025 ** (1 / 7)], abs=5e-5)
  assert high == pytest.approx([0.3676, 0.1617, 0.1684, 0.1776, 1.0, 1.0], abs=5e-5)
  assert all(isinstance(bound, float) for bound in false_alarms.binomial_interval(3, 10))
  for k, n in ((4, 3), (-1, 3)):
    with pytest.raises(ValueError, match='0 <= k <= n'):
      false_alarms.binomial_interval(k, n)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.floats(1e-6, 1), st.sampled_from([0.8, 0.95]))
def test_binomial_interval_covers_at_least_its_level(n, p, level):
  k = np.arange(n + 1)
  low, high = false_alarms.binomial_interval(k, n, level)
  assert stats.binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum() >= level - 1e-9


def test_events_per_hour():
  assert false_alarms.false_events_per_hour(0.001, 3600 / 5, 20) == pytest.approx(14.4)
  none, ten = false_alarms.measured_events_per_hour(0, 2.0), false_alarms.measured_events_per_hour(10, 2.0)
  assert none.value == 0 and none.ci95 == pytest.approx((0, 3.689 / 2), abs=5e-4)  # Garwood's table
  assert ten.value == 5 and ten.ci95 == pytest.approx((4.795 / 2, 18.391 / 2), abs=5e-4) and ten.n == 10
  for events, hours in ((-1, 1.0), (1, 0.0), (1, float('nan'))):
    with pytest.raises(ValueError, match='measured_events_per_hour'):
      false_alarms.measured_events_per_hour(events, hours)


def test_expected_false_alarms_cover_what_one_calibration_does():
  rng = np.random.default_rng(2)
  absent, fresh, rate, inside, narrow = 499, 2000, 0.02, 0, 0
  low, high = false_alarms.expected_false_alarms(rate, absent, fresh)
  binomial = stats.binom.interval(0.95, fresh, rate)
  assert low < binomial[0] < rate * fresh < binomial[1] < high
  for _ in range(1000):
    alarms = (rng.random(fresh) > np.sort(rng.random(absent))[-10]).sum()  # p <= 10 / 500
    inside += low <= alarms <= high
    narrow += binomial[0] <= alarms <= binomial[1]
  assert 935 <= inside <= 985 and narrow < 800  # a binomial alone would be missed in a quarter of calibrations, and more
  with pytest.raises(ValueError, match='a rate of 0.001 needs 999 absent clips: the species has 499'):
    false_alarms.expected_false_alarms(0.001, absent, fresh)
