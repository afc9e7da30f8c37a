"""The competitions' figures against scikit-learn, and their chance levels against all orders and all assignments there are."""

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from sgm.evaluation import classification_metrics as cm
from sgm.evaluation import metrics

SCORES = hnp.arrays(np.float64, (12, 3), elements=st.integers(0, 5).map(float))  # few values, many ties
PRESENCE = hnp.arrays(bool, (12, 3))


@pytest.mark.parametrize('padding', [0, 2, 5])
@pytest.mark.parametrize('positives', [0, 1, 3, 6])
def test_chance_is_the_mean_over_all_orders(padding, positives):
  values = []
  for there in itertools.combinations(range(6), positives):
    y = np.isin(np.arange(padding + 6), np.array(there, int) + padding) | (np.arange(padding + 6) < padding)
    if y.any():
      values.append(sklearn.metrics.average_precision_score(y, -np.arange(padding + 6.0)))
  presence = (np.arange(6) < positives)[:, None]
  chance = cm.average_precision_chance(presence, min_positives=1, padding=padding)
  assert chance == pytest.approx(np.mean(values)) if values else math.isnan(chance)


def test_chance_on_few_positives_lies_well_above_the_prevalence():
  presence = np.zeros((600, 2), bool)
  presence[:5, 0] = presence[:300, 1] = True
  assert cm.average_precision_chance(presence[:, :1]) == pytest.approx(0.0182, abs=1e-4) and 5 / 600 < 0.0084
  assert cm.average_precision_chance(presence[:, 1:]) == pytest.approx(0.505, abs=0.001)
  assert cm.average_precision_chance(presence, min_positives=6) == cm.average_precision_chance(presence[:, 1:])
  assert math.isnan(cm.average_precision_chance(np.zeros((0, 2)), min_positives=1))
  scores = np.random.default_rng(0).normal(size=(600, 400))
  random = metrics.macro_average_precision(scores, np.repeat(presence[:, :1], 400, 1))
  assert random.value == pytest.approx(0.0182, abs=0.002)


def test_padding_flatters_and_its_chance_says_so():
  rng = np.random.default_rng(1)
  presence = rng.random((200, 300)) < 0.02
  scores = rng.normal(size=presence.shape)
  plain = metrics.macro_average_precision(scores, presence, min_positives=1)
  padded = cm.padded_average_precision(scores, presence, resamples=0)
  assert plain.value < 0.06 and padded.value > 0.5
  assert padded.value == pytest.approx(padded.chance, abs=0.01)
  assert padded.dropped == 0 and padded.ci95 == pytest.approx((math.nan, math.nan), nan_ok=True)
  assert cm.above_chance(padded.value, padded.chance) == pytest.approx(0, abs=0.03)
  assert cm.padded_average_precision(scores, np.zeros_like(presence), resamples=0).value == 1  # nothing there, all points


@settings(deadline=None)
@given(SCORES, PRESENCE, st.integers(1, 6))
def test_padded_equals_sklearn_and_is_never_below_the_plain_one(scores, presence, padding):
  figure = cm.padded_average_precision(scores, presence, padding=padding, resamples=0)
  rows = np.ones((padding, 3))
  expected = sklearn.metrics.average_precision_score(np.concatenate([rows, presence]), np.concatenate([9 * rows, scores]),
                                                     average=None)
  np.testing.assert_allclose(figure.per_class, expected)
  plain = metrics.macro_average_precision(scores, presence, min_positives=1).per_class
  known = ~np.isnan(plain)
  assert (figure.per_class[known] >= plain[known] - 1e-12).all() and (figure.per_class <= 1 + 1e-12).all()


@settings(deadline=None, max_examples=40)
@given(SCORES, PRESENCE, st.permutations(range(12)), st.permutations(range(3)))
def test_only_the_order_of_scores_counts_not_that_of_clips_or_species(scores, presence, clips, species):
  for figure in (lambda s, y: cm.padded_average_precision(s, y, resamples=0), lambda s, y: cm.top1_present(s, y, resamples=0)):
    a, b = figure(scores, presence), figure(np.exp(scores / 2) - 7, presence)
    c = figure(scores[clips][:, species], presence[clips][:, species])
    assert b.value == pytest.approx(a.value, nan_ok=True) and c.value == pytest.approx(a.value, nan_ok=True)
    assert c.chance == pytest.approx(a.chance, nan_ok=True)
  assert cm.padded_average_precision(presence, presence, resamples=0).value == pytest.approx(1)


def test_top1_present():
  presence = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]], bool)
  scores = np.array([[3, 1, 1, 1], [3, 2, 2, 3], [0, 9, 0, 0], [0, 0, 0, 1], [0, 0, 7, 7]], float)
  figure = cm.top1_present(scores, presence)  # 1, 0, left out, 1, 1/2
  assert figure.value == pytest.approx(2.5 / 4) and figure.n == 4
  assert figure.chance == pytest.approx((1 + 2 + 4 + 1) / 16) and figure.ci95[0] < 0.625 < figure.ci95[1]
  assert cm.top1_present(np.zeros((5, 4)), presence).value == pytest.approx(figure.chance)
  assert math.isnan(cm.top1_present(scores[:0], presence[:0]).value)
  by_recording = cm.top1_present(scores, presence, groups=np.array(list('aabba')))
  assert by_recording.value == figure.value


@settings(deadline=None)
@given(PRESENCE, PRESENCE, hnp.arrays(bool, (12, 3)))
def test_birdclef_2022_is_a_balanced_accuracy_over_scored_rows(predicted, presence, scored):
  figure = cm.birdclef_2022(predicted, presence, scored, resamples=0)
  for c in range(3):
    y, p = presence[scored[:, c], c], predicted[scored[:, c], c]
    if y.any() and not y.all():
      assert figure.per_class[c] == pytest.approx(sklearn.metrics.balanced_accuracy_score(y, p))
    else:
      assert math.isnan(figure.per_class[c])
  assert figure.value == pytest.approx(np.nanmean(figure.per_class)) if figure.dropped < 3 else math.isnan(figure.value)


def test_birdclef_2022_is_no_macro_f1():
  # One species, 100 windows, 10 with the bird; 8 of them found, and 9 false alarms.
  presence = (np.arange(100) < 10)[:, None]
  predicted = ((np.arange(100) < 8) | (np.arange(100) >= 91))[:, None]
  score, f1 = cm.birdclef_2022(predicted, presence), cm.macro_f1(predicted, presence)
  assert score.value == pytest.approx((0.8 + 0.9) / 2) and f1.value == pytest.approx(16 / 27)
  assert score.chance == 0.5 and f1.chance == pytest.approx(2 * 10 * 17 / 100 / 27)
  assert score.ci95[0] < score.value < score.ci95[1]
  for anchor in (np.zeros_like(presence), np.ones_like(presence)):
    assert cm.birdclef_2022(anchor, presence).value == 0.5
  noise = np.random.default_rng(2).random((100, 500)) < 0.3
  assert cm.birdclef_2022(noise, np.repeat(presence, 500, 1), resamples=0).value == pytest.approx(0.5, abs=0.02)


@settings(deadline=None)
@given(PRESENCE, PRESENCE)
def test_macro_f1_equals_sklearn(predicted, presence):
  figure = cm.macro_f1(predicted, presence, resamples=0)
  expected = sklearn.metrics.f1_score(presence, predicted, average=None, zero_division=0)
  kept = presence.any(0)
  np.testing.assert_allclose(figure.per_class[kept], expected[kept])
  assert np.isnan(figure.per_class[~kept]).all()
  assert cm.macro_f1(presence, presence, resamples=0).value == (1 if kept.any() else pytest.approx(math.nan, nan_ok=True))


def test_macro_f1_chance_is_the_mean_over_all_assignments():
  presence = np.array([1, 1, 0, 0, 0, 1], bool)
  predicted = np.array([0, 1, 0, 1, 0, 0], bool)
  values = [sklearn.metrics.f1_score(presence, predicted[list(p)]) for p in itertools.permutations(range(6))]
  assert cm.macro_f1(predicted[:, None], presence[:, None], resamples=0).chance == pytest.approx(np.mean(values))


def test_above_chance():
  assert cm.above_chance(0.6, 0.5) == pytest.approx(0.2) and cm.above_chance(0.5, 0.5) == 0
  assert cm.above_chance(0.3, 0.1, reference=0.5) == pytest.approx(0.5)
  with pytest.raises(ValueError, match='not above chance'):
    cm.above_chance(0.6, 0.5, 0.5)


def test_intervals_by_recording_are_wider():
  rng = np.random.default_rng(4)
  presence = np.repeat(rng.random((30, 2)) < 0.5, 10, axis=0)
  scores = presence + np.repeat(rng.normal(size=(30, 2)), 10, axis=0)
  recording = np.arange(300) // 10
  for figure in (lambda g: cm.padded_average_precision(scores, presence, resamples=300, groups=g),
                 lambda g: cm.birdclef_2022(scores > 0.5, presence, groups=g),
                 lambda g: cm.macro_f1(scores > 0.5, presence, groups=g)):
    plain, grouped = figure(None), figure(recording)
    width = lambda f: f.ci95[1] - f.ci95[0]
    assert width(grouped) > 1.5 * width(plain) and grouped.value == plain.value
    assert plain.ci95[0] < plain.value < plain.ci95[1]


def test_bad_input():
  with pytest.raises(ValueError, match='0 and 1 only'):
    cm.macro_f1(np.full((2, 1), 2), np.zeros((2, 1)))
  with pytest.raises(ValueError, match=r'predicted \(2, 1\), presence \(2, 2\)'):
    cm.birdclef_2022(np.zeros((2, 1)), np.zeros((2, 2)))
  with pytest.raises(ValueError, match=r'expected \(N, S\)'):
    cm.top1_present(np.zeros(2), np.zeros(2))
  with pytest.raises(ValueError, match='padding 0: expected 1 or more'):
    cm.padded_average_precision(np.zeros((2, 1)), np.zeros((2, 1)), padding=0)
  with pytest.raises(ValueError, match='not finite'):
    cm.padded_average_precision(np.full((2, 1), np.nan), np.zeros((2, 1)))
