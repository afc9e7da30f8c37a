"""What the labels of annotation tables mean: species of an eBird edition, by name or by a map that somebody wrote."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from data_pipeline import metadata_files, taxonomy_years
from data_pipeline.annotated_sounds import shown
from data_pipeline.formats import files, tables
from data_pipeline.scene import VOCALISATIONS
from data_pipeline.taxonomy import UnknownSpecies, edition

COLUMNS = ('label', 'species')
NEAREST = 20  # unknown labels that are told the nearest names: among all birds that takes half a second for each
LONGEST = 80  # characters; names of birds have half of that


class Meaning(NamedTuple):
  """What a label says.

  Attributes:
    code: of a species of the edition, '' = it names none.
    vocalisation: 'song', 'call' or '' = not said.
    no_bird: the map says that it is none.
  """

  code: str
  vocalisation: str
  no_bird: bool = False


class Labels:
  """The labels of one edition.

  A label is a code, a common or a scientific name, whatever its case, blanks or `_` between words, with or without 'song' or
  'call' behind it.
  """

  def __init__(self, year: int, labels: Mapping[str, str] | None = None):
    """`labels`: label in a table, whatever its case -> such a name; '' = no bird.

    Raises ValueError for an unknown edition, and for a label that stands for two species or for one that the edition lacks.
    """
    self.year, self._edition = year, edition(year)
    self._meanings: dict[str, Meaning] = {}
    self._reasons: dict[str, str] = {}
    self._map: dict[str, Meaning] = {}
    for label, species in (labels or {}).items():
      meaning = self._of_name(species) if species.strip() else Meaning('', '', no_bird=True)
      if species.strip() and not meaning.code:
        raise ValueError(f'map of labels: {label!r} stands for {species!r}: {self._reason(_name(species)[0])}')
      if self._map.setdefault(_key(label), meaning) != meaning:
        raise ValueError(f'map of labels: {label!r} stands for {species!r} and, in another case, for another species')

  def meaning(self, label: str) -> Meaning:
    """What a label says; of a label in the map with another ending ('SP call' for 'SP') what the map says of that."""
    if label not in self._meanings:
      said = self._of_name(label)
      mapped = self._map.get(_key(label)) or self._map.get(_key(_name(label)[0]))
      self._meanings[label] = mapped._replace(vocalisation=mapped.vocalisation or said.vocalisation) if mapped else said
    return self._meanings[label]

  def why(self, label: str) -> str:
    """Why a label names no species, and what to do; the first NEAREST labels with the nearest names."""
    if label not in self._reasons:
      known = f'{shown(label)} is no species of eBird {self.year}'
      self._reasons[label] = self._reason(_name(label)[0]) if len(self._reasons) < NEAREST and len(label) <= LONGEST else known
    return f'{self._reasons[label]}; a map of labels (CSV: {", ".join(COLUMNS)}) can say what it means'

  def _of_name(self, label: str) -> Meaning:
    name, said = _name(label)
    species = self._edition.get(name)
    return Meaning(species.code if species else '', said)

  def _reason(self, name: str) -> str:
    try:
      return f'{name!r} is {taxonomy_years.resolve(name, self.year).common}'
    except UnknownSpecies as error:
      return str(error)


def read_labels(path: files.Path) -> dict[str, str]:
  """A map of labels: a CSV file with the columns `label` and `species`, an empty species for what is no bird.

  Raises ValueError naming file and row: no such columns, a broken row, no label, or a label with two species.
  """
  found: dict[str, str] = {}
  first: dict[str, tuple[int, str]] = {}
  for line, row in metadata_files.load_table(path, COLUMNS):
    if isinstance(row, ValueError):
      raise ValueError(f'{path}, line {line}: {row}')
    label, species = (' '.join(row[c].split()) for c in COLUMNS)
    if not label:
      raise ValueError(f'{path}, line {line}: the label is empty')
    before, other = first.setdefault(_key(label), (line, species))
    if _key(other) != _key(species):
      raise ValueError(f'{path}, line {line}: {label!r} stands for {species or "no bird"!r}, in line {before} for '
                       f'{other or "no bird"!r}')
    found.setdefault(label, species)
  return found


def _key(text: str) -> str:
  return ' '.join(text.split()).lower()


def _name(label: str) -> tuple[str, str]:
  """'Turdus_merula song' -> ('Turdus merula', 'song'); 'call' -> ('call', 'call')."""
  name, said = tables.name_and_vocalisation(' '.join(label.replace('_', ' ').split()), '')
  return name, said or (name.lower() if name.lower() in VOCALISATIONS else '')
