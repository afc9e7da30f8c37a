"""Which recordings a mix may take as birds, as background and as contaminants: found by folder, sound not opened."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Callable, Sequence

from data_pipeline import folders, recorded_species, sources
from data_pipeline.recording import SUFFIXES, Listing, Recording, Skip, group_of
from data_pipeline.scene import ENVIRONMENTS, NEARS
from data_pipeline.taxonomy import Taxonomy

_BIRDY = re.compile(r'bird|dawn.?chorus', re.IGNORECASE)
SHOWN = 5  # names in a note


@dataclasses.dataclass(frozen=True)
class Listed:
  """What may be mixed.

  Attributes:
    birds: recordings with the code of their species, '' where only their events have one.
    backgrounds, contaminants: recordings.
    taxonomy: of the birds. skips: what was left out. notes: what a reader of the mixes has to know.
  """

  birds: tuple[tuple[Recording, str], ...]
  backgrounds: tuple[Recording, ...]
  contaminants: tuple[Recording, ...]
  taxonomy: Taxonomy
  skips: tuple[Skip, ...]
  notes: tuple[str, ...]


def find(data: Sequence[str], backgrounds: Sequence[str] | None, contaminants: Sequence[str], year: int,
         birds_in_backgrounds: bool = False) -> Listed:
  """Looks through folders, each `folder` or `kind:folder` with a kind of `sources.SOURCES`.

  Args:
    data: of birds. Where `backgrounds` is None, what they hold of no species is background.
    backgrounds, contaminants: of any sounds; those of `contaminants` that are of a labelled species are birds, no contaminants.
    year: edition of eBird's taxonomy that names are of.
    birds_in_backgrounds: keeps backgrounds whose labels, or names, speak of birds.

  Raises ValueError: no such folder or kind.
  """
  birds, strays = _merged(data, sources.listing), _merged(contaminants, _sounds)
  places = _merged(data, _beside) if backgrounds is None else _merged(backgrounds, _sounds)
  species = recorded_species.of(birds.recordings, year)
  notes = [*birds.notes, *places.notes, *strays.notes, *species.notes]
  skips = [*birds.skips, *strays.skips, *(places.skips if backgrounds is not None else ())]
  skips += [Skip(r.name, species.refused[r.species]) for r in birds.recordings if r.species in species.refused]
  quiet = [r for r in places.recordings if backgrounds is not None or not (any(r.species) or r.events)]
  heard = [r.name for r in quiet if _speaks_of_birds(r)]
  if heard:
    notes.append(f'the labels or file names of {len(heard)} backgrounds speak of birds or of a species; '
                 + ('they stay without a label: ' if birds_in_backgrounds else 'left out: ')
                 + ', '.join(heard[:SHOWN]) + ' ...' * (len(heard) > SHOWN))
  labelled = {r for r in strays.recordings if r.species in species.code_of}
  used = {r.name for r in (*places.recordings, *strays.recordings)}  # what a table lists without a species may be background
  return Listed(
      tuple((r, species.code_of.get(r.species, '')) for r in birds.recordings if r.species in species.code_of or r.events),
      tuple(r for r in quiet if birds_in_backgrounds or not _speaks_of_birds(r)),
      tuple(r for r in strays.recordings if r not in labelled), species.taxonomy,
      tuple(sorted({s for s in skips if s.reason != folders.NO_SPECIES or s.name not in used}, key=lambda s: s.name)),
      tuple(dict.fromkeys(notes)))


def _merged(places: Sequence[str], read: Callable[[str, str], Listing]) -> Listing:
  """The listings of several places as one, without what no derivative may be made of; names begin with their folder's."""
  recordings, skips, notes = [], [], []
  for place in places:
    kind, colon, folder = place.partition(':')
    if not colon or kind not in sources.SOURCES:
      kind, folder = 'recordings', place
    listing = sources.without_no_derivatives(read(kind, folder))
    within = pathlib.Path(folder).resolve().name
    name = lambda known: known if known.split('/')[0] == within else f'{within}/{known}'
    recordings += [dataclasses.replace(r, name=name(r.name)) for r in listing.recordings]
    skips += [dataclasses.replace(s, name=name(s.name)) for s in listing.skips]
    notes += listing.notes
  unique = {r.path.resolve(): r for r in recordings}
  return Listing(tuple(unique.values()), tuple(skips), tuple(notes))


def _sounds(kind: str, directory: str) -> Listing:
  """All sounds of a folder, of a species or of none; a sub-folder's name may be a word of Scene, such as rain."""
  if kind != 'recordings':
    return sources.listing(kind, directory)
  folder = pathlib.Path(directory).resolve()
  if not folder.is_dir():
    raise ValueError(f'{directory} is no folder')
  _, manifest, recordings, skips = folders.described(folder)
  if not manifest:
    recordings = []
    for path in sorted(p for p in folder.rglob('*') if p.suffix.lower() in SUFFIXES and p.is_file()):
      word = path.parent.name.lower()
      recordings.append(Recording(path, path.relative_to(folder).as_posix(), group=group_of(path),
                                  environment=word if word in ENVIRONMENTS else '', near=word if word in NEARS else ''))
  if not recordings:
    raise ValueError(f'{directory} holds no sounds ({", ".join(SUFFIXES)})')
  return Listing(tuple(recordings), tuple(skips))


def _beside(kind: str, directory: str) -> Listing:
  """What a source lists, of no species too."""
  if kind != 'recordings':
    return sources.listing(kind, directory)
  return Listing(tuple(folders.described(pathlib.Path(directory).resolve())[2]), ())


def _speaks_of_birds(r: Recording) -> bool:
  return any(r.species) or bool(r.events) or bool(r.background) or bool(_BIRDY.search(r.path.stem))
