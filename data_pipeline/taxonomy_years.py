"""What became of a species name between two editions of eBird's taxonomy: renamed, split, lumped, gone.

A code or a name that is read with the tables of another year may mean another bird: `brnowl` is all Barn Owls in 2021 and the
American ones alone in 2024, where *Tyto alba* has the code `webowl1`. Nothing is mapped here: what may have become of a name
is listed with the reason, and a person decides.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import re
from typing import Iterable, Mapping, Sequence

from data_pipeline.taxonomy import Species, Taxonomy, UnknownSpecies, edition, editions

# In this order in reports. 'same' and 'renamed' keep code and bird; with the others the code has another extent, or none.
FATES = ('same', 'renamed', 'split', 'lumped', 'gone')
LISTED = 8  # of many candidates an error names so many

_ENDING = re.compile(r'(us|um|is|er|ra|rum|ii|i|a|e)$')  # Latin gender, which changes with the genus


class AmbiguousSpecies(UnknownSpecies):
  """A name that no species has and several have a part of. `candidates`: those species."""

  def __init__(self, message: str, candidates: Sequence[Species]):
    super().__init__(message)
    self.candidates = tuple(candidates)


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A species of the later edition that an old one may have become, or a part of it; `why` it may."""

  species: Species
  why: str


@dataclasses.dataclass(frozen=True)
class Change:
  """What became of one species.

  Attributes:
    asked: the name as it was given.
    old: the species in the edition that the name is from.
    new: what its code names in the other edition; None where the code is gone.
    fate: one of FATES.
    candidates: species that old names or relations point to, strongest first; never including `new`.
  """

  asked: str
  old: Species
  new: Species | None
  fate: str
  candidates: tuple[Candidate, ...]

  @property
  def safe(self) -> bool:
    """Whether the code means the same bird in both editions, as far as the tables tell."""
    return self.fate in ('same', 'renamed')


def resolve(name: str, year: int) -> Species:
  """The species of a code, common or scientific name of an edition, whatever its case.

  Raises:
    AmbiguousSpecies: no species has this name, but the common names of two or more end in it ('Barn Owl' in 2024).
    UnknownSpecies: nor that; names the editions that know it, and the nearest names.
    ValueError: unknown edition.
  """
  taxonomy = edition(year)
  try:
    return taxonomy.resolve(name)
  except UnknownSpecies as error:
    others = elsewhere(name, year)
    candidates = ending_in(name, taxonomy.species)
    if len(candidates) > 1:
      more = f'; and {len(candidates) - LISTED} more' if len(candidates) > LISTED else ''
      raise AmbiguousSpecies(f'{name!r} names no one species in eBird {year}; it may be '
                             f'{"; ".join(map(_spelled, candidates[:LISTED]))}{more}{others}', candidates) from None
    raise UnknownSpecies(f'{error}{others}') from None


def elsewhere(name: str, year: int) -> str:
  """Which species other editions call so, as the end of a message; '' for none."""
  found: dict[Species, list[str]] = {}
  for other in editions():
    species = edition(other).get(name) if other != year else None
    if species:
      found.setdefault(species, []).append(str(other))
  return ''.join(f'. In {", ".join(when)} it was {_spelled(s)}' for s, when in found.items())


def changes(names: Iterable[str], from_year: int, to_year: int) -> list[Change]:
  """What became of each species between two editions, in the order of the names.

  The tables hold names alone, no relations: a split or a lump is told from a scientific name that passed to another code, from
  new species that carry the old common name ('Western ...'), and from codes that came or vanished in the same genus. One
  that left all names as they were is not seen.

  Args:
    names: codes, common or scientific names of the edition `from_year`, whatever their case.
    from_year, to_year: editions, in either order.

  Raises:
    UnknownSpecies, AmbiguousSpecies: see `resolve`.
    ValueError: unknown edition.
  """
  pair = _pair(from_year, to_year)
  return [pair.change(name, resolve(name, from_year)) for name in names]


@functools.lru_cache(maxsize=4)
def _pair(from_year: int, to_year: int) -> '_Pair':
  return _Pair(edition(from_year), edition(to_year))


class _Pair:
  """Two editions, and where their names went."""

  def __init__(self, old: Taxonomy, new: Taxonomy):
    self._old, self._new = old, new
    before, after = set(old.codes), set(new.codes)
    self._after = {s.code: s for s in new.species}
    self._came = [s for s in new.species if s.code not in before]
    self._vanished = [s for s in old.species if s.code not in after]
    self._scientific, self._common = _by(new.species, 'scientific'), _by(new.species, 'common')
    self._was = _by(old.species, 'scientific')
    self._genera: dict[str, set[str]] = collections.defaultdict(set)  # an old genus -> the genera its species are in now
    for s in old.species:
      now = self._after.get(s.code)
      self._genera[_genus(s)] |= {_genus(s), *([_genus(now)] if now else [])}

  def change(self, asked: str, old: Species) -> Change:
    """The Change of a species of the old edition."""
    new = self._after.get(old.code)
    near = [s for s in self._came if _genus(s) in self._genera[_genus(old)]]
    found: dict[Species, str] = {}

    def add(species: Iterable[Species | None], why: str) -> bool:
      others = [s for s in species if s is not None and s != new]
      for s in others:
        found.setdefault(s, why)
      return bool(others)

    moved = add([self._scientific.get(old.scientific)], 'same scientific name')
    if not moved and (new is None or _stem(new) != _stem(old)):
      moved = add([s for s in near if _stem(s) == _stem(old)], 'same epithet')
    add([self._common.get(old.common)], 'same common name')
    parts = add([s for s in ending_in(old.common, near) if s.common != old.common], 'new code, carries the old common name')
    if new is not None:
      owner = self._was.get(new.scientific)
      if moved or parts:
        fate = 'split'
      elif owner is not None and owner != old:
        fate = 'lumped'
      else:
        fate = 'same' if new == old else 'renamed'
      return Change(asked, old, new, fate, _candidates(found))
    lost = [s for s in self._vanished if _genus(s) == _genus(old) and s != old and not self._survives(s)]
    fresh = [s for s in near if s not in found and s.scientific not in self._was]
    if parts:
      fate = 'split'
    elif not self._survives(old):
      # Without a name that goes on: another species of the genus was drawn anew and may have taken it in.
      fate = 'lumped' if add([s for s in near if s.scientific in self._was], 'same genus, drawn anew') else 'gone'
    elif any(s not in self._came for s, why in found.items() if why != 'same common name'):
      fate = 'lumped'  # its scientific name went to a species that was there before
    elif moved and bool(lost) != bool(fresh):
      fate = 'lumped' if lost else 'split'
      add(fresh, 'same genus, new species')
    else:
      fate = 'gone'
    return Change(asked, old, None, fate, _candidates(found))

  def _survives(self, old: Species) -> bool:
    """Whether a name of it is a name of any species in the new edition."""
    return old.scientific in self._scientific or old.common in self._common


def report(found: Sequence[Change]) -> list[str]:
  """Lines of text: how many of each fate, then each species that did not stay as it was, worst fates last."""
  counts = collections.Counter(c.fate for c in found)
  lines = [f'{len(found)} names: ' + ', '.join(f'{counts[fate]} {fate}' for fate in FATES)]
  for c in sorted(found, key=lambda c: FATES.index(c.fate)):
    if c.fate == 'same':
      continue
    now = 'the code is gone' if c.new is None else f'the code now names {c.new.common} ({c.new.scientific or "?"})'
    may = '; '.join(f'{_spelled(candidate.species)}: {candidate.why}' for candidate in c.candidates)
    lines.append(f'{c.fate}: {_spelled(c.old)}: {now}' + (f'; may be {may}' if may else ''))
  return lines


def _candidates(found: Mapping[Species, str]) -> tuple[Candidate, ...]:
  return tuple(Candidate(s, why) for s, why in found.items())


def _spelled(s: Species) -> str:
  return f'{s.code} {s.common} ({s.scientific})'


def _by(species: Iterable[Species], field: str) -> dict[str, Species]:
  return {getattr(s, field): s for s in species}


def ending_in(name: str, species: Iterable[Species]) -> list[Species]:
  """Species whose common name ends in all words of `name`."""
  end = ' ' + ' '.join(name.lower().split())
  return [s for s in species if (' ' + s.common.lower()).endswith(end)] if end.strip() else []


def _genus(s: Species) -> str:
  return s.scientific.split(' ')[0]


def _stem(s: Species) -> str:
  """The epithet without its Latin ending."""
  return _ENDING.sub('', s.scientific.split(' ')[-1])
