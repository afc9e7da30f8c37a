"""What can be had without a network: who is there, and where, from energies per frequency band.

Baselines that a detector must beat. Species that have a band to themselves are found by these alone; confusable
species, which share one, are not.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage
import sklearn.linear_model

FLOOR_QUANTILE = 0.2
SMOOTHING = 0.6  # cells, standard deviation
_ALPHAS = tuple(10.0 ** k for k in range(-4, 5))  # ridge penalties tried, on standardised features


def above_floor(S: np.ndarray) -> np.ndarray:
  """What stands out of steady noise: S (M, T, F), smoothed a little, less the floor of its band, -> (M, T, F).

  The floor is a low quantile over time: the median of a band in which a bird sings throughout is the bird.
  """
  return ndimage.gaussian_filter(S, (0, SMOOTHING, SMOOTHING)) - np.quantile(S, FLOOR_QUANTILE, axis=1, keepdims=True)


class BandEnergyRegression:
  """Ridge regression of presence on the energy of each band.

  Features: mean and maximum over time of each band of S (compressed, [0, 1]), standardised. One linear model per
  species; the penalty is the one of _ALPHAS with the least leave-one-out error on the training clips.
  """

  def fit(self, S: np.ndarray, presence: np.ndarray) -> 'BandEnergyRegression':
    """S (N, T, F) in [0, 1], presence (N, S) 0/1, of the training clips. Returns self."""
    features, presence = self._features(S), np.asarray(presence, np.float64)
    if presence.ndim != 2 or len(presence) != len(features):
      raise ValueError(f'BandEnergyRegression.fit: S has {len(features)} clips, presence {presence.shape}: '
                       'expected (N, S) with the same N')
    self._mean = features.mean(axis=0)
    self._scale = np.maximum(features.std(axis=0), 1e-6)  # a band that never varies carries nothing
    self._model = sklearn.linear_model.RidgeCV(alphas=list(_ALPHAS)).fit((features - self._mean) / self._scale, presence)
    self._species = presence.shape[1]
    return self

  def scores(self, S: np.ndarray) -> np.ndarray:
    """(N, T, F) -> (N, S) regressed presence: about 0 to 1, unbounded."""
    if not hasattr(self, '_model'):
      raise ValueError('BandEnergyRegression: call fit before scores')
    features = self._features(S)
    if features.shape[1] != len(self._mean):
      raise ValueError(f'BandEnergyRegression: {features.shape[1] // 2} bands, but fitted on {len(self._mean) // 2}')
    # One species: sklearn drops the axis.
    return self._model.predict((features - self._mean) / self._scale).reshape(len(features), self._species)

  @staticmethod
  def _features(S: np.ndarray) -> np.ndarray:
    S = np.asarray(S, np.float64)
    if S.ndim != 3 or not len(S):
      raise ValueError(f'BandEnergyRegression: S has shape {S.shape}: expected (N, T, F), N >= 1')
    return np.concatenate([S.mean(axis=1), S.max(axis=1)], axis=1)  # (N, 2F)


@dataclasses.dataclass(frozen=True)
class BandRule:
  """The mask of one species: bands [low, high), cells whose S, by `kind`, reaches `threshold`.

  kind 'level': S itself. 'above_floor': see the function of this name.
  'quantile': the share of the clip's cells inside the bands that are quieter.
  """

  low: int
  high: int
  kind: str
  threshold: float


class BandEnergyMask:
  """Marks the loud cells inside a species' typical band.

  Band: the central 90 % of the cells of the species' training masks. Rule and threshold: those of the highest mean
  IoU with the training masks, per species, so that the baseline is as strong as its idea allows.
  """

  COVERAGE = 0.90
  CANDIDATES = {
      'level': np.linspace(0.1, 0.9, 17),
      'above_floor': np.linspace(0.02, 0.5, 17),
      'quantile': np.linspace(0.5, 0.98, 17),
  }

  def fit(self, S: np.ndarray, masks: np.ndarray, species: np.ndarray, num_species: int) -> 'BandEnergyMask':
    """Chooses each species' rule. Returns self.

    Args:
      S: (M, T, F) in [0, 1]; one row for each (clip, species present) pair.
      masks: (M, T, F) bool, that species' true mask (from stems; filled label boxes where there are none).
      species: (M,) int in [0, num_species).
      num_species: species without a non-empty mask get the whole range and the rule fitted on all pairs.
    """
    S, masks, species = np.asarray(S, np.float64), np.asarray(masks, bool), np.asarray(species)
    if S.ndim != 3 or masks.shape != S.shape or species.shape != S.shape[:1]:
      raise ValueError(f'BandEnergyMask.fit: S {S.shape}, masks {masks.shape}, species {species.shape}: expected '
                       '(M, T, F), (M, T, F), (M,)')
    if species.size and not (0 <= species.min() and species.max() < num_species):
      raise ValueError(f'BandEnergyMask.fit: species in [{species.min()}, {species.max()}]: expected [0, {num_species})')
    if not masks.any():
      raise ValueError('BandEnergyMask.fit: every training mask is empty')
    found = masks.any(axis=(1, 2))  # (M,)
    rules = []
    for s in range(num_species):
      rows = found & (species == s)
      if rows.any():
        rules.append(self._fit_one(S[rows], masks[rows], *self._band(masks[rows])))
      else:
        rules.append(self._fit_one(S[found], masks[found], 0, S.shape[2]))
    self.rules = tuple(rules)
    return self

  def predict(self, S: np.ndarray, species: np.ndarray) -> np.ndarray:
    """S (M, T, F), species (M,) -> bool (M, T, F): the cells held to be that species."""
    if not hasattr(self, 'rules'):
      raise ValueError('BandEnergyMask: call fit before predict')
    S = np.asarray(S, np.float64)
    out = np.zeros(S.shape, bool)
    for m, s in enumerate(np.asarray(species)):
      rule = self.rules[s]
      evidence = self._evidence(S[m:m + 1, :, rule.low:rule.high], rule.kind)
      out[m:m + 1, :, rule.low:rule.high] = evidence >= rule.threshold
    return out

  @classmethod
  def _band(cls, masks: np.ndarray) -> tuple[int, int]:
    share = np.cumsum(masks.sum(axis=(0, 1))) / masks.sum()  # (F,)
    tail = (1 - cls.COVERAGE) / 2
    low = int(np.searchsorted(share, tail, side='right'))
    high = int(np.searchsorted(share, 1 - tail - 1e-9, side='left')) + 1
    return low, max(high, low + 1)

  @classmethod
  def _fit_one(cls, S: np.ndarray, masks: np.ndarray, low: int, high: int) -> BandRule:
    best = (-1.0, None)
    outside = masks.sum(axis=(1, 2)) - masks[:, :, low:high].sum(axis=(1, 2))  # (M,) true cells no rule can reach
    for kind, thresholds in cls.CANDIDATES.items():
      evidence, true = cls._evidence(S[:, :, low:high], kind), masks[:, :, low:high]
      for threshold in thresholds:
        marked = evidence >= threshold
        both = (marked & true).sum(axis=(1, 2))
        iou = float(np.mean(both / ((marked | true).sum(axis=(1, 2)) + outside)))
        if iou > best[0]:
          best = (iou, BandRule(low, high, kind, float(threshold)))
    return best[1]

  @staticmethod
  def _evidence(S: np.ndarray, kind: str) -> np.ndarray:
    """(M, T, B) -> (M, T, B): what the threshold of this kind is compared with."""
    if kind == 'level':
      return S
    if kind == 'above_floor':
      return above_floor(S)
    flat = S.reshape(len(S), -1)
    ranks = np.argsort(np.argsort(flat, axis=1, kind='stable'), axis=1, kind='stable')
    return (ranks / flat.shape[1]).reshape(S.shape)
