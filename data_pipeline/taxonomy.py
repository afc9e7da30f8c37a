"""Species names: codes, common and scientific names, pinned to one taxonomy and year.

Names drift: "Barn Owl" is `brnowl` in eBird 2021, while *Tyto alba* is "Western Barn Owl", `webowl1`, in eBird 2024. So a
data set carries its Taxonomy with it, and a name that is not in it is an error with the nearest names, never a guess.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from typing import Any, Iterable, Mapping, Sequence


class UnknownSpecies(ValueError):
  """A name that the taxonomy does not hold; the message names the nearest ones."""


@dataclasses.dataclass(frozen=True)
class Species:
  """One class. `code` and `common` must be there; `scientific` may be '' where nobody knows it."""

  code: str
  common: str
  scientific: str

  def __post_init__(self):
    for field in ('code', 'common', 'scientific'):
      value = getattr(self, field)
      if not isinstance(value, str) or value != value.strip() or not value.isprintable():
        raise ValueError(f'Species.{field} {value!r}: expected text of one line without blanks around it')
      if not value and field != 'scientific':
        raise ValueError(f'Species.{field} is empty in {self}')

  @property
  def names(self) -> tuple[str, ...]:
    """Code, common and scientific name, the empty one left out."""
    return tuple(name for name in (self.code, self.common, self.scientific) if name)


@dataclasses.dataclass(frozen=True)
class Taxonomy:
  """The classes of a data set, in class order.

  Attributes:
    species: codes and names are unique, whatever their case; none at all in a data set without labels.
    name: 'eBird', 'procedural' or whatever the rows came from.
    year: edition of the taxonomy; None where there is none.
  """

  species: tuple[Species, ...]
  name: str
  year: int | None
  _index: dict[str, int] = dataclasses.field(init=False, repr=False, compare=False)
  _names: dict[str, int] = dataclasses.field(init=False, repr=False, compare=False)
  _hash: int = dataclasses.field(init=False, repr=False, compare=False)

  def __post_init__(self):
    species = tuple(self.species)
    names: dict[str, int] = {}
    for i, s in enumerate(species):
      for name in s.names:
        if names.setdefault(name.lower(), i) != i:
          raise ValueError(f'Taxonomy {self.name!r}: {name!r} names both {species[names[name.lower()]]} and {s}')
    object.__setattr__(self, 'species', species)
    object.__setattr__(self, '_index', {s.code: i for i, s in enumerate(species)})
    object.__setattr__(self, '_names', names)
    # Hashed once: a taxonomy is a key of caches, and may hold all birds of the world.
    object.__setattr__(self, '_hash', hash((species, self.name, self.year)))

  def __hash__(self) -> int:
    return self._hash

  @classmethod
  def from_rows(cls, rows: Iterable[Sequence[str]], name: str, year: int | None = None) -> 'Taxonomy':
    """From (code, common name, scientific name) rows, in class order. Raises ValueError naming a row that is not one."""
    species = []
    for number, row in enumerate(rows, 1):
      if isinstance(row, str) or len(row) != 3:
        raise ValueError(f'Taxonomy {name!r}, row {number}: {row!r} is not (code, common name, scientific name)')
      species.append(Species(*row))
    return cls(tuple(species), name, year)

  @property
  def codes(self) -> tuple[str, ...]:
    return tuple(self._index)

  def __len__(self) -> int:
    return len(self.species)

  def index(self, code: str) -> int:
    """Class number of a species code (exact case). Raises UnknownSpecies."""
    try:
      return self._index[code]
    except KeyError:
      raise self._unknown(code) from None

  def get(self, text: str) -> Species | None:
    """The species of a code, common or scientific name, whatever its case; None where it has none."""
    at = self._names.get(' '.join(text.split()).lower())
    return None if at is None else self.species[at]

  def resolve(self, text: str) -> Species:
    """The species of a code, common or scientific name, whatever its case. Raises UnknownSpecies."""
    found = self.get(text)
    if found is None:
      raise self._unknown(text)
    return found

  def nearest(self, text: str, n: int = 3) -> tuple[str, ...]:
    """Up to `n` names of different species that look most like `text`."""
    nearest: dict[int, str] = {}
    spelled = {name.lower(): name for s in self.species for name in s.names}
    for key in closest(text, spelled, n=3 * n):  # up to three names for each species
      nearest.setdefault(self._names[key], spelled[key])
    return tuple(nearest.values())[:n]

  def _unknown(self, text: str) -> UnknownSpecies:
    edition = f'{self.name} {self.year}' if self.year else self.name
    near = f'; nearest: {", ".join(self.nearest(text))}' if self.species else ''
    return UnknownSpecies(f'unknown species {text!r} in the taxonomy {edition!r} of {len(self)} species{near}')

  def to_json(self) -> dict[str, Any]:
    """A dict for `json.dumps`."""
    return {'name': self.name, 'year': self.year, 'species': [dataclasses.asdict(s) for s in self.species]}

  @classmethod
  def from_json(cls, d: Mapping[str, Any]) -> 'Taxonomy':
    """Inverse of `to_json`. Raises ValueError that names an unknown or missing field."""
    try:
      return cls(**{**d, 'species': tuple(Species(**s) for s in d['species'])})
    except (TypeError, KeyError) as error:
      raise ValueError(f'not a Taxonomy: {error}') from error


def closest(text: str, candidates: Iterable[str], n: int = 3, cutoff: float = 0.0) -> list[str]:
  """Up to `n` of the lower-case `candidates` that look most like `text`; those that contain all its words come first.

  `cutoff`: least difflib ratio, 0 to 1; 0 always finds something, and so shows at least what kind of name is expected.
  """
  candidates, text = list(candidates), ' '.join(text.lower().split())
  words = set(text.split())
  holding = sorted((c for c in candidates if words and words <= set(c.split())), key=len)[:n]
  similar = difflib.get_close_matches(text, candidates, n=n, cutoff=cutoff)
  return list(dict.fromkeys(holding + similar))[:n]


def editions() -> tuple[int, ...]:
  """The years of eBird's taxonomy that there are tables of."""
  from birdnames import utils  # imported here: pandas is slow to load and the built-in birds need none of it
  return tuple(sorted(utils.TAXONOMIES.query('authority == "ebird"')['year'].astype(int).tolist()))


@functools.lru_cache(maxsize=None)
def edition(year: int) -> Taxonomy:
  """All species of an eBird edition, in its order. Raises ValueError that lists the known editions."""
  if year not in editions():
    raise ValueError(f'no eBird taxonomy of {year!r}: expected one of {list(editions())}')
  from birdnames import utils
  table = utils.load_taxonomy('ebird', year)
  columns = ['ebird_ebird_code', 'ebird_common_name', 'scientific_name']
  return Taxonomy.from_rows(table[columns].to_numpy().tolist(), 'eBird', year)


def from_ebird(names: Sequence[str], year: int = 2024) -> Taxonomy:
  """A Taxonomy of real birds from the eBird edition of `year` (tables of the `birdnames` package).

  Args:
    names: codes, common or scientific names of that edition, in class order; case does not matter.
    year: an edition that birdnames holds (2021 to 2024).

  Raises:
    UnknownSpecies: naming the nearest names of that edition.
    ValueError: unknown edition; the known ones are listed.
  """
  everything = edition(year)
  return Taxonomy(tuple(everything.resolve(name) for name in names), 'eBird', year)


# Invented birds, none of them real: the pairs of one genus sing in one band and differ in their syllables only.
PROCEDURAL = Taxonomy.from_rows((
    ('gltpip', 'Glass pipit', 'Vitranthus ascendens'),
    ('tinpip', 'Tin pipit', 'Vitranthus cadens'),
    ('lebfin', 'Lesser bell finch', 'Campanospiza minuta'),
    ('grbfin', 'Greater bell finch', 'Campanospiza gemina'),
    ('holowl', 'Hollow owl', 'Cavistrix longivox'),
    ('embdov', 'Ember dove', 'Cinerocolumba brevis'),
    ('quiwar', 'Quill warbler', 'Calamivox arcuata'),
    ('tumthr', 'Tumble thrush', 'Volutomerula fossata'),
    ('needti', 'Needle tit', 'Acuparus filum'),
    ('spatit', 'Sparkle tit', 'Acuparus punctus'),
    ('ratsta', 'Rattle starling', 'Crepitornis siccus'),
    ('lanjay', 'Lantern jay', 'Lucigarrula harmonica'),
), 'procedural')
