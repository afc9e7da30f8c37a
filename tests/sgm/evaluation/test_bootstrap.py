"""Intervals against closed forms, coverage by simulation, and the cluster bootstrap's width."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sgm.evaluation import bootstrap


def test_wilson_hand_cases():
  # Newcombe (1998), Statistics in Medicine 17, table I: 81/263, 15/148, 0/20.
  assert bootstrap.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
  assert bootstrap.wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
  assert bootstrap.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
  assert all(map(math.isnan, bootstrap.wilson(0, 0)))
  with pytest.raises(ValueError, match='5 successes of 4'):
    bootstrap.wilson(5, 4)


@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_its_quadratic(case):
  k, n = case
  z = 1.959963984540054
  for bound in bootstrap.wilson(k, n):
    # (p - bound)^2 = z^2 bound (1 - bound) / n defines the bounds.
    assert (k / n - bound) ** 2 == pytest.approx(z ** 2 * bound * (1 - bound) / n, abs=1e-12)
  low, high = bootstrap.wilson(k, n)
  assert 0 <= low <= k / n + 1e-12 and k / n - 1e-12 <= high <= 1
  assert bootstrap.wilson(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_mean_interval_matches_the_normal_one_and_is_reproducible():
  x = np.random.default_rng(0).normal(3, 2, 400)
  a = bootstrap.bootstrap(np.mean, x, seed=1)
  assert a == bootstrap.bootstrap(np.mean, x, seed=1) and a.n == 400 and a.value == x.mean()
  half = 1.96 * x.std() / 20
  assert a.ci95 == pytest.approx((x.mean() - half, x.mean() + half), abs=0.2 * half)


def test_interval_covers_the_truth():
  rng = np.random.default_rng(2)
  inside = 0
  for seed in range(100):
    low, high = bootstrap.bootstrap(np.mean, rng.exponential(1, 60), resamples=200, seed=seed).ci95
    inside += low <= 1 <= high
  assert 86 <= inside <= 99


def test_groups_are_drawn_whole():
  # Ten recordings of 20 identical clips hold ten independent values, not 200.
  values = np.repeat(np.random.default_rng(3).normal(size=10), 20)
  groups = np.repeat([f'rec{i}' for i in range(10)], 20)
  plain = bootstrap.bootstrap(np.mean, values)
  clustered = bootstrap.bootstrap(np.mean, values, groups=groups)
  width = lambda e: e.ci95[1] - e.ci95[0]
  assert width(clustered) / width(plain) == pytest.approx(math.sqrt(20), rel=0.2)
  for index in bootstrap.resample(200, resamples=3, groups=groups):
    assert (np.bincount(index // 20, minlength=10) % 20 == 0).all()
  with pytest.raises(ValueError, match=r'expected \(200,\)'):
    bootstrap.bootstrap(np.mean, values, groups=groups[:5])


def test_nothing_and_undefined_resamples():
  assert math.isnan(bootstrap.bootstrap(np.mean, np.zeros(0)).value)
  with pytest.raises(ValueError, match=r'lengths \[2, 3\]'):
    bootstrap.bootstrap(np.dot, np.zeros(2), np.zeros(3))
  one_positive = lambda x: math.nan if not x.any() else 1.0
  assert bootstrap.bootstrap(one_positive, np.array([1, 0, 0])).ci95 == (1.0, 1.0)


def test_figure_is_the_mean_over_classes_that_are_known():
  x = np.random.default_rng(4).normal([1.0, 3.0, 0.0], 1.0, (200, 3))
  per_class = lambda x: np.where([True, True, False], x.mean(0), np.nan)
  figure = bootstrap.figure(per_class, x, chance=0.5)
  assert figure.value == pytest.approx(x[:, :2].mean()) and figure.dropped == 1 and figure.chance == 0.5 and figure.n == 200
  assert figure.ci95 == bootstrap.bootstrap(lambda x: x[:, :2].mean(), x).ci95
  assert figure.per_class[:2] == pytest.approx(x[:, :2].mean(0)) and math.isnan(figure.per_class[2])
  assert all(map(math.isnan, bootstrap.figure(per_class, x, chance=0, resamples=0).ci95))
  empty = bootstrap.figure(per_class, x[:0], chance=math.nan)
  assert math.isnan(empty.value) and empty.dropped == 1
  assert math.isnan(bootstrap.mean_of_known([math.nan])) and math.isnan(bootstrap.mean_of_known([]))


@given(st.integers(2, 30), st.integers(0, 100))
def test_in_a_derangement_everything_moves(n, seed):
  moved = bootstrap.derangement(n, np.random.default_rng(seed))
  assert sorted(moved) == list(range(n)) and (moved != np.arange(n)).all()
  with pytest.raises(ValueError, match='derangement of 1'):
    bootstrap.derangement(1, np.random.default_rng(0))
