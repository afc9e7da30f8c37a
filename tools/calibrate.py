r"""Calibrates a diffusion run as a detector: what its scores are worth, from clips in which all birds are known.

  python -m tools.calibrate --workdir runs/ldm                         # of the built-in birds: clips are made for it
  python -m tools.calibrate --workdir runs/ldm --data runs/real --splits val,test

  python -m tools.calibrate --workdir runs/ldm --odd boats --odd others  # and hears recordings that hold none of the species

Writes W/detector (settings.json, calibration.npz, report.json). For the built-in birds clips of none to four birds are made
anew, half of them to calibrate and half to check: how many absent species get a mask at the asked rates. The same is told of
sounds without any of the species (silence, noise, rain, birds that no model was trained on), with the share of them that is
found odd.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import pathlib
import sys
from typing import Any, Callable, Iterable, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

from absl import app, flags
import numpy as np

from sgm import process
from sgm.evaluation import calibration as calibration_lib
from sgm.evaluation import detection, detector as detector_lib
from sgm.tasks import restore
from sgm.training import workdir as workdir_lib
from tools import calibration_checks as checks, known_clips
from tools.progress import Progress

RATES = (0.01, 0.05, 0.1)
BATCH = 16
MASK_CLIPS = 256  # whose true masks choose the thresholds


def score(d: detector_lib.Detector, clips: Iterable[known_clips.Clip], count: int,
          say: Callable[[str], None]) -> dict[str, np.ndarray]:
  """What `Heard` has of N clips, presence (N, S), and masks (n, S, T, F) of the first n."""
  heard_of = [field.name for field in dataclasses.fields(detector_lib.Heard)]
  rows: dict[str, list[np.ndarray]] = {name: [] for name in (*heard_of, 'presence', 'masks')}
  held: list[np.ndarray] = []

  def flush() -> None:
    if held:
      heard = d.hear(np.stack(held))
      for name in heard_of:
        rows[name].append(getattr(heard, name))
      held.clear()

  with Progress('clips heard', say) as progress:
    for done, clip in enumerate(clips, 1):
      held.append(clip.audio)
      rows['presence'].append(np.isin(np.arange(len(d.species)), clip.species)[None])
      if clip.masks is not None:
        masks = np.zeros((1, len(d.species), *clip.masks.shape[1:]), bool)
        masks[0, clip.species] = clip.masks
        rows['masks'].append(masks)
      if len(held) == BATCH:
        flush()
        progress(min(done, count), count)
    flush()
  return {name: np.concatenate(column) for name, column in rows.items() if column}


def calibrate(workdir: str, *, data: str, splits: list[str], clips: int, seed: int, odd: Sequence[str] = (),
              say: Callable[[str], None] = functools.partial(print, flush=True)) -> dict[str, Any]:
  """Calibrates, checks, stores; returns the report.

  Args:
    odd: folders of recordings that hold none of the species.

  Raises:
    ValueError: no diffusion run, clips that do not fit it, or a folder without recordings.
  """
  run = restore.load(workdir, expect='latent_diffusion')
  d = detector_lib.Detector(run)
  elsewhere = {folder: checks.recordings(run, folder, say) for folder in odd}  # a wrong path is told before all the work
  if data:
    from data_pipeline import storage  # tensorflow, which the built-in birds need not
    sizes = storage.open_dataset(data).splits
    unknown = [s for s in splits if s not in sizes]
    if unknown:
      raise ValueError(f'{data}: no split {unknown[0]!r}; known: {", ".join(sizes)}')
    recorded = itertools.chain.from_iterable(known_clips.recorded(run, data, s, sizes[s]) for s in splits)
    known = score(d, recorded, sum(sizes[s] for s in splits), say)
  else:
    if not known_clips.built_in(run):
      raise ValueError(f'{workdir} was not trained on the built-in birds: give --data and --splits with clips of its species')
    known = score(d, known_clips.made(run, 'detector/calibration', clips, seed, MASK_CLIPS), clips, say)
  if 'masks' in known:
    n = len(known['masks'])
    d.thresholds = detection.choose_thresholds({k: known[k][:n] for k in ('masks', 'spectrogram')}, known['maps'][:n])
  d.calibration = calibration_lib.fit(known['scores'], known['presence'], known['features'], species=d.species,
                                      fingerprint=run.fingerprint, settings=d.about())
  report: dict[str, Any] = {'clips': len(known['scores']), 'absent': dict(zip(d.species, d.calibration.counts.tolist())),
                            'short': list(d.calibration.short)}
  report['checks'] = {}
  if not data:
    fresh = known_clips.made(run, 'detector/check', clips, seed, masked=0)
    report['checks']['held out'] = checks.check(d, score(d, fresh, clips, say), RATES)
  for name, (count, sounds) in (checks.sounds(run, seed) | elsewhere).items():
    nobody = (known_clips.Clip(audio, (), np.zeros(0, int), None, False, name) for audio in sounds)
    report['checks'][name] = checks.check(d, score(d, nobody, count, say), RATES)
  d.save(workdir)
  workdir_lib.write_json(pathlib.Path(workdir) / detector_lib.FOLDER / 'report.json', report)
  return report


def main(argv: list[str]) -> None:
  del argv
  f = flags.FLAGS
  process.prepare()
  try:
    report = calibrate(f.workdir, data=f.data, splits=f.splits, clips=f.clips, seed=f.seed, odd=f.odd)
  except (ValueError, OSError) as error:
    sys.exit(f'calibrate: {error}')
  print(f'{report["clips"]} clips calibrate {len(report["absent"])} species')
  if report['short']:
    print(f'coarse p-values: fewer than {calibration_lib.ENOUGH} clips lack {", ".join(report["short"])}')
  print(checks.table(report['checks']))


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('workdir', None, 'Work directory of a latent diffusion run.', required=True)
  flags.DEFINE_string('data', '', 'Data set whose clips calibrate; empty: clips of the built-in birds are made.')
  flags.DEFINE_list('splits', ['val'], 'Its splits; not the one that trained the run.')
  flags.DEFINE_integer('clips', 1400, 'Built-in clips to calibrate on, and as many to check on.', lower_bound=20)
  flags.DEFINE_multi_string('odd', [], 'Folder of recordings that hold none of the species; may be given again.')
  flags.DEFINE_integer('seed', 0, 'Of the clips.', lower_bound=0)
  app.run(main)
