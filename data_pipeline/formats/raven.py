"""Raven selection tables (`.selections.txt`): tab-separated boxes in time and frequency.

Raven itself needs the first seven of COLUMNS, times in seconds of the file, and accepts any further ones. Format: Raven Pro
User's Manual, "Selection tables"; column names of species as BirdNET writes them.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Sequence

from data_pipeline.formats import files
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import Species, Taxonomy, UnknownSpecies

COLUMNS = ('Selection', 'View', 'Channel', 'Begin Time (s)', 'End Time (s)', 'Low Freq (Hz)', 'High Freq (Hz)', 'Common Name',
           'Scientific Name', 'Species Code', 'Vocalisation', 'Level (dB)', 'Begin Path')
# Where a species may stand, best first: a code is never ambiguous, and people call their own column all sorts of things.
SPECIES_COLUMNS = ('Species Code', 'Scientific Name', 'Common Name', 'Species', 'Annotation', 'Label')


def write(path: files.Path, events: Scene | Sequence[Event], taxonomy: Taxonomy, channel: int = 1,
          begin_path: str = '') -> None:
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
  if channel < 1:
    raise ValueError(f'raven.write: channel is {channel}: expected 1 or more')
  files.one_field(begin_path, 'raven.write: begin_path')
  events = events.events if isinstance(events, Scene) else events
  lines = ['\t'.join(COLUMNS)]
  for row, e in enumerate(sorted(events, key=lambda e: (e.onset, e.offset)), 1):
    s = taxonomy.species[taxonomy.index(e.species)]
    lines.append('\t'.join((
        str(row), 'Spectrogram 1', str(channel), f'{e.onset:.6f}', f'{e.offset:.6f}', f'{e.low_hz:.3f}', f'{e.high_hz:.3f}',
        s.common, s.scientific, s.code, e.vocalisation, f'{e.level_db:.3f}', begin_path)))
  files.write_text(path, '\n'.join(lines) + '\n')


def read(path: files.Path, taxonomy: Taxonomy, vocalisation: str = 'song', level_db: float = -30.0) -> tuple[Event, ...]:
  """Reads the events of a table, ours or another program's, in order of rows.

  Low and High Freq that are swapped (published tables have that) are put right with a warning. Rows of a waveform view are
  left out where the same selection has a spectrogram row.

  Args:
    path: file to read; UTF-8, with or without BOM.
    taxonomy: must hold the species, which stand in the first of SPECIES_COLUMNS that is not empty.
    vocalisation, level_db: for tables without the columns Vocalisation and Level (dB).

  Raises:
    ValueError: a missing column, a field that is no number or an impossible box, with file, line and column.
    UnknownSpecies: with file, line and the nearest names.
  """
  lines = files.read_lines(path)
  header = [name.strip() for name in lines[0].split('\t')] if lines else []
  missing = [c for c in COLUMNS[3:7] if c not in header]
  if missing or not set(SPECIES_COLUMNS) & set(header):
    wanted = repr(missing[0]) if missing else f'any of {SPECIES_COLUMNS}'
    raise ValueError(f'{path}: not a Raven selection table: no column {wanted}; it has {header}')
  rows = []
  for line, text in enumerate(lines[1:], 2):
    if text.strip():
      # Programs leave trailing empty fields out.
      fields = [field.strip() for field in text.split('\t')]
      rows.append((line, dict(itertools.zip_longest(header, fields[:len(header)], fillvalue=''))))
  seen = {row['Selection'] for _, row in rows if 'Selection' in row and not _is_waveform(row)}
  events, swapped = [], []
  for line, row in rows:
    if _is_waveform(row) and row.get('Selection') in seen:
      continue
    onset, offset, low, high = (files.number(row[c], f'{path}, line {line}, column {c!r}') for c in COLUMNS[3:7])
    if low > high:
      low, high = high, low
      swapped.append(line)
    level = row.get('Level (dB)')
    try:
      events.append(Event(_species(row, taxonomy).code, (row.get('Vocalisation') or vocalisation).lower(), onset, offset, low, high,
                          files.number(level, "column 'Level (dB)'") if level else level_db))
    except ValueError as error:
      raise type(error)(f'{path}, line {line}: {error}') from error
  if swapped:
    warnings.warn(f'{path}: Low Freq above High Freq in {len(swapped)} rows, first in line {swapped[0]}: swapped them back',
                  stacklevel=2)
  return tuple(events)


def _is_waveform(row: dict[str, str]) -> bool:
  return row.get('View', '').startswith('Waveform')


def _species(row: dict[str, str], taxonomy: Taxonomy) -> Species:
  said = [row[c] for c in SPECIES_COLUMNS if row.get(c)]
  if not said:
    raise UnknownSpecies(f'no species: {", ".join(c for c in SPECIES_COLUMNS if c in row)} empty')
  return taxonomy.resolve(said[0])
