"""Where recordings come from: the known sources, each a reader of folders that gives a Listing."""

from __future__ import annotations

import dataclasses
import functools
from typing import Callable, Mapping, Sequence

from data_pipeline import annotated, birdclef_tables, folders, freesound, licences, recorded_species, woodland, xeno_canto
from data_pipeline.recording import Listing, Skip

EBIRD_YEAR = 2024


@dataclasses.dataclass(frozen=True)
class Source:
  """A kind of folder.

  Attributes:
    what: it in a few words. find: folder -> Listing.
    year: edition of eBird's taxonomy that its names are of.
    labels: whether it has tables whose labels may be mapped (`find` takes year and labels).
  """

  what: str
  find: Callable[..., Listing]
  year: int = EBIRD_YEAR
  labels: bool = False


def _annotated(what: str, kind: str) -> Source:
  return Source(what, functools.partial(annotated.find, kind=kind), labels=True)


SOURCES = {
    'recordings': Source('species sub-folders, or a manifest.csv', folders.find),
    'xeno_canto': Source('saved API pages (v2, v3) or v2 tables beside the sound', xeno_canto.listing),
    'birdclef2021': Source('the competition\'s folder, soundscapes too', functools.partial(birdclef_tables.listing, year=2021), 2021),
    'birdclef2022': Source('the competition\'s folder', functools.partial(birdclef_tables.listing, year=2022), 2021),
    'freesound': Source('saved API pages beside the sound: environments, no species', freesound.listing),
    'raven': _annotated('recordings with Raven selection tables', 'raven'),
    'audacity': _annotated('recordings with Audacity label tracks', 'audacity'),
    'annotations': _annotated('recordings with tables of crowsetta, R or Sonic Visualiser', 'annotations'),
    'woodland': Source('long unlabelled recordings of AudioMoth and Song Meter', woodland.listing),
}


def listing(name: str, directory: str, year: int | None = None, labels: Mapping[str, str] | None = None) -> Listing:
  """The recordings of a folder.

  Args:
    name: one of SOURCES.
    directory: the folder.
    year: edition of eBird's taxonomy, None for the source's own.
    labels: label in a table -> species, for the annotated sources.

  Raises:
    ValueError: an unknown source, labels for a source that has none, or a folder that is none of this source.
  """
  if name not in SOURCES:
    raise ValueError(f'unknown source {name!r}; known: procedural, {", ".join(SOURCES)}')
  source = SOURCES[name]
  if source.labels:
    return source.find(directory, year=year or source.year, labels=labels)
  if labels:
    raise ValueError(f'a map of labels belongs to {", ".join(n for n, s in SOURCES.items() if s.labels)}, not to {name}')
  return source.find(directory)


def without_no_derivatives(found: Listing) -> Listing:
  """What may be mixed and learnt from: recordings whose licence forbids derivatives become skips."""
  forbidden = {r for r in found.recordings if licences.parse(r.licence).forbids_derivatives}
  skips = [*found.skips, *(Skip(r.name, f'its licence ({r.licence}) forbids derivatives') for r in forbidden)]
  return dataclasses.replace(found, recordings=tuple(r for r in found.recordings if r not in forbidden),
                             skips=tuple(sorted(skips, key=lambda s: s.name)))


def of_species(found: Listing, names: Sequence[str], year: int) -> Listing:
  """The recordings and annotated events of some species, each a code, a common or a scientific name of those that are there.

  Raises UnknownSpecies naming the nearest ones.
  """
  species = recorded_species.of(found.recordings, year)
  wanted = {species.taxonomy.resolve(name).code for name in names}
  kept, left = [], 0
  for r in found.recordings:
    if r.events is None:
      kept += [r] if species.code_of.get(r.species) in wanted else []
      continue
    events = tuple(e for e in r.events if e.species in wanted)
    left += len(r.events) - len(events)
    kept += [dataclasses.replace(r, events=events)] if events else []
  notes = (f'{left} events of other species are left out, and may be heard in the clips',) if left else ()
  return dataclasses.replace(found, recordings=tuple(kept), notes=found.notes + notes)
