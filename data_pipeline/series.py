"""Named splits of built-in soundscapes, and worker processes that make them. No tensorflow: the workers import this."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Iterator, Mapping

import numpy as np

from data_pipeline import soundscape, workers as processes
from data_pipeline.scene import Scene

SPLITS: dict[str, dict[str, Any]] = {  # arguments of soundscape.generate; every clip of every split has birds of its own
    'train': {},
    'judge': {},  # trains the judge, and nothing else
    'val': {},
    'test': {},
    'single': dict(density=(0.0, 1.0), max_events=1),
    'pairs': dict(density=(0.0, 0.0, 1.0), max_events=2, overlap=True, distinct=True),
}
SIZES = dict(train=6000, judge=3000, val=256, test=512, single=512, pairs=512)
WITHOUT_STEMS = ('train', 'judge')
_CHUNK = 16  # clips per message of a worker

# Of a clip: audio (N, C) int16, stems (E, N, C) int16 or None, scene, provenance.
Made = tuple[np.ndarray, np.ndarray | None, Scene, dict[str, Any]]


def known_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
  """`sizes` in the order of SPLITS, without empty splits. Raises ValueError that names an unknown split."""
  for split, n in sizes.items():
    if split not in SPLITS:
      raise ValueError(f'split {split!r}: expected one of {", ".join(SPLITS)}')
    if n < 0:
      raise ValueError(f'split {split!r}: {n} clips asked for')
  known = {split: int(sizes[split]) for split in SPLITS if sizes.get(split)}
  if not known:
    raise ValueError('no clips asked for: every split has size 0')
  return known


def split_clip(seed: int, split: str, index: int, *, duration: float, sample_rate: int, channels: int,
               plausibility: str = 'uniform') -> soundscape.Clip:
  """Clip `index` of a named split; its id is 'procedural/<split>/<index>'. `plausibility`: see soundscape.generate."""
  if split not in SPLITS:
    raise ValueError(f'split {split!r}: expected one of {", ".join(SPLITS)}')
  clip = soundscape.generate(soundscape.split_seed(seed, split), index, duration=duration, sample_rate=sample_rate,
                             channels=channels, plausibility=plausibility, **SPLITS[split])
  return dataclasses.replace(clip, id=f'procedural/{split}/{index}')


def fingerprint(*, seed: int, sizes: Mapping[str, int], clip_seconds: float, sample_rate: int, channels: int,
                plausibility: str = 'uniform') -> str:
  """sha256 over all that decides what the clips hold."""
  what = dict(version=soundscape.VERSION, seed=seed, sizes=known_sizes(sizes), clip_seconds=float(clip_seconds),
              sample_rate=sample_rate, channels=channels, splits={s: SPLITS[s] for s in known_sizes(sizes)})
  if plausibility != 'uniform':  # which has the sounds that there were before there was a choice
    what |= {'plausibility': plausibility}
  return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def to_int16(x: np.ndarray) -> np.ndarray:
  """Float in [-1, 1] -> int16, full scale 32767; what lies outside is cut, what is int16 already is returned."""
  if x.dtype == np.int16:
    return x
  return np.clip(np.rint(x * 32767.0), -32767, 32767).astype(np.int16)


def _chunk(seed: int, split: str, start: int, stop: int, how: dict) -> list[Made]:
  out = []
  for index in range(start, stop):
    clip = split_clip(seed, split, index, **how)
    stems = None if split in WITHOUT_STEMS else to_int16(clip.stems)
    out.append((to_int16(clip.audio), stems, clip.scene, clip.provenance))
  return out


def split_clips(seed: int, split: str, count: int, *, duration: float, sample_rate: int, channels: int, workers: int,
                plausibility: str = 'uniform') -> Iterator[Made]:
  """The first `count` clips of a split in order.

  Args:
    workers: processes; with 1 or 0 the clips are made in this one. The result does not depend on it.
  """
  how = dict(duration=duration, sample_rate=sample_rate, channels=channels, plausibility=plausibility)
  chunks = [(seed, split, i, min(i + _CHUNK, count), how) for i in range(0, count, _CHUNK)]
  for some in processes.in_order(_chunk, chunks, workers):
    yield from some
