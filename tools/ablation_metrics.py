r"""Everything that an ablation reports of one finished diffusion run, in one results.json.

  python -m tools.ablation_metrics --workdir runs/ldm --autoencoder runs/ae --judge runs/judge --out runs/ldm/results.json \
      --arm volume --matchings parameters --seed 3

Seeds, scenes and clips of the evaluations are the same for all runs, which are compared in pairs. What belongs to the
autoencoder is kept in its work directory, what belongs to the data beside the judge's, both for the runs that follow. A figure
that the data cannot give (masks without stems, scenes that cannot be sounded anew) is left out.
"""

from __future__ import annotations

import functools
import json
import math
import os
import pathlib
import sys
import time
from typing import Any, Callable

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

from absl import app
from absl import flags
import jax
import numpy as np

from sgm import process
from sgm import sample
from sgm.evaluation import detection
from sgm.evaluation import evaluator as evaluator_lib
from sgm.evaluation import label_fidelity
from sgm.evaluation import overlap
from sgm.evaluation import reconstruction
from sgm.evaluation import validation
from sgm.tasks import restore
from sgm.training import metrics as record_lib
from sgm.training import workdir as workdir_lib
from tools import evaluated_runs
from tools import overlap_reference
from tools import quickstart_cost

SEED = 0
GENERATIONS = 64  # of each scene of the overlap test
FIT_CLIPS = 64  # of the detector's band-energy baseline, which is not reported and should cost nothing
REFERENCES = 'ablation_references'  # folder beside the judge's

Metrics = dict[str, dict[str, Any]]


def _entry(value: Any, n: int, **anchors: float) -> dict[str, Any]:
  return {'value': float(value), 'n': int(n), **anchors}


def _mean(values: np.ndarray) -> dict[str, Any]:
  return _entry(np.mean(values), np.size(values))


def reconstruction_metrics(run: restore.Run, context: evaluator_lib.Context, judge: str, limit: int) -> Metrics:
  """Of an autoencoder: nats per cell at the posterior's mean, distance in dB, and species that the judge still hears."""
  e = reconstruction.Reconstruction(context, split='test', every=1, limit=limit, batch_size=64, judge=judge)
  e.run(run.params, run.frozen)
  same = {name: _mean(e.details[name]) for name in ('distortion', 'rate', 'nats', 'log_spectral_distance_db')}
  return {**same, 'judge_roundtrip': _mean(e.details['judge_top1_roundtrip'])}


def loss_metrics(run: restore.Run, context: evaluator_lib.Context, limit: int) -> Metrics:
  e = validation.Loss(context, split='val', every=1, limit=limit, batch_size=64)
  total, count = e.run(run.params, run.frozen)['mse']
  return {'mse': _entry(total / count, count)}


def fidelity_metrics(run: restore.Run, context: evaluator_lib.Context, judge: str, limit: int) -> Metrics:
  """With text and roll; and with text alone, on half as many clips."""
  splits, chance = evaluated_runs.splits(run.config.data.dir), 1 / len(run.labels.taxonomy)

  def heard(kind: str, clips: int) -> dict[str, tuple[float, float]]:
    e = label_fidelity.LabelFidelity(context, split=splits.single, every=1, limit=clips, batch_size=40, judge=judge,
                                     condition=kind, repeats=max(1, clips // splits.scenes), seed=SEED)
    return e.run(run.params, run.frozen)

  both, (hits, told) = heard('both', limit), heard('text', limit // 2)['top1']
  n = both['top1'][1]
  error = {name: both[f'onset_error_s{kind}'][0] for name, kind in (('value', ''), ('chance', '_shuffled'), ('real', '_real'))}
  return {
      'label_fidelity': _entry(both['top1'][0] / n, n, chance=chance, real=both['top1_real'][0] / n),
      'label_fidelity_text': _entry(hits / told, told, chance=chance),
      'onset_error_s': _entry(n=n, **error),
      'diversity': _entry(both['diversity'][0], n),
  }


def detector_metrics(run: restore.Run, context: evaluator_lib.Context, limit: int) -> Metrics:
  """Uncalibrated, on half of `limit` mixtures; thresholds of masks from a quarter, of the validation split."""
  mixtures = evaluated_runs.splits(run.config.data.dir).mixtures
  e = detection.Detection(
      context, split=mixtures, every=1, limit=limit // 2, batch_size=20, search={}, fit_split='train', fit_limit=FIT_CLIPS,
      threshold_split='val', threshold_limit=limit // 4, floor_db=overlap_reference.FLOOR_DB, seed=SEED)
  sums = e.run(run.params, run.frozen)
  found = {'detector_auroc': _entry(sums['presence_auroc'][0], len(e.details['presence']), chance=0.5)}
  if 'iou' in e.details:
    found['detector_mask_iou'] = _mean(e.details['iou'])
  return found


def overlap_metrics(run: restore.Run, reference: overlap_reference.Reference, count: int) -> Metrics:
  """Energy distance per cell of `count` clips of each scene to its renderings, amplitudes rounded to the run's levels.

  As many renderings are held out and compared with the others in their place: the floor, 0 but for chance.
  """
  requests = [sample.Request('', scene, i) for i, scene in enumerate(reference.scenes)]
  drawn = overlap.generated(run.task, run.params, run.frozen, sample.condition_of(run, requests, 'both'), count, SEED)
  rounded = functools.partial(overlap.quantised, levels=run.config.codec.levels)
  rest = rounded(reference.s[:, count:])  # (K, R - count, T, F)
  found = {}
  for name, s in {'floor': reference.s[:, :count], **drawn}.items():
    distance = np.stack([overlap.energy_distance(*pair) for pair in zip(rounded(s), rest)])  # (K, T, F)
    found |= {f'overlap_{kind}_{name}': _mean(distance[cells]) for kind, cells in reference.kinds.items()}
  return found


def cost(run: restore.Run, workdir: str, features: dict[str, tuple[int, ...]], latent: tuple[int, ...]) -> dict[str, Any]:
  """Of a training: `features` of one example, `latent` the shape of its code."""
  rows = record_lib.read_metrics(workdir)
  column = lambda name: [row[name] for row in rows if row.get(name) is not None]
  found = {
      'parameters': quickstart_cost.count(run.params),
      'mflop_per_example': quickstart_cost.flops_per_example(run.task, run.frozen, features) / 1e6,
      'bytes': sum(leaf.nbytes for leaf in jax.tree.leaves(run.params)),
      'latent_scalars': math.prod(latent),
      'examples_per_s': float(np.median(column('train/examples_per_s'))),
  }
  if peak := column('train/peak_memory_mb'):
    found['peak_memory_mb'] = max(peak)
  return found


def autoencoder_results(workdir: str, judge: str, limit: int) -> dict[str, Any]:
  """{'metrics', 'cost'} of an autoencoder: read from its results.json where these were made with the same judge and limit."""
  path, made, heard = (pathlib.Path(workdir) / 'results.json', workdir_lib.read(workdir), workdir_lib.read(judge))
  key = {'limit': limit} | {f'{name}_{what}': record[f'{what}_fingerprint'] for name, record in (('', made), ('judge', heard))
                            for what in ('config', 'data')}
  stored = json.loads(path.read_text()) if path.exists() else {}
  if stored.get('key') == key:
    return stored
  run, context = evaluated_runs.open_run(workdir, expect='autoencoding')
  spectrogram = (run.config.clip.frames, run.config.frontend.bands, run.task.model.channels)
  result = {
      'key': key, 'metrics': reconstruction_metrics(run, context, judge, limit),
      'cost': cost(run, workdir, {'spectrogram': spectrogram}, run.task.model.latent_shape((1, *spectrogram))[1:])}
  workdir_lib.write_json(path, result)
  return result


def results(workdir: str, autoencoder: str, judge: str, limit: int, say: Callable[[str], None]) -> dict[str, Any]:
  """What results.json holds but for the run's place in its sweep; `limit` 8 or more.

  Raises ValueError: a work directory that is not what it is taken for.
  """
  run, context = evaluated_runs.open_run(workdir, expect='latent_diffusion')
  record, stored = workdir_lib.read(workdir), workdir_lib.read(autoencoder)['config'].get('model')
  if record['config']['codec'] != stored:
    raise ValueError(f'{workdir} stands on another autoencoder than {autoencoder}: {record["config"]["codec"]}, not {stored}')
  seconds = max(row['train/seconds'] for row in record_lib.read_metrics(workdir) if 'train/seconds' in row)
  parts = {
      'the autoencoder': lambda: autoencoder_results(autoencoder, judge, limit)['metrics'],
      'the denoiser': lambda: loss_metrics(run, context, limit),
      'label fidelity': lambda: fidelity_metrics(run, context, judge, limit),
      'the detector': lambda: detector_metrics(run, context, limit),
  }
  if obstacle := overlap_reference.obstacle(run):
    say(f'no overlap test: {obstacle}')
  else:
    folder = pathlib.Path(judge).absolute().parent / REFERENCES
    parts['overlap'] = lambda: overlap_metrics(run, overlap_reference.reference(run, folder), min(GENERATIONS, limit))
  measured: Metrics = {}
  for name, part in parts.items():
    begun = time.monotonic()
    measured |= part()
    say(f'{name}: {time.monotonic() - begun:.0f} s')
  spectrogram = (1, run.config.clip.frames, run.config.frontend.bands, run.task.autoencoder.channels)
  latent = run.task.autoencoder.latent_shape(spectrogram)[1:]
  features = quickstart_cost.diffusion_features(latent, len(run.labels.taxonomy))
  return {
      'metrics': {name: entry for name, entry in measured.items() if math.isfinite(entry['value'])},
      'cost': {**cost(run, workdir, features, latent), 'autoencoder': autoencoder_results(autoencoder, judge, limit)['cost']},
      'examples': run.config.total_steps * run.config.batch_size, 'seconds': seconds, 'commit': record['git_commit'],
      'versions': record['versions']}


def main(argv: list[str]) -> None:
  del argv
  f = flags.FLAGS
  process.prepare()
  try:
    measured = results(f.workdir, f.autoencoder, f.judge, f.limit, print)
  except (ValueError, OSError) as error:
    sys.exit(f'ablation_metrics: {error}')
  place = {'key': f.key, 'arm': f.arm, 'matchings': f.matchings, 'seed': f.seed, 'autoencoder_seed': f.autoencoder_seed}
  workdir_lib.write_json(pathlib.Path(f.out), {**place, **measured})


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('workdir', None, 'a finished run of experiments/ldm.py')
  flags.DEFINE_string('autoencoder', None, 'the run of experiments/autoencoder.py that it stands on')
  flags.DEFINE_string('judge', None, 'a run of experiments/classifier.py')
  flags.DEFINE_string('out', None, 'file to write')
  flags.DEFINE_integer('limit', 240, 'clips generated for label fidelity; the other evaluations follow it', lower_bound=8)
  flags.DEFINE_string('arm', None, 'representation, as the sweep names it')
  flags.DEFINE_list('matchings', None, 'what it is matched in: parameters, flops, or both')
  flags.DEFINE_integer('seed', None, 'of the run')
  flags.DEFINE_integer('autoencoder_seed', 0, 'of the autoencoder')
  flags.DEFINE_string('key', '', 'hash of all that decides the result, kept with it')
  flags.mark_flags_as_required(['workdir', 'autoencoder', 'judge', 'out', 'arm', 'matchings', 'seed'])
  app.run(main)
