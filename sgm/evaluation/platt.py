"""Probabilities of presence from scores: a logistic curve per species (Platt 1999), where rare species lean on the others."""

from __future__ import annotations

import numpy as np
from scipy import special
import sklearn.linear_model

SHARED = 10.0  # clips, of the rarer kind (present or absent), that the curve of all species counts as in each one's
_QUANTILES = 100  # of the scores of all species, where their curve is held up to a species' own


def fit(scores: np.ndarray, presence: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Scores (N, S), presence (N, S) bool -> intercept, slope, prior (S,): logit of presence = intercept + slope x score.

  slope >= 0. `prior` is the share of present clips that the curve was fitted at: another one adds the difference of the logits.

  A score is first measured from its species' absent clips, in their standard deviation, which makes species alike, and one
  curve is fitted to all of them, present and absent clips of a species weighing the same. Each species' own clips are then
  joined by made-up ones that follow that curve, moved to the species' share of presence.
  """
  scores = np.asarray(scores, np.float64)
  absent = [column[~there] for column, there in zip(scores.T, presence.T)]
  centre = np.array([np.median(null) for null in absent])
  scale = np.array([np.std(null) if np.ptp(null) else 1.0 for null in absent])
  z = (scores - centre) / scale
  shares = presence.mean(0)
  all_intercept, all_slope, _ = _curve(z.ravel(), presence.ravel(), np.where(presence, 1 - shares, shares).ravel())
  levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
  x = np.concatenate([np.quantile(z[~presence], levels), np.quantile(z[presence], levels)])
  intercept, slope, prior = np.zeros((3, scores.shape[1]))
  for s, own in enumerate(presence.T):
    share = (own.sum() + 0.5) / (len(own) + 1)
    weight = SHARED / min(share, 1 - share) / _QUANTILES * np.repeat([1 - share, share], _QUANTILES)
    expected = special.expit(all_intercept + all_slope * x + special.logit(share))
    intercept[s], slope[s], prior[s] = _curve(
        np.concatenate([z[:, s], x, x]), np.concatenate([own, np.ones(len(x), bool), np.zeros(len(x), bool)]),
        np.concatenate([np.ones(len(own)), weight * expected, weight * (1 - expected)]))
  return intercept - slope * centre / scale, slope / scale, prior


def _curve(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
  """Weighted logistic regression of y (M,) bool on x (M,): intercept, slope >= 0, weighted share of True."""
  # C: hardly a penalty, but without one the slope has no end where y is a step in x. tol: it is of the mean gradient, which
  # is as small as True is rare.
  model = sklearn.linear_model.LogisticRegression(C=100.0, tol=1e-8, max_iter=1000).fit(x[:, None], y, weight)
  share = float(np.average(y, weights=weight))
  if model.coef_.item() <= 0:  # a score that is lower where the bird is says nothing
    return float(special.logit(share)), 0.0, share
  return model.intercept_.item(), model.coef_.item(), share
