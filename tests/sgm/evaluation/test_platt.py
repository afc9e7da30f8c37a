"""Probabilities against their known values, for frequent, rare and absent species."""

import numpy as np
import pytest
from scipy import special

from sgm.evaluation import platt
from sgm.evaluation import reliability


def normal(n, rng, shares, effects, centre=0.0, scale=1.0):
  """Scores and presence for which the curve is exactly logistic: two normal distributions of one width."""
  presence = rng.random((n, len(shares))) < shares
  return centre + scale * (rng.normal(size=presence.shape) + np.asarray(effects) * presence), presence


def probability(curve, scores):
  intercept, slope, _ = curve
  return special.expit(intercept + slope * scores)


def test_curves_are_the_true_ones_and_calibrated():
  rng = np.random.default_rng(0)
  shares, effects, centre, scale = np.array([0.5, 0.2, 0.05]), np.array([2.0, 3.0, 2.0]), [0.0, 500.0, -3.0], [1.0, 40.0, 0.01]
  curve = platt.fit(*normal(20000, rng, shares, effects, centre, scale))
  intercept, slope, prior = curve
  # ln p / (1 - p) = ln share / (1 - share) + effect z - effect^2 / 2.
  assert slope * scale == pytest.approx(effects, rel=0.06)
  assert intercept + slope * centre == pytest.approx(special.logit(shares) - effects ** 2 / 2, rel=0.06)
  assert prior == pytest.approx(shares, rel=0.1)
  scores, presence = normal(20000, rng, shares, effects, centre, scale)
  for s in range(3):
    p = probability(curve, scores)[:, s]
    assert reliability.calibration_error(p, presence[:, s], bins=10, resamples=0).value < 0.01
    assert p.mean() == pytest.approx(presence[:, s].mean(), rel=0.15)


def test_rare_species_lean_on_the_others():
  rng = np.random.default_rng(1)
  shares, effects = np.array([0.3, 0.3, 0.3, 0.0, 0.0]), np.full(5, 3.0)
  scores, presence = normal(2000, rng, shares, effects)
  rows = np.flatnonzero(rng.random(2000) < 2 / 2000)[:2]
  scores[rows, 3] += 3.0
  presence[rows, 3] = True
  _, slope, prior = platt.fit(scores, presence)
  assert slope == pytest.approx(effects, rel=0.25)
  assert prior[3] < 0.005 and 0 < prior[4] < 0.001
  # One wrong label decides nothing ...
  presence[scores[:, 4].argmin(), 4] = True
  assert platt.fit(scores, presence)[1][4] > 1.0
  # ... many do.
  presence[:, 4] = rng.random(2000) < 0.3
  assert platt.fit(scores, presence)[1][4] < 0.3


def test_scores_that_speak_against_presence_say_nothing():
  scores, presence = normal(2000, np.random.default_rng(2), [0.3], [-2.0])
  curve = platt.fit(scores, presence)
  assert curve[1] == 0 and probability(curve, scores) == pytest.approx(curve[2].item())
  assert curve[2] == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize('gap', [1e-3, 1.0, 1e4])
def test_steps_and_constants_have_finite_curves(gap):
  presence = np.random.default_rng(3).random((500, 2)) < 0.3
  scores = presence * gap + 7.0
  scores[:, 0] += np.random.default_rng(4).normal(size=500) * 1e-3 * gap  # species 1: constant where absent
  curve = platt.fit(scores, presence)
  assert all(np.isfinite(x).all() for x in curve) and (curve[1] > 0).all()
  p = probability(curve, scores)
  assert ((p[:, 0] > 0.5) == presence[:, 0]).all()
  assert platt.fit(np.zeros((500, 2)), presence)[1] == pytest.approx(0.0)
