"""Which species the names in a collection of recordings mean, in one edition of eBird's taxonomy.

Nothing is guessed: a name that another edition has, or that several species end in, is refused with the candidates; what a
code or a scientific name decides against the common name beside it is reported.
"""

from __future__ import annotations

import dataclasses
from typing import Iterable

from data_pipeline import taxonomy_years
from data_pipeline.recording import Recording, stranger_code
from data_pipeline.taxonomy import Species, Taxonomy, UnknownSpecies, edition

Names = tuple[str, str, str]  # (code, scientific, common) as written


@dataclasses.dataclass(frozen=True)
class RecordedSpecies:
  """What `of` found.

  Attributes:
    taxonomy: the species, sorted by code; 'eBird' and the year, or 'as given' where it knows one of them not.
    code_of: names as written -> code.
    refused: names as written -> why nobody can tell what they mean.
    notes: sentences about names that were taken for a species of another name.
  """

  taxonomy: Taxonomy
  code_of: dict[Names, str]
  refused: dict[Names, str]
  notes: tuple[str, ...]


def of(recordings: Iterable[Recording], year: int) -> RecordedSpecies:
  """The species of recordings and of their annotated events.

  Code, scientific and common name are asked for in this order. A name that no edition of eBird knows stays as it is written,
  under a code made of its letters.

  Raises ValueError: unknown edition.
  """
  recordings = list(recordings)
  known = edition(year)
  rows: dict[str, Species] = {}
  code_of, refused, notes, strangers = {}, {}, [], []
  for names in sorted({r.species for r in recordings if any(r.species)}):
    try:
      species, note = _species(names, known, year)
    except UnknownSpecies as error:
      refused[names] = str(error)
      continue
    notes += [note] if note else []
    strangers += [species.common] if known.get(species.code) is None else []
    rows[species.code] = species
    code_of[names] = species.code
  for code in sorted({e.species for r in recordings for e in r.events or ()} - set(rows)):
    found = known.get(code)
    if found is None:
      raise ValueError(f'annotated species {code!r} is neither in eBird {year} nor the name of a recording')
    rows[code] = found
  if strangers:
    notes.append(f'{len(strangers)} names are in no edition of eBird and stay as written: {", ".join(sorted(strangers))}')
  name = ('as given', None) if strangers else ('eBird', year)
  return RecordedSpecies(Taxonomy(tuple(rows[c] for c in sorted(rows)), *name), code_of, refused, tuple(notes))


def _species(names: Names, known: Taxonomy, year: int) -> tuple[Species, str]:
  """The species of names as written, and a note or ''. Raises UnknownSpecies."""
  written = [n for n in names if n]
  found = next((s for s in map(known.get, written) if s), None)
  if found is None:
    for name in written:
      # Asked beforehand: an error of `resolve` takes its time to find the nearest names, which a stranger has no use for.
      if taxonomy_years.elsewhere(name, year) or len(taxonomy_years.ending_in(name, known.species)) > 1:
        taxonomy_years.resolve(name, year)  # raises
    name = names[2] or names[1] or names[0]
    code = stranger_code(name)
    while known.get(code):
      code += 'x'
    return Species(code, name, names[1] if names[1] != name else ''), ''
  others = []
  for name in written:
    meant = known.get(name)
    if meant == found:
      continue
    if meant is None and name == names[1] and taxonomy_years.elsewhere(name, year):
      # Only the common name is of this edition, and common names are passed on from one bird to another.
      raise UnknownSpecies(f'{name} is not in eBird {year}, where {names[2]!r} is {found.code} ({found.scientific})'
                           f'{taxonomy_years.elsewhere(name, year)}')
    others.append(name if meant is None else f'{name} (there {meant.code})')
  if not others:
    return found, ''
  return found, f'{", ".join(others)}: taken for {found.common} ({found.scientific}, {found.code}) of eBird {year}'
