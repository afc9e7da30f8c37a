"""The command: its plan in words and for SLURM, what it picks to do, what it refuses."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tools import ablate
from tools import ablation_hours
from tools.ablation_jobs import Job

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Config:
  """Of a training, as far as an estimate reads it."""

  def __init__(self, dims, steps, batch, cache=0):
    self.model = type('', (), {'dims': dims})
    self.data = type('', (), {'cache': cache})
    self.total_steps, self.batch_size = steps, batch


@pytest.fixture
def jobs():
  """An arm of two seeds on one autoencoder."""
  trained = Job('autoencoders/a-parameters-s0', 'k', None, (('python3', '-c', 'pass'),), {}, Config(2, 10, 32))
  commands = ('python3', 'x y'), ('python3', 'z')
  runs = [Job(f'runs/a-parameters-s{i}', f'k{i}', trained.id, commands, {}, Config(3, 20, 96, 1000)) for i in range(2)]
  return [trained, *runs]


def finish(out, job):
  (out / job.id).mkdir(parents=True)
  (out / job.id / 'ablation.json').write_text(json.dumps({'key': job.key, 'done': len(job.commands), 'seconds': 600.0}))
  (out / job.id / 'results.json').write_text(json.dumps({'key': job.key}))


def test_an_autoencoder_is_needed_while_one_of_its_runs_is_not_finished(tmp_path, jobs):
  everything = {job.id for job in jobs}
  assert ablate.unfinished(tmp_path, jobs) == everything
  finish(tmp_path, jobs[1])
  assert ablate.unfinished(tmp_path, jobs) == everything - {jobs[1].id}
  finish(tmp_path, jobs[2])
  assert not ablate.unfinished(tmp_path, jobs)  # its runs have all that is wanted of it


def test_cores_are_split_evenly(monkeypatch):
  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2, 3, 6})
  assert ablate.split_cores(1) == [{0, 1, 2, 3, 6}] and ablate.split_cores(2) == [{0, 1}, {2, 3, 6}]
  for n in (0, 6):
    with pytest.raises(ValueError, match=f'--jobs={n}: expected 1 to 5, the cores there are'):
      ablate.split_cores(n)


def test_hours_are_counted_then_measured(jobs):
  mflop = {'autoencoders/a-parameters': 100.0, 'runs/a-parameters': 300.0}
  estimate = ablation_hours.Estimate(jobs, mflop, {2: 10.0, 3: 5.0})
  start, measured = ablation_hours.START_SECONDS, ablation_hours.MEASURED
  trained = 320 * 100 / 10e3 + start
  run = (300 * (1920 + measured) + 100 * 1000 * ablation_hours.CACHED) / 5e3 + 2 * start
  assert [estimate.seconds(job) for job in jobs] == pytest.approx([trained, run, run])
  estimate.add(jobs[0], 3 * trained)  # everything takes three times as long here, it seems
  assert [estimate.seconds(job) for job in jobs] == pytest.approx([3 * trained, 3 * run, 3 * run])
  estimate.add(jobs[1], 500.0)
  estimate.add(jobs[2], 700.0)
  assert [estimate.seconds(job) for job in jobs] == pytest.approx([3 * trained, 600.0, 600.0])


def test_the_table_has_every_command(tmp_path, jobs):
  mflop = {'autoencoders/a-parameters': 100.0, 'runs/a-parameters': 300.0}
  estimate = ablation_hours.Estimate(jobs, mflop, {2: 10.0, 3: 5.0})
  lines = ablate.table(jobs, {jobs[0].id, jobs[1].id}, mflop, estimate).splitlines()
  assert len(lines) == 1 + 3 + 1 + 2 * 2
  assert lines[1].split()[:3] == ['autoencoders/a-parameters-s0', '320', '100.0'] and lines[2] == '  python -c pass'
  assert "  python 'x y'" in lines and not lines[3].endswith('finished') and lines[6].endswith('  finished')


@pytest.mark.parametrize('done, arrays', [((), 2), ((0,), 1), ((0, 1), 1)])
def test_the_slurm_script_submits_every_job_once(tmp_path, jobs, done, arrays):
  """Run with an sbatch that runs each index of the array it is given."""
  bin_folder = tmp_path / 'bin'
  bin_folder.mkdir()
  (bin_folder / 'sbatch').write_text('''#!/bin/bash
echo "$@" >> calls
for a in "$@"; do case $a in --array=0-*) last=${a#--array=0-};; esac; done
cat > array.sh
for i in $(seq 0 $last); do SLURM_ARRAY_TASK_ID=$i bash array.sh >> ran; done
echo 17
''')
  (bin_folder / 'sbatch').chmod(0o755)
  todo = {job.id for i, job in enumerate(jobs) if i not in done}
  script = ablate.slurm(jobs, todo, ['echo', '--config', 'a b:c=1'], str(tmp_path))
  environment = {**os.environ, 'PATH': f'{bin_folder}:{os.environ["PATH"]}'}
  done = subprocess.run(['bash', '-c', script, 'sweep.sh', '--partition=gpu'], env=environment, capture_output=True, text=True,
                        check=True)
  assert (tmp_path / 'ran').read_text().splitlines() == [f'--config a b:c=1 --only {job.id}' for job in jobs if job.id in todo]
  calls = (tmp_path / 'calls').read_text().splitlines()
  assert len(calls) == arrays == len(done.stdout.splitlines()) and all(call.endswith('--partition=gpu') for call in calls)
  assert ['--dependency=afterany:17' in call for call in calls] == [False, True][:arrays]  # of runs alone: on nothing


def test_only_names_the_nearest(jobs):
  assert ablate.only(jobs[1].id, jobs) == {jobs[1].id}
  with pytest.raises(ValueError, match='--only runs/a-parameters-s9: no such job; nearest: runs/a-parameters-s'):
    ablate.only('runs/a-parameters-s9', jobs)


def test_refusals_are_one_line_and_nothing_is_left(tmp_path):
  command = [sys.executable, '-m', 'tools.ablate', '--config', f'experiments/ablate_dims.py:data={tmp_path},judge=j', '--out',
             str(tmp_path / 'out')]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 1 and done.stderr.splitlines()[-1] == (
      f'tools.ablate: data={tmp_path}: expected a data set of tools.build_dataset, but there is no dataset.json')
  assert not (tmp_path / 'out').exists()
