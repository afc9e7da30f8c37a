"""A folder of recordings of xeno-canto, and what one run of fetching adds to it: see tools.fetch_xeno_canto."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import re
import sys
from typing import Any
import urllib.parse

import soundfile

from data_pipeline import metadata_files, xeno_canto
from data_pipeline.formats import files
from data_pipeline.recording import SUFFIXES, Skip
from data_pipeline.stereo import BLOCK_SECONDS, of_blocks
from data_pipeline.xeno_canto import XenoCantoRecord
from tools.polite_http import Client, HttpError
from tools.progress import Progress

BASE_URL = 'https://xeno-canto.org'
STATE = '.fetch_xeno_canto.json'
MONO = 'its two channels do not differ'


class Unusable(Exception):
  """A sound that came whole and cannot be used; the message says why, and it is not asked for again."""


@dataclasses.dataclass(frozen=True)
class Options:
  """What to fetch. `limit`: the first so many of the results that fit, those of earlier runs counted; None for all."""

  query: str
  out: str
  limit: int | None = None
  max_seconds: float | None = None
  stereo: bool = False
  base_url: str = BASE_URL
  per_page: int = 100


def count(page: dict[str, Any], name: str, where: str) -> int:
  """A number of the envelope. Raises ValueError."""
  try:
    return int(page[name])
  except (KeyError, TypeError, ValueError):
    raise ValueError(f'{where}: {name} is no number') from None


class Run:
  """The state of one run: what OUT holds, and what has been done."""

  def __init__(self, o: Options, out: pathlib.Path, client: Client):
    self._o, self._out, self._client = o, out, client
    self.progress: Progress | None = None
    self.new, self.had, self.passed, self.failed = [], [], [], []
    self._seen: set[str] = set()
    self._hosts = {h for h in (urllib.parse.urlsplit(o.base_url).hostname, urllib.parse.urlsplit(BASE_URL).hostname) if h}
    self._here = {xeno_canto.number_in(p): p for p in metadata_files.walk(out, SUFFIXES)[0]}
    self._described: set[str] = set()
    for page in out.glob('xeno_canto_*.json'):
      self._described |= {r.id for r in xeno_canto.read(page)[0]}
    self._unusable: dict[str, str] = {}
    state = out / STATE
    if state.exists():
      content = files.read_json(state)
      if not isinstance(content, dict) or not isinstance(content.get('unusable'), dict):
        raise ValueError(f'{state}: expected the state of an earlier run; remove it to start anew')
      self._unusable = content['unusable']

  def page(self, page: dict[str, Any]) -> bool:
    """Fetches what a page lists; False once the limit is reached."""
    records, skips = xeno_canto.parse(page, f'page {page.get("page", "?")}')
    self.passed += skips
    total = min(max(count(page, 'numRecordings', 'the results'), 1), self._o.limit or sys.maxsize)
    try:
      for r in records:
        if self._full():
          return False
        if r.id not in self._seen:  # results move from page to page while new ones come in
          self._seen.add(r.id)
          self._one(r)
        if self.progress:
          self.progress(min(total, len(self._seen) if self._o.limit is None else len(self.new) + len(self.had)), total)
    finally:
      self._describe(page, records)
    return not self._full()

  def _full(self) -> bool:
    return self._o.limit is not None and len(self.new) + len(self.had) >= self._o.limit

  def _unwanted(self, r: XenoCantoRecord) -> str | None:
    if self._o.max_seconds is not None and r.seconds is not None and r.seconds > self._o.max_seconds:
      return f'longer than {self._o.max_seconds:g} s'
    if r.id in self._here:  # left where it is, whatever it is: an earlier run was asked for it
      return MONO if self._o.stereo and not _truly_stereo(self._here[r.id]) else None
    known = self._unusable.get(r.id)
    return None if known == MONO and not self._o.stereo else known

  def _describe(self, page: dict[str, Any], records: list[XenoCantoRecord]) -> None:
    """Saves what the page says of the sounds that are there; after a killed run the next one does so."""
    ids = {r.id for r in records if r.id in self._here} - self._described
    if not ids:
      return
    rows = [row for row in page['recordings'] if isinstance(row, dict) and xeno_canto.number_of(row) in ids]
    numbers = [p.stem.rsplit('_', 1)[1] for p in self._out.glob('xeno_canto_*.json')]
    number = 1 + max((int(n) for n in numbers if n.isdecimal()), default=0)
    content = dict(numRecordings=str(len(rows)), numSpecies=str(len({(r.get('gen'), r.get('sp')) for r in rows})), page=1,
                   numPages=1, recordings=rows)
    files.write_text(self._out / f'xeno_canto_{number:04d}.json', json.dumps(content, indent=1, ensure_ascii=False))
    self._described |= ids

  def _one(self, r: XenoCantoRecord) -> None:
    reason = self._unwanted(r)
    if reason:
      self.passed.append(Skip(r.name, reason))
      return
    if r.id in self._here:
      self.had.append(r.id)
      return
    folder = self._out / (re.sub(r'[^\w -]', '', r.scientific or r.common).strip() or 'unknown')
    path = folder / f'{r.name}{_suffix(r)}'
    try:
      host = urllib.parse.urlsplit(r.file_url).hostname or ''
      if not any(host == h or host.endswith(f'.{h}') for h in self._hosts):
        raise HttpError(f'its sound lies at {host or "no address"}, expected {" or ".join(sorted(self._hosts))}')
      folder.mkdir(exist_ok=True)
      if not metadata_files.inside(self._out, folder):
        raise OSError(f'{folder} leads out of {self._out}')
      self._client.download(r.file_url, path, lambda p: _check(p, r, self._o.stereo))
      self.new.append(r.id)
      self._here[r.id] = path
    except HttpError as error:
      self.failed.append(Skip(r.name, str(error)))
    except Unusable as error:
      (self.passed if str(error) == MONO else self.failed).append(Skip(r.name, str(error)))
      self._unusable[r.id] = str(error)
      files.write_text(self._out / STATE, json.dumps({'version': 1, 'unusable': self._unusable}, indent=1))
    finally:
      with contextlib.suppress(OSError):
        folder.rmdir()  # only where nothing came to lie in it


def _suffix(r: XenoCantoRecord) -> str:
  """Of the name it was uploaded under; mp3 is what xeno-canto makes of the rest."""
  suffix = pathlib.PurePath(r.file_name).suffix.lower()
  return suffix if suffix in SUFFIXES else '.mp3'


def _check(path: pathlib.Path, r: XenoCantoRecord, stereo: bool) -> None:
  """Raises Unusable: cannot be decoded from end to end, or is not stereo where that is asked; HttpError: cut short."""
  try:
    with soundfile.SoundFile(path) as f:
      frames = sum(len(block) for block in f.blocks(1 << 18, dtype='float32'))
      seconds = frames / f.samplerate
    if not frames:
      raise Unusable('holds no samples')
    if r.seconds is not None and seconds < 0.85 * r.seconds - 1:
      raise HttpError(f'truncated: {seconds:.1f} of {r.seconds:g} s')
    if stereo and not _truly_stereo(path):
      raise Unusable(MONO)
  except soundfile.SoundFileError as error:
    raise Unusable(f'not audio that can be decoded ({str(error).split(": ")[-1].strip()})') from error


def _truly_stereo(path: pathlib.Path) -> bool:
  """Whether a sound has exactly two channels, and they are two microphones."""
  with soundfile.SoundFile(path) as f:
    blocks = f.blocks(round(BLOCK_SECONDS * f.samplerate), dtype='float32', always_2d=True)
    return f.channels == 2 and of_blocks(blocks, f.samplerate, f.format in ('MP3', 'OGG')).kind == 'true'
