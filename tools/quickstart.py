r"""The whole chain: data, autoencoder, judge, latent diffusion, evaluation, samples, report.

  bash tools/quickstart.sh [OUT]                                        # built-in birds, about 15 minutes on two CPU cores
  python -m tools.quickstart --out runs/real --source recordings --dir D --level=-26 ...   # a folder of recordings

Every stage is kept in OUT and is not repeated; an interrupted one continues.
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import shutil
import sys
import time
from typing import Any, Callable

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags

FLAGS = flags.FLAGS
NEED_GIB = 3


class Stages:
  """Numbered stages whose wall time adds up over interruptions, in OUT/stages.json."""

  def __init__(self, out: pathlib.Path, names: tuple[str, ...], install_seconds: float):
    self._path, self._names = out / 'stages.json', names
    self.seconds = json.loads(self._path.read_text()) if self._path.exists() else {}
    if install_seconds or 'install' not in self.seconds:
      self.seconds['install'] = max(install_seconds, self.seconds.get('install', 0.0))

  def run(self, name: str, what: str, work: Callable[[], Any]) -> Any:
    print(f'\n[{self._names.index(name) + 1}/{len(self._names)}] {what}', flush=True)
    began = time.monotonic()
    try:
      return work()
    finally:
      self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
      partial = self._path.with_suffix('.tmp')
      partial.write_text(json.dumps(self.seconds, indent=1))
      partial.rename(self._path)
      print(f'    {name}: {self.seconds[name]:.0f} s, peak memory {peak_gib():.1f} GiB', flush=True)


def peak_gib() -> float:
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def configurations(out: pathlib.Path) -> dict[str, Callable[[], Any]]:
  """{stage: () -> configuration}: the files of experiments/ at this run's arguments."""
  from experiments import autoencoder
  from experiments import classifier
  from experiments import ldm

  common = f'preset={FLAGS.preset},data={out / "data"},level={FLAGS.level}'
  def with_steps(module, arg, steps):
    config = module.get_config(arg)
    if steps:
      config.total_steps = steps
    return config
  return {
      'autoencoder': lambda: with_steps(autoencoder, f'{common},scale={FLAGS.scale}', FLAGS.autoencoder_steps),
      'judge': lambda: with_steps(classifier, f'{common},scale={FLAGS.scale}', FLAGS.judge_steps),
      'ldm': lambda: with_steps(ldm, f'{common},autoencoder={out / "autoencoder"}', FLAGS.ldm_steps),
  }


def main(argv: list[str]) -> None:
  del argv
  out = pathlib.Path(FLAGS.out).absolute()
  try:
    out.mkdir(parents=True, exist_ok=True)
    (out / '.writable').touch()
    (out / '.writable').unlink()
  except OSError as error:
    sys.exit(f'quickstart: cannot write to {out}: {error.strerror}')
  free = shutil.disk_usage(out).free / 2**30
  if free < NEED_GIB:
    sys.exit(f'quickstart: needs {NEED_GIB} GiB of free disk at {out}, found {free:.1f}')
  if FLAGS.source == 'recordings' and not FLAGS.dir:
    sys.exit('quickstart: --source recordings needs --dir, the folder of recordings')

  print('loading JAX and TensorFlow ...', flush=True)
  from data_pipeline import series
  from experiments import common
  from sgm import process, train
  from tools import build_dataset
  from tools import quickstart_evaluation
  from tools import quickstart_summary
  from tools import report

  process.prepare()
  stages = Stages(out, ('data', 'autoencoder', 'judge', 'diffusion', 'evaluation', 'report'), FLAGS.install_seconds)
  configs = configurations(out)
  sizes = {**series.SIZES, 'train': FLAGS.clips} if FLAGS.clips else None
  try:
    clip = common.PRESETS[common.choose('preset', FLAGS.preset, common.PRESETS)]
    stages.run('data', f'data: {FLAGS.source}', lambda: build_dataset.build(build_dataset.Options(
        FLAGS.source, str(out / 'data'), seed=FLAGS.seed, clip_seconds=clip['seconds'], sample_rate=clip['sample_rate'],
        workers=os.cpu_count(), sizes=sizes, directory=FLAGS.dir or None,
        judge_groups=FLAGS.judge_groups if FLAGS.source == 'recordings' else 'own')))
    stages.run('autoencoder', 'autoencoder: spectrogram -> latent -> spectrogram',
               lambda: train.train(configs['autoencoder'](), str(out / 'autoencoder')))
    stages.run('judge', 'judge: a classifier trained on its own split',
               lambda: train.train(configs['judge'](), str(out / 'judge')))
    stages.run('diffusion', 'latent diffusion: text and label roll -> latent',
               lambda: train.train(configs['ldm'](), str(out / 'ldm')))
    results = stages.run('evaluation', 'evaluation: what the judge hears, what the detector finds',
                         lambda: quickstart_evaluation.evaluate(out, limit=FLAGS.limit, seed=FLAGS.seed))
    summary = quickstart_summary.summarise(out, results, stages.seconds, peak_gib())
    stages.run('report', 'report', lambda: report.build(out))
  except (ValueError, OSError, train.Interrupted, FloatingPointError) as error:
    sys.exit(f'quickstart: {error}')
  print()
  for row in summary['table']:
    chance = '' if row['chance'] is None else f"  (chance {row['chance']:.3g})"
    target = '' if row['target'] is None else f"  target {row['target']}"
    print(f"  {row['group']:<22} {row['metric']:<38} {row['value']:.3f}{chance}{target}")
  print(f'\n  total {sum(stages.seconds.values()):.0f} s\n  open {out / "report.html"}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('out', 'runs/quickstart', 'where everything is written')
  flags.DEFINE_enum('source', 'procedural', ['procedural', 'recordings'], 'built-in birds or a folder of recordings')
  flags.DEFINE_string('dir', '', 'the folder of recordings')
  flags.DEFINE_string('preset', 'tiny', 'geometry: tiny, small or base')
  flags.DEFINE_string('scale', 'mel', 'bands: mel or linear')
  flags.DEFINE_string('level', '', 'bring every clip to this RMS level in dBFS; empty: levels as they are')
  flags.DEFINE_integer('clips', 0, 'training clips of the built-in birds (0: the builder\'s default)')
  flags.DEFINE_enum('judge_groups', 'own', ['own', 'train'], 'recordings the judge learns from: its own, or those of training')
  flags.DEFINE_integer('autoencoder_steps', 0, 'training steps (0: the configuration\'s)')
  flags.DEFINE_integer('judge_steps', 0, 'training steps (0: the configuration\'s)')
  flags.DEFINE_integer('ldm_steps', 0, 'training steps (0: the configuration\'s)')
  flags.DEFINE_integer('limit', 240, 'clips per evaluation')
  flags.DEFINE_integer('seed', 0, 'of data and evaluation')
  flags.DEFINE_integer('install_seconds', 0, 'set by quickstart.sh, for the summary')
  app.run(main)
