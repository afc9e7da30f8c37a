"""Saved metadata of xeno-canto: JSON pages of its API (v3, and v2 as old tools saved it) and v2 tables with semicolons.

Whatever is not known there is '' here, () or None. The audio lies beside the metadata, with the number in its name:
XC254462.mp3, or 'XC254462 - Spotted Towhee.mp3', or several cuts of it such as XC254462-2.wav. Nothing here goes online.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Any, Mapping

from data_pipeline import cells, metadata_files
from data_pipeline.formats import files
from data_pipeline.recording import Listing, Recording, Skip, vocalisation_of

QUALITIES = ('A', 'B', 'C', 'D', 'E')  # best first
RESTRICTED = 'restricted species: xeno-canto withholds the file'
NOT_BIRDS = ('mystery', 'sonus')  # genus of recordings nobody could identify, and of soundscapes
NO_EPITHET = ('sp', 'spp', 'spec', 'indet')  # written where the epithet would be, with or without a full stop


@dataclasses.dataclass(frozen=True)
class XenoCantoRecord:
  """One recording as xeno-canto describes it.

  Attributes:
    id: its number in digits, without XC.
    genus, species, subspecies: species is the epithet; '' where only the genus is known.
    latitude, longitude: degrees; altitude: metres.
    types: of vocalisation, lower case ('song', 'flight call', ...).
    quality: 'A' (best) to 'E', or '' for no score.
    seconds: as stated, to a whole second, so 0.0 is possible.
    date: YYYY-MM-DD, YYYY-MM or YYYY; time: HH:MM.
    licence: its address. background: scientific names of other species that are heard.
    group: 'birds', 'grasshoppers', 'bats', ...
    url: the page; file_url: the sound; file_name: as uploaded, never to be used as a path.
    temperature: degrees C. automatic: recorded by an unattended device.
    redacted: names of the fields that xeno-canto withholds.
    path: where the sound lies, once `find` has found it.
  """

  id: str
  genus: str
  species: str
  subspecies: str
  common: str
  country: str
  locality: str
  latitude: float | None
  longitude: float | None
  altitude: float | None
  types: tuple[str, ...]
  sex: str
  stage: str
  method: str
  quality: str
  seconds: float | None
  date: str
  time: str
  uploaded: str
  recordist: str
  licence: str
  background: tuple[str, ...]
  remarks: str
  device: str
  microphone: str
  sample_rate: int | None
  url: str
  file_url: str
  file_name: str
  group: str
  animal_seen: bool | None
  playback_used: bool | None
  automatic: bool | None
  temperature: float | None
  redacted: tuple[str, ...]
  path: pathlib.Path | None = None

  @property
  def name(self) -> str:
    return f'XC{self.id}'

  @property
  def scientific(self) -> str:
    return f'{self.genus} {self.species}'.strip()

  @property
  def identified(self) -> bool:
    """Whether the species is known; False for mysteries, soundscapes and a genus alone."""
    named = self.species.lower().rstrip('.') not in NO_EPITHET if self.species else bool(self.common)
    return named and self.genus.lower() not in NOT_BIRDS

  def recording(self, folder: pathlib.Path) -> Recording:
    """As the builder of data sets takes it; `path` must be set and below `folder`.

    The stated length is left out: a cut of the recording has its number too, and would pass for a truncated file.
    """
    types = ', '.join(self.types)
    return Recording(
        path=self.path, name=self.path.relative_to(folder).as_posix(), common=self.common, scientific=self.scientific,
        vocalisation=vocalisation_of(types), licence=self.licence, recordist=self.recordist, group=self.name, url=self.url,
        background=self.background, types=types, quality=self.quality, sex=self.sex, stage=self.stage,
        site=', '.join(filter(None, (self.locality, self.country))), started=cells.moment(self.date, self.time))


def record(row: Mapping[str, Any]) -> XenoCantoRecord:
  """One row of either dialect. Raises ValueError, saying why it is none: no object, no number, no species, restricted, a broken list."""
  if not isinstance(row, dict):
    raise ValueError(f'{_short(row)} is no recording')
  text = lambda *keys: next(filter(None, (cells.text(row.get(k)) for k in keys)), '')
  number = number_of(row)
  if not number:
    raise ValueError(f'id: {_short(row.get("id"))} is no xeno-canto number')
  redacted = _redacted(row)
  if 'file' in redacted or str(row.get('file')).lower().startswith('restricted'):
    raise ValueError(f'{RESTRICTED} of XC{number}')
  if not text('gen') and not text('en'):
    raise ValueError(f'XC{number} names no species (gen, sp, en)')
  known = lambda key, *keys: '' if key in redacted else text(key, *keys)
  quality = text('q').upper()
  return XenoCantoRecord(
      id=number, genus=text('gen'), species=text('sp'), subspecies=text('ssp'), common=text('en'),
      country=known('cnt'), locality=known('loc'), latitude=cells.number(known('lat'), -90.0, 90.0),
      longitude=cells.number(known('lon', 'lng'), -180.0, 180.0), altitude=cells.altitude(known('alt')),
      types=tuple(t.lower() for t in _names(row, 'type')), sex=text('sex'), stage=text('stage'), method=text('method'),
      quality=quality if quality in QUALITIES else '', seconds=cells.length(row.get('length')), date=cells.date(row.get('date')),
      time=cells.clock(row.get('time')), uploaded=cells.date(row.get('uploaded')), recordist=text('rec'),
      licence=cells.address(row.get('lic')) or text('lic'), background=_names(row, 'also'), remarks=text('rmk'),
      device=text('dvc'), microphone=text('mic'), sample_rate=cells.whole(row.get('smp'), 1000, 2_000_000),
      url=cells.address(row.get('url')) or f'https://xeno-canto.org/{number}', file_url=cells.address(row.get('file')),
      file_name=text('file-name'), group=text('grp', 'group'), animal_seen=cells.yes(text('animal-seen', 'bird-seen')),
      playback_used=cells.yes(text('playback-used')), automatic=cells.yes(text('auto')),
      temperature=cells.number(row.get('temp') or row.get('temperature'), -80.0, 70.0), redacted=redacted)


def number_of(row: Mapping[str, Any]) -> str:
  """The digits of a row's number, '' where it has none."""
  found = re.fullmatch(r'(?:XC)?0*([1-9]\d{0,11})(?:\.0)?', cells.text(row.get('id')), re.IGNORECASE | re.ASCII)
  return found[1] if found else ''


def _names(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
  try:
    return cells.names(row.get(key))
  except ValueError as error:
    raise ValueError(f'{key}: {error}') from error


def _redacted(row: Mapping[str, Any]) -> tuple[str, ...]:
  try:
    meta = cells.parsed(row.get('_meta'))
    return cells.names(meta.get('redacted_fields')) if isinstance(meta, dict) else ()
  except ValueError as error:
    raise ValueError(f'_meta: {error}') from error


def parse(page: Any, where: str) -> tuple[list[XenoCantoRecord], list[Skip]]:
  """The records of decoded JSON: a page, a list of pages, a list of recordings, or one recording.

  Args:
    page: what json.loads gave.
    where: name of the file or address, for messages.

  Raises:
    ValueError: it is an error of the API (its own words are quoted), or none of these.
  """
  return metadata_files.records_of(
      ((f'{where} recording {number}', row) for number, row in enumerate(
          metadata_files.rows_of_pages(page, 'recordings', lambda one: _rows(one, where)), 1)), record)


def _rows(page: Any, where: str) -> list[Any]:
  if not isinstance(page, dict):
    raise ValueError(f'{where}: expected a page of xeno-canto with recordings, found {type(page).__name__}')
  refuse_error(page, where)
  if 'id' in page and 'gen' in page:
    return [page]
  rows = page.get('recordings')
  if not isinstance(rows, list):
    raise ValueError(f'{where}: expected a page of xeno-canto with a list of recordings, found the keys '
                     f'{", ".join(sorted(map(str, page))[:8]) or "(none)"}')
  return rows


def refuse_error(page: Any, where: str) -> None:
  """Raises ValueError with the API's own words where `page` is one of its two shapes of errors."""
  error = page.get('error') if isinstance(page, dict) else None
  if not error:
    return
  if isinstance(error, dict):
    code, message = cells.text(error.get('code')), cells.text(error.get('message'))
  else:
    code, message = cells.text(error), cells.text(page.get('message'))
  raise ValueError(f'{where}: xeno-canto answered with an error: {": ".join(filter(None, (code, message))) or "(unnamed)"}')


def read(path: files.Path) -> tuple[list[XenoCantoRecord], list[Skip]]:
  """The records of one saved file, .json or .csv by its name; one skip for each row that is none.

  Raises ValueError naming the file: neither JSON nor CSV, an error of the API, or something else altogether.
  """
  path = pathlib.Path(path)
  if path.suffix.lower() != '.csv':
    page = files.read_json(path)
    try:
      return parse(page, path.name)
    except ValueError as error:
      raise ValueError(f'{path}: {str(error).removeprefix(f"{path.name}: ")}') from error
  rows = metadata_files.load_table(path, ('id', 'gen', 'sp'))
  return metadata_files.records_of(((f'{path.name} row {line}', row) for line, row in rows), record)


def restricted(skips: list[Skip]) -> int:
  """How many of them are recordings that xeno-canto withholds."""
  return sum(s.reason.startswith(RESTRICTED) for s in skips)


def number_in(path: pathlib.Path) -> str:
  """The xeno-canto number in the name of a file, '' where there is none."""
  found = re.search(r'(?<![A-Za-z0-9])XC[ _-]?0*([1-9]\d*)', path.stem, re.IGNORECASE | re.ASCII)
  return found[1] if found else ''


def find(directory: str) -> tuple[list[XenoCantoRecord], list[Skip]]:
  """The recordings of a folder that have both metadata and sound, sorted by path, and what was left out.

  Several cuts of a recording give several records that differ in their path. The sound is not opened.
  Raises ValueError where there is no such folder, or it holds no metadata at all.
  """
  pairs, skips = metadata_files.find(directory, 'xeno-canto', ('.json', '.csv'), read, number_in)
  return [dataclasses.replace(r, path=path) for r, path in pairs], skips


def listing(directory: str) -> Listing:
  """The recordings of birds of known species in a folder, as `find` finds them; the others are skips.

  Raises ValueError as `find`.
  """
  folder = pathlib.Path(directory).resolve()
  records, skips = find(directory)
  recordings = []
  for r in records:
    taken, reason = r.recording(folder), _not_a_bird(r)
    if reason:
      skips.append(Skip(taken.name, reason))
    else:
      recordings.append(taken)
  withheld, notes = restricted(skips), ()
  if withheld:
    notes = (f'{withheld} recording(s) of restricted species are described, and xeno-canto withholds their sound',)
  return Listing(tuple(sorted(recordings, key=lambda r: r.name)), tuple(sorted(skips, key=lambda s: s.name)), notes)


def _not_a_bird(r: XenoCantoRecord) -> str:
  """Why a record is not taken for a bird's, '' where it is."""
  if r.genus.lower() == 'sonus' or r.group.lower() == 'soundscape':
    return 'a soundscape, of no one species'
  if r.group.lower() not in ('', 'birds'):
    return f'of the group {r.group}: only birds are taken'
  if r.genus.lower() == 'mystery':
    return 'nobody has identified the species'
  return '' if r.identified else f'identified to the genus {r.genus} only'


def _short(value: Any) -> str:
  """What stood in a cell, for messages."""
  if isinstance(value, (str, int, float)):
    return repr(cells.text(value)[:40])
  return f'a {type(value).__name__}' if value else 'nothing'
