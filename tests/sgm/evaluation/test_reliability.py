"""Calibration error against scikit-learn's table, hand cases and simulations."""

import numpy as np
import pytest
import sklearn.calibration
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from sgm.evaluation import reliability


def same_as_sklearn(r, probability, presence, bins, strategy):
  observed, predicted = sklearn.calibration.calibration_curve(presence.ravel(), probability.ravel(), n_bins=bins,
                                                               strategy=strategy)
  np.testing.assert_allclose(r.observed, observed)
  np.testing.assert_allclose(r.predicted, predicted)
  assert r.count.sum() == probability.size and 0 <= r.value <= 1
  assert r.value == pytest.approx(np.sum(r.count / probability.size * np.abs(predicted - observed)))
  assert ((r.edges[:, 0] <= r.predicted + 1e-12) & (r.predicted <= r.edges[:, 1] + 1e-12)).all()
  assert ((r.observed95[:, 0] <= r.observed + 1e-12) & (r.observed <= r.observed95[:, 1] + 1e-12)).all()


@settings(deadline=None)
@given(hnp.arrays(np.float64, (20, 2), elements=st.integers(0, 16).map(lambda k: k / 16)), hnp.arrays(bool, (20, 2)),
       st.integers(1, 8))
def test_equal_width_equals_sklearn(probability, presence, bins):
  r = reliability.calibration_error(probability, presence, bins=bins, equal_mass=False, resamples=0)
  same_as_sklearn(r, probability, presence, bins, 'uniform')


@settings(deadline=None)
@given(st.permutations(range(40)), hnp.arrays(bool, (20, 2)), st.sampled_from([1, 2, 4, 5, 8, 10]))
def test_equal_mass_equals_sklearn(order, presence, bins):
  probability = np.reshape(order, (20, 2)) ** 2 / 1600
  r = reliability.calibration_error(probability, presence, bins=bins, resamples=0)
  same_as_sklearn(r, probability, presence, bins, 'quantile')
  assert (r.count == 40 / bins).all()


def test_hand_case():
  # Two bins of equal width: 4 at 0.25 of which 2 are there, 1 at 0.75 that is not: (4 * 0.25 + 1 * 0.75) / 5.
  r = reliability.calibration_error([.25, .25, .25, .25, .75], [1, 1, 0, 0, 0], bins=2, equal_mass=False)
  assert r.value == pytest.approx(0.35) and r.count.tolist() == [4, 1] and r.n == 5
  assert r.observed.tolist() == [.5, 0] and r.edges.tolist() == [[0, .5], [.5, 1]]


def test_calibrated_probabilities_get_the_floor_and_shuffled_labels_chance():
  rng = np.random.default_rng(0)
  p = rng.beta(0.3, 3, (400, 10))
  truth = rng.random(p.shape) < p
  r = reliability.calibration_error(p, truth)
  simulated = [reliability.calibration_error(p, rng.random(p.shape) < p, resamples=0).value for _ in range(100)]
  assert r.floor == pytest.approx(np.mean(simulated), rel=0.1)
  assert np.min(simulated) <= r.value <= np.max(simulated) < r.chance / 4
  shuffled = reliability.calibration_error(p, truth[rng.permutation(400)][:, ::-1], resamples=0)
  assert shuffled.value == pytest.approx(r.chance, rel=0.2)
  sure = reliability.calibration_error(p ** 0.5, truth)
  assert sure.value > 5 * sure.floor and sure.ci95[0] < sure.value < sure.ci95[1]


def test_anchors():
  presence = np.arange(1000) % 10 == 0
  constant = reliability.calibration_error(np.full(1000, 0.1), presence)
  assert constant.value == pytest.approx(0) and len(constant.count) == 1  # the prevalence is calibrated, and useless
  perfect = reliability.calibration_error(presence.astype(float), presence)
  assert perfect.value == 0 and perfect.floor == 0 and perfect.chance == pytest.approx(0.18, abs=0.02)
  assert reliability.calibration_error(1.0 - presence, presence).value == 1


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.float64, (10, 3), elements=st.floats(0, 1)), hnp.arrays(bool, (10, 3)), st.permutations(range(10)))
def test_order_of_clips_and_species_does_not_matter(probability, presence, clips):
  a = reliability.calibration_error(probability, presence, bins=4, resamples=0)
  b = reliability.calibration_error(probability[clips][:, ::-1], presence[clips][:, ::-1], bins=4, resamples=0)
  assert a.value == pytest.approx(b.value) and a.count.tolist() == b.count.tolist()


def test_bad_input():
  for probability, presence, message in (
      ([0.5], [[1]], r'\(1,\), presence \(1, 1\)'), ([1.5], [1], r'expected \[0, 1\]'), ([np.nan], [1], r'expected \[0, 1\]'),
      ([0.5], [2], '0 and 1 only'), ([], [], 'not empty')):
    with pytest.raises(ValueError, match=message):
      reliability.calibration_error(probability, presence)
  with pytest.raises(ValueError, match='bins 0'):
    reliability.calibration_error([0.5], [1], bins=0)
