r"""Which birds are heard in recordings of any length, when and at which frequencies.

  python -m sgm.detect --workdir runs/ldm --out detections night.wav recordings/

Needs a calibrated run (python -m tools.calibrate --workdir runs/ldm): every event then has a p-value, and one of two promises
is kept for recordings like the calibration's clips. --false_alarm_rate (the default): a species that is absent is reported in
at most this share of the windows, whatever else there is. --fdr: of the species reported in a window at most this share is
absent, on average; with many species it lets fewer false alarms through.

OUT holds, for every file, Raven and Audacity tables and JAMS, and for all of them detections.csv (BirdNET's columns),
all.selections.txt (Raven, over all files), summary.json and index.html, a page that opens without a server; --pictures 20 adds
pictures and sounds of the 20 surest events of each species to it. An interrupted run continues with the files that it had not
finished.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import sys
import time
from typing import Any, Callable

from absl import app
from absl import flags

from data_pipeline import heap
from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline.recording import Skip
from sgm import process
from sgm.evaluation import detected_clips
from sgm.evaluation import detected_files
from sgm.evaluation import detected_page
from sgm.evaluation import detector as detector_lib
from sgm.evaluation import presence
from sgm.evaluation import windows as windows_lib
from sgm.evaluation.hearing import Hearing, Options
from sgm.training import clock
from sgm.training import workdir as workdir_lib

VERSION = 2
LINES_S = 20.0  # between lines that say how far it is
HEARD = {'all': 'each channel is heard by itself', 'mix': 'their average is heard, and called channel 1'}


def detect(d: detector_lib.Detector, paths: list[pathlib.Path], out: pathlib.Path, o: Options, workers: int, pictures: int = 0,
           say: Callable[[str], None] = functools.partial(print, flush=True)) -> dict[str, Any]:
  """Hears the files that OUT has no result of yet, writes all tables; returns the summary. See the module.

  Raises ValueError: options that do not fit the detector.
  """
  hearing = Hearing(d, o)
  state = out / 'files'
  state.mkdir(parents=True, exist_ok=True)
  key = hashlib.sha256(json.dumps([VERSION, *hearing.about()], sort_keys=True).encode()).hexdigest()
  names, taxonomy = detected_files.names_of(paths), d.run.labels.taxonomy
  stored = {path: detected_files.load(state, names[path], detected_files.key_of(path, key)) for path in paths}
  results = {path: result for path, result in stored.items() if result}
  todo = [path for path in paths if path not in results]
  if results:
    say(f'{len(results)} of {len(paths)} files are done already')
  lengths = windows_lib.lengths(todo, workers)
  several = sum(channels > 1 for _, channels in lengths.values())
  if several:
    say(f'{several} of {len(todo)} files have several channels, the model hears one: '
        f'{HEARD.get(o.channel, "that channel alone")} (--channel={o.channel})')
  progress = Progress({path: seconds for path, (seconds, _) in lengths.items()}, say)
  for path, result in hearing.files(todo, workers, progress):
    result = dataclasses.replace(result, name=names[path], key=detected_files.key_of(path, key))
    results[path] = result
    if result.windows:
      detected_files.write_tables(out, result, taxonomy)
    detected_files.save(state, result)  # last: it says that the tables are there
    progress.end(path)
    say(f'{len(results)} of {len(paths)} files: {result.name}: ' + (f'skipped: {result.skip}' if result.skip else
        f'{len(result.events)} events, {result.windows} windows, {result.odd} odd'))
  in_order = [results[path] for path in paths]
  summary = detected_files.write_all(out, in_order, taxonomy, hearing.rule.promise)
  heap.give_back()
  if pictures:
    say(f'pictures and sounds of up to {pictures} events of each species')
  clips = detected_clips.write(out, in_order, pictures, taxonomy, d.run.task.frontend.high_hz, o.channel == 'mix')
  detected_page.write(out, in_order, clips, summary, taxonomy)
  return summary


class Progress:
  """Says how far it is, in sound: at once and then every LINES_S seconds. `lengths`: seconds of every file."""

  def __init__(self, lengths: dict[pathlib.Path, float], say: Callable[[str], None]):
    self._lengths, self._say = lengths, say
    self._heard = dict.fromkeys(lengths, 0.0)
    self._first: tuple[float, float] | None = None  # time and seconds heard: the first batch is compiled for, and no measure
    self._said = 0.0

  def __call__(self, heard_of: dict[pathlib.Path, float]) -> None:
    self._heard |= {path: min(seconds, self._lengths[path]) for path, seconds in heard_of.items()}
    now = time.monotonic()
    if self._first and now - self._said < LINES_S:
      return
    self._said = now
    heard, total = sum(self._heard.values()), sum(self._lengths.values())
    self._first = self._first or (now, heard)
    spent, gained = now - self._first[0], heard - self._first[1]
    self._say(f'{clock.hours(heard)} of {clock.hours(total)} heard' + (
        f', {gained / spent:.3g} times real time, {clock.hours(spent * (total - heard) / gained)} left' if gained else ''))

  def end(self, path: pathlib.Path) -> None:
    """A file has ended, wherever reading it stopped."""
    self._heard[path] = self._lengths[path]


def _check_flags(f: Any) -> None:
  """Raises ValueError for a flag that the others leave without effect."""
  idle = ('false_alarm_rate', 'fdr', 'ood_rate') if f.uncalibrated else ('min_score',)
  given = [name for name in idle if f[name].present]
  if given:
    raise ValueError(f'--{given[0]} has no effect {"with" if f.uncalibrated else "without"} --uncalibrated')
  if f['fdr'].present and f['false_alarm_rate'].present:
    raise ValueError('--fdr and --false_alarm_rate promise different things: give one of them')


def main(argv: list[str]) -> None:
  f = flags.FLAGS
  process.quiet_libraries()
  process.enable_compilation_cache()
  try:
    _check_flags(f)
    out = workdir_lib.check_writable(f.out)
    paths, skips = windows_lib.find(argv[1:])
    d = detector_lib.load(f.workdir, calibrated=not f.uncalibrated)
    species = tuple(d.run.labels.taxonomy.resolve(name).code for name in f.species)
    rate = None if f.uncalibrated or f.fdr is not None else f.false_alarm_rate
    o = Options(rate, f.fdr, f.min_score, f.min_gap, f.overlap, f.channel, species, f.ood_rate)
    summary = detect(d, paths, out, o, f.workers, f.pictures)
  except (ValueError, OSError, taxonomy_lib.UnknownSpecies) as error:
    sys.exit(f'sgm.detect: {error}')
  for skip in [*skips, *(Skip(**s) for s in summary['skipped'])]:
    print(f'skipped {skip.name}: {skip.reason}')
  for path in summary['shorter_than_a_window']:
    print(f'padded {path}: shorter than a window of {d.samples / d.sample_rate:g} s')
  print(f'{summary["events"] or "no"} events in {summary["hours"]:.2f} hours of {summary["files"]} files, '
        f'{presence.per_hour(summary["events_per_hour"])} an hour; {out}')
  print(summary['false_alarms'])
  if not summary['files']:
    sys.exit('sgm.detect: no file could be used')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('workdir', None, 'work directory of a latent diffusion run, calibrated by tools.calibrate')
  flags.DEFINE_string('out', None, 'folder for the tables; a run that was interrupted continues in it')
  flags.DEFINE_float('false_alarm_rate', Options.false_alarm_rate, 'a species that is absent is reported in at most this share '
                     'of windows', lower_bound=0.0, upper_bound=1.0)
  flags.DEFINE_float('fdr', None, 'instead: of the species reported in a window at most this share is absent, on average',
                     lower_bound=0.0, upper_bound=1.0)
  flags.DEFINE_list('species', [], 'only these of the model: codes, common or scientific names')
  flags.DEFINE_string('channel', Options.channel, 'all: each channel by itself; mix: their average, called channel 1 in all '
                      'tables; or a number, from 1')
  flags.DEFINE_float('min_gap', Options.min_gap, 'seconds of silence that part two events of one species', lower_bound=0.0)
  flags.DEFINE_float('overlap', Options.overlap, 'share of a window that the next one covers too', lower_bound=0.1,
                     upper_bound=0.9)
  flags.DEFINE_float('ood_rate', Options.ood_rate, 'share of ordinary windows that may count as odd; odd ones are not searched',
                     lower_bound=0.0, upper_bound=1.0)
  flags.DEFINE_bool('uncalibrated', False, 'raw scores above --min_score, which are no probabilities')
  flags.DEFINE_float('min_score', Options.min_score, 'least raw score (with --uncalibrated)')
  flags.DEFINE_integer('pictures', 0, 'so many events of each species, the surest ones, get a picture and a sound on the page',
                       lower_bound=0)
  flags.DEFINE_integer('workers', 2, 'files that are decoded at a time', lower_bound=1)
  flags.mark_flags_as_required(['workdir', 'out'])
  app.run(main)
