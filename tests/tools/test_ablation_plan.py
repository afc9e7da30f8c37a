"""A sweep expanded into jobs: how many, in which order, with which commands and keys."""

import json
import pathlib
import re

from absl import flags
from ml_collections import config_flags
import pytest

from experiments import ablate_dims
from tools import ablation_plan
from tools import ablation_results


def judge(folder, seed=0):
  """A judge in `folder` that was trained on the data beside it."""
  config = {'data': {'dir': f'{folder}/data'}, 'seed': seed}
  (folder / 'judge').mkdir(exist_ok=True)
  (folder / 'judge' / 'config.json').write_text(json.dumps({'config': config, 'data_fingerprint': 'songs'}))


@pytest.fixture
def given(tmp_path):
  (tmp_path / 'data').mkdir()
  (tmp_path / 'data' / 'dataset.json').write_text(json.dumps({'fingerprint': 'songs'}))
  judge(tmp_path)
  return tmp_path


def sweep(given, more='', **changes):
  """Every arm of each matching with widths of its own, but for the reference."""
  config = ablate_dims.get_config(f'data={given}/data,judge={given}/judge{more}').lock()
  if 'flops' in config.matchings:
    for arm in set(config.arms.flops) - {config.reference}:
      config.arms.flops[arm].update(autoencoder=40, unet=16, mults=(1.0, 2.0))
  config.update_from_flattened_dict(changes)
  return config


def expand(given, more='', **changes):
  return ablation_plan.expand(sweep(given, more, **changes), given / 'out')


def keys(jobs):
  return {job.id: job.key for job in jobs}


def test_the_whole_sweep(given):
  jobs = expand(given)
  autoencoders, runs = [j for j in jobs if not j.needs], [j for j in jobs if j.needs]
  assert len(runs) == 4 * 6 + 3 * 3 + 2 * 3 and len(autoencoders) == 2 * (7 + 2)
  assert len(set(keys(jobs))) == len(set(keys(jobs).values())) == len(jobs)
  seeds = [j.labels['seed'] for j in runs]
  assert seeds == sorted(seeds)  # pairs end together
  ids = [j.id for j in jobs]
  assert all(ids.index(j.needs) < ids.index(j.id) for j in runs)
  assert all(j.labels['autoencoder_seed'] == seed % 2 and j.needs.endswith(f'-s{seed % 2}') for j, seed in zip(runs, seeds))
  assert [j.id for j in runs][:2] == ['runs/scalar-reference-s0', 'runs/scalar_softmax-parameters-s0']


def test_the_reference_of_both_matchings_exists_once(given):
  shared = {j.id: j.labels['matchings'] for j in expand(given) if j.needs and len(j.labels['matchings']) > 1}
  assert shared == {f'runs/scalar-reference-s{seed}': ['parameters', 'flops'] for seed in range(6)}


def test_arms_of_one_width_in_both_matchings_exist_once(given):
  same = {f'arms.flops.levels.{k}': v for k, v in sweep(given).arms.parameters.levels.items() if k != 'seeds'}
  jobs = expand(given, **same)
  levels = {j.id: j.labels['matchings'] for j in jobs if j.id.startswith('runs/levels')}
  assert list(levels) == [f'runs/levels-parameters+flops-s{seed}' for seed in range(6)]
  assert list(levels.values()) == [['parameters', 'flops']] * 3 + [['parameters']] * 3


def test_commands(given):
  job = {j.id: j for j in expand(given)}
  autoencoder, run = job['autoencoders/volume-parameters-s1'], job['runs/volume-parameters-s3']
  train, = (command[1:] for command in autoencoder.commands)
  data = f'preset=tiny,data={given}/data,scale=mel,representation=volume,levels=16'
  widths = ablate_dims.WIDTHS['tiny']['parameters']['volume']
  assert train == ('-m', 'sgm.train', '--config', f'experiments/autoencoder.py:{data}', '--config.seed=1',
                   f'--config.model.width={widths["autoencoder"]}', '--config.evals.reconstruction.every=100%',
                   '--config.total_steps=375', '--workdir', f'{given}/out/autoencoders/volume-parameters-s1')
  train, measure = (command[1:] for command in run.commands)
  assert train[3] == f'experiments/ldm.py:{data},autoencoder={given}/out/autoencoders/volume-parameters-s1'
  assert {'--config.seed=3', f'--config.model.width={widths["unet"]}', '--config.total_steps=625'} <= set(train)
  folder = given / 'out' / 'runs' / 'volume-parameters-s3'
  assert measure[:2] == ('-m', 'tools.ablation_metrics')
  assert dict(zip(measure[2::2], measure[3::2])) == {
      '--workdir': f'{folder}', '--autoencoder': f'{given}/out/autoencoders/volume-parameters-s1', '--judge': f'{given}/judge',
      '--out': f'{folder}/results.json', '--arm': 'volume', '--matchings': 'parameters', '--seed': '3',
      '--autoencoder_seed': '1', '--key': run.key}


@pytest.mark.filterwarnings('ignore:the load_module')  # of ml_collections
def test_a_configuration_is_what_its_command_makes(given, monkeypatch):
  """The flags of a command, read as sgm.train reads them, give the configuration whose key the job has."""
  monkeypatch.chdir(ablation_plan.ROOT)
  for job in expand(given, ',arms=scalar+volume'):
    if 'autoencoders' in job.id:
      (given / 'out' / job.id).mkdir(parents=True)
      (given / 'out' / job.id / 'config.json').write_text(json.dumps({'config': job.config.to_dict()}))
    values = flags.FlagValues()
    config_flags.DEFINE_config_file('config', None, lock_config=True, flag_values=values)
    command = job.commands[0][2:]
    assert command[-2] == '--workdir'
    monkeypatch.setattr('sys.argv', list(command[:-2]))  # config_flags looks there for overrides
    values(command[:-2])
    made = values.config.to_dict()
    expected = job.config.to_dict()
    if job.needs:
      assert made['task'].pop('autoencoder') == f'{given}/out/{job.needs}'
      del expected['task']['autoencoder']
    assert made == expected


def test_keys_follow_what_decides_the_result(given):
  few = ',arms=scalar+volume,seeds=2'
  before = keys(expand(given, few))
  assert keys(expand(given, few)) == before
  assert keys(ablation_plan.expand(sweep(given, few), given / 'elsewhere')) == before
  (given / 'moved').mkdir()
  (given / 'data').rename(given / 'moved' / 'data')
  judge(given / 'moved')
  assert keys(expand(given / 'moved', few)) == before  # a judge that somebody else trained in the same way, elsewhere
  (given / 'moved' / 'data').rename(given / 'data')

  changed = lambda after: {name for name in before if before[name] != after[name]}
  of_volume = {name for name in before if '/volume-parameters' in name}
  assert changed(keys(expand(given, few, **{'arms.parameters.volume.autoencoder': 50}))) == of_volume
  wider = expand(given, few, **{'arms.parameters.volume.mults': (1.0, 2.5)})
  assert changed(keys(wider)) == {n for n in of_volume if 'runs/' in n}
  assert changed(keys(expand(given, few, diffusion_examples=30_000))) == {n for n in before if 'runs/' in n}
  assert changed(keys(expand(given, few, levels=32))) == set(before)
  assert changed(keys(expand(given, few + ',level=-26'))) == set(before)
  judge(given, seed=1)
  assert changed(keys(expand(given, few))) == {n for n in before if 'runs/' in n}
  (given / 'data' / 'dataset.json').write_text(json.dumps({'fingerprint': 'other'}))
  assert changed(keys(expand(given, few))) == set(before)


def test_examples_become_steps(given):
  jobs = expand(given, autoencoder_examples=100, diffusion_examples=97)
  assert {(job.config.total_steps, ablation_plan.examples(job)) for job in jobs} == {(4, 128), (2, 192)}


def test_the_plan_is_what_the_report_reads(given):
  out = given / 'out'
  out.mkdir()
  jobs = expand(given)
  (out / 'plan.json').write_text(json.dumps(ablation_plan.record(sweep(given), jobs, 9.5)))
  read = ablation_results.load(out)
  assert read.reference == 'scalar' and read.plan['hours'] == 9.5 and len(read.missing) == 39
  assert read.arms('flops') == ['scalar', 'levels', 'volume'] and read.primary['margin'] == 0.05


@pytest.mark.parametrize('changes, message', [
    ({'arms.parameters.volume.seeds': 1}, 'arms.parameters.volume.seeds=1: an interval over seeds needs 2 or more'),
    ({'arms.flops.volume.seeds': 7}, 'arms.flops.volume.seeds=7: pairs need as many of scalar, which has 6'),
    ({'arms.flops.scalar.unet': 48}, 'scalar: the reference needs the same widths in every matching'),
    ({'autoencoder_seeds': 0}, 'autoencoder_seeds=0: expected 1 or more'),
    ({'diffusion_examples': 95}, 'diffusion_examples=95: expected 96 or more, one batch'),
    ({'matchings': ('flops', 'flops')}, 'matchings=flops+flops: expected different ones of flops, parameters'),
])
def test_refusals(given, changes, message):
  with pytest.raises(ValueError, match=re.escape(message)):
    expand(given, **changes)


def test_what_is_missing_is_named(given):
  with pytest.raises(ValueError, match='a comma cannot stand in the path'):
    ablation_plan.expand(sweep(given), pathlib.Path('/a,b'))
  (given / 'judge' / 'config.json').unlink()
  with pytest.raises(ValueError, match='/judge: expected a work directory of sgm.train, but there is no config.json'):
    expand(given)
  (given / 'data' / 'dataset.json').unlink()
  with pytest.raises(ValueError, match='/data: expected a data set of tools.build_dataset, but there is no dataset.json'):
    expand(given)
