"""The training tables of BirdCLEF (2021 and 2022; later ones differ by columns that are not used here).

The folder is the one that the competition hands out: train_metadata.csv (or train.csv) beside train_short_audio/<code>/
(2021) or train_audio/<code>/ (2022 and later). Codes are of the eBird taxonomy of their year.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Mapping

from data_pipeline import cells, metadata_files
from data_pipeline.formats import files
from data_pipeline.sources import Recording, Skip, vocalisation_of

TABLES = ('train_metadata.csv', 'train.csv')
AUDIO = ('train_short_audio', 'train_audio')
COLUMNS = ('primary_label', 'secondary_labels', 'type', 'scientific_name', 'common_name', 'author', 'license', 'filename')


@dataclasses.dataclass(frozen=True)
class BirdClefRecord:
  """One training recording; '' or None where the table does not tell.

  Attributes:
    code: of the species (eBird); background: codes of others that are heard.
    types: of vocalisation, lower case.
    rating: 0.5 to 5 stars, None for unrated.
    date: YYYY-MM-DD, YYYY-MM or YYYY (2021 only); time: HH:MM (not after 2022).
    file_name: as in the table.
    group: the xeno-canto number where there is one: all cuts of a recording share it.
    path: where the sound lies, once `find` has found it.
  """

  code: str
  background: tuple[str, ...]
  types: tuple[str, ...]
  latitude: float | None
  longitude: float | None
  scientific: str
  common: str
  recordist: str
  date: str
  time: str
  licence: str
  rating: float | None
  url: str
  file_name: str
  group: str
  path: pathlib.Path | None = None

  def recording(self, folder: pathlib.Path) -> Recording:
    """As the builder of data sets takes it; `path` must be set and below `folder`."""
    return Recording(self.path, self.path.relative_to(folder).as_posix(), self.common, self.scientific,
                     vocalisation_of(', '.join(self.types)), self.licence, self.recordist, self.group)


def record(row: Mapping[str, str]) -> BirdClefRecord:
  """One row. Raises ValueError, saying why it is none: no species code, no file name, a broken list."""
  code, name = cells.text(row.get('primary_label')), (row.get('filename') or '').strip()
  if not re.fullmatch(r'[A-Za-z0-9_-]+', code):
    raise ValueError(f'primary_label: {code[:40]!r} is no species code')
  if not name:
    raise ValueError('filename is empty')
  lists = {}
  for key in ('secondary_labels', 'type'):
    try:
      lists[key] = cells.names(row.get(key))
    except ValueError as error:
      raise ValueError(f'{key}: {error}') from error
  number = re.search(r'XC ?(\d+)', pathlib.PurePosixPath(name).stem, re.IGNORECASE | re.ASCII)
  return BirdClefRecord(
      code=code, background=lists['secondary_labels'], types=tuple(t.lower() for t in lists['type']),
      latitude=cells.number(row.get('latitude'), -90.0, 90.0), longitude=cells.number(row.get('longitude'), -180.0, 180.0),
      scientific=cells.text(row.get('scientific_name')), common=cells.text(row.get('common_name')),
      recordist=cells.text(row.get('author')), date=cells.date(row.get('date')), time=cells.clock(row.get('time')),
      licence=cells.address(row.get('license')) or cells.text(row.get('license')),
      rating=cells.number(row.get('rating'), 0.5, 5.0), url=cells.address(row.get('url')), file_name=name,
      group=f'XC{number[1]}' if number else pathlib.PurePosixPath(name).stem)


def read(path: files.Path) -> tuple[list[BirdClefRecord], list[Skip]]:
  """The records of a table, and one skip for each row that is none.

  Raises ValueError naming the file: not CSV, or a column is missing.
  """
  path = pathlib.Path(path)
  rows = metadata_files.load_table(path, COLUMNS)
  return metadata_files.records_of(((f'{path.name} row {line}', row) for line, row in rows), record)


def find(directory: str) -> tuple[list[BirdClefRecord], list[Skip]]:
  """The recordings of a competition's folder that are there, sorted by path, and what was left out.

  The sound is not opened. Raises ValueError: no such folder, no table in it, or a table that is none.
  """
  folder = pathlib.Path(directory).resolve()
  if not folder.is_dir():
    raise ValueError(f'{directory} is no folder')
  table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
  if table is None:
    raise ValueError(f'{directory} holds no table of BirdCLEF: expected one of {", ".join(TABLES)}')
  records, skips = read(table)
  found: dict[pathlib.Path, BirdClefRecord] = {}
  for r in records:
    path = _place(folder, r)
    if isinstance(path, str):
      skips.append(Skip(r.file_name, path))
    elif path in found:
      skips.append(Skip(r.file_name, 'is listed twice'))
    else:
      found[path] = dataclasses.replace(r, path=path)
  return [found[p] for p in sorted(found)], sorted(skips, key=lambda s: s.name)


def _place(folder: pathlib.Path, r: BirdClefRecord) -> pathlib.Path | str:
  """Where the sound of a record lies, or why it cannot be had."""
  # 2021 lists bare names, later tables <code>/<name>.
  places = [folder / base / name for base in AUDIO for name in (r.file_name, f'{r.code}/{r.file_name}')]
  # Judged as written, before links are followed: a name with .. in it is refused whatever it leads to.
  if '\0' in r.file_name or '..' in pathlib.PurePosixPath(r.file_name.replace('\\', '/')).parts or any(
      not p.is_relative_to(folder) for p in places):
    return 'leads out of the folder'
  try:
    path = next((p for p in places if p.is_file()), None)
  except OSError:
    path = None  # a name longer than any file's
  if path is None:
    return f'no audio file in {" or ".join(AUDIO)}'
  return path if metadata_files.inside(folder, path) else 'leads out of the folder'


def scored_birds(path: files.Path) -> tuple[str, ...]:
  """The codes of scored_birds.json, in its order. Raises ValueError naming the file: not a list of different codes."""
  codes = files.read_json(path)
  if not isinstance(codes, list) or not codes or not all(isinstance(c, str) and c.strip() for c in codes):
    raise ValueError(f'{path}: expected a list of species codes such as ["akiapo", "aniani"]')
  codes = tuple(c.strip() for c in codes)
  twice = sorted({c for c in codes if codes.count(c) > 1})
  if twice:
    raise ValueError(f'{path}: {", ".join(twice)} listed twice')
  return codes
