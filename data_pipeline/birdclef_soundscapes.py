"""The labelled soundscapes of BirdCLEF 2021: train_soundscapes/<audio_id>_<site>_<date>.ogg and train_soundscape_labels.csv.

Their labels say which birds are heard in each window of 5 s: neither when in it, nor where in frequency, nor how loud.
"""

from __future__ import annotations

import collections
import datetime
import pathlib
import re
from typing import Iterable

from data_pipeline import metadata_files
from data_pipeline.formats import birdclef, tables
from data_pipeline.recording import SUFFIXES, Recording, Skip
from data_pipeline.scene import Event
from data_pipeline.taxonomy import Taxonomy

FOLDER, LABELS = 'train_soundscapes', 'train_soundscape_labels.csv'
SPLIT = 'soundscape'
# Stand-ins for what the labels do not tell: a band that holds nearly all song, and what the readers of formats take.
LOW_HZ, HIGH_HZ = 150.0, 15_000.0
LEVEL_DB = -30.0
VOCALISATION = 'song'


def read(folder: pathlib.Path, taxonomy: Taxonomy) -> tuple[list[Recording], list[Skip], list[str]]:
  """The labelled soundscapes of a competition's folder, what was left out, and notes.

  Args:
    folder: of the competition, links resolved.
    taxonomy: must hold the birds; events take its codes.

  Raises:
    ValueError: a label table without the columns of 2021, with file and line.
  """
  table = folder / LABELS
  if not table.is_file() or not (folder / FOLDER).is_dir():
    return [], [], [f'no soundscapes: {LABELS} and {FOLDER}/ are not both there']
  bad: list[tables.BadRow] = []
  windows = collections.defaultdict(list)
  for w in birdclef.read_soundscapes(table, taxonomy, bad):
    windows[f'{w.audio_id}_{w.site}'].append(w)
  skips = [Skip(b.where.replace(f'{table}, line ', f'{LABELS} row '), b.message.removeprefix(f'{b.where}: ')) for b in bad]
  paths, out = metadata_files.walk(folder / FOLDER, SUFFIXES)
  skips += [Skip(f'{FOLDER}/{s.name}', s.reason) for s in out]
  recordings: dict[str, Recording] = {}
  for path in paths:
    name = path.relative_to(folder).as_posix()
    parts = re.fullmatch(r'([^_]+_([^_]+))_(\d{8})', path.stem, re.ASCII)
    if not parts:
      skips.append(Skip(name, 'its name is not {audio_id}_{site}_{date}'))
    elif parts[1] not in windows:
      skips.append(Skip(name, f'no labels in {LABELS}'))
    elif parts[1] in recordings:
      skips.append(Skip(name, f'the labels of {parts[1]} went to {recordings[parts[1]].name}'))
    else:
      recordings[parts[1]] = Recording(
          path=path, name=name, group=f'{parts[2]} {parts[3]}', events=events_of(windows[parts[1]]), continuous=True,
          split=SPLIT, site=parts[2], started=_day(parts[3]))
  skips += [Skip(key, f'no sound in {FOLDER}/ of its {len(rows)} labelled windows')
            for key, rows in windows.items() if key not in recordings]
  notes = []
  if recordings:
    notes.append(f'the boxes of soundscapes are not measured: windows of {birdclef.WINDOW_S} s, those of one bird merged where '
                 f'they touch, from {LOW_HZ:g} to {HIGH_HZ:g} Hz at {LEVEL_DB:g} dB, all called {VOCALISATION}')
  if bad:
    notes.append(f'{len(bad)} rows of {LABELS} could not be read: if birds are heard in their windows, no event says so')
  return list(recordings.values()), skips, notes


def _day(digits: str) -> str:
  """ISO 8601 of YYYYMMDD, '' where there is no such day."""
  try:
    return datetime.datetime.strptime(digits, '%Y%m%d').date().isoformat()
  except ValueError:
    return ''


def events_of(windows: Iterable[birdclef.Window]) -> tuple[Event, ...]:
  """One event for each bird and each run of windows with it, in order of onset, then of species."""
  ends = collections.defaultdict(set)
  for w in windows:
    for species in w.species:
      ends[species].add(w.end)
  runs = []
  for species, some in ends.items():
    for end in sorted(some):
      if runs and runs[-1][1:] == [species, end - birdclef.WINDOW_S]:
        runs[-1][2] = end
      else:
        runs.append([end - birdclef.WINDOW_S, species, end])
  return tuple(Event(species, VOCALISATION, onset, end, LOW_HZ, HIGH_HZ, LEVEL_DB) for onset, species, end in sorted(runs))
