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
import os
import pathlib
import sys
from typing import Any, Callable, Iterator, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

from absl import app, flags
import numpy as np

from data_pipeline import series, soundscape, species as species_lib
from sgm.audio import masks as masks_lib
from sgm.evaluation import calibration as calibration_lib
from sgm.evaluation import detection, detector as detector_lib
from sgm.tasks import restore
from sgm.training import workdir as workdir_lib
from tools import calibration_checks as checks
from tools.progress import Progress

RATES = (0.01, 0.05, 0.1)
BATCH = 16
POLYPHONY = (0.1, 0.2, 0.3, 0.25, 0.15)  # share of clips with 0 to 4 birds
MASK_CLIPS = 256  # whose true masks choose the thresholds
FLOOR_DB = -75.0
Clips = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]  # audio (samples, 1), presence (S,), masks (S, T, F)


def made(run: restore.Run, name: str, count: int, seed: int, masks: int) -> Clips:
  """Soundscapes of the built-in birds, seeded by `name`: no split of a data set has them. The first `masks` with true masks."""
  clip, codes = run.config.clip, run.labels.taxonomy.codes
  seed = soundscape.split_seed(seed, f'detector/{name}')
  for index in range(count):
    c = soundscape.generate(seed, index, duration=clip.seconds, sample_rate=clip.sample_rate, channels=1, density=POLYPHONY,
                            max_events=4)
    audio, stems = (series.to_int16(x).astype(np.float32) / 32767 for x in (c.audio, c.stems))
    species = np.array([codes.index(e.species) for e in c.scene.events], int)
    presence = np.isin(np.arange(len(codes)), species)
    true = None
    if index < masks:
      true = np.zeros((len(codes), clip.frames, run.task.frontend.bands), bool)
      if len(species):
        audible = np.asarray(masks_lib.audible_masks(stems[None], audio[None], run.task.frontend, FLOOR_DB))[0]  # (E, T, F)
        np.logical_or.at(true, species, audible)
    yield audio, presence, true


def recorded(run: restore.Run, directory: str, splits: list[str]) -> Clips:
  """The clips of some splits of a data set; recordings have no true masks."""
  from data_pipeline import pipeline
  clip = run.config.clip
  ops = (*clip.prepare, f'center_crop({clip.samples})', 'label', 'keep("audio", "label")')
  for split in splits:
    for batch in pipeline.eval_batches(directory, split, ops, BATCH):
      for row in np.flatnonzero(batch['mask'] > 0):
        yield batch['audio'][row], batch['label'][row, :-1] > 0, None


def score(d: detector_lib.Detector, clips: Clips, count: int, say: Callable[[str], None]) -> dict[str, np.ndarray]:
  """What `Heard` has of N clips, presence (N, S), and masks of the first ones."""
  heard_of = [field.name for field in dataclasses.fields(detector_lib.Heard)]
  rows: dict[str, list[np.ndarray]] = {name: [] for name in (*heard_of, 'presence', 'masks')}
  held: list[np.ndarray] = []

  def flush() -> None:
    if held:
      padded = np.stack([*held, *[held[-1]] * (BATCH - len(held))])  # one compiled shape
      heard = d.hear(padded)
      for name in heard_of:
        rows[name].append(getattr(heard, name)[:len(held)])
      held.clear()

  with Progress('clips heard', say) as progress:
    for done, (audio, presence, masks) in enumerate(clips, 1):
      held.append(audio)
      rows['presence'].append(presence[None])
      if masks is not None:
        rows['masks'].append(masks[None])
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
    known = score(d, recorded(run, data, splits), sum(sizes[s] for s in splits), say)
  else:
    if set(run.labels.taxonomy.codes) != set(species_lib.CODES):
      raise ValueError(f'{workdir} was not trained on the built-in birds: give --data and --splits with clips of its species')
    known = score(d, made(run, 'calibration', clips, seed, MASK_CLIPS), clips, say)
  if 'masks' in known:
    n = len(known['masks'])
    d.thresholds = detection.choose_thresholds({k: known[k][:n] for k in ('masks', 'spectrogram')}, known['maps'][:n])
  d.calibration = calibration_lib.fit(known['scores'], known['presence'], known['features'], species=d.species,
                                      fingerprint=run.fingerprint, settings=d.about())
  report: dict[str, Any] = {'clips': len(known['scores']), 'absent': dict(zip(d.species, d.calibration.counts.tolist())),
                            'short': list(d.calibration.short)}
  report['checks'] = {}
  if not data:
    report['checks']['held out'] = checks.check(d, score(d, made(run, 'check', clips, seed, 0), clips, say), RATES)
  for name, (count, sounds) in (checks.sounds(run, seed) | elsewhere).items():
    nobody = ((audio, np.zeros(len(d.species), bool), None) for audio in sounds)
    report['checks'][name] = checks.check(d, score(d, nobody, count, say), RATES)
  d.save(workdir)
  workdir_lib.write_json(pathlib.Path(workdir) / detector_lib.FOLDER / 'report.json', report)
  return report


def main(argv: list[str]) -> None:
  del argv
  f = flags.FLAGS
  workdir_lib.keep_heap()
  workdir_lib.quiet_libraries()
  workdir_lib.enable_compilation_cache()
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
