"""Invented sweeps: plan.json and the results.json of runs, as tools.ablate leaves them."""

import json
import pathlib

import numpy as np

WIDE = ('scalar', 'scalar_softmax', 'levels', 'volume')
NARROW = ('factorised', 'volume_filled', 'volume_permuted')
FIDELITY = {'scalar': 0.80, 'scalar_softmax': 0.81, 'levels': 0.83, 'volume': 0.90, 'factorised': 0.78, 'volume_filled': 0.60,
            'volume_permuted': 0.80}


def planned(seeds: int = 6, few: int = 3) -> list[dict]:
  runs = []
  for seed in range(seeds):
    runs.append(dict(arm='scalar', matchings=['parameters', 'flops'], seed=seed))
    runs += [dict(arm=arm, matchings=['parameters'], seed=seed) for arm in WIDE[1:] + NARROW * (seed < few)]
    runs += [dict(arm=arm, matchings=['flops'], seed=seed) for arm in ('levels', 'volume') * (seed < few)]
  for run in runs:
    run['autoencoder_seed'] = run['seed'] % 2
    run['key'] = f'{run["arm"]}/{"+".join(run["matchings"])}/{run["seed"]}'
  return runs


def name(run: dict) -> str:
  return f'{run["arm"]}-{"reference" if len(run["matchings"]) > 1 else run["matchings"][0]}-s{run["seed"]}'


def plan(runs: list[dict]) -> dict:
  return {'primary': {'metric': 'label_fidelity', 'higher_is_better': True, 'margin': 0.05}, 'reference': 'scalar',
          'matchings': ['parameters', 'flops'], 'runs': runs, 'hours': 9.5}


def result(run: dict, fidelity: float) -> dict:
  arm = list(FIDELITY).index(run['arm'])
  rng, ae = np.random.default_rng([run['seed'], arm]), np.random.default_rng([run['autoencoder_seed'], arm, 1])
  at_flops = run['matchings'] == ['flops']
  rate, distortion = ae.uniform(0.03, 0.04), ae.uniform(0.9, 1.0)
  metrics = {
      'label_fidelity': {'value': fidelity, 'n': 240, 'chance': 1 / 12, 'real': 0.98},
      'onset_error_s': {'value': rng.uniform(0.1, 0.2), 'n': 240},
      'distortion': {'value': distortion, 'n': 300}, 'rate': {'value': rate, 'n': 300},
      'nats': {'value': rate + distortion, 'n': 300},
      'overlap_single_expectation': {'value': rng.uniform(0.02, 0.03), 'n': 4},
      'overlap_single_floor': {'value': 0.012, 'n': 4},
      'mse': {'value': rng.uniform(0.4, 0.5), 'n': 200}}
  cost = {'parameters': 300_000 + 1000 * arm - 150_000 * at_flops, 'mflop_per_example': 60.0 * (1 if at_flops else 1 + arm),
          'bytes': 1_200_000, 'latent_scalars': 1024, 'peak_memory_mb': 700.0, 'examples_per_s': 100.0 / (1 + arm)}
  return {**run, 'preset': 'tiny', 'metrics': metrics, 'cost': {**cost, 'autoencoder': cost}, 'examples': 60_000,
          'seconds': 100.0 * (1 + arm), 'commit': 40 * 'c', 'versions': {'python': '3.11.2', 'jax': '0.10.2'}}


def write(out: pathlib.Path, runs: list[dict] | None = None, finished=lambda run: True, small: bool = False,
          noise: float = 0.01) -> pathlib.Path:
  """A sweep in `out`; fidelity is FIDELITY + seed effects that the arms share + `noise`."""
  runs = planned() if runs is None else runs
  rng = np.random.default_rng(0)
  shared = rng.normal(0, 0.05, 20)
  out.mkdir(parents=True, exist_ok=True)
  (out / 'plan.json').write_text(json.dumps(plan(runs)))
  for run in runs:
    fidelity = FIDELITY[run['arm']] + shared[run['seed']] + rng.normal(0, noise)
    if finished(run):
      path = out / f'{name(run)}.json' if small else out / 'runs' / name(run) / 'results.json'
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_text(json.dumps(result(run, fidelity)))
  return out


def add_workdirs(out: pathlib.Path, *names: str) -> pathlib.Path:
  """What of a work directory can be told without a network: each has its name as fingerprint."""
  for name in names:
    folder = out / 'runs' / name
    (folder / 'checkpoints').mkdir()
    (folder / 'labels.json').write_text('{}')
    (folder / 'config.json').write_text(json.dumps({'config_fingerprint': name}))
  return out
