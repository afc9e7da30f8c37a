"""The source `woodland`: long recordings of unattended recorders that nobody has labelled, in folders of any depth.

Site and start are read from the file names (data_pipeline.recorder_names); the sound is not opened.
"""

from __future__ import annotations

import collections
import datetime
import pathlib
import re
from typing import Sequence

from data_pipeline import metadata_files, recorder_names
from data_pipeline.recording import SUFFIXES, Listing, Recording, Skip

# Sound that nothing here decodes: named as skipped, while a card's other files (settings, logs) are passed over.
OTHER_SOUND = ('.wac', '.w4v', '.aif', '.aiff', '.m4a', '.opus', '.wma')
NAMED = 3  # files that a note names


def listing(directory: str) -> Listing:
  """All recordings below a folder, each to be cut into clips from end to end.

  The site is the prefix of the file's name, else the folder it lies in, relative to `directory`; folders named by a date
  (AudioMoth's folder for each day) are left out of it. What one site recorded on one day is one group.

  Raises ValueError where there is no such folder, or it holds no sound.
  """
  folder = pathlib.Path(directory).resolve()
  if not folder.is_dir():
    raise ValueError(f'{directory} is no folder')
  paths, skips = metadata_files.walk(folder, SUFFIXES)
  other, out = metadata_files.walk(folder, OTHER_SOUND)
  skips += out + [Skip(p.relative_to(folder).as_posix(), f'{p.suffix} is not read: convert it to wav or flac') for p in other]
  if not paths and not skips:
    raise ValueError(f'{directory} holds no sound files ({", ".join(SUFFIXES)})')
  names = {p.relative_to(folder).as_posix(): recorder_names.parse(p.name) for p in paths}
  recordings = tuple(_recording(folder, name, names[name]) for name in sorted(names))
  return Listing(recordings, tuple(sorted(skips, key=lambda s: s.name)), tuple(_notes(recordings, names)))


def _recording(folder: pathlib.Path, name: str, told: recorder_names.RecorderName) -> Recording:
  path = pathlib.PurePosixPath(name)
  site = told.site or '/'.join(p for p in path.parent.parts if not re.fullmatch(r'(19|20)\d\d-?\d\d-?\d\d', p, re.ASCII))
  group = f'{site} {told.started.date()}'.strip() if told.started else path.stem
  return Recording(folder / name, name, group=group, continuous=True, site=site,
                   started=_written(told.started) if told.started else '')


def _written(started: datetime.datetime) -> str:
  return started.isoformat(timespec='milliseconds' if started.microsecond else 'seconds')


def _notes(recordings: Sequence[Recording], names: dict[str, recorder_names.RecorderName]) -> list[str]:
  notes = []
  impossible = [name for name, told in names.items() if told.impossible]
  if impossible:
    notes.append(f'{len(impossible)} of {len(recordings)} files name a date or a time that cannot be, so that their start is '
                 f'unknown: {_some(impossible)}')
  silent = [name for name, told in names.items() if not told.started and not told.impossible]
  if silent:
    notes.append(f'{len(silent)} of {len(recordings)} files have names that tell no start: {_some(silent)}; nothing keeps '
                 f'those of one day in one split')
  utc = [name for name, told in names.items() if told.started and told.started.tzinfo]
  if utc:
    notes.append(f'{len(utc)} of {len(recordings)} files tell their start with a time zone (+00:00 is UTC), the others by the '
                 f'clock of their recorder: {_some(utc)}')
  starts = collections.defaultdict(list)
  for r in recordings:
    if r.started:
      starts[r.site, r.started].append(r.name)
  same = [names for names in starts.values() if len(names) > 1]
  if same:
    notes.append(f'{len(same)} times two or more files say that one site began to record at one moment (copies, or channels '
                 f'apart?), first {_some(same[0])}')
  return notes


def _some(names: Sequence[str]) -> str:
  names = sorted(names)
  return ', '.join(names[:NAMED]) + (f' and {len(names) - NAMED} more' if len(names) > NAMED else '')
