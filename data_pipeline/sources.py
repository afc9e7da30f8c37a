"""A folder of recordings: which files there are, what is known of each, and their sound, checked.

Two kinds of folder are understood: species sub-folders (names, or eBird codes, as folder names), and a manifest.csv in the
folder or in its parent, with the columns `path` (relative to the manifest) and `species_common` or `species_scientific`,
and as far as known `type`, `licence`, `recordist`, `group`, `seconds`.
"""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import re

from birdnames import utils
import numpy as np
import soundfile
import soxr

from data_pipeline.decoding import BadRecording
from data_pipeline.taxonomy import Species, Taxonomy, from_ebird

SUFFIXES = ('.wav', '.flac', '.mp3', '.ogg')
SILENT_PEAK = 2.0 ** -15  # one step of 16 bits
EBIRD_YEAR = 2024


@dataclasses.dataclass(frozen=True)
class Recording:
  """One file. `path` to read it, `name` = path relative to the folder of the manifest or the data; '' = not known."""

  path: pathlib.Path
  name: str
  common: str
  scientific: str
  vocalisation: str  # 'song' or 'call'
  licence: str
  recordist: str
  group: str         # recordings of one group never come to lie in two splits
  seconds: float | None = None  # as the manifest states


@dataclasses.dataclass(frozen=True)
class Skip:
  """A file that was left out, and why."""

  name: str
  reason: str


def find(directory: str) -> tuple[list[Recording], list[Skip]]:
  """The recordings in a folder, sorted by name, and what was left out unread.

  Raises ValueError where there is no such folder, a manifest lacks a column, or nothing is listed at all.
  """
  folder = pathlib.Path(directory).resolve()
  if not folder.is_dir():
    raise ValueError(f'{directory} is no folder')
  manifest = next((m for m in (folder / 'manifest.csv', folder.parent / 'manifest.csv') if m.is_file()), None)
  recordings, skips = _from_manifest(manifest, folder) if manifest else _from_folders(folder)
  if not recordings and not skips:
    raise ValueError(f'{directory} holds neither recordings in species sub-folders nor a manifest.csv that lists any')
  return sorted(recordings, key=lambda r: r.name), sorted(skips, key=lambda s: s.name)


def _from_manifest(manifest: pathlib.Path, folder: pathlib.Path) -> tuple[list[Recording], list[Skip]]:
  with open(manifest, encoding='utf-8-sig', newline='') as f:
    header = f.readline()
    f.seek(0)
    reader = csv.DictReader(f, delimiter=';' if header.count(';') > header.count(',') else ',')
    columns = reader.fieldnames or []
    rows = [{k: (v or '').strip() for k, v in row.items() if isinstance(k, str)} for row in reader]
  if 'path' not in columns or not {'species_common', 'species_scientific'} & set(columns):
    raise ValueError(f'{manifest}: expected the columns path and species_common or species_scientific, '
                     f'found {", ".join(columns)}')
  recordings, skips = [], []
  for number, row in enumerate(rows, 2):
    path = manifest.parent / row['path']
    if not row['path']:
      skips.append(Skip(f'{manifest.name} row {number}', 'names no path'))
    elif not path.resolve().is_relative_to(folder):
      continue  # a manifest of the parent also lists the folder's neighbours
    elif not (row.get('species_common') or row.get('species_scientific')):
      skips.append(Skip(row['path'], 'the manifest names no species'))
    else:
      recordings.append(Recording(
          path, row['path'], row.get('species_common', ''), row.get('species_scientific', ''),
          vocalisation_of(row.get('type', '')), row.get('licence', ''), row.get('recordist', ''),
          row.get('group') or _group_of(path), _number(row.get('seconds', ''))))
  return recordings, skips


def _from_folders(folder: pathlib.Path) -> tuple[list[Recording], list[Skip]]:
  recordings, skips = [], []
  for path in sorted(p for p in folder.rglob('*') if p.is_file()):
    parts = path.relative_to(folder).parts
    name = '/'.join(parts)
    if any(part.startswith('.') for part in parts):
      continue
    if path.suffix.lower() not in SUFFIXES:
      skips.append(Skip(name, f'not one of {", ".join(SUFFIXES)}'))
    elif len(parts) < 2:
      skips.append(Skip(name, 'lies in no species folder'))
    else:
      species = ' '.join(parts[0].replace('_', ' ').split())
      recordings.append(Recording(path, name, species, '', 'song', '', '', _group_of(path)))
  return recordings, skips


def vocalisation_of(type_: str) -> str:
  """'call' where a recording's type speaks of calls only, else 'song'."""
  return 'call' if 'call' in type_.lower() and 'song' not in type_.lower() else 'song'


def _group_of(path: pathlib.Path) -> str:
  """The xeno-canto number in a file name, which several cuts of one recording share; else the file's stem."""
  number = re.search(r'XC ?(\d{3,})', path.stem, re.IGNORECASE)
  return f'XC{number.group(1)}' if number else path.stem


def _number(text: str) -> float | None:
  try:
    return float(text)
  except ValueError:
    return None


def read(recording: Recording, sample_rate: int, channels: int) -> np.ndarray:
  """Decodes, checks and resamples one recording: (N, channels) float32, peak at most 1.

  More channels than asked are averaged when one is asked. Nothing is normalised; only a sound whose peak passes full scale
  (lossy formats, float files) is scaled down to it.

  Raises BadRecording, the reason without the file's name: missing, empty, not decodable, cut short, NaN, silent, or too few channels.
  """
  path = recording.path
  if not path.is_file():
    raise BadRecording('missing')
  if not path.stat().st_size:
    raise BadRecording('empty file')
  try:
    with soundfile.SoundFile(path) as f:
      rate, stated, log = f.samplerate, f.frames, f.extra_info
      audio = f.read(dtype='float32', always_2d=True)  # (N, C)
  except (soundfile.SoundFileError, OSError) as error:
    raise BadRecording(f'not audio, or damaged ({str(error).split(": ")[-1].strip()})') from error
  if not len(audio):
    raise BadRecording('holds no samples')
  # The length of an mp3 is estimated from its size; libsndfile repairs that of a cut-off wav, and says so in its log only.
  tolerance = 0.85 if path.suffix.lower() == '.mp3' else 1.0
  if len(audio) < tolerance * stated or re.search(r'^\s*data\s*:.*should be', log, re.MULTILINE):
    raise BadRecording('truncated: the header promises more samples')
  if recording.seconds and len(audio) / rate < 0.9 * recording.seconds:
    raise BadRecording(f'truncated: {len(audio) / rate:.2f} of {recording.seconds:g} s')
  if not np.isfinite(audio).all():
    raise BadRecording('holds NaN or infinite samples')
  if np.ptp(audio, axis=0).max() < SILENT_PEAK:
    raise BadRecording('silent')
  if channels == 1:
    audio = audio.mean(axis=1, keepdims=True)
    if np.ptp(audio) < SILENT_PEAK:
      raise BadRecording('silent once its channels are averaged')
  elif audio.shape[1] != channels:
    raise BadRecording(f'has {audio.shape[1]} channel(s), {channels} were asked')
  if rate != sample_rate:
    audio = soxr.resample(audio, rate, sample_rate)
  if not len(audio):
    raise BadRecording('shorter than one sample')
  return np.ascontiguousarray(audio / max(1.0, float(np.abs(audio).max())), np.float32)


def taxonomy_of(recordings: list[Recording]) -> tuple[Taxonomy, dict[Recording, str]]:
  """The species of the recordings, sorted by code, and each recording's code.

  Names that eBird knows (scientific name first: common names drift) become its species; others stay as they are written,
  under a code made of their letters.
  """
  texts = sorted({(r.scientific, r.common) for r in recordings})
  table = utils.load_taxonomy('ebird', EBIRD_YEAR)
  ebird = {name.lower(): code for column in ('ebird_ebird_code', 'ebird_common_name', 'scientific_name')
           for name, code in zip(table[column], table['ebird_ebird_code'])}
  code = {}
  for scientific, common in texts:
    found = ebird.get(scientific.lower()) or ebird.get(common.lower())
    if found:
      code[scientific, common] = found
  known = {s.code: s for s in from_ebird(sorted(set(code.values())), EBIRD_YEAR).species} if code else {}
  rows, strangers = dict(known), 0
  for scientific, common in texts:
    if (scientific, common) in code:
      continue
    strangers += 1
    name = common or scientific
    slug = re.sub(r'[^a-z0-9]', '', name.lower()) or f'species{strangers}'
    code[scientific, common] = slug
    rows[slug] = Species(slug, name, scientific if scientific != name else '')
  species = tuple(rows[c] for c in sorted(rows))
  taxonomy = Taxonomy(species, 'eBird', EBIRD_YEAR) if not strangers else Taxonomy(species, 'as given', None)
  return taxonomy, {r: code[r.scientific, r.common] for r in recordings}
