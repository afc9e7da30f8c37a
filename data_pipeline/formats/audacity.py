r"""Audacity label tracks: `onset TAB offset TAB label`, each with its spectral line `\ TAB low Hz TAB high Hz`.

The label is the common name and the vocalisation ("Glass pipit song"). Levels do not fit into the format. Format: Audacity
Manual, "Importing and Exporting Labels".
"""

from __future__ import annotations

import warnings

from data_pipeline.formats import files, tables
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
    skips: takes labels of unknown species or without length; without it the first one raises. A line that is no label at all
      raises always: the spectral lines after it could not be told apart.

  Raises:
    ValueError: a line that is no label, or a label without length, with file and line.
    UnknownSpecies: with file, line and the nearest names.
  """
  labels: list[tuple[int, float, float, str, float, float]] = []
  for line, text in enumerate(files.read_lines(path), 1):
    if not text.strip():
      continue
    where, fields = f'{path}, line {line}', [field.strip() for field in text.split('\t')]
    if fields[0] == '\\':
      if len(fields) != 3 or not labels:
        raise ValueError(f'{where}: {text!r} is not a spectral line (\\, low Hz, high Hz) after a label')
      low, high = (files.number(field, where) for field in fields[1:])
      low, high = (low if low >= 0 else band_hz[0]), (high if high >= 0 else band_hz[1])
      if low > high:
        warnings.warn(f'{where}: low frequency {low} above high frequency {high}: swapped them back', stacklevel=2)
        low, high = high, low
      labels[-1] = (*labels[-1][:4], low, high)
    elif len(fields) < 3 or not fields[2]:
      raise ValueError(f'{where}: {text!r} is not a label (onset, offset, name, parted by tabs)')
    else:
      labels.append((line, files.number(fields[0], where), files.number(fields[1], where), fields[2], *band_hz))
  resolve, events = tables.resolver(taxonomy), []
  for line, onset, offset, label, low, high in labels:
    name, kind = tables.name_and_vocalisation(label, vocalisation)
    with tables.bad_rows(f'{path}, line {line}', skips):
      events.append(Event(resolve(name).code, kind, onset, offset, low, high, level_db))
  return tuple(events)
