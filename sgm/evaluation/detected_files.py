"""What was heard in each file: gathered window by window, kept so that an interrupted run can go on, written as tables."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any, Callable, Sequence

from data_pipeline.formats import audacity, birdnet, files, jams, raven_detections
from data_pipeline.scene import Event
from data_pipeline.taxonomy import Taxonomy
from sgm.evaluation import localisation
from sgm.evaluation.windows import End

VOCALISATION = 'song'  # nobody asked the detector which; Audacity and JAMS want one
LEVEL_DB = -30.0       # likewise


@dataclasses.dataclass(frozen=True)
class FileResult:
  """A file that was heard.

  Attributes:
    path: absolute; name: below OUT, without suffix; key: of file and configuration.
    seconds, channels: of the file. windows: heard, all channels counted; odd: of them not searched, being unlike the
      calibration's.
    short: whether the file is shorter than a window, and was padded.
    skip: why it could not be used, or not to its end; '' = nothing wrong.
    events: in order of onset.
  """

  path: str
  seconds: float
  channels: int
  windows: int
  odd: int
  short: bool
  skip: str
  events: tuple[localisation.DetectedEvent, ...]
  name: str = ''
  key: str = ''


class Building:
  """A file that is being heard: one merger for each channel."""

  def __init__(self, rules: localisation.Rules, window_seconds: float):
    self._rules, self._window = rules, window_seconds
    self._mergers: dict[int, localisation.Merger] = {}
    self._events: list[localisation.DetectedEvent] = []
    self._windows = self._odd = 0

  def window(self, channel: int, start: float, end: float, until: float, odd: bool,
             found: dict[str, Sequence[localisation.Box]]) -> None:
    """A window from `start` to `end` (s of the file), the boxes of each species in it; no later one starts before `until`."""
    merger = self._mergers.setdefault(channel, localisation.Merger(channel, self._rules))
    self._windows += 1
    self._odd += odd
    for species, boxes in found.items():
      merger.add(start, end, species, boxes)
    self._events += merger.flush(until)

  def finish(self, end: End) -> FileResult:
    for merger in self._mergers.values():
      self._events += merger.flush()
    events = tuple(sorted(self._events, key=lambda e: (e.onset, e.offset, e.channel, e.species)))
    return FileResult(str(end.path), end.seconds, end.channels, self._windows, self._odd, 0 < end.seconds < self._window,
                      end.flaw, events)


def names_of(paths: Sequence[pathlib.Path]) -> dict[pathlib.Path, str]:
  """A name for each file's tables: its place below the folder that all have in common; suffixes stay where stems repeat."""
  base = pathlib.Path(os.path.commonpath([p.parent for p in paths]))
  stems = collections.Counter(p.relative_to(base).with_suffix('') for p in paths)
  return {p: (p.relative_to(base) if stems[p.relative_to(base).with_suffix('')] > 1 else
              p.relative_to(base).with_suffix('')).as_posix() for p in paths}


def key_of(path: pathlib.Path, configuration: str) -> str:
  """Of a file as it is now and a configuration's hash."""
  stat = path.stat()
  return hashlib.sha256(repr((str(path), stat.st_size, stat.st_mtime_ns, configuration)).encode()).hexdigest()


def save(folder: pathlib.Path, result: FileResult) -> None:
  files.write_text(_place(folder, result.name), json.dumps(dataclasses.asdict(result)))


def load(folder: pathlib.Path, name: str, key: str) -> FileResult | None:
  """The result of a file, None where there is none, or one of another file or configuration."""
  path = _place(folder, name)
  if not path.is_file():
    return None
  stored = files.read_json_object(path)
  if stored.get('key') != key:
    return None
  events = tuple(localisation.DetectedEvent(**e) for e in stored.pop('events'))
  return FileResult(**stored, events=events)


def _place(folder: pathlib.Path, name: str) -> pathlib.Path:
  return folder / f'{hashlib.sha256(name.encode()).hexdigest()[:24]}.json'


def write_tables(out: pathlib.Path, result: FileResult, taxonomy: Taxonomy) -> None:
  """Raven, Audacity and JAMS of one file, beside each other under its name; empty ones where nothing was heard."""
  base = out / result.name
  base.parent.mkdir(parents=True, exist_ok=True)
  scene = tuple(Event(e.species, VOCALISATION, e.onset, e.offset, e.low_hz, e.high_hz, LEVEL_DB) for e in result.events)
  raven_detections.write(f'{base}.selections.txt', [_sound(result)], taxonomy)
  audacity.write(f'{base}.audacity.txt', scene, taxonomy)
  jams.write(f'{base}.jams', scene, taxonomy, duration=result.seconds, source_file=pathlib.Path(result.path).name)


def _sound(result: FileResult) -> raven_detections.Sound:
  return raven_detections.Sound(result.path, result.seconds, result.events)


def write_all(out: pathlib.Path, results: Sequence[FileResult], taxonomy: Taxonomy,
              promise: Callable[[float], tuple[dict[str, float], str]]) -> dict[str, Any]:
  """all.selections.txt, detections.csv and summary.json of all files; returns the summary.

  Args:
    promise: of a rule of `presence`, given windows per hour.
  """
  used = [r for r in results if r.windows]
  raven_detections.write(out / 'all.selections.txt', map(_sound, used), taxonomy)
  birdnet.write(out / 'detections.csv', [e.detection(r.path) for r in used for e in r.events], taxonomy)
  species = collections.Counter(e.species for r in used for e in r.events)
  hours, windows, events = sum(r.seconds for r in used) / 3600, sum(r.windows for r in used), sum(species.values())
  figures, sentence = promise(windows / hours if hours else 0.0)
  summary = {
      'files': len(used), 'hours': hours, 'windows': windows, 'odd_windows': sum(r.odd for r in used), 'events': events,
      'events_per_hour': events / hours if hours else 0.0, **figures, 'false_alarms': sentence,
      'species': dict(species.most_common()), 'with_several_channels': sum(r.channels > 1 for r in used),
      'shorter_than_a_window': [r.path for r in used if r.short],
      'skipped': [{'name': r.path, 'reason': r.skip} for r in results if r.skip]}
  files.write_text(out / 'summary.json', json.dumps(summary, indent=1))
  return summary
