"""The birds of a mixed scene chosen by how they fit its place and each other, where `mixing_placing` asks for a Chooser."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Iterable, Sequence

import numpy as np

from data_pipeline import homes
from data_pipeline.habitat import FITS, Habitats
from data_pipeline.mixing_distributions import choice
from data_pipeline.mixing_pools import BUILT_IN, Pools, Source
from data_pipeline.taxonomy import PROCEDURAL


@dataclasses.dataclass(frozen=True)
class PlausibleBirds:
  """A mixing_placing.Chooser; small enough to be sent to worker processes.

  Attributes:
    known: of the species that are mixed.
    mode: one of habitat.MODES; 'uniform' draws what would be drawn without it, and judges.
    species: the distribution `events.species`, which every bird is drawn from.
  """

  known: Habitats
  mode: str
  species: str

  def __call__(self, rng: np.random.Generator, codes: Sequence[str], count: int, environment: str,
               near: str) -> tuple[list[str], dict[str, Any]]:
    """(species of `count` birds, {'plausibility': what Plausibility.to_dict says of them in this place})."""
    one = choice(self.species, 'events.species', codes)
    birds, found = self.known.choose(self.mode, environment, near, lambda: [one.draw(rng, codes) for _ in range(count)])
    return birds, {'plausibility': found.to_dict(self.mode)}

  @property
  def digest(self) -> str:
    """Of all that it knows."""
    what = [sorted((code, str(home), home.latitudes) for code, home in self.known.homes.items()),
            sorted((sorted(pair), n) for pair, n in self.known.together.items())]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def with_built_in(known: Habitats) -> Habitats:
  """`known`, and the homes of the built-in birds among its species."""
  own = {s.code: homes.BUILT_IN[s.code] for s in known.taxonomy.species if s in PROCEDURAL.species}
  return dataclasses.replace(known, homes={**own, **known.homes})


def chooser(mode: str, known: Habitats, species: str, pools: Iterable[Pools]) -> PlausibleBirds | None:
  """For the scenes of all `pools`; None for uniform ones where nothing is known of any of their species.

  Raises ValueError, for another mode: pools with no species, or no place, of which anything is known.
  """
  pools = list(pools)
  judged = any(set(p.by_species) & set(known.homes) for p in pools)
  if mode == 'uniform':
    return PlausibleBirds(known, mode, species) if judged or known.together else None
  for p in pools:
    if not set(p.by_species) & set(known.homes):
      names = ', '.join(sorted(s.common for s in p.taxonomy.species if s.code in p.by_species)[:5])
      raise ValueError(f'plausibility {mode!r}: the habitat of no species is known (of {names}): real birds need --avonet')
    if not any(map(_tells_its_place, p.background)):
      raise ValueError(f'plausibility {mode!r}: no background says what place it is: expected sub-folders, or a column '
                       f'environment, or near, of a manifest.csv, named {", ".join(FITS)}; or --backgrounds built-in')
  return PlausibleBirds(known, mode, species)


def _tells_its_place(background: Source) -> bool:
  return background.name == BUILT_IN or background.environment in FITS or background.near in FITS
