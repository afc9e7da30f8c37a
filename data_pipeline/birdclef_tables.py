"""The sources `birdclef2021` and `birdclef2022`, and the training tables of BirdCLEF (later ones differ by unused columns).

The folder is the one that the competition hands out: train_metadata.csv (or train.csv) beside train_short_audio/<code>/
(2021) or train_audio/<code>/ (2022 and later). 2021 adds labelled soundscapes (data_pipeline.birdclef_soundscapes), 2022 the
birds that were scored and the rows that were asked for. Codes are of eBird 2021 in both years.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Container, Mapping, Sequence

from data_pipeline import birdclef_soundscapes, cells, metadata_files
from data_pipeline.formats import birdclef, files, tables
from data_pipeline.recording import Listing, Recording, Skip, vocalisation_of
from data_pipeline.taxonomy import edition

TABLES = ('train_metadata.csv', 'train.csv')
AUDIO = ('train_short_audio', 'train_audio')
YEARS = dict(zip((2021, 2022), AUDIO))  # of the competitions that `listing` knows: folder of their recordings
EBIRD_YEAR = 2021                       # of the codes of both
SCORED, ASKED = 'scored_birds.json', 'test.csv'
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
    types = ', '.join(self.types)
    return Recording(
        path=self.path, name=self.path.relative_to(folder).as_posix(), code=self.code, common=self.common,
        scientific=self.scientific, vocalisation=vocalisation_of(types), licence=self.licence, recordist=self.recordist,
        group=self.group, url=self.url, background=self.background, types=types,
        quality='' if self.rating is None else f'{self.rating:g}', started=cells.moment(self.date, self.time))


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
  found, missing = _with_sound(folder, records, AUDIO)
  return found, sorted(skips + missing, key=lambda s: s.name)


def _with_sound(folder: pathlib.Path, records: list[BirdClefRecord], audio: Sequence[str]
                ) -> tuple[list[BirdClefRecord], list[Skip]]:
  """The records whose sound lies in one of the folders `audio`, with its path and sorted by it, and the others."""
  found: dict[pathlib.Path, BirdClefRecord] = {}
  skips = []
  for r in records:
    path = _place(folder, r, audio)
    if isinstance(path, str):
      skips.append(Skip(r.file_name, path))
    elif path in found:
      skips.append(Skip(r.file_name, 'is listed twice'))
    else:
      found[path] = dataclasses.replace(r, path=path)
  return [found[p] for p in sorted(found)], skips


def _place(folder: pathlib.Path, r: BirdClefRecord, audio: Sequence[str]) -> pathlib.Path | str:
  """Where the sound of a record lies, or why it cannot be had."""
  # 2021 lists bare names, later tables <code>/<name>.
  places = [folder / base / name for base in audio for name in (r.file_name, f'{r.code}/{r.file_name}')]
  # Judged as written, before links are followed: a name with .. in it is refused whatever it leads to.
  if '\0' in r.file_name or '..' in pathlib.PurePosixPath(r.file_name.replace('\\', '/')).parts or any(
      not p.is_relative_to(folder) for p in places):
    return 'leads out of the folder'
  try:
    path = next((p for p in places if p.is_file()), None)
  except OSError:
    path = None  # a name longer than any file's
  if path is None:
    return f'no audio file in {" or ".join(audio)}'
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


def listing(directory: str, year: int) -> Listing:
  """The recordings of a competition's folder; 2021: and its labelled soundscapes, 2022: and, in `extra`, `scored_birds`.

  Args:
    directory: with train_metadata.csv and the year's folder of recordings in it.
    year: of the competition, one of YEARS.

  Raises:
    ValueError: no such folder, that of another year, a table that is none, an unknown code among the scored or asked birds.
  """
  if year not in YEARS:
    raise ValueError(f'BirdCLEF {year}: expected one of {", ".join(map(str, YEARS))}')
  folder = pathlib.Path(directory).resolve()
  _expect(folder, directory, year)
  records, skips = read(folder / TABLES[0])
  found, missing = _with_sound(folder, records, (YEARS[year],))
  recordings, skips, notes, extra = [r.recording(folder) for r in found], skips + missing, [], {}
  if year == 2021:
    soundscapes, bad, notes = birdclef_soundscapes.read(folder, edition(EBIRD_YEAR))
    recordings, skips = recordings + soundscapes, skips + bad
  else:
    known = {*edition(EBIRD_YEAR).codes, *(r.code for r in records)}
    if (folder / SCORED).is_file():
      extra['scored_birds'] = list(scored_birds(folder / SCORED))
      for code in extra['scored_birds']:
        _expect_code(code, known, folder / SCORED)
    else:
      notes.append(f'{SCORED} is not there: which birds the competition scored is not known')
    if (folder / ASKED).is_file():
      notes.append(_asked(folder / ASKED, known))
  recordings, skips = sorted(recordings, key=lambda r: r.name), sorted(skips, key=lambda s: s.name)
  return Listing(tuple(recordings), tuple(skips), tuple(notes), extra)


def _expect(folder: pathlib.Path, directory: str, year: int) -> None:
  """Raises ValueError where a folder is not that of a year's competition, naming the source that it is for."""
  if not folder.is_dir():
    raise ValueError(f'{directory} is no folder')
  if not (folder / YEARS[year]).is_dir():
    other = next((y for y in YEARS if (folder / YEARS[y]).is_dir()), None)
    hint = f'; {YEARS[other]}/ is that of the source birdclef{other}' if other else ''
    raise ValueError(f'{directory}: expected {YEARS[year]}/ of BirdCLEF {year} in it{hint}')
  if not (folder / TABLES[0]).is_file():
    raise ValueError(f'{directory}: expected {TABLES[0]} of BirdCLEF {year} beside {YEARS[year]}/')


def _expect_code(code: str, known: Container[str], where: files.Path) -> None:
  if code not in known:
    raise ValueError(f'{where}: {code!r} is neither a primary_label of {TABLES[0]} nor a code of eBird {EBIRD_YEAR}; '
                     f'nearest: {", ".join(edition(EBIRD_YEAR).nearest(code))}')


def _asked(path: pathlib.Path, known: Container[str]) -> str:
  """What the rows of test.csv ask for, in a sentence. Raises ValueError naming the line: an impossible or repeated row."""
  rows = tables.read(path, ('row_id', 'file_id', 'bird', 'end_time'), (), 'the test table of BirdCLEF 2022').rows
  seen = set()
  for row in rows:
    file, bird, end = row.raw('file_id'), row.raw('bird'), row.raw('end_time')
    row_id = f'{file}_{bird}_{end}'
    if not file or row.raw('row_id') != row_id:
      raise ValueError(f'{row.where}: row_id {row.raw("row_id")!r}: expected {row_id!r}, as the other columns say')
    _expect_code(bird, known, row.where)
    if not re.fullmatch(r'[1-9]\d{0,8}', end, re.ASCII) or int(end) % birdclef.WINDOW_S:
      raise ValueError(f'{row.where}: end_time {end!r}: expected {birdclef.WINDOW_S}, {2 * birdclef.WINDOW_S}, ... s')
    if row_id in seen:
      raise ValueError(f'{row.where}: row_id {row_id!r} stands there twice')
    seen.add(row_id)
  return f'{path.name} asks for {len(rows)} rows of {len({r.raw("file_id") for r in rows})} files, which have no labels here'
