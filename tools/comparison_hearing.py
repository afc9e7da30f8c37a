"""All methods hear the same clips: what they heard, how long it took, and what is true of the clips."""

from __future__ import annotations

import dataclasses
import itertools
import time
from typing import Callable, Iterable

import jax
import numpy as np

from data_pipeline import species as species_lib
from sgm.evaluation import detector_answers, detector_methods
from sgm.evaluation import spans as spans_lib
from sgm.tasks import restore
from tools import known_clips
from tools.progress import Progress

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Set:
  """Clips that all methods heard.

  Attributes:
    truth: of N clips. s: (N, T, F), their spectrograms.
    heard: by each method. milliseconds: per clip, the median of the batches.
  """

  truth: detector_answers.Truth
  s: np.ndarray
  heard: dict[str, detector_methods.Heard]
  milliseconds: dict[str, float]


def hear(run: restore.Run, methods: list[detector_methods.Method], clips: Iterable[known_clips.Clip], count: int,
         say: Callable[[str], None]) -> Set:
  """All methods hear all clips, batch by batch in turn, so that what else the machine does slows them alike."""
  compute = jax.jit(run.task.frontend)
  known, s = [], []
  heard: dict[str, list[detector_methods.Heard]] = {m.name: [] for m in methods}
  seconds: dict[str, list[float]] = {m.name: [] for m in methods}
  clips = iter(clips)
  with Progress('clips heard', say) as progress:
    while some := list(itertools.islice(clips, BATCH)):
      audio = np.stack([c.audio for c in some + some[-1:] * (BATCH - len(some))])  # of one compiled shape
      s.append(np.asarray(compute(audio))[:len(some), ..., 0])
      for m in methods:
        start = time.perf_counter()
        out = m.hear(audio)
        seconds[m.name].append((time.perf_counter() - start) / BATCH)
        heard[m.name].append(detector_methods.Heard(*(x[:len(some)] for x in out)))
      known += [c._replace(audio=None) for c in some]
      progress(len(known), max(count, len(known)))
  return Set(truth_of(run, known), np.concatenate(s),
             {name: detector_methods.Heard(*map(np.concatenate, zip(*parts))) for name, parts in heard.items()},
             {name: 1000 * float(np.median(x[1:] or x)) for name, x in seconds.items()})  # the first one may compile


def truth_of(run: restore.Run, clips: list[known_clips.Clip]) -> detector_answers.Truth:
  """Of clips whose sound is no longer needed."""
  codes = run.labels.taxonomy.codes
  groups = np.array([c.group for c in clips])
  presence = np.zeros((len(clips), len(codes)), bool)
  for row, clip in zip(presence, clips):
    row[clip.species] = True
  bird = masks = None
  if clips[0].masks is not None:
    audible = [(i, s, m) for i, c in enumerate(clips) for s, m in zip(c.species, c.masks) if m.any()]
    bird = np.array([x[:2] for x in audible], int).reshape(-1, 2)
    masks = np.array([x[2] for x in audible], bool).reshape(-1, *clips[0].masks.shape[1:])
  pairs = tuple(tuple(map(codes.index, pair)) for pair in species_lib.CONFUSABLE if set(pair) <= set(codes))
  events = spans_lib.of_files([c.events for c in clips], codes)
  mixture = np.array([c.mixture for c in clips])
  several = groups if len(set(groups)) < len(clips) else None
  return detector_answers.Truth(codes, presence, events, run.config.clip.seconds, mixture, bird, masks, several, pairs)
