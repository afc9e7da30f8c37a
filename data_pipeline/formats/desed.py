"""Tables of sound event detection challenges (DESED, DCASE task 4): tab-separated events and durations of files.

Strong labels: `filename onset offset event_label`; durations: `filename duration`. These are the columns that psds_eval and
sed_eval take. There are no boxes, levels or confidences, so rows are Detections.
"""

from __future__ import annotations

from typing import Iterable, Mapping

from data_pipeline.formats import detection, files, tables
from data_pipeline.formats.detection import Detection
from data_pipeline.taxonomy import Taxonomy

COLUMNS = ('filename', 'onset', 'offset', 'event_label')
DURATION_COLUMNS = ('filename', 'duration')


def write(path: files.Path, detections: Iterable[Detection], taxonomy: Taxonomy) -> None:
  """Writes one row for each detection, by file and onset; the label is the species code. It appears whole or not at all.

  Confidences are lost: choose by threshold before. Events: detection.of_events.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for a detection without path.
  """
  rows = []
  for d in detection.in_order(detections):
    if not d.path:
      raise ValueError(f'desed.write: {d}: expected a path')
    rows.append((d.path, f'{d.onset:.6f}', f'{d.offset:.6f}', taxonomy.species[taxonomy.index(d.species)].code))
  tables.write(path, COLUMNS, rows, '\t')


def read(path: files.Path, taxonomy: Taxonomy, skips: list[tables.BadRow] | None = None,
         folder: files.Path | None = None) -> tuple[Detection, ...]:
  """Reads detections of confidence 1, in order of rows; a row of a file name alone says that nothing is heard in it.

  Args:
    path: file to read; UTF-8, with or without BOM.
    taxonomy: must hold the labels, by any of their names.
    skips: takes the bad rows; without it the first one raises.
    folder: where the sound files lie: rows of files that lead out of it or are not there are bad; None = not looked at.

  Raises:
    ValueError: a missing column, or a row without sense, with file, line and column.
    UnknownSpecies: with file, line and the nearest names.
  """
  resolve, sound, found = tables.resolver(taxonomy), files.sound_of(folder), []
  for row in tables.read(path, COLUMNS, (), 'a table of sound events', '\t', skips).rows:
    with tables.bad_rows(row.where, skips):
      name = sound(_need_file(row))
      if any(row.text(column) for column in COLUMNS[1:]):
        code = resolve(row.text('event_label')).code
        found.append(Detection(code, row.seconds('onset'), row.seconds('offset'), 1.0, name))
  return tuple(found)


def write_durations(path: files.Path, durations: Mapping[str, float]) -> None:
  """Writes the seconds of each file, those without events too. Raises ValueError for a name that breaks the table."""
  tables.write(path, DURATION_COLUMNS, [(name, f'{seconds:.6f}') for name, seconds in durations.items()], '\t')


def read_durations(path: files.Path, skips: list[tables.BadRow] | None = None,
                   folder: files.Path | None = None) -> dict[str, float]:
  """Reads the seconds of each file; `skips` and `folder` as in `read`.

  Raises ValueError for a bad row or a file that stands there twice, with its line.
  """
  sound = files.sound_of(folder)
  found: dict[str, float] = {}
  for row in tables.read(path, DURATION_COLUMNS, (), 'a table of durations', '\t', skips).rows:
    with tables.bad_rows(row.where, skips):
      name, seconds = sound(_need_file(row)), row.seconds('duration')
      if name in found or not seconds:
        raise ValueError(f'{name!r} stands there twice' if name in found else f'duration {seconds}: expected more than 0 s')
      found[name] = seconds
  return found


def _need_file(row: tables.Row) -> str:
  if not row.raw('filename'):
    raise ValueError('filename is empty')
  return row.raw('filename')
