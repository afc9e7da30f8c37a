"""Windows of several recordings at once, decoded by threads, each of one channel; and their preparation as in training."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
import queue
import threading
from typing import Callable, Iterator, Sequence

import numpy as np

from data_pipeline import metadata_files, registry, stream
from data_pipeline.decoding import BadRecording
from data_pipeline.levels import to_level
from data_pipeline.recording import SUFFIXES, Skip

AHEAD = 64  # windows that wait to be heard


@dataclasses.dataclass(frozen=True)
class Item:
  """A window: `start` and `valid` in samples at the detector's rate, `channel` of the file from 1, samples (N, 1)."""

  path: pathlib.Path
  channel: int
  start: int
  valid: int
  samples: np.ndarray


@dataclasses.dataclass(frozen=True)
class End:
  """A file has been read: its length, channels, and what was wrong with it ('' = nothing)."""

  path: pathlib.Path
  seconds: float
  channels: int
  flaw: str


def find(arguments: Sequence[str]) -> tuple[list[pathlib.Path], list[Skip]]:
  """The recordings among files and folders, each once. Raises ValueError: none at all, or an argument that is not there."""
  found: dict[pathlib.Path, None] = {}
  skips: list[Skip] = []
  for argument in arguments:
    path = pathlib.Path(argument).resolve()
    if path.is_dir():
      inside, out = metadata_files.walk(path, SUFFIXES)
      found |= dict.fromkeys(inside)
      skips += out
    elif path.exists():
      found[path] = None
    else:
      raise ValueError(f'{argument} does not exist')
  if not found:
    raise ValueError(f'no recordings ({", ".join(SUFFIXES)}) in {", ".join(arguments) or "nothing: give files or folders"}')
  return list(found), skips


def lengths(paths: Sequence[pathlib.Path], workers: int) -> dict[pathlib.Path, tuple[float, int]]:
  """(seconds, channels) of each file, (0, 0) of one that cannot be opened. Nothing is decoded."""
  def one(path: pathlib.Path) -> tuple[float, int]:
    try:
      info = stream.info(path)
      return info.seconds, info.channels
    except BadRecording:  # reading will tell
      return 0.0, 0

  with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
    return dict(zip(paths, pool.map(one, paths)))


def read(paths: Sequence[pathlib.Path], sample_rate: int, window: int, hop: int, channel: str,
         workers: int) -> Iterator[Item | End]:
  """The windows of each file in order, those of several files mixed, and an End after each file's last one.

  Args:
    channel: 'all', 'mix' or a number from 1.
    workers: files that are read at a time.

  Raises ValueError for another `channel`.
  """
  if channel not in ('all', 'mix') and not (channel.isdecimal() and int(channel) > 0):
    raise ValueError(f'channel {channel!r}: expected all, mix or a number from 1')
  waiting: queue.Queue[Item | End] = queue.Queue(AHEAD)
  stopped = threading.Event()

  def put(item: Item | End) -> None:
    while not stopped.is_set():
      try:
        return waiting.put(item, timeout=0.2)
      except queue.Full:
        continue

  def one(path: pathlib.Path) -> None:
    seconds, channels, flaw = 0.0, 0, ''
    try:
      info = stream.info(path)
      seconds, channels = info.seconds, info.channels
      if channel.isdecimal() and int(channel) > channels:  # people count from 1, `stream` from 0
        raise BadRecording(f'has {channels} channel(s), channel {channel} was asked')
      only = dict(channels=1) if channel == 'mix' else {} if channel == 'all' else dict(channel=int(channel) - 1)
      for w in stream.windows(path, sample_rate, window, hop, **only):
        if stopped.is_set():
          return
        for c in range(w.samples.shape[1]):
          number = int(channel) if channel.isdecimal() else c + 1
          put(Item(path, number, w.start, w.valid, w.samples[:, c:c + 1]))
    except BadRecording as error:
      flaw = str(error).removeprefix(f'{path}: ')
    except Exception as error:  # of a thread nobody waits for: told like any other flaw, or the reader would wait for ever
      flaw = f'{type(error).__name__}: {error}'
    put(End(path, seconds, channels, flaw))

  with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
    try:
      for path in paths:
        pool.submit(one, path)
      left = len(paths)
      while left:
        item = waiting.get()
        left -= isinstance(item, End)
        yield item
    finally:
      stopped.set()


def preparation(ops: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
  """What `clip.prepare` of a configuration does to a window (N, 1): nothing, or a level.

  Raises ValueError for an op that a detector cannot follow.
  """
  calls = [registry.parse(op) for op in ops]
  levels = [call for call in calls if call.name == 'level']
  other = [call.name for call in calls if call.name not in ('decode', 'level')]
  if other or len(levels) > 1:
    raise ValueError(f'clip.prepare {list(ops)}: a detector knows decode and one level, not {", ".join(other) or "several"}')
  if not levels:
    return lambda samples: samples
  db = float(levels[0].args[0])
  return lambda samples: to_level(samples, db)
