"""A sweep of experiments/ablate_dims.py, expanded: which trainings there are, their commands, and what tells them apart.

A job is one work directory, OUT/autoencoders/NAME or OUT/runs/NAME. Its key is a hash of what decides its result: the resolved
configurations, the data set, the judge. Neither places nor the commit are in it: a moved data set changes nothing, and whether
a change of the code asks for new runs is for its author to say (the results name their commit).
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
import tempfile
from typing import Any, Iterator, Mapping

import ml_collections

from experiments import autoencoder
from experiments import common
from experiments import ldm
from sgm.training import workdir as workdir_lib
from tools.ablation_jobs import Job

ROOT = pathlib.Path(__file__).resolve().parents[1]
_PLACES = ('data.dir', 'task.autoencoder')  # leaves of a configuration that say where, not what


@dataclasses.dataclass(frozen=True)
class Network:
  """An arm at one pair of widths, and the matchings it takes part in."""

  arm: str
  label: str
  autoencoder: int
  unet: int
  mults: tuple[float, ...]


def expand(sweep: ml_collections.ConfigDict, out: pathlib.Path) -> list[Job]:
  """All jobs in the order they are best run in: seed by seed, so that pairs end together; autoencoders where first needed.

  Args:
    sweep: see experiments/ablate_dims.py.
    out: absolute.

  Raises:
    ValueError: too few seeds, a reference that is missing or not the same everywhere, data or judge that are not there.
  """
  _check(sweep, out)
  maker = _Maker(sweep, out)
  jobs: dict[str, Job] = {}
  for seed, network, matchings in _runs(sweep):
    labels = {'arm': network.arm, 'matchings': matchings, 'seed': seed, 'autoencoder_seed': seed % sweep.autoencoder_seeds}
    trained = maker.autoencoder(network, labels)
    run = maker.run(network, labels, trained)
    jobs.setdefault(trained.id, trained)
    jobs[run.id] = run
  return list(jobs.values())


def examples(job: Job) -> int:
  """Seen in training."""
  return job.config.total_steps * job.config.batch_size


def record(sweep: ml_collections.ConfigDict, jobs: list[Job], hours: float) -> dict[str, Any]:
  """Content of plan.json."""
  runs = [{'name': job.name, 'key': job.key, **job.labels, 'autoencoder': pathlib.PurePath(job.needs).name,
           'examples': examples(job)} for job in jobs if job.needs]
  return {'primary': sweep.primary.to_dict(), 'reference': sweep.reference, 'preset': sweep.preset,
          'matchings': list(sweep.matchings), 'runs': runs, 'hours': round(hours, 2)}


def _check(sweep: ml_collections.ConfigDict, out: pathlib.Path) -> None:
  if ',' in str(out):
    raise ValueError(f'--out {out}: a comma cannot stand in the path, it separates arguments of configurations')
  if sweep.autoencoder_seeds < 1:
    raise ValueError(f'autoencoder_seeds={sweep.autoencoder_seeds}: expected 1 or more')
  if len(set(sweep.matchings)) < len(sweep.matchings) or not set(sweep.matchings) <= set(sweep.arms):
    raise ValueError(f'matchings={"+".join(sweep.matchings)}: expected different ones of {", ".join(sweep.arms)}')
  for matching in sweep.matchings:
    arms = sweep.arms[matching]
    if sweep.reference not in arms:
      raise ValueError(f'arms.{matching}: the reference {sweep.reference} is missing')
    for arm, network in arms.items():
      if network.seeds < 2:
        raise ValueError(f'arms.{matching}.{arm}.seeds={network.seeds}: an interval over seeds needs 2 or more')
      if network.seeds > arms[sweep.reference].seeds:
        raise ValueError(f'arms.{matching}.{arm}.seeds={network.seeds}: pairs need as many of {sweep.reference}, '
                         f'which has {arms[sweep.reference].seeds}')
  networks = {tuple(v for k, v in sorted(sweep.arms[m][sweep.reference].items()) if k != 'seeds') for m in sweep.matchings}
  if len(networks) > 1:
    raise ValueError(f'{sweep.reference}: the reference needs the same widths in every matching, found {sorted(networks)}')


def _runs(sweep: ml_collections.ConfigDict) -> Iterator[tuple[int, Network, list[str]]]:
  """(seed, network, its matchings): what several matchings share comes once."""
  shared: dict[tuple[Any, ...], dict[str, int]] = {}  # arm and widths -> {matching: seeds}
  for matching in sweep.matchings:
    arms = sweep.arms[matching]
    for arm in sorted(arms, key=tuple(common.REPRESENTATIONS).index):  # a ConfigDict has them by name
      n = arms[arm]
      shared.setdefault((arm, n.autoencoder, n.unet, tuple(n.mults)), {})[matching] = n.seeds
  for seed in range(max(max(seeds.values()) for seeds in shared.values())):
    for (arm, *widths), seeds in shared.items():
      matchings = [matching for matching, n in seeds.items() if seed < n]
      if matchings:
        yield seed, Network(arm, 'reference' if arm == sweep.reference else '+'.join(seeds), *widths), matchings


class _Maker:
  """Makes the jobs of a sweep."""

  def __init__(self, sweep: ml_collections.ConfigDict, out: pathlib.Path):
    self._sweep, self._out = sweep, out
    data, self._judge = (pathlib.Path(sweep[name]).absolute() for name in ('data', 'judge'))
    self._data_key = _record(data / 'dataset.json', 'data', 'a data set of tools.build_dataset')['fingerprint']
    judge = _record(self._judge / 'config.json', 'judge', 'a work directory of sgm.train')
    self._judge_key = _key(judge['config'], data=judge['data_fingerprint'])
    self._arg = f'preset={sweep.preset},data={data},scale={sweep.scale}' + (f',level={sweep.level}' if sweep.level else '')

  def autoencoder(self, network: Network, labels: Mapping[str, Any]) -> Job:
    arg = f'{self._arg},representation={network.arm},levels={self._sweep.levels}'
    seed = labels['autoencoder_seed']
    overrides = {'seed': seed, 'model.width': network.autoencoder, 'evals.reconstruction.every': '100%'}
    config = _resolve(autoencoder, arg, overrides, self._sweep.autoencoder_examples, 'autoencoder_examples')
    job_id = f'autoencoders/{network.arm}-{network.label}-s{seed}'
    command = _train('autoencoder', arg, overrides, self._out / job_id)
    return Job(job_id, _key(config.to_dict(), data=self._data_key), None, (command,), {**labels, 'seed': seed}, config)

  def run(self, network: Network, labels: Mapping[str, Any], trained: Job) -> Job:
    """A diffusion model and all that is measured on it."""
    arg = f'{self._arg},representation={network.arm},levels={self._sweep.levels},autoencoder='
    overrides = {'seed': labels['seed'], 'model.width': network.unet, 'model.mults': network.mults,
                 'data.cache': self._sweep.cache, 'evals.loss.every': '100%'}
    with tempfile.TemporaryDirectory() as folder:  # its configuration is asked for before the autoencoder is trained
      workdir_lib.write_json(pathlib.Path(folder) / 'config.json', {'config': trained.config.to_dict()})
      config = _resolve(ldm, arg + folder, overrides, self._sweep.diffusion_examples, 'diffusion_examples')
    key = _key(config.to_dict(), data=self._data_key, judge=self._judge_key, autoencoder=trained.key)
    job_id = f'runs/{network.arm}-{network.label}-s{labels["seed"]}'
    folder = self._out / job_id
    train = _train('ldm', f'{arg}{self._out / trained.id}', overrides, folder)
    flags = {'workdir': folder, 'autoencoder': self._out / trained.id, 'judge': self._judge, 'out': folder / 'results.json',
             **labels, 'matchings': ','.join(labels['matchings']), 'key': key}
    measure = [str(x) for name, value in flags.items() for x in (f'--{name}', value)]
    return Job(job_id, key, trained.id, (train, (sys.executable, '-m', 'tools.ablation_metrics', *measure)), labels, config)


def _resolve(module: Any, arg: str, overrides: dict[str, Any], examples: int, name: str) -> ml_collections.ConfigDict:
  """The configuration as the command makes it; adds its number of steps to `overrides`."""
  config = module.get_config(arg).lock()
  if examples < config.batch_size:
    raise ValueError(f'{name}={examples}: expected {config.batch_size} or more, one batch')
  overrides['total_steps'] = -(-examples // config.batch_size)
  config.update_from_flattened_dict(overrides)
  return config


def _train(experiment: str, arg: str, overrides: Mapping[str, Any], folder: pathlib.Path) -> tuple[str, ...]:
  return (sys.executable, '-m', 'sgm.train', '--config', f'experiments/{experiment}.py:{arg}',
          *(f'--config.{name}={value}' for name, value in overrides.items()), '--workdir', str(folder))


def _key(config: Mapping[str, Any], **others: str) -> str:
  """Hash of a configuration, but for its _PLACES and what a continued run may change, and of other keys."""
  left_out = {*_PLACES, *workdir_lib.FREE_TO_CHANGE}
  kept = {name: value for name, value in workdir_lib.flatten(config).items() if name not in left_out}
  return workdir_lib.config_fingerprint({**others, 'config': kept})


def _record(path: pathlib.Path, name: str, what: str) -> dict[str, Any]:
  if not path.is_file():
    raise ValueError(f'{name}={path.parent}: expected {what}, but there is no {path.name}')
  return json.loads(path.read_text())
