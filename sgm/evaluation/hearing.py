"""From recordings to the events of each: windows of several files, batched, heard, masked, boxed and merged."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any, Callable, Iterator

import numpy as np

from data_pipeline import heap
from sgm.evaluation import detected_files
from sgm.evaluation import detector as detector_lib
from sgm.evaluation import localisation
from sgm.evaluation import presence
from sgm.evaluation import windows as windows_lib

BATCH = max(16, len(os.sched_getaffinity(0)))  # windows; one at least for each core that this process may use
PAIRS = 32  # of a window and a species, whose masks are made at a time


@dataclasses.dataclass(frozen=True)
class Options:
  """What decides the events, apart from the detector.

  Attributes:
    false_alarm_rate: per (window, absent species); fdr: over the species of a window; see `presence`. One of them; neither:
      raw scores above `min_score`.
    overlap: share of a window that the next one covers too.
    channel: 'all' hears each channel by itself, 'mix' their average, a number that one alone, from 1.
    species: codes, () = all of the model's.
    ood_rate: share of windows like the calibration's that count as odd; odd ones are not searched.
  """

  false_alarm_rate: float | None = 0.01
  fdr: float | None = None
  min_score: float = 0.0
  min_gap: float = 0.2
  overlap: float = 0.5
  channel: str = 'all'
  species: tuple[str, ...] = ()
  ood_rate: float = 0.05


class Hearing:
  """Hears files with a detector. `rule`: says which species are there.

  Raises ValueError: options that do not fit the detector.
  """

  def __init__(self, d: detector_lib.Detector, o: Options):
    self._d, self._o, self._hop = d, o, round(d.samples * (1 - o.overlap))
    self._prepare = windows_lib.preparation(d.run.config.clip.prepare)
    self._rules = localisation.Rules(min_gap=o.min_gap)
    heard = d.run.task.autoencoder.channels
    if heard != 1:
      raise ValueError(f'the model hears {heard} channels together: expected one of a single channel')
    least = self._rules.overlap(d.run.task.frontend) * d.sample_rate / d.samples
    if 1 - self._hop / d.samples < least:
      raise ValueError(f'overlap {o.overlap:g}: expected {least:.3g} or more, lest a border cuts a sound into pieces too small '
                       'to count')
    if o.false_alarm_rate is not None and o.fdr is not None:
      raise ValueError('a false-alarm rate and a false discovery rate: expected one of them')
    chosen = np.isin(d.species, o.species or d.species)  # (S,)
    if o.false_alarm_rate is None and o.fdr is None:
      self.rule = presence.Raw(chosen, o.min_score)
    else:
      self.rule = presence.Calibrated(d.calibration, chosen, o.false_alarm_rate, o.fdr, o.ood_rate)

  def about(self) -> list[Any]:
    """All that decides the events of a file, as JSON."""
    d = self._d
    return [d.run.fingerprint, d.about(), d.thresholds.tolist(), self.rule.about(), dataclasses.asdict(self._o)]

  def files(self, paths: list[pathlib.Path], workers: int, progress: Callable[[dict[pathlib.Path, float]], None]
            ) -> Iterator[tuple[pathlib.Path, detected_files.FileResult]]:
    """Yields (path, result without name and key) as files end; `progress` is told how many seconds of which files are heard."""
    open_files: dict[pathlib.Path, detected_files.Building] = {}
    batch: list[windows_lib.Item] = []
    ends: list[windows_lib.End] = []  # of files whose last windows may wait in the batch

    def hear() -> Iterator[tuple[pathlib.Path, detected_files.FileResult]]:
      if batch:
        self._hear(batch, open_files)
        heap.give_back()  # some milliseconds of a batch: memory stays level over hours of sound
        progress({item.path: (item.start + min(item.valid, self._hop)) / self._d.sample_rate for item in batch})
      yield from ((end.path, open_files.pop(end.path, self._new()).finish(end)) for end in ends)
      batch.clear()
      ends.clear()

    for item in windows_lib.read(paths, self._d.sample_rate, self._d.samples, self._hop, self._o.channel, workers):
      (batch if isinstance(item, windows_lib.Item) else ends).append(item)
      if len(batch) == BATCH:
        yield from hear()
    yield from hear()

  def _hear(self, batch: list[windows_lib.Item], open_files: dict[pathlib.Path, detected_files.Building]) -> None:
    d = self._d
    audio = np.stack([self._prepare(item.samples) for item in batch])  # (B, samples, 1)
    heard = d.hear(audio)
    verdict = self.rule(heard.scores, heard.ood)
    silent = np.array([not item.samples.any() for item in batch])
    window, species = np.nonzero(verdict.found & ~silent[:, None])
    masks = self._masks(heard, window, species)
    for i, item in enumerate(batch):
      boxes = {}
      for k in np.flatnonzero(window == i):
        s = species[k]
        p = None if verdict.p_values is None else float(verdict.p_values[i, s])
        boxes[d.species[s]] = localisation.boxes(masks[k], d.run.task.frontend, self._rules, float(verdict.confidence[i, s]), p)
      start, end, until = (n / d.sample_rate for n in (item.start, item.start + item.valid, item.start + self._hop))
      open_files.setdefault(item.path, self._new()).window(item.channel, start, end, until, bool(verdict.odd[i]), boxes)

  def _masks(self, heard: detector_lib.Heard, window: np.ndarray, species: np.ndarray) -> list[np.ndarray]:
    """(T, F) of each pair, made PAIRS at a time: any other number of them would be compiled anew, and kept."""
    masks: list[np.ndarray] = []
    for i in range(0, len(window), PAIRS):
      rows = np.minimum(np.arange(i, i + PAIRS), len(window) - 1)
      masks.extend(self._d.masks(heard, window[rows], species[rows]))
    return masks[:len(window)]

  def _new(self) -> detected_files.Building:
    return detected_files.Building(self._rules, self._d.samples / self._d.sample_rate)
