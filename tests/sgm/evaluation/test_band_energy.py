"""The band-energy baselines: least squares in the limit, separable species found, confusable ones not."""

import numpy as np
import pytest

from sgm.evaluation import band_energy, metrics

BANDS = 16


def clips(n, species_bands, seed, density=0.5):
  """Noise with a burst in each present species' bands: S (N, T, F), presence (N, S), masks (N, S, T, F)."""
  rng = np.random.default_rng(seed)
  S = rng.uniform(0.0, 0.3, (n, 32, BANDS))
  presence = rng.random((n, len(species_bands))) < density
  masks = np.zeros((n, len(species_bands), 32, BANDS), bool)
  for i, s in zip(*np.nonzero(presence)):
    start = rng.integers(0, 20)
    masks[i, s, start:start + 12, slice(*species_bands[s])] = True
    S[i][masks[i, s]] += rng.uniform(0.3, 0.6)
  return np.clip(S, 0, 1), presence, masks


def test_regression_finds_species_with_their_own_band_only():
  own = [(0, 4), (4, 8), (8, 12)]
  train, test = clips(300, own, 0), clips(200, own, 1)
  scores = band_energy.BandEnergyRegression().fit(train[0], train[1]).scores(test[0])
  assert scores.shape == (200, 3) and metrics.macro_auroc(scores, test[1]).value > 0.98
  shuffled = np.random.default_rng(0).permutation(train[1])
  by_chance = band_energy.BandEnergyRegression().fit(train[0], shuffled).scores(test[0])
  assert metrics.macro_auroc(by_chance, test[1]).value == pytest.approx(0.5, abs=0.12)

  # Two species in one band: at most one of them sings, and energy cannot say which.
  rng = np.random.default_rng(2)
  S, either, _ = clips(400, [(4, 8)], 3)
  first = rng.random((400, 1)) < 0.5
  twins = np.concatenate([either & first, either & ~first], axis=1)
  twin_scores = band_energy.BandEnergyRegression().fit(S[:200], twins[:200]).scores(S[200:])
  singing = either[200:, 0]
  assert metrics.macro_auroc(twin_scores[singing], twins[200:][singing]).value == pytest.approx(0.5, abs=0.12)


def test_regression_is_least_squares_when_the_penalty_vanishes(monkeypatch):
  monkeypatch.setattr(band_energy, '_ALPHAS', (1e-8,))
  rng = np.random.default_rng(4)
  S, y = rng.uniform(0, 1, (200, 9, 5)), rng.random((200, 2))
  model = band_energy.BandEnergyRegression().fit(S, y)
  x = np.concatenate([S.mean(1), S.max(1), np.ones((200, 1))], axis=1)
  expected = x @ np.linalg.lstsq(x, y, rcond=None)[0]
  np.testing.assert_allclose(model.scores(S), expected, atol=1e-6)


def test_regression_shapes_and_errors():
  S, presence, _ = clips(20, [(0, 4)], 5)
  model = band_energy.BandEnergyRegression().fit(S, presence)
  assert model.scores(S[:3]).shape == (3, 1)
  with pytest.raises(ValueError, match='8 bands, but fitted on 16'):
    model.scores(S[..., :8])
  with pytest.raises(ValueError, match='call fit'):
    band_energy.BandEnergyRegression().scores(S)
  with pytest.raises(ValueError, match='same N'):
    model.fit(S, presence[:3])


def pairs(S, presence, masks):
  clip, species = np.nonzero(presence)
  return S[clip], masks[clip, species], species


def test_mask_baseline_finds_band_and_threshold():
  own = [(0, 4), (6, 11)]
  S, masks, species = pairs(*clips(60, own, 6))
  model = band_energy.BandEnergyMask().fit(S, masks, species, 3)
  assert [(r.low, r.high) for r in model.rules[:2]] == own
  assert (model.rules[2].low, model.rules[2].high) == (0, BANDS)  # never seen: the whole range
  S, masks, species = pairs(*clips(40, own, 7))
  predicted = model.predict(S, species)
  assert metrics.mask_iou(predicted, masks).mean() > 0.9
  everything = np.ones_like(masks)
  assert metrics.mask_iou(predicted, masks).mean() > 2 * metrics.mask_iou(everything, masks).mean()


def test_floor_of_a_band_in_which_a_bird_sings_most_of_the_time():
  S = np.tile(np.linspace(0.2, 0.6, 5), (1, 100, 1))
  S[0, 25:95, 2] += 0.4
  contrast = band_energy.above_floor(S)
  assert (contrast[0, 28:92, 2] > 0.2).all()
  np.testing.assert_allclose(contrast[0, :20, 2], 0, atol=1e-9)
  np.testing.assert_allclose(band_energy.above_floor(S + 0.1), contrast, atol=1e-9)  # steady noise does not matter


@pytest.mark.parametrize('kind, threshold, expected', [
    ('level', 0.5, [[0, 1], [0, 1], [0, 0]]),
    ('quantile', 0.5, [[0, 1], [0, 1], [0, 1]]),
])
def test_rules_by_hand(kind, threshold, expected):
  S = np.array([[[0.1, 0.6], [0.2, 0.9], [0.3, 0.4]]])
  model = band_energy.BandEnergyMask()
  model.rules = (band_energy.BandRule(0, 2, kind, threshold),)
  np.testing.assert_array_equal(model.predict(S, [0])[0], np.array(expected, bool))


def test_mask_errors():
  S, masks, species = pairs(*clips(5, [(0, 4)], 8, density=1))
  model = band_energy.BandEnergyMask()
  with pytest.raises(ValueError, match='call fit'):
    model.predict(S, species)
  with pytest.raises(ValueError, match='every training mask is empty'):
    model.fit(S, np.zeros_like(masks), species, 1)
  with pytest.raises(ValueError, match=r'expected \[0, 1\)'):
    model.fit(S, masks, species + 1, 1)
