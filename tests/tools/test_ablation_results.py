"""Reading sweeps: folders of runs and of small files, what is missing, and what is damaged or foreign."""

import json
import shutil

import pytest

from tests.tools import sweeps
from tools import ablation_results


@pytest.mark.parametrize('small', [False, True])
def test_a_sweep_and_its_small_files_read_the_same(tmp_path, small):
  runs = sweeps.planned()
  sweep = ablation_results.load(sweeps.write(tmp_path, runs, small=small))
  assert len(sweep.runs) == len(runs) and not sweep.missing and not sweep.problems
  assert sweep.arms('parameters') == [*sweeps.WIDE, *sweeps.NARROW] and sweep.arms('flops') == ['scalar', 'levels', 'volume']
  assert [run.name for run in sweep.of('scalar', 'flops')] == [f'scalar-reference-s{seed}' for seed in range(6)]
  assert [run.seed for run in sweep.of('volume', 'flops')] == [0, 1, 2]
  run = sweep.of('volume', 'parameters')[3]
  assert (run.autoencoder_seed, run.matchings) == (1, ('parameters',)) and 0.7 < run.metrics['label_fidelity'] < 1.1
  assert (run.folder is None) == small


def test_what_is_not_finished_is_missing(tmp_path):
  out = sweeps.write(tmp_path, finished=lambda run: run['seed'] != 5 or run['arm'] != 'volume')
  assert [run['key'] for run in ablation_results.load(out).missing] == ['volume/parameters/5']


def test_damaged_and_foreign_results_are_named_and_left_out(tmp_path):
  out = sweeps.write(tmp_path)
  file = lambda name: out / 'runs' / name / 'results.json'
  change = lambda name, **new: file(name).write_text(json.dumps({**json.loads(file(name).read_text()), **new}))
  file('volume-parameters-s0').write_text('{"arm": ')
  change('volume-parameters-s1', cost=3)
  change('volume-parameters-s2', key='of other widths')
  change('volume-parameters-s3', arm='renamed', matchings=[], seed=9)  # the key decides, the plan has the names
  change('volume-parameters-s4', metrics={'label_fidelity': {'value': float('nan')}, 'mse': {'value': 0.5}, 'rate': 0.1})
  shutil.copytree(file('volume-parameters-s5').parent, out / 'runs' / 'volume-parameters-s5-again')
  sweep = ablation_results.load(out)
  assert [run['seed'] for run in sweep.missing] == [0, 1, 2]
  said = ' | '.join(sweep.problems)
  for text in ('volume-parameters-s0/results.json cannot be read', "s1/results.json: cost is 3, expected dict",
               's2/results.json: left out, for the plan has no run of this configuration',
               's4: label_fidelity has no finite value', 's4: rate has no finite value',
               's5-again/results.json: left out, for volume-parameters-s5 is the same run'):
    assert text in said, text
  assert str(out) not in said  # no path of the machine it was read on
  assert [run.metrics.keys() == {'mse'} for run in sweep.of('volume', 'parameters')] == [False, True, False]  # seeds 3, 4, 5


@pytest.mark.parametrize('change, said', [
    ({'primary': {'metric': 'label_fidelity', 'higher_is_better': True, 'margin': 0}}, 'primary.margin is 0: expected'),
    ({'primary': {'metric': 'label_fidelity', 'margin': 0.05}}, 'higher_is_better'),
    ({'primary': None}, 'primary is None, expected dict'),
    ({'reference': 3}, 'reference is 3, expected str'),
    ({'runs': [{'key': 'k', 'arm': 'scalar', 'matchings': []}]}, 'seed is None, expected int'),
    ({'runs': ['scalar']}, "a run is 'scalar', expected an object")])
def test_a_damaged_plan_is_refused(tmp_path, change, said):
  (tmp_path / 'plan.json').write_text(json.dumps({**sweeps.plan(sweeps.planned()), **change}))
  with pytest.raises(ValueError, match=f'plan.json: .*{said}'):
    ablation_results.load(tmp_path)


def test_work_directories_of_one_seed_where_all_have_it(tmp_path):
  out = sweeps.write(tmp_path)
  assert not ablation_results.load(out).with_workdirs()
  sweeps.add_workdirs(out, 'scalar-reference-s0', 'scalar-reference-s2', 'volume-parameters-s2', 'volume-flops-s0',
                      'levels-flops-s0')
  (out / 'runs' / 'levels-flops-s0' / 'checkpoints').rmdir()  # somebody made room
  picked = ablation_results.load(out).with_workdirs()
  assert {arm: run.name for arm, run in picked.items()} == {'scalar': 'scalar-reference-s2', 'volume': 'volume-parameters-s2'}
  assert list(picked) == ['scalar', 'volume']
