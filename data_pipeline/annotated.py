"""The sources `raven`, `audacity` and `annotations`: folders of recordings with tables in which people marked what sings.

A row's label names its species in eBird's edition. Where the labels of a folder name none (there are none, or they are such
as 'A' or 'syllable'), its rows are of the species of their recording: that of a manifest.csv (columns as in
data_pipeline.folders) or of the sub-folder it lies in. A table without rows says that its sound holds nothing; a sound
without a table is skipped, since nobody looked at it.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import pathlib
from typing import Callable, Mapping, Sequence

from data_pipeline import annotated_labels, folders, metadata_files
from data_pipeline.annotated_events import Annotator, Row, one_line, skipped
from data_pipeline.annotated_sounds import Sounds
from data_pipeline.formats import annotations, audacity, box, raven, raven_combined, sonic_visualiser, tables
from data_pipeline.recording import SUFFIXES, Listing, Recording, Skip, group_of

Reader = Callable[[pathlib.Path, list[tables.BadRow]], list[box.Box]]


def _raven(path: pathlib.Path, skips: list[tables.BadRow]) -> list[box.Box]:
  return raven_combined.boxes(raven.selections(path, skips, labelled=False), None, skips, labelled=False)


KINDS: dict[str, tuple[str, dict[str, Reader]]] = {  # what they are called, suffix -> reader
    'raven': ('Raven selection tables', {'.txt': _raven, '.tsv': _raven}),
    'audacity': ('Audacity label tracks', {'.txt': functools.partial(audacity.boxes, labelled=False)}),
    'annotations': ('annotation tables', {'.csv': functools.partial(annotations.boxes, labelled=False, edged=False),
                                          '.svl': sonic_visualiser.boxes}),
}


@dataclasses.dataclass
class _Found:
  """What tables say.

  Attributes:
    rows: by sound; none for one of an empty table.
    skips: tables and rows that are left out.
    left: number of such rows in the table that has the name of a sound.
    by_name: number of rows whose sound was found without regard to its folder.
  """

  rows: dict[str, list[Row]] = dataclasses.field(default_factory=dict)
  skips: list[Skip] = dataclasses.field(default_factory=list)
  left: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
  by_name: int = 0


def find(directory: str, kind: str, year: int = 2024, labels: Mapping[str, str] | None = None) -> Listing:
  """The annotated recordings of a folder; the sound is not opened.

  Args:
    directory: searched with all below it.
    kind: one of KINDS.
    year: edition of eBird's taxonomy that labels are names and codes of.
    labels: label in a table, whatever its case -> such a name, or '' for what is no bird.

  Returns:
    Recordings whose events are the boxes of all tables, by onset. Frequencies and levels that no table tells are
    annotated_events.BAND_HZ and LEVEL_DB, and a note says how many. Skips name table and line.

  Raises:
    ValueError: no such folder, kind or edition, no table at all, a manifest without a column `path`, or a map of labels that
      names no species of the edition.
  """
  folder = pathlib.Path(directory).resolve()
  if kind not in KINDS:
    raise ValueError(f'unknown kind of annotations {kind!r}: expected one of {", ".join(KINDS)}')
  if not folder.is_dir():
    raise ValueError(f'{directory} is no folder')
  meanings = annotated_labels.Labels(year, labels)
  what, readers = KINDS[kind]
  paths, out = metadata_files.walk(folder, tuple(readers))
  paths = [path for path in paths if path.name not in metadata_files.OWN]
  if not paths and not out:
    raise ValueError(f'{directory} holds no {what} ({", ".join(f"*{suffix}" for suffix in readers)})')
  base, listed, described, skips = folders.described(folder)
  sounds, out_too = metadata_files.walk(folder, SUFFIXES)
  skips += [Skip((folder / s.name).relative_to(base).as_posix(), s.reason) for s in out + out_too]

  known = {os.path.normpath(r.path): r for r in described}
  recordings: dict[str, Recording] = {}
  for path in sounds:
    r = known.get(str(path)) or Recording(path, path.relative_to(base).as_posix(), group=group_of(path))
    recordings[path.relative_to(folder).as_posix()] = dataclasses.replace(r, path=path)
  found = _read(folder, base, paths, readers, Sounds(str(folder), list(recordings)))
  spoken = any(meanings.meaning(row.box.label).code for rows in found.rows.values() for row in rows)
  annotator = Annotator(meanings, listed, spoken)
  annotated = []
  for sound, r in recordings.items():
    if sound in found.rows:
      r, left = annotator.annotated(r, found.rows[sound])
      found.skips += left
      if r.events or not left:
        annotated.append(r)
      else:
        skips.append(Skip(r.name, f'none of its {len(found.rows[sound])} rows can be used: see its table'))
    elif found.left[sound]:
      skips.append(Skip(r.name, 'nothing of its table can be used: see there'))
    else:
      skips.append(Skip(r.name, 'no table has a row of it, or its name (an empty table says that nothing is heard)'))
  notes = annotator.notes()
  if found.by_name:
    notes.append(f'{found.by_name} rows name their sound by a path of another machine: the file of that name was taken')
  return Listing(tuple(sorted(annotated, key=lambda r: r.name)), tuple(sorted(skips + found.skips, key=lambda s: s.name)),
                 tuple(notes))


def _read(folder: pathlib.Path, base: pathlib.Path, paths: Sequence[pathlib.Path], readers: Mapping[str, Reader],
          sounds: Sounds) -> _Found:
  """The rows of tables, by the sound that they are of."""
  found = _Found()
  for path in paths:
    table, name, bad = path.relative_to(folder).as_posix(), path.relative_to(base).as_posix(), []
    try:
      beside, reason = sounds.beside(table), ''
    except ValueError as error:
      beside, reason = '', str(error)
    try:
      boxes = readers[path.suffix.lower()](path, bad)
    except (ValueError, OSError) as error:
      message = getattr(error, 'strerror', None) or str(error).removeprefix(str(path)).lstrip(':, ')
      found.skips.append(Skip(name, one_line(message)))
      found.left[beside] += 1
      continue
    found.skips += [skipped(name, str(path), row.where, row.message) for row in bad]
    found.left[beside] += len(bad)
    if not boxes and not bad and beside:
      found.rows.setdefault(beside, [])
    elif not boxes and not bad:
      found.skips.append(Skip(name, f'has no rows, and {reason}'))
    unlabelled = not any(one.label for one in boxes)
    for one in boxes:
      row, sound = Row(one, name, unlabelled), beside
      try:
        if one.file:
          sound, by_name = sounds.named(table, one.file)
          found.by_name += by_name
        elif not beside:
          raise ValueError(f'names no sound file, and {reason}')
      except ValueError as error:
        found.skips.append(row.skip(str(error)))
      else:
        found.rows.setdefault(sound, []).append(row)
  return found
