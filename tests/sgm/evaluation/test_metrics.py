"""Metrics against scikit-learn, hand cases and their chance levels."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from sgm.evaluation import metrics

# Few distinct scores, so that ties are common.
SCORES = hnp.arrays(np.float64, (12, 3), elements=st.integers(0, 5).map(float))
PRESENCE = hnp.arrays(bool, (12, 3))


def test_top1_hand_case_and_ties():
  scores = np.array([[.9, .1], [.2, .8], [.6, .4], [.5, .5]])
  a = metrics.top1_accuracy(scores, [0, 1, 1, 0])
  assert a.value == pytest.approx((1 + 1 + 0 + .5) / 4) and a.n == 4
  assert a.ci95[0] <= a.value <= a.ci95[1] and a.wilson95[0] < a.value < a.wilson95[1]
  perfect = metrics.top1_accuracy(np.eye(5), np.arange(5))
  assert perfect.ci95 == (1.0, 1.0) and perfect.wilson95[0] == pytest.approx(0.566, abs=1e-3)


@pytest.mark.parametrize('scores', ['silence', 'noise'])
def test_top1_chance(scores):
  labels = np.arange(2400) % 12
  values = np.zeros((2400, 12)) if scores == 'silence' else np.random.default_rng(0).normal(size=(2400, 12))
  a = metrics.top1_accuracy(values, labels)
  assert a.value == pytest.approx(1 / 12, abs=0.02)
  assert a.ci95[0] <= 1 / 12 + 1e-12 and 1 / 12 - 1e-12 <= a.ci95[1]


def test_top1_bad_input():
  with pytest.raises(ValueError, match=r'labels in \[0, 2\]: expected \[0, 2\)'):
    metrics.top1_accuracy(np.zeros((2, 2)), [0, 2])
  with pytest.raises(ValueError, match='1 of 4 are not finite'):
    metrics.top1_accuracy([[0, math.nan], [0, 0]], [0, 1])
  with pytest.raises(ValueError, match=r'expected \(N, S\) and \(N,\)'):
    metrics.top1_accuracy(np.zeros((2, 2)), [0])
  assert math.isnan(metrics.top1_accuracy(np.zeros((0, 3)), np.zeros(0, int)).value)


@settings(deadline=None)
@given(SCORES, PRESENCE)
def test_auroc_equals_sklearn(scores, presence):
  macro = metrics.macro_auroc(scores, presence)
  for c in range(3):
    if 0 < presence[:, c].sum() < 12:
      assert macro.per_class[c] == pytest.approx(sklearn.metrics.roc_auc_score(presence[:, c], scores[:, c]))
    else:
      assert math.isnan(macro.per_class[c])
  assert macro.dropped == np.isnan(macro.per_class).sum()
  kept = macro.per_class[~np.isnan(macro.per_class)]
  assert macro.value == pytest.approx(kept.mean()) if kept.size else math.isnan(macro.value)


@settings(deadline=None)
@given(SCORES, PRESENCE, st.integers(1, 4))
def test_average_precision_equals_sklearn(scores, presence, min_positives):
  macro = metrics.macro_average_precision(scores, presence, min_positives=min_positives)
  for c in range(3):
    if presence[:, c].sum() >= min_positives:
      assert macro.per_class[c] == pytest.approx(
          sklearn.metrics.average_precision_score(presence[:, c], scores[:, c]))
    else:
      assert math.isnan(macro.per_class[c])


@settings(deadline=None)
@given(SCORES, PRESENCE)
def test_auroc_is_antisymmetric_and_rank_only(scores, presence):
  a, b = metrics.macro_auroc(scores, presence), metrics.macro_auroc(-scores, presence)
  np.testing.assert_allclose(a.per_class, 1 - b.per_class)
  np.testing.assert_allclose(a.per_class, metrics.macro_auroc(np.exp(scores) - 7, presence).per_class)


def test_macro_chance_and_intervals():
  rng = np.random.default_rng(1)
  presence = rng.random((600, 8)) < 0.2
  noise = metrics.macro_auroc(rng.normal(size=(600, 8)), presence, interval=True)
  assert noise.value == pytest.approx(0.5, abs=0.04) and noise.ci95[0] < 0.5 < noise.ci95[1]
  assert metrics.macro_auroc(np.zeros((600, 8)), presence).value == 0.5
  assert metrics.macro_auroc(presence, presence).value == 1
  ap = metrics.macro_average_precision(rng.normal(size=(600, 8)), presence)
  assert ap.value == pytest.approx(presence.mean(), abs=0.04)
  assert metrics.macro_average_precision(np.zeros((600, 8)), presence).value == pytest.approx(presence.mean())


def test_macro_interval_by_recording_is_wider():
  rng = np.random.default_rng(4)
  presence = np.repeat(rng.random((30, 2)) < 0.5, 10, axis=0)
  scores = presence + np.repeat(rng.normal(size=(30, 2)), 10, axis=0)
  width = lambda m: m.ci95[1] - m.ci95[0]
  plain = metrics.macro_auroc(scores, presence, interval=True)
  grouped = metrics.macro_auroc(scores, presence, interval=True, groups=np.arange(300) // 10)
  assert width(grouped) > 1.5 * width(plain) and grouped.value == plain.value


def test_macro_bad_input():
  with pytest.raises(ValueError, match='0 and 1 only'):
    metrics.macro_auroc(np.zeros((2, 1)), np.array([[0.5], [1]]))
  with pytest.raises(ValueError, match='two equal'):
    metrics.macro_auroc(np.zeros((2, 1)), np.zeros((2, 2)))
  empty = metrics.macro_auroc(np.zeros((0, 3)), np.zeros((0, 3)))
  assert math.isnan(empty.value) and empty.dropped == 3


def test_median():
  m = metrics.median(np.array([1., 2, 3, 4, 100]))
  assert m.value == 3 and 1 <= m.ci95[0] <= 3 <= m.ci95[1] <= 100 and m.n == 5
  with pytest.raises(ValueError, match='not finite'):
    metrics.median([1, math.inf])


def test_mask_iou():
  true = np.zeros((3, 4, 5), bool)
  true[0, 1:3, 1:3] = True
  predicted = np.zeros_like(true)
  predicted[0, 2:4, 1:3] = True
  predicted[1, 0, 0] = True
  iou = metrics.mask_iou(predicted, true)
  assert iou[0] == pytest.approx(2 / 6) and iou[1] == 0 and math.isnan(iou[2])
  with pytest.raises(ValueError, match='expected equal'):
    metrics.mask_iou(true, true[0])


@settings(deadline=None)
@given(hnp.arrays(bool, (4, 6)), hnp.arrays(bool, (4, 6)))
def test_mask_iou_equals_jaccard(a, b):
  if (a | b).any():
    assert metrics.mask_iou(a, b) == pytest.approx(sklearn.metrics.jaccard_score(a.ravel(), b.ravel()))


def test_diversity():
  rng = np.random.default_rng(5)
  real, labels = rng.normal(size=(300, 6)), np.arange(300) % 3
  assert metrics.within_class_diversity(real, labels, real, labels).value == pytest.approx(1)
  scaled = metrics.within_class_diversity(0.3 * real + 7, labels, real, labels)
  assert scaled.value == pytest.approx(0.3)
  prototypes = metrics.within_class_diversity(np.eye(6)[labels], labels, real, labels)
  assert prototypes.value == 0
  hand = metrics.within_class_diversity([[0.], [1], [3]], [0, 0, 0], [[0.], [4]], [0, 0])  # (1 + 3 + 2) / 3 over 4
  assert hand.value == pytest.approx(0.5)
  few = metrics.within_class_diversity(real[:4], [0, 0, 1, 2], real, labels)
  assert few.dropped == 2 and few.value == few.per_class[0]
  with pytest.raises(ValueError, match=r'expected \(N, D\)'):
    metrics.within_class_diversity(real[:, :2], labels, real, labels)


def test_log_spectral_distance():
  power = np.random.default_rng(6).uniform(1e-3, 1, (2, 7, 5, 1))
  assert metrics.log_spectral_distance_db(power, power, -80) == pytest.approx(0)
  assert metrics.log_spectral_distance_db(10 * power, power, -80) == pytest.approx(10)
  # 3 dB in one band of four, in one frame of two: sqrt(9 / 4) / 2.
  one = np.ones((1, 2, 4, 1))
  other = one.copy()
  other[0, 0, 0] = 10 ** 0.3
  assert metrics.log_spectral_distance_db(other, one, -80) == pytest.approx(0.75)
  assert metrics.log_spectral_distance_db(1e-12 * one, 1e-9 * one, -80) == pytest.approx(0)
  with pytest.raises(ValueError, match=r'\(B, T, F, C\)'):
    metrics.log_spectral_distance_db(one[0], one[0], -80)
