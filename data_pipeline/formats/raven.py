"""Raven selection tables (`.selections.txt`): tab-separated boxes in time and frequency.

Raven itself needs the first seven of COLUMNS, times in seconds of the file, and accepts any further ones. Format: Raven Pro
User's Manual, "Selection tables"; column names of species as BirdNET writes them. Tables over several files: raven_combined.
"""

from __future__ import annotations

import dataclasses

from data_pipeline.formats import box, files, tables
from data_pipeline.scene import Event
from data_pipeline.taxonomy import Taxonomy, UnknownSpecies

COLUMNS = ('Selection', 'View', 'Channel', 'Begin Time (s)', 'End Time (s)', 'Low Freq (Hz)', 'High Freq (Hz)', 'Common Name',
           'Scientific Name', 'Species Code', 'Vocalisation', 'Level (dB)', 'Begin Path')
# Where a species may stand, best first: a code is never ambiguous, and people call their own column all sorts of things.
SPECIES_COLUMNS = ('Species Code', 'Species eBird Code', 'Scientific Name', 'Common Name', 'Species', 'Annotation', 'Label')


def write(path: files.Path, events: tables.Events, taxonomy: Taxonomy, channel: int = 1, begin_path: str = '') -> None:
  """Writes one row for each event, in order of onset; no events make a table of its header alone.

  Args:
    path: file to write; it appears whole or not at all.
    events: a Scene or its events.
    taxonomy: of their species codes.
    channel: 1-based channel of the file that the boxes are drawn in.
    begin_path: the sound file, '' = not said.

  Raises:
    UnknownSpecies: a code that the taxonomy lacks.
    ValueError: a channel below 1, or a path with a tab or a line break.
  """
  need_channel(channel)
  rows = [(*fields(row, e, taxonomy, channel), begin_path) for row, e in enumerate(tables.in_order(events), 1)]
  files.one_field(begin_path, 'raven.write: begin_path')
  tables.write(path, COLUMNS, rows, '\t')


def read(path: files.Path, taxonomy: Taxonomy, vocalisation: str = 'song', level_db: float = -30.0,
         skips: list[tables.BadRow] | None = None) -> tuple[Event, ...]:
  """Reads the events of a table, ours or another program's, in order of rows.

  Low and High Freq that are swapped (published tables have that) are put right with a warning. Rows of a waveform view are
  left out where the same selection has a spectrogram row.

  Args:
    path: file to read; UTF-8, with or without BOM.
    taxonomy: must hold the species, which stand in the first of SPECIES_COLUMNS that is not empty.
    vocalisation, level_db: for tables without the columns Vocalisation and Level (dB).
    skips: takes the bad rows; without it the first one raises.

  Raises:
    ValueError: a missing column, a field that is no number or an impossible box, with file, line and column.
    UnknownSpecies: with file, line and the nearest names.
  """
  found = boxes(selections(path, skips), skips)
  box.warn_swapped(found)
  return tuple(e for _, e in box.events(found, taxonomy, vocalisation, level_db, skips))


def need_channel(channel: int) -> None:
  """Raises ValueError for a channel below 1: Raven counts from 1."""
  if channel < 1:
    raise ValueError(f'raven.write: channel is {channel}: expected 1 or more')


def fields(row: int, e: Event, taxonomy: Taxonomy, channel: int, start: float = 0.0) -> tuple[str, ...]:
  """The fields of COLUMNS but the last, in text; `start`: seconds of sound before the event's file."""
  s = taxonomy.species[taxonomy.index(e.species)]
  return (str(row), 'Spectrogram 1', str(channel), f'{start + e.onset:.6f}', f'{start + e.offset:.6f}', f'{e.low_hz:.3f}',
          f'{e.high_hz:.3f}', s.common, s.scientific, s.code, e.vocalisation, f'{e.level_db:.3f}')


def selections(path: files.Path, skips: list[tables.BadRow] | None = None, labelled: bool = True) -> tables.Table:
  """The rows of a selection table, one for each selection.

  Raises ValueError when it is none, or, with `labelled`, has none of SPECIES_COLUMNS.
  """
  table = tables.read(path, COLUMNS[3:7], (*COLUMNS[:3], *SPECIES_COLUMNS, *COLUMNS[10:], 'Begin File', 'File Offset (s)'),
                      'a Raven selection table', '\t', skips)
  if labelled:
    table.need_one_of(SPECIES_COLUMNS)
  seen = {row.raw('Selection') for row in table.rows if 'Selection' in table.columns and not _is_waveform(row)}
  rows = tuple(row for row in table.rows if not (_is_waveform(row) and row.raw('Selection') in seen))
  return dataclasses.replace(table, rows=rows)


def boxes(table: tables.Table, skips: list[tables.BadRow] | None = None, labelled: bool = True) -> list[box.Box]:
  """The boxes of a table of one file. Raises ValueError as `read`; with `labelled` for a row without label too."""
  found = []
  for row in table.rows:
    with tables.bad_rows(row.where, skips):
      found.append(box_of(row, row.seconds('Begin Time (s)'), row.seconds('End Time (s)'), labelled))
  return found


def box_of(row: tables.Row, onset: float, offset: float, labelled: bool, file: str = '') -> box.Box:
  """The box of a row, at times that the caller knows. Raises ValueError."""
  edges = row.number('Low Freq (Hz)'), row.number('High Freq (Hz)')
  label = box.label_of(row, SPECIES_COLUMNS)
  if labelled and not label:
    raise UnknownSpecies(f'no species: {", ".join(c for c in SPECIES_COLUMNS if c in row.fields)} empty')
  return box.of_row(row, label, onset, offset, edges, file, 'Vocalisation', 'Level (dB)')


def _is_waveform(row: tables.Row) -> bool:
  return row.raw('View').startswith('Waveform')
