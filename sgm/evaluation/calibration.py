"""What a detector's scores mean: p-values and probabilities of presence, and whether a window is like the calibration's clips.

A score is compared with the scores that the whole pipeline gave to clips known to lack the species:

  p = (1 + #{s_i >= s}) / (n + 1)                 (conformal; Vovk, Gammerman & Shafer 2005, section 2.2)

If these n clips and a new window that lacks the species are exchangeable, P(p <= a) <= a for every a and n, whatever the scores
are; on average over the draw of the clips, for what one draw can miss see `false_alarms.expected_false_alarms`. Windows of
another kind (silence, rain, birds that were in no clip) carry no such promise: `Calibration.odd` flags those whose features
(`oddity.features`) tell them from the clips, and only those. Half of the clips say which features are ordinary; the others,
which that density has not seen, say how often an ordinary window is as odd as that: the same p-value.

N clips, B windows, S species, D features. Scores are larger where presence is likelier, and compared as float32.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from typing import Any, Mapping, Sequence
import zipfile
import zlib

import numpy as np
from scipy import special

from sgm.evaluation import false_alarms
from sgm.evaluation import oddity
from sgm.evaluation import platt
from sgm.training import workdir

VERSION = 2
ENOUGH = 1000  # absent clips of a species
_ARRAYS = ('absent', 'counts', 'intercept', 'slope', 'prior', 'ood', 'weights', 'means', 'factors')


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
  """Made by `fit`, stored by `save`, read by `load`.

  Attributes:
    species: S codes, in the order of the scores' columns.
    fingerprint: of the run whose scores these are.
    settings: JSON object of all else that decides a score: detector, window, preparation of clips, data set.
    absent: per species the sorted scores (n,) of the clips that lack it, float32.
    intercept, slope: (S,) logit of presence = intercept + slope x score, slope >= 0, where `prior` (S,) is the share of
      clips with the species.
    ordinary: density of the features of half of the clips.
    ood: (N / 2,) sorted surprise at the features of the others, float32.
  """

  species: tuple[str, ...]
  fingerprint: str
  settings: dict[str, Any]
  absent: tuple[np.ndarray, ...]
  intercept: np.ndarray
  slope: np.ndarray
  prior: np.ndarray
  ood: np.ndarray
  ordinary: oddity.Ordinary

  def __post_init__(self):
    size = len(self.species)
    if not size or len(set(self.species)) != size:
      raise ValueError(f'species {list(self.species)}: expected one or more, each once')
    if len(self.absent) != size or any(np.shape(x) != (size,) for x in (self.intercept, self.slope, self.prior)):
      raise ValueError(f'{size} species, but arrays of another number of them')
    for name, values in zip((*self.species, 'ood'), (*self.absent, self.ood)):
      if values.ndim != 1 or not values.size or not np.isfinite(values).all() or (values[1:] < values[:-1]).any():
        raise ValueError(f'{name}: expected one or more sorted finite numbers, got an array {values.shape}')
    if not (np.isfinite(self.intercept + self.slope).all() and (self.slope >= 0).all() and _inside(self.prior)):
      raise ValueError('expected finite intercepts, slopes >= 0, priors between 0 and 1')

  @property
  def counts(self) -> np.ndarray:
    """(S,) int: clips that lack each species, the n of its p-values."""
    return np.array([len(scores) for scores in self.absent])

  @property
  def short(self) -> tuple[str, ...]:
    """Species that fewer than 1000 clips lack: their p-values hold but are coarse, as the smallest is 1 / (n + 1)."""
    return tuple(name for name, n in zip(self.species, self.counts) if n < ENOUGH)

  def p_values(self, scores: np.ndarray) -> np.ndarray:
    """(B, S) -> (B, S) in [1 / (n + 1), 1]. ValueError for a score that is not finite."""
    scores = _scores(scores, self.species)
    as_high = [len(null) - np.searchsorted(null, column, 'left') for null, column in zip(self.absent, scores.T)]
    return (1 + np.stack(as_high, axis=1)) / (self.counts + 1)

  def thresholds(self, rate: float) -> np.ndarray:
    """(S,) float32: float32 `scores > thresholds(rate)`, not at them, is `p_values(scores) <= rate`.

    Args:
      rate: false alarms per (window, absent species), between 0 and 1.

    Raises:
      ValueError: a rate that is too small for the absent clips there are; it says how many are needed.
    """
    false_alarms.check_rate(rate, self.counts, self.species, 'thresholds: a rate')
    return np.array([null[-m] for null, m in zip(self.absent, false_alarms.ranks(rate, self.counts))])

  def present(self, scores: np.ndarray, q: float, odd: np.ndarray | None = None) -> np.ndarray:
    """(B, S) -> bool (B, S): Benjamini-Hochberg at level q over the species of each window; none where `odd` (B,) is True.

    Raises:
      ValueError: too few absent clips to ever find a bird that is alone, which takes a p-value of q / S.
    """
    size = len(self.species)
    false_alarms.check_rate(q / size * (1 + 1e-12), self.counts, self.species,
                            f'present: q = {q:g} over {size} species, so a p-value')
    found = false_alarms.benjamini_hochberg(self.p_values(scores), q)
    return found if odd is None else found & ~np.asarray(odd, bool)[:, None]

  def probability(self, scores: np.ndarray, prior: float | np.ndarray | None = None) -> np.ndarray:
    """(B, S) -> (B, S): probability of presence, never falling as the score rises. For windows that are not `odd`.

    Args:
      prior: share of windows with the species, a number or (S,), between 0 and 1; None: as in the clips (`self.prior`).
    """
    scores = _scores(scores, self.species)
    prior = self.prior if prior is None else np.asarray(prior, np.float64)
    if prior.shape not in ((), self.prior.shape) or not _inside(prior):
      raise ValueError(f'prior {prior}: expected one number, or {len(self.species)}, between 0 and 1')
    shift = special.logit(prior) - special.logit(self.prior)
    return special.expit(self.intercept + self.slope * scores.astype(np.float64) + shift)

  def surprise(self, features: np.ndarray) -> np.ndarray:
    """Features (B, D) -> (B,) float32, the larger the odder. ValueError names a clip whose features are not finite."""
    return self.ordinary.surprise(_features(features))

  def ood_p_values(self, surprise: np.ndarray) -> np.ndarray:
    """(B,) -> (B,) in [1 / (n + 1), 1], for n = N / 2 clips."""
    n = len(self.ood)
    return (1 + n - np.searchsorted(self.ood, _finite('surprise', np.asarray(surprise), lambda: ''), 'left')) / (n + 1)

  def odd(self, surprise: np.ndarray, rate: float) -> np.ndarray:
    """(B,) -> bool (B,): rarer than `rate` among the clips; about that share of windows like them is flagged too.

    Raises:
      ValueError: a rate that is too small for n clips.
    """
    false_alarms.check_rate(rate, np.array([len(self.ood)]), ('half of the calibration',), 'odd: a rate')
    return self.ood_p_values(surprise) <= rate

  def save(self, path: str | os.PathLike) -> None:
    """Writes one .npz, without pickled objects, whole or not at all."""
    path = pathlib.Path(path)
    about = {'version': VERSION, 'species': self.species, 'fingerprint': self.fingerprint, 'settings': self.settings}
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
      with open(temporary, 'wb') as f:  # given a name, numpy would append .npz to it
        np.savez_compressed(f, about=json.dumps(about), absent=np.concatenate(self.absent), counts=self.counts,
                            intercept=self.intercept, slope=self.slope, prior=self.prior, ood=self.ood,
                            **vars(self.ordinary))
      os.replace(temporary, path)
    finally:
      temporary.unlink(missing_ok=True)


def fit(scores: np.ndarray, presence: np.ndarray, features: np.ndarray, *, species: Sequence[str], fingerprint: str,
        settings: Mapping[str, Any]) -> Calibration:
  """Calibrates on clips that the detector was not trained on and of which all birds are known.

  They should be like the windows to come in polyphony, noise and look-alikes, independent of each other (one clip per
  recording), and scored by the whole pipeline.

  Args:
    scores: (N, S).
    presence: (N, S) bool or 0/1. Some clips lack every species (fewer than 1000: it is in `short`). Clips that have it are
      needed for its probability only, where rare species lean on the others.
    features: (N, D), or (N,) for D = 1, that move when a clip is unlike what the model knows. N >= 4.
    species, fingerprint, settings: see Calibration.

  Raises:
    ValueError: shapes that don't fit, a number that is not finite, a species that is in every clip, or none in any.
  """
  species = tuple(species)
  scores, features, presence = _scores(scores, species), _features(features), np.asarray(presence)
  if presence.shape != scores.shape or len(features) != len(scores) or len(scores) < 4:
    raise ValueError(f'fit: scores {scores.shape}, presence {presence.shape}, features {features.shape}: expected (N, S), '
                     '(N, S), (N, D), N >= 4')
  if not np.isin(presence, (0, 1)).all():
    raise ValueError('fit: presence: expected booleans, or 0 and 1 only')
  presence = presence.astype(bool)
  if presence.all(0).any():
    raise ValueError(f'fit: {species[presence.all(0).argmax()]} is in all {len(presence)} clips: expected some that lack it')
  if not presence.any():
    raise ValueError(f'fit: no clip of {len(presence)} has any of the species: no probability can be fitted')
  absent = tuple(np.sort(column[~there]) for column, there in zip(scores.T, presence.T))
  ordinary = oddity.fit(features[::2])
  return Calibration(species, fingerprint, _as_json(settings), absent, *platt.fit(scores, presence),
                     np.sort(ordinary.surprise(features[1::2])), ordinary)


def load(path: str | os.PathLike, *, species: Sequence[str], fingerprint: str, settings: Mapping[str, Any]) -> Calibration:
  """Reads what `save` wrote and checks that it belongs to these species, this run and these settings.

  Raises:
    FileNotFoundError: there is none.
    ValueError: a damaged file, or one of other scores (each key that differs is named).
  """
  try:
    with np.load(path, allow_pickle=False) as stored:
      about = json.loads(stored['about'].item())
      if about['version'] != VERSION:
        raise ValueError(f'version {about["version"]}, expected {VERSION}')
      arrays = {name: stored[name] for name in _ARRAYS}
    if arrays['counts'].sum() != len(arrays['absent']):
      raise ValueError(f'{len(arrays["absent"])} scores, expected {arrays["counts"].sum()}')
    absent = tuple(np.split(arrays['absent'], np.cumsum(arrays['counts'])[:-1]))
    found = Calibration(tuple(about['species']), about['fingerprint'], dict(about['settings']), absent,
                        *(arrays[name] for name in _ARRAYS[2:6]), oddity.Ordinary(*(arrays[name] for name in _ARRAYS[6:])))
  except FileNotFoundError:
    raise
  except (AttributeError, EOFError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
    raise ValueError(f'{path} is no calibration that can be read ({error}): calibrate again') from error
  changed = workdir.differences({'fingerprint': found.fingerprint, 'settings': found.settings},
                                {'fingerprint': fingerprint, 'settings': _as_json(settings)})
  if found.species != tuple(species):
    changed.append(f'species: {len(found.species)} there, {len(species)} here, not the same or not in this order')
  if changed:
    raise ValueError(f'{path} calibrates other scores ({"; ".join(changed)}): calibrate again')
  return found


def _scores(scores: np.ndarray, species: Sequence[str]) -> np.ndarray:
  """(B, S) as float32. ValueError names clip and species of a number that is not finite."""
  scores = np.asarray(scores)
  if scores.ndim != 2 or scores.shape[1] != len(species):
    raise ValueError(f'scores {scores.shape}: expected (B, {len(species)}), one column per species')
  return _finite('scores', scores, lambda column: f' for {species[column]}')


def _features(features: np.ndarray) -> np.ndarray:
  """(B, D) as float32, from (B,) with D = 1. ValueError names clip and feature of a number that is not finite."""
  features = np.asarray(features)
  if features.ndim not in (1, 2):
    raise ValueError(f'features {features.shape}: expected (B, D), or (B,) for one')
  return _finite('features', features.reshape(len(features), -1), lambda column: f' for number {column}')


def _finite(name: str, values: np.ndarray, whose: Any) -> np.ndarray:
  with np.errstate(over='ignore'):
    single = values.astype(np.float32)
  bad = np.argwhere(~np.isfinite(single))
  if len(bad):
    clip, *column = bad[0]
    raise ValueError(f'{name}: clip {clip} has {values[tuple(bad[0])]}{whose(*column)}: expected finite float32 numbers')
  return single


def _inside(share: np.ndarray) -> bool:
  return bool(((share > 0) & (share < 1)).all())


def _as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
  """As a file gives it back: tuples become lists."""
  try:
    return dict(json.loads(json.dumps(settings, allow_nan=False)))
  except (TypeError, ValueError) as error:
    raise ValueError(f'settings: expected a JSON object ({error})') from error
