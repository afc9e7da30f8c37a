r"""Which birds are heard in recordings of any length, when and at which frequencies.

  python -m sgm.detect --workdir runs/ldm --out detections night.wav recordings/

Needs a calibrated run (python -m tools.calibrate --workdir runs/ldm): every event then has a p-value, and --false_alarm_rate is
the share of windows in which a species that is absent is reported all the same. OUT holds, for every file, Raven and Audacity
tables and JAMS, and for all of them detections.csv (BirdNET's columns), all.selections.txt (Raven, over all files) and
summary.json. An interrupted run continues with the files that it had not finished.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import sys
import time
from typing import Any

from absl import app
from absl import flags
import numpy as np

from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline.recording import Skip
from sgm.evaluation import detected_files
from sgm.evaluation import detector as detector_lib
from sgm.evaluation import localisation
from sgm.evaluation import windows as windows_lib
from sgm.training import workdir as workdir_lib

VERSION = 1
BATCH = 16


@dataclasses.dataclass(frozen=True)
class Options:
  """What decides the events, apart from the detector.

  Attributes:
    false_alarm_rate: per (window, absent species); None: raw scores above `min_score`, which are no probabilities.
    overlap: share of a window that the next one covers too.
    channel: 'all' hears each channel by itself, 'mix' their average, a number that one alone, from 1.
    species: codes, () = all of the model's.
    ood_rate: share of windows like the calibration's that count as odd; odd ones are not searched.
  """

  false_alarm_rate: float | None = 0.01
  min_score: float = 0.0
  min_gap: float = 0.2
  overlap: float = 0.5
  channel: str = 'all'
  species: tuple[str, ...] = ()
  ood_rate: float = 0.01


def detect(d: detector_lib.Detector, paths: list[pathlib.Path], out: pathlib.Path, o: Options, workers: int,
           say: Any = print) -> dict[str, Any]:
  """Hears the files that OUT has no result of yet, writes all tables; returns the summary. See the module."""
  heard = Hearing(d, o, round(d.samples * (1 - o.overlap)))
  state = out / 'files'
  state.mkdir(parents=True, exist_ok=True)
  decided = [VERSION, d.run.fingerprint, d.about(), d.thresholds.tolist(), heard.thresholds.tolist(), dataclasses.asdict(o)]
  key = hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()
  results: dict[str, detected_files.FileResult] = {}
  names = detected_files.names_of(paths)
  todo = []
  for path in paths:
    stored = detected_files.load(state, names[path], detected_files.key_of(path, key))
    if stored is None:
      todo.append(path)
    else:
      results[names[path]] = stored
  if results:
    say(f'{len(results)} of {len(paths)} files are done already')
  start, seconds, done = time.monotonic(), 0.0, 0
  for path, result in heard.files(todo, workers):
    result = dataclasses.replace(result, name=names[path], key=detected_files.key_of(path, key))
    results[result.name] = result
    detected_files.write_tables(out, result, d.run.labels.taxonomy)
    detected_files.save(state, result)  # last: it says that the tables are there
    done, seconds = done + 1, seconds + result.seconds
    spent = time.monotonic() - start
    left = spent * (len(todo) - done) / done
    say(f'{done} of {len(todo)}: {result.name}: ' + (f'skipped: {result.skip}' if result.skip else
        f'{len(result.events)} events, {result.windows} windows, {result.odd} odd; {seconds / spent:.0f} times real time, '
        f'{left:.0f} s left'))
  return detected_files.write_all(out, [results[names[p]] for p in paths], d.run.labels.taxonomy)


class Hearing:
  """Windows of several files, batched across files and channels, to the events of each; `thresholds`: (S,) of scores."""

  def __init__(self, d: detector_lib.Detector, o: Options, hop: int):
    self._d, self._o, self._hop = d, o, hop
    self._prepare = windows_lib.preparation(d.run.config.clip.prepare)
    self._rules = localisation.Rules(min_gap=o.min_gap)
    least = self._rules.overlap(d.run.task.frontend) * d.sample_rate / d.samples
    if 1 - hop / d.samples < least:
      raise ValueError(f'overlap {o.overlap:g}: expected {least:.3g} or more, lest a border cuts a sound into pieces too small '
                       'to count')
    self._species = np.array([d.species.index(code) for code in o.species or d.species])
    if o.false_alarm_rate is None:
      self.thresholds = np.full(len(d.species), o.min_score)
    else:
      self.thresholds = d.calibration.thresholds(o.false_alarm_rate)
      d.calibration.odd(d.calibration.ood[:1], o.ood_rate)  # raises for a rate that is too small

  def files(self, paths: list[pathlib.Path], workers: int):
    """Yields (path, FileResult without name and key) as files end."""
    open_files: dict[pathlib.Path, detected_files.Building] = {}
    batch: list[windows_lib.Item] = []
    for item in windows_lib.read(paths, self._d.sample_rate, self._d.samples, self._hop, self._o.channel, workers):
      if isinstance(item, windows_lib.Item):
        batch.append(item)
        if len(batch) == BATCH:
          self._hear(batch, open_files)
          batch = []
        continue
      if batch:  # the last windows of a file wait for no other file
        self._hear(batch, open_files)
        batch = []
      yield item.path, open_files.pop(item.path, self._new()).finish(item)

  def _hear(self, batch: list[windows_lib.Item], open_files: dict[pathlib.Path, detected_files.Building]) -> None:
    d, o = self._d, self._o
    audio = np.stack([self._prepare(item.samples) for item in batch])  # (B, samples, 1)
    padded = np.concatenate([audio, np.repeat(audio[-1:], BATCH - len(audio), 0)])  # one compiled shape
    heard = d.hear(padded)
    scores = heard.scores[:len(batch)]
    if d.calibration is None or o.false_alarm_rate is None:
      odd = np.zeros(len(batch), bool)
      confidence, p = 1 / (1 + np.exp(-scores)), None
    else:
      odd = d.calibration.odd(heard.ood[:len(batch)], o.ood_rate)
      confidence, p = d.calibration.probability(scores), d.calibration.p_values(scores)
    silent = np.array([not item.samples.any() for item in batch])
    found = (scores > self.thresholds) & ~(odd | silent)[:, None] & np.isin(np.arange(scores.shape[1]), self._species)
    window, species = np.nonzero(found)
    masks = d.masks(heard, window, species) if len(window) else np.zeros((0, 1, 1), bool)
    for i, item in enumerate(batch):
      boxes = {d.species[s]: localisation.boxes(masks[k], d.run.task.frontend, self._rules, float(confidence[i, s]),
                                                None if p is None else float(p[i, s]))
               for k, s in zip(np.flatnonzero(window == i), species[window == i])}
      start, end, until = (n / d.sample_rate for n in (item.start, item.start + item.valid, item.start + self._hop))
      open_files.setdefault(item.path, self._new()).window(item.channel, start, end, until, bool(odd[i]), boxes)

  def _new(self) -> detected_files.Building:
    return detected_files.Building(self._rules, self._d.samples / self._d.sample_rate)


def _check_flags(f: Any) -> None:
  """Raises ValueError for a flag that the others leave without effect."""
  idle = ('false_alarm_rate', 'ood_rate') if f.uncalibrated else ('min_score',)
  given = [name for name in idle if f[name].present]
  if given:
    raise ValueError(f'--{given[0]} has no effect {"with" if f.uncalibrated else "without"} --uncalibrated')


def main(argv: list[str]) -> None:
  f = flags.FLAGS
  workdir_lib.keep_heap()
  workdir_lib.quiet_libraries()
  workdir_lib.enable_compilation_cache()
  try:
    _check_flags(f)
    out = workdir_lib.check_writable(f.out)
    paths, skips = windows_lib.find(argv[1:])
    d = detector_lib.load(f.workdir, calibrated=not f.uncalibrated)
    species = tuple(d.run.labels.taxonomy.resolve(name).code for name in f.species)
    rate = None if f.uncalibrated else f.false_alarm_rate
    o = Options(rate, f.min_score, f.min_gap, f.overlap, f.channel, species, f.ood_rate)
    summary = detect(d, paths, out, o, f.workers)
  except (ValueError, OSError, taxonomy_lib.UnknownSpecies) as error:
    sys.exit(f'sgm.detect: {error}')
  for skip in [*skips, *(Skip(**s) for s in summary['skipped'])]:
    print(f'skipped {skip.name}: {skip.reason}')
  print(f'{summary["events"]} events in {summary["hours"]:.2f} hours of {summary["files"]} files; {out}')
  if not summary['files']:
    sys.exit('sgm.detect: no file could be used')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('workdir', None, 'work directory of a latent diffusion run, calibrated by tools.calibrate')
  flags.DEFINE_string('out', None, 'folder for the tables; a run that was interrupted continues in it')
  flags.DEFINE_float('false_alarm_rate', Options.false_alarm_rate, 'share of windows that report a species which is absent',
                     lower_bound=0.0, upper_bound=1.0)
  flags.DEFINE_list('species', [], 'only these of the model: codes, common or scientific names')
  flags.DEFINE_string('channel', Options.channel, 'all: each channel by itself; mix: their average; or a number, from 1')
  flags.DEFINE_float('min_gap', Options.min_gap, 'seconds of silence that part two events of one species', lower_bound=0.0)
  flags.DEFINE_float('overlap', Options.overlap, 'share of a window that the next one covers too', lower_bound=0.1,
                     upper_bound=0.9)
  flags.DEFINE_float('ood_rate', Options.ood_rate, 'share of ordinary windows that may count as odd; odd ones are not searched',
                     lower_bound=0.0, upper_bound=1.0)
  flags.DEFINE_bool('uncalibrated', False, 'raw scores above --min_score, which are no probabilities')
  flags.DEFINE_float('min_score', Options.min_score, 'least raw score (with --uncalibrated)')
  flags.DEFINE_integer('workers', 2, 'files that are decoded at a time', lower_bound=1)
  flags.mark_flags_as_required(['workdir', 'out'])
  app.run(main)
