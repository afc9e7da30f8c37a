"""Raven selection tables over several files: Begin and End Time run on from file to file, File Offset starts anew in each.

Raven opens such a table with the files in the same order; a File Offset that is wrong, or times that do not run on, put the
boxes on other files' sound. Begin Path says which file a row is in.
"""

from __future__ import annotations

from typing import Mapping

from data_pipeline.formats import box, files, raven, tables
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import Taxonomy

COLUMNS = (*raven.COLUMNS[:-1], 'File Offset (s)', 'Begin Path')
FILE_COLUMNS = ('Begin Path', 'Begin File')
ROUNDING_S = 1e-3  # tables are rounded, and a sum of durations is not


def write(path: files.Path, scenes: Mapping[str, Scene], taxonomy: Taxonomy, channel: int | Mapping[str, int] = 1) -> None:
  """Writes the events of all files, in the order of files that `scenes` has.

  Args:
    path: file to write; it appears whole or not at all.
    scenes: by sound file, as the column Begin Path names it. Their durations must be those of the files.
    taxonomy: of their species codes.
    channel: 1-based channel that the boxes are drawn in, of all files or by file.

  Raises:
    UnknownSpecies: a code that the taxonomy lacks.
    ValueError: a channel below 1, a file without channel, or a path that breaks the table.
  """
  rows, start = [], 0.0
  for begin_path, scene in scenes.items():
    if not isinstance(channel, int) and begin_path not in channel:
      raise ValueError(f'raven_combined.write: no channel for {begin_path!r}')
    number = channel if isinstance(channel, int) else channel[begin_path]
    raven.need_channel(number)
    for e in tables.in_order(scene):
      rows.append((*raven.fields(len(rows) + 1, e, taxonomy, number, start), f'{e.onset:.6f}', begin_path))
    start += scene.duration
  tables.write(path, COLUMNS, rows, '\t')


def read(path: files.Path, taxonomy: Taxonomy, vocalisation: str = 'song', level_db: float = -30.0,
         durations: Mapping[str, float] | None = None,
         skips: list[tables.BadRow] | None = None) -> dict[str, tuple[Event, ...]]:
  """Reads the events of each file, times from the start of that file; files in order of their first row.

  Args:
    path, taxonomy, vocalisation, level_db, skips: as in raven.read.
    durations: seconds by file, all files of the table in its order: for rows without File Offset (s).

  Returns:
    Events by Begin Path, or by Begin File where there is none. Check foreign paths with files.inside before opening them.

  Raises:
    ValueError: as raven.read; and several files without File Offset (s) and without durations: their times may run on or
      start anew, and nothing in the table tells which.
    UnknownSpecies: with file, line and the nearest names.
  """
  table = raven.selections(path, skips)
  table.need_one_of(FILE_COLUMNS)
  found = []
  for one in boxes(table, durations, skips):
    with tables.bad_rows(one.where, skips):
      if not one.file:
        raise ValueError('Begin Path is empty')
      found.append(one)
  box.warn_swapped(found)
  return tables.by_file(box.events(found, taxonomy, vocalisation, level_db, skips))


def boxes(table: tables.Table, durations: Mapping[str, float] | None = None, skips: list[tables.BadRow] | None = None,
          labelled: bool = True) -> list[box.Box]:
  """The boxes of a table of raven.selections, times from the start of the file that each names. Raises ValueError as `read`."""
  named = {_file(row) for row in table.rows}
  without = [row for row in table.rows if not row.text('File Offset (s)')]
  if len(named) > 1 and durations is None and len(without) == len(table.rows):
    raise ValueError(f'{table.path}: rows of {len(named)} files without File Offset (s): expected durations of the files')
  starts, total = {}, 0.0
  for name, duration in (durations or {}).items():
    starts[name] = total
    total += duration
  found = []
  for row in table.rows:
    with tables.bad_rows(row.where, skips):
      name, begin, end = _file(row), row.seconds('Begin Time (s)'), row.seconds('End Time (s)')
      if row.text('File Offset (s)'):
        onset = row.seconds('File Offset (s)')
      elif durations is not None and name not in starts:
        raise ValueError(f'no duration of {name!r} is given')
      elif len(named) > 1 and durations is None:
        raise ValueError('File Offset (s) is empty')
      else:
        onset = begin - starts.get(name, 0.0)
      if onset < -ROUNDING_S:
        raise ValueError(f'Begin Time (s) {begin} is before its file, which starts at {starts[name]} s')
      onset = max(onset, 0.0)
      found.append(raven.box_of(row, onset, onset + end - begin, labelled, name))
  return found


def _file(row: tables.Row) -> str:
  return row.raw('Begin Path') or row.raw('Begin File')
