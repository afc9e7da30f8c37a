"""Where species live: homes of the built-in birds, AVONET's table; and who is heard together, by xeno-canto's `also` lists."""

from __future__ import annotations

import collections
import dataclasses
from typing import Iterable, Mapping

from data_pipeline import cells, metadata_files
from data_pipeline.formats import files
from data_pipeline.taxonomy import Taxonomy

# AVONET's categories of a species' main habitat, in words.
HABITATS = {
    'Forest': 'forest', 'Woodland': 'open woodland', 'Shrubland': 'shrubland', 'Grassland': 'grassland', 'Wetland': 'wetland',
    'Riverine': 'rivers and streams', 'Coastal': 'coast', 'Marine': 'sea', 'Rock': 'rocks', 'Desert': 'desert',
    'Human Modified': 'farms and towns'}
DENSITIES = {1: 'dense', 2: 'half open', 3: 'open'}


@dataclasses.dataclass(frozen=True)
class Home:
  """Where a species lives.

  Attributes:
    habitat: one of HABITATS. density: of its vegetation, one of DENSITIES.
    latitudes: of its range in degrees, (south, north); None = not known.
  """

  habitat: str
  density: int
  latitudes: tuple[float, float] | None

  def __post_init__(self):
    if self.habitat not in HABITATS or self.density not in DENSITIES:
      raise ValueError(f'{self}: expected a habitat among {", ".join(HABITATS)} and a density among {tuple(DENSITIES)}')
    if self.latitudes is not None and not -90 <= self.latitudes[0] <= self.latitudes[1] <= 90:
      raise ValueError(f'{self}: expected latitudes (south, north) from -90 to 90')

  def __str__(self) -> str:
    return f'{HABITATS.get(self.habitat, self.habitat)}, {DENSITIES.get(self.density, self.density)}'


# Of birds that do not exist. Those that sound alike live apart, so that a place tells which of them it is.
BUILT_IN = {
    'gltpip': Home('Grassland', 3, (30, 62)),
    'tinpip': Home('Rock', 3, (38, 71)),
    'lebfin': Home('Forest', 1, (40, 68)),
    'grbfin': Home('Shrubland', 2, (20, 52)),
    'holowl': Home('Forest', 1, (25, 60)),
    'embdov': Home('Human Modified', 2, (-10, 55)),
    'quiwar': Home('Wetland', 2, (15, 58)),
    'tumthr': Home('Riverine', 2, (28, 66)),
    'needti': Home('Forest', 1, (44, 70)),
    'spatit': Home('Woodland', 2, (30, 58)),
    'ratsta': Home('Desert', 3, (10, 48)),
    'lanjay': Home('Woodland', 2, (-5, 45)),
}

_COLUMNS = ('Species1', 'Habitat', 'Habitat.Density', 'Min.Latitude', 'Max.Latitude')


def read_avonet(path: files.Path, taxonomy: Taxonomy) -> dict[str, Home]:
  """Homes of the species of a taxonomy from AVONET's table of BirdLife's species (AVONET1_BirdLife.csv), by code.

  Tobias et al. 2022, Ecology Letters 25, 581-597. Joined by scientific name; a species that is absent, or whose habitat is NA,
  has no home here.

  Raises ValueError naming the file, and the line where it is one: not that table, a habitat that is not AVONET's.
  """
  homes = {}
  for line, row in metadata_files.load_table(path, _COLUMNS):
    if isinstance(row, ValueError):
      raise ValueError(f'{path} row {line}: {row}')
    species = taxonomy.get(cells.text(row['Species1']))
    habitat = cells.text(row['Habitat'])
    if species is None or not habitat:
      continue
    south, north = (cells.number(row[c], -90, 90) for c in ('Min.Latitude', 'Max.Latitude'))
    try:
      homes[species.code] = Home(habitat, cells.whole(row['Habitat.Density'], 1, 3),
                                 None if south is None or north is None else (south, north))
    except ValueError as error:
      raise ValueError(f'{path} row {line}: {error}') from error
  return homes


def heard_together(lists: Iterable[tuple[str, Iterable[str]]], taxonomy: Taxonomy) -> Mapping[frozenset[str], int]:
  """How many recordings tell of each pair of species: {a pair of codes: recordings}.

  Args:
    lists: (name of a recording's species, names of the others that are heard in it), as xeno-canto's `also`; a name that the
      taxonomy lacks is passed over. That a pair is not listed tells nothing: many lists are empty though birds are heard.
    taxonomy: of the codes.
  """
  counts: collections.Counter[frozenset[str]] = collections.Counter()
  for name, others in lists:
    found = {s.code for s in map(taxonomy.get, (name, *others)) if s is not None}
    counts.update(frozenset((a, b)) for a in found for b in found if a < b)
  return counts
