"""Whether birds fit a place and each other: a score of a scene between 0 and 1, with its reasons in words.

The figures of FITS are judgements, made once for AVONET's habitats and the words of a Scene. They rank; they are no measured
frequencies. Rain falls everywhere and says nothing.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from data_pipeline import homes as homes_lib
from data_pipeline.homes import Home
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy

MODES = ('plausible', 'uniform', 'implausible')
VERDICTS = ('plausible', 'mixed', 'implausible', 'unknown')
PLAUSIBLE_FROM, IMPLAUSIBLE_BELOW = 0.6, 0.3
LEAST = 0.02  # nothing is impossible, and a logarithm wants more than 0
TRIES = 64    # draws of species for one scene, until one is as plausible or implausible as asked

# How well a bird of each habitat fits what is heard of a place: 1 = at home.
FITS = {
    'forest': {'Forest': 1.0, 'Woodland': 0.8, 'Shrubland': 0.4, 'Riverine': 0.4, 'Human Modified': 0.25, 'Wetland': 0.2,
               'Grassland': 0.1, 'Rock': 0.1, 'Coastal': 0.05, 'Desert': 0.05, 'Marine': 0.02},
    'wind': {'Grassland': 1.0, 'Rock': 1.0, 'Coastal': 1.0, 'Marine': 1.0, 'Desert': 1.0, 'Shrubland': 0.8, 'Wetland': 0.8,
             'Human Modified': 0.6, 'Riverine': 0.4, 'Woodland': 0.4, 'Forest': 0.25},
    'insects': {'Grassland': 1.0, 'Shrubland': 1.0, 'Woodland': 0.8, 'Wetland': 0.8, 'Forest': 0.7, 'Riverine': 0.7,
                'Human Modified': 0.7, 'Desert': 0.4, 'Coastal': 0.3, 'Rock': 0.2, 'Marine': 0.02},
    'river': {'Riverine': 1.0, 'Wetland': 0.8, 'Forest': 0.5, 'Woodland': 0.5, 'Shrubland': 0.4, 'Human Modified': 0.4,
              'Grassland': 0.3, 'Rock': 0.2, 'Coastal': 0.2, 'Desert': 0.1, 'Marine': 0.02},
    'road': {'Human Modified': 1.0, 'Woodland': 0.5, 'Shrubland': 0.5, 'Grassland': 0.5, 'Forest': 0.3, 'Riverine': 0.3,
             'Desert': 0.3, 'Wetland': 0.2, 'Rock': 0.2, 'Coastal': 0.2, 'Marine': 0.02},
}
PLACES = tuple(FITS)
# By the density of the vegetation; elsewhere it is all one.
DENSITY_FITS = {'forest': {1: 1.0, 2: 0.9, 3: 0.7}, 'wind': {1: 0.7, 2: 0.9, 3: 1.0}}
_WHERE = {'forest': 'in a forest', 'wind': 'where the wind blows', 'insects': 'among insects', 'river': 'near a river',
          'road': 'near a road'}


@dataclasses.dataclass(frozen=True)
class Plausibility:
  """What is to be said of a scene.

  Attributes:
    score: geometric mean of what each statement is worth, 0 to 1; None where nothing is known.
    verdict: one of VERDICTS.
    reasons: the statements, one for each bird and place and each pair of birds, with their figures.
  """

  score: float | None
  verdict: str
  reasons: tuple[str, ...]

  def to_dict(self, mode: str) -> dict[str, Any]:
    """For the provenance of a scene that was drawn in `mode`: JSON types."""
    return {'mode': mode, 'score': self.score, 'verdict': self.verdict, 'reasons': list(self.reasons)}


@dataclasses.dataclass(frozen=True)
class Habitats:
  """What is known of a taxonomy's species.

  Attributes:
    taxonomy: names the species. homes: by code; one that is absent is not known, which is no reason for or against it.
    together: recordings that tell of both birds of a pair of codes, see homes.heard_together.
  """

  taxonomy: Taxonomy
  homes: Mapping[str, Home]
  together: Mapping[frozenset[str], int] = dataclasses.field(default_factory=dict)

  def fit(self, code: str, place: str) -> float | None:
    """How well a species fits a place (an environment or near of a Scene), 0 to 1; None where nothing is known."""
    home = self.homes.get(code)
    if home is None or place not in FITS:
      return None
    return FITS[place][home.habitat] * DENSITY_FITS.get(place, {}).get(home.density, 1.0)

  def joint(self, codes: Sequence[str]) -> np.ndarray:
    """P(species, place) over PLACES: (S, P), sums to 1. Raises ValueError naming a species whose home is not known."""
    homeless = [c for c in codes if c not in self.homes]
    if homeless or not codes:
      raise ValueError(f'no habitat is known of {homeless[0]!r}' if codes else 'expected at least one species')
    fits = np.array([[self.fit(c, place) for place in PLACES] for c in codes])
    return fits / fits.sum()

  def meet(self, a: str, b: str) -> tuple[float, str] | None:
    """How likely two species are heard together, 0 to 1, and why; None where nothing is known.

    The overlap of P(place | species), times that of their latitudes as a share of the smaller range. Recordings that tell of
    both can raise it, to n / (n + 1).
    """
    recordings = self.together.get(frozenset((a, b)), 0)
    value, why = 0.0, []
    if a in self.homes and b in self.homes:
      rows = self.joint((a, b))
      value = 1.0 - 0.5 * float(np.abs(np.diff(rows / rows.sum(1, keepdims=True), axis=0)).sum())
      why.append(f'habitats overlap by {value:.0%}')
      ranges = self.homes[a].latitudes, self.homes[b].latitudes
      if None not in ranges:
        overlap = _overlap(*ranges)
        value *= overlap
        why.append(f'latitudes by {overlap:.0%}')
    elif not recordings:
      return None
    if recordings:
      value = max(value, recordings / (recordings + 1))
      why.append(f'heard together in {recordings} recording{"s" * (recordings > 1)}')
    return max(value, LEAST), ', '.join(why)

  def judge(self, species: Sequence[str], environment: str, near: str) -> Plausibility:
    """Scores birds in a place.

    Args:
      species: codes; several birds of one species count once.
      environment, near: as in Scene, '' = not known, near nothing.
    """
    codes = list(dict.fromkeys(species))
    name = {c: getattr(self.taxonomy.get(c), 'common', c) for c in codes}
    reasons, values = [], []
    for code in codes:
      if code not in self.homes:
        reasons.append(f'{name[code]}: no habitat is known')
      for place in (environment, near):
        value = self.fit(code, place)
        if value is not None:
          reasons.append(f'{name[code]} ({self.homes[code]}): {_word(value)} {_WHERE[place]} ({value:.2f})')
          values.append(value)
    for a, b in itertools.combinations(codes, 2):
      met = self.meet(a, b)
      if met is not None:
        reasons.append(f'{name[a]} and {name[b]}: {_word(met[0])} together ({met[0]:.2f}): {met[1]}')
        values.append(met[0])
    if not values:
      return Plausibility(None, 'unknown', tuple(reasons))
    score = math.exp(sum(map(math.log, values)) / len(values))
    verdict = 'plausible' if score >= PLAUSIBLE_FROM else 'implausible' if score < IMPLAUSIBLE_BELOW else 'mixed'
    return Plausibility(round(score, 4), verdict, tuple(reasons))

  def choose(self, mode: str, environment: str, near: str, draw: Callable[[], list[str]]) -> tuple[list[str], Plausibility]:
    """Draws the species of a scene until their verdict is `mode`; of TRIES that are not, the one nearest to it.

    So a mode changes who is where, and not how often each place is drawn. 'uniform' takes the first draw, as do scenes of which
    nothing is known.

    Args:
      mode: one of MODES.
      environment, near: of the scene.
      draw: species codes, anew with each call.

    Raises ValueError for an unknown mode.
    """
    if mode not in MODES:
      raise ValueError(f'plausibility {mode!r}: expected one of {", ".join(MODES)}')
    best: tuple[list[str], Plausibility] | None = None
    for _ in range(TRIES):
      species = draw()
      found = self.judge(species, environment, near)
      if mode == 'uniform' or found.verdict in (mode, 'unknown'):
        return species, found
      if best is None or (found.score > best[1].score) == (mode == 'plausible'):
        best = species, found
    return best


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
  """Length that two intervals share, as a part of the shorter one."""
  shared = min(a[1], b[1]) - max(a[0], b[0])
  shorter = min(a[1] - a[0], b[1] - b[0])
  return float(shared >= 0) if shorter == 0 else max(shared, 0.0) / shorter


def _word(value: float) -> str:
  return 'likely' if value >= PLAUSIBLE_FROM else 'unlikely' if value < IMPLAUSIBLE_BELOW else 'possible'


BUILT_IN = Habitats(PROCEDURAL, homes_lib.BUILT_IN)
