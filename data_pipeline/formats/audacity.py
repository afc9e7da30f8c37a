r"""Audacity label tracks: `onset TAB offset TAB label`, each with its spectral line `\ TAB low Hz TAB high Hz`.

The label is the common name and the vocalisation ("Glass pipit song"). Levels do not fit into the format. Format: Audacity
Manual, "Importing and Exporting Labels".
"""

from __future__ import annotations

import warnings

from data_pipeline.formats import box, files, tables
from data_pipeline.scene import Event
from data_pipeline.taxonomy import Taxonomy


def write(path: files.Path, events: tables.Events, taxonomy: Taxonomy) -> None:
  """Writes two lines for each event, in order of onset; no events make an empty file. It appears whole or not at all.

  Raises UnknownSpecies for a code that the taxonomy lacks.
  """
  lines = []
  for e in tables.in_order(events):
    s = taxonomy.species[taxonomy.index(e.species)]
    lines.append(f'{e.onset:.6f}\t{e.offset:.6f}\t{s.common} {e.vocalisation}\n\\\t{e.low_hz:.6f}\t{e.high_hz:.6f}\n')
  files.write_text(path, ''.join(lines))


def read(path: files.Path, taxonomy: Taxonomy, band_hz: tuple[float, float], vocalisation: str = 'song',
         level_db: float = -30.0, skips: list[tables.BadRow] | None = None) -> tuple[Event, ...]:
  """Reads the events of a label track, in order of lines.

  Args:
    path: file to read; UTF-8, with or without BOM.
    taxonomy: must hold the species, by any of its names.
    band_hz: (low, high) for labels without a spectral line or with undefined edges (Audacity writes -1).
    vocalisation: for labels that end in neither of scene.VOCALISATIONS.
    level_db: of every event.
    skips: takes labels of unknown species, without length or before the start; without it the first one raises. A line that
      is no label at all raises always: the spectral lines after it could not be told apart.

  Raises:
    ValueError: a line that is no label, or a label without length, with file and line.
    UnknownSpecies: with file, line and the nearest names.
  """
  found = boxes(path, skips)
  for one in found:
    if one.swapped:
      warnings.warn(f'{path}, {one.swapped}: low frequency {one.high_hz} above high frequency {one.low_hz}: swapped them back',
                    stacklevel=2)
  return tuple(e for _, e in box.events(found, taxonomy, vocalisation, level_db, skips, band_hz))


def boxes(path: files.Path, skips: list[tables.BadRow] | None = None, labelled: bool = True) -> list[box.Box]:
  """The labels of a track, in order of lines; those without `labelled` may be empty. Raises ValueError as `read`."""
  lines: list[tuple[int, float, float, str]] = []
  edges: dict[int, tuple[float | None, float | None, str]] = {}  # by line of their label; where they stood swapped
  for line, text in enumerate(files.read_lines(path), 1):
    if not text.strip():
      continue
    where, fields = f'{path}, line {line}', [field.strip() for field in text.split('\t')]
    if fields[0] == '\\':
      if len(fields) != 3 or not lines:
        raise ValueError(f'{where}: {text!r} is not a spectral line (\\, low Hz, high Hz) after a label')
      low, high = (value if value >= 0 else None for value in (files.number(field, where) for field in fields[1:]))
      swapped = low is not None and high is not None and low > high
      edges[lines[-1][0]] = (high, low, f'line {line}') if swapped else (low, high, '')
    elif len(fields) < 2 or labelled and (len(fields) < 3 or not fields[2]):
      raise ValueError(f'{where}: {text!r} is not a label (onset, offset, name, parted by tabs)')
    else:
      onset, offset = (files.number(field, where) for field in fields[:2])
      lines.append((line, onset, offset, fields[2] if len(fields) > 2 else ''))
  found = []
  for line, onset, offset, label in lines:
    with tables.bad_rows(f'{path}, line {line}', skips):
      if onset < 0:
        raise ValueError(f'{onset} s is before the start: expected 0 or more')
      low, high, swapped = edges.get(line, (None, None, ''))
      found.append(box.Box(str(path), f'line {line}', label, onset, offset, low, high, swapped=swapped))
  return found
