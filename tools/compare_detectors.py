r"""One table of detectors: the diffusion model, the published mask, a CNN with class-activation maps, energies of bands.

  python -m sgm.train --config experiments/classifier.py:preset=tiny,data=runs/data,split=train --workdir runs/cnn
  python -m tools.compare_detectors --workdir runs/ldm --classifier runs/cnn --out runs/detectors
  python -m tools.compare_detectors ... --splits val,test         # recordings: calibrate on one, judge on the other

Every method is calibrated by the same clips, which choose its masks' thresholds too, and judged on others. OUT holds
comparison.json, comparison.csv and comparison.html. Of the built-in birds clips are made anew: false masks and probabilities
are judged on those of none to four birds, all else on those with two or more. Of recordings all clips of the split count.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
from typing import Callable, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

from absl import app, flags
import numpy as np

from sgm import process, render
from sgm.diffusion import maps as maps_lib
from sgm.evaluation import activation_maps, calibration as calibration_lib
from sgm.evaluation import detector as detector_lib, detector_answers, detector_methods, detector_metrics
from sgm.evaluation.detector_answers import Answers
from sgm.evaluation.detector_methods import Heard, Method
from sgm.tasks import restore
from sgm.training import workdir as workdir_lib
from tools import comparison_charts, known_clips, comparison_files, comparison_hearing, comparison_page
from tools.comparison_files import CLIPS, Comparison, Cost, Result
from tools.comparison_hearing import Set

RATES = (0.01, 0.05, 0.1)
MASK_CLIPS = 256  # whose true masks choose the thresholds
FIT_CLIPS = 6000  # that the band energies are fitted on, at most
ANCHOR_CLIPS = 2 * comparison_hearing.BATCH  # of silence, of noise
BARE_CLIPS = 100  # in which masks are counted that no p-value keeps back
PICTURES = 4
RESAMPLES = 1000
TOP = 16  # strongest cells of a map that make a score
GREEDY = dict(screen=(0.6, 0.8), keep=3)
GAIN, CNN = 'denoising gain', 'CNN, class-activation map'
PUBLISHED_MAP = activation_maps.Settings()
# Of all levels and kinds, with frames and without, the one with the best masks on held-out clips of the built-in birds.
BEST_MAP = activation_maps.Settings(level=0, kind='layer_cam', frames=True)


def methods_of(workdir: str, classifier: str, data: str, maps: Sequence[str], greedy: bool) -> tuple[restore.Run, list[Method]]:
  """The diffusion run, and the methods of the table: all that has to grow for one more.

  Raises:
    ValueError: work directories that cannot be compared, or a map that is not known.
  """
  d = detector_lib.load(workdir, calibrated=False)
  run, cnn = d.run, restore.load(classifier, expect='classification')
  detector_methods.check_same(run, cnn)
  if cnn.config.data.split != run.config.data.split:
    raise ValueError(f'{classifier} learnt from split {cnn.config.data.split!r}, {workdir} from {run.config.data.split!r}: '
                     'expected the same clips')
  searches = [detector_methods.detector(GAIN, d)]
  if greedy:
    composed = detector_lib.Detector(run, dataclasses.replace(d.settings, **GREEDY))
    searches.append(detector_methods.detector('greedy search', composed))
  mapped = [detector_methods.mapped(f'{name} map', run, maps_lib.build({'name': name}), TOP) for name in maps]
  s, presence = known_clips.training(run, data, FIT_CLIPS)
  return run, [
      *searches, *mapped, detector_methods.classifier(CNN, cnn, BEST_MAP),
      detector_methods.classifier('CNN, Grad-CAM as published', cnn, PUBLISHED_MAP),
      detector_methods.band('band energies', run.task.frontend, s, presence),
  ]


def calibrated(run: restore.Run, methods: Sequence[Method], known: Set) -> dict[str, calibration_lib.Calibration]:
  """Each method's calibration; the thresholds of its masks are chosen.

  Raises:
    ValueError: too few clips for the lowest of the rates.
  """
  truth = known.truth
  if truth.masks is not None:
    n = min(len(known.s), MASK_CLIPS)
    dense = np.zeros((n, len(truth.codes), *known.s.shape[1:]), bool)
    mine = truth.bird[:, 0] < n
    dense[tuple(truth.bird[mine].T)] = truth.masks[mine]
    for m in methods:
      m.rule.fit(known.s[:n], known.heard[m.name].maps[:n], dense)
  loudness = known.s.mean((1, 2))  # a calibration wants some feature that tells odd windows; none are sought here
  made = {m.name: calibration_lib.fit(known.heard[m.name].scores, truth.presence, loudness, species=truth.codes,
                                      fingerprint=run.fingerprint, settings={'method': m.name}) for m in methods}
  for c in made.values():
    c.thresholds(min(RATES))  # raises
  return made


def judged(run: restore.Run, m: Method, calibration: calibration_lib.Calibration, test: Set, rate: float,
           seed: int) -> tuple[Answers, list[Result]]:
  """The answers of a method to the test clips, and its figures on them and on the anchors."""
  truth, frontend = test.truth, run.task.frontend
  answer = functools.partial(detector_answers.answers, m, truth=truth, calibration=calibration, frontend=frontend)
  mine = answer(test.heard[m.name], test.s)
  on = {CLIPS: mine, 'shuffled labels': mine.exchanged(seed)}
  again = np.arange(len(test.s)) % ANCHOR_CLIPS  # every clip sounds like one of them
  for name, sound in known_clips.anchors(run.config.clip.samples, ANCHOR_CLIPS, seed).items():
    parts = [m.hear(audio) for audio in np.split(sound, ANCHOR_CLIPS // comparison_hearing.BATCH)]
    heard = Heard(*(np.concatenate(x)[again] for x in zip(*parts)))
    on[name] = answer(heard, np.asarray(frontend(sound))[again, ..., 0])
  how = dict(resamples=RESAMPLES, seed=seed)
  results = [Result(m.name, what, detector_metrics.evaluate(truth, a, rate, RATES, **how)) for what, a in on.items()]
  few = slice(0, BARE_CLIPS)
  bare = detector_metrics.uncalibrated(m, Heard(*(x[few] for x in test.heard[m.name])), test.s[few], truth.presence[few], **how)
  results[0].figures['false_masks_uncalibrated'] = bare
  return mine, results


def compare(workdir: str, classifier: str, *, data: str = '', splits: Sequence[str] = (), maps: Sequence[str] = ('contrast',),
            greedy: bool = False, clips: int = 1400, test_clips: int = 1000, rate: float = 0.05, seed: int = 0,
            say: Callable[[str], None] = functools.partial(print, flush=True)) -> tuple[Comparison, list[tuple[str, bytes]]]:
  """Hears, calibrates and judges; see the flags. Returns what was found, and (caption, PNG) of some clips.

  Raises:
    ValueError: work directories that cannot be compared, no such split, too few clips for the rates.
  """
  run, methods = methods_of(workdir, classifier, data, maps, greedy)
  if splits:
    known, test = (known_clips.recorded(run, data, split, n) for split, n in zip(splits, (clips, test_clips)))
  elif known_clips.built_in(run):
    known = known_clips.made(run, 'comparison/calibration', clips, seed)
    test = known_clips.made(run, 'comparison/test', test_clips, seed)
  else:
    raise ValueError(f'{workdir} was not trained on the built-in birds: give --splits, two of its data set')
  known = comparison_hearing.hear(run, methods, known, clips, say)
  calibrations = calibrated(run, methods, known)
  test = comparison_hearing.hear(run, methods, test, test_clips, say)
  answers, results = {}, []
  for m in methods:
    say(f'judging: {m.name}')
    answers[m.name], some = judged(run, m, calibrations[m.name], test, rate, seed)
    results += some
  truth = test.truth
  how = dict(resamples=RESAMPLES, seed=seed)
  for r in results:
    if r.on == CLIPS:
      r.figures['cmap_of_cnn'] = detector_metrics.cmap_of(truth, answers[r.method], answers[CNN], **how)
  if truth.masks is not None:
    best = detector_answers.perfect(truth, run.task.frontend)
    results.append(Result('true masks', CLIPS, detector_metrics.evaluate(truth, best, rate, RATES, **how)))
  about = {'workdir': str(workdir), 'classifier': str(classifier), 'fingerprint': run.fingerprint,
           'sound': f'splits {" and ".join(splits)}' if splits else 'built-in birds, made anew',
           'calibration_clips': len(known.s), 'test_clips': len(test.s), 'mixtures': int(truth.mixture.sum()), 'rate': rate,
           'seed': seed}
  costs = [Cost(m.name, m.passes, test.milliseconds[m.name], truth.seconds) for m in methods]
  found = Comparison(about, tuple(s.common for s in run.labels.taxonomy.species), truth.pairs, results, costs)
  return found, [pictured(i, run, test, answers, rate) for i in np.flatnonzero(truth.mixture)[:PICTURES]]


def pictured(i: int, run: restore.Run, test: Set, answers: dict[str, Answers], rate: float) -> tuple[str, bytes]:
  """Caption and picture of clip i."""
  truth, frontend = test.truth, run.task.frontend
  names = dict(enumerate(s.common for s in run.labels.taxonomy.species))
  masks: dict[str, dict[int, np.ndarray]] = {}
  maps: dict[str, dict[int, np.ndarray]] = {}
  if truth.masks is not None:
    rows = np.flatnonzero(truth.bird[:, 0] == i)
    of = {'truth': truth.masks, **{name: a.masks for name, a in answers.items()}}
    masks = {name: {int(truth.bird[r, 1]): x[r] for r in rows} for name, x in of.items()}
    maps = {name: {s: h.maps[i, s] for s in masks['truth']} for name, h in test.heard.items() if h.maps.size}
  there, *said = (x.at(x.file == i) for x in (truth.events, *(a.events_at(rate) for a in answers.values())))
  grid = render.Grid(truth.seconds, tuple(frontend.band_hz), frontend.db_range)
  caption = ', '.join(names[s] for s in np.flatnonzero(truth.presence[i]))
  return caption, comparison_charts.clip(test.s[i], grid, names, there, dict(zip(answers, said)), masks, maps)


def main(argv: list[str]) -> None:
  del argv
  f = flags.FLAGS
  process.prepare()
  try:
    if len(f.splits) not in (0, 2):
      raise ValueError(f'--splits {",".join(f.splits)}: expected two, one to calibrate on and one to judge on')
    out = workdir_lib.check_writable(f.out)
    found, pictures = compare(f.workdir, f.classifier, data=f.data, splits=f.splits, maps=f.maps, greedy=f.greedy,
                              clips=f.clips, test_clips=f.test_clips, rate=f.rate, seed=f.seed)
  except (ValueError, OSError) as error:
    sys.exit(f'compare_detectors: {error}')
  comparison_files.write(found, out)
  comparison_page.write(found, pictures, out / 'comparison.html')
  print(f'{comparison_files.described(found)}\n{out / "comparison.html"}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('workdir', None, 'work directory of a latent diffusion run', required=True)
  flags.DEFINE_string('classifier', None, 'work directory of a classifier trained on the same clips', required=True)
  flags.DEFINE_string('out', None, 'folder for the table and the page', required=True)
  flags.DEFINE_string('data', '', 'data set both were trained on; empty: where it was then')
  flags.DEFINE_list('splits', [], 'one to calibrate on and one to judge on; none: clips of the built-in birds are made')
  flags.DEFINE_list('maps', ['contrast'], f'also compared, of {", ".join(maps_lib.METHODS)}')
  flags.DEFINE_bool('greedy', False, 'also compare the search that composes species, see sgm.evaluation.search')
  flags.DEFINE_integer('clips', 1400, 'to calibrate on, at most', lower_bound=20)
  flags.DEFINE_integer('test_clips', 1000, 'to judge on, at most', lower_bound=20)
  flags.DEFINE_float('rate', 0.05, 'false alarms per absent species and clip at which species are reported', lower_bound=0.0,
                     upper_bound=detector_answers.LOOSEST)
  flags.DEFINE_integer('seed', 0, 'of the made clips and the bootstraps', lower_bound=0)
  app.run(main)
