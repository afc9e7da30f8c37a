"""BirdNET results as CSV: one row for each species and window of sound, with its confidence.

Format: BirdNET-Analyzer, result type "csv". It adds columns of its settings (lat, lon, week, ...), which are ignored; old
versions part columns by `;` and have no File. BirdNET gives neither boxes nor levels, so rows are Detections.
"""

from __future__ import annotations

from typing import Iterable

from data_pipeline.formats import detection, files, tables
from data_pipeline.formats.detection import Detection
from data_pipeline.taxonomy import Taxonomy

COLUMNS = ('Start (s)', 'End (s)', 'Scientific name', 'Common name', 'Confidence', 'File')


def write(path: files.Path, detections: Iterable[Detection], taxonomy: Taxonomy) -> None:
  """Writes one row for each detection, by file and onset. It appears whole or not at all.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for a path with a tab or a line break.
  """
  rows = []
  for d in detection.in_order(detections):
    s = taxonomy.species[taxonomy.index(d.species)]
    rows.append((f'{d.onset:.6f}', f'{d.offset:.6f}', s.scientific, s.common, f'{d.confidence:.6f}', d.path))
  tables.write(path, COLUMNS, rows)


def read(path: files.Path, taxonomy: Taxonomy, skips: list[tables.BadRow] | None = None,
         folder: files.Path | None = None) -> tuple[Detection, ...]:
  """Reads detections in order of rows.

  Args:
    path: file to read; UTF-8, with or without BOM, columns parted by `,` or `;`.
    taxonomy: must hold the species, by scientific name or, where that is empty, common name.
    skips: takes the bad rows; without it the first one raises. BirdNET knows 6,000 species and "Human vocal", so a small
      taxonomy needs it.
    folder: where the sound files lie: rows of files that lead out of it or are not there are bad; None = not looked at.

  Raises:
    ValueError: a missing column, or a row without sense, with file, line and column.
    UnknownSpecies: with file, line and the nearest names.
  """
  resolve, sound, found = tables.resolver(taxonomy), files.sound_of(folder), []
  for row in tables.read(path, COLUMNS[:5], COLUMNS[5:], 'a BirdNET table', skips=skips).rows:
    with tables.bad_rows(row.where, skips):
      code = resolve(row.text('Scientific name') or row.text('Common name')).code
      name = row.raw('File') and sound(row.raw('File'))
      found.append(Detection(code, row.seconds('Start (s)'), row.seconds('End (s)'), row.number('Confidence'), name))
  return tuple(found)
