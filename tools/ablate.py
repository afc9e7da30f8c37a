r"""Runs a sweep: autoencoders, the diffusion runs that share them, and what is measured on each.

  python -m tools.ablate --config experiments/ablate_dims.py:data=runs/data,judge=runs/judge --out runs/dims --jobs 2
  python -m tools.ablate ... --dry_run           # the plan, with all commands and the hours; nothing is done
  python -m tools.ablate ... --slurm > sweep.sh  # as two job arrays, submitted by: bash sweep.sh --partition=gpu --time=4:00:00
  python -m tools.report --runs runs/dims

The same command continues what was cut off; a run whose results.json is there is not repeated, one of another configuration is.
One that fails is named with its log, what does not need it goes on, and the exit status is 1.
"""

from __future__ import annotations

import difflib
import os
import pathlib
import shlex
import sys
from typing import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
from ml_collections import config_flags

from sgm.training import workdir as workdir_lib
from tools import ablation_hours
from tools import ablation_jobs
from tools import ablation_plan
from tools import ablation_runner
from tools.ablation_jobs import Job

FLAGS = flags.FLAGS


def unfinished(out: pathlib.Path, jobs: Sequence[Job], results: pathlib.Path | None = None) -> set[str]:
  """Ids of the runs without results, and of the autoencoders that they still need."""
  runs = [job for job in jobs if job.needs and not ablation_jobs.finished(out, job, results)]
  needed = {job.needs for job in runs}
  return {job.id for job in runs} | {job.id for job in jobs if job.id in needed and not ablation_jobs.finished(out, job)}


def split_cores(n: int) -> list[frozenset[int]]:
  """This process's cores in `n` parts. Raises ValueError: more parts than cores."""
  cores = sorted(os.sched_getaffinity(0))
  if not 1 <= n <= len(cores):
    raise ValueError(f'--jobs={n}: expected 1 to {len(cores)}, the cores there are')
  return [frozenset(cores[i * len(cores) // n:(i + 1) * len(cores) // n]) for i in range(n)]


def table(jobs: Sequence[Job], todo: set[str], mflop: dict[str, float], estimate: ablation_hours.Estimate) -> str:
  width = max(len(job.id) for job in jobs)
  lines = [f'{"job":<{width}}  examples  MFLOP/example  minutes']
  for job in jobs:
    state = '' if job.id in todo else '  finished' if job.needs else '  finished, or not needed'
    examples, minutes = ablation_plan.examples(job), estimate.seconds(job) / 60
    lines.append(f'{job.id:<{width}}  {examples:8}  {mflop[job.group]:13.1f}  {minutes:7.1f}{state}')
    lines += [f'  {shlex.join(("python", *command[1:]))}' for command in job.commands]
  return '\n'.join(lines)


def slurm(jobs: Sequence[Job], todo: set[str], command: Sequence[str], cwd: str) -> str:
  """A script that submits two job arrays, one index per job: autoencoders, and the runs after them.

  command: of this tool; each index calls it with --only, which does just what it does with that job here.
  """
  lines = ['#!/bin/bash', '# Arguments are handed to sbatch: bash sweep.sh --partition=gpu --gres=gpu:1 --time=4:00:00',
           '# What was cut off or failed continues when this is submitted again; see ablation.log in the folder of each job.',
           'set -euo pipefail', f'cd {shlex.quote(cwd)}']
  after = ''
  for name, measured in (('autoencoders', False), ('runs', True)):
    ids = [job.id for job in jobs if job.id in todo and bool(job.needs) == measured]
    if ids:
      options = f'--parsable --job-name={name} --array=0-{len(ids) - 1} --signal=B:TERM@120{after} "$@"'
      lines += [f"{name}=$(sbatch {options} <<'EOF'", '#!/bin/bash', f'jobs=({" ".join(ids)})',
                f'exec {shlex.join(command)} --only "${{jobs[$SLURM_ARRAY_TASK_ID]}}"', 'EOF', ')', f'echo "{name}: ${name}"']
      after = f' --dependency=afterany:${name}'  # a run whose autoencoder failed says so, the others go on
  return '\n'.join(lines)


def only(job_id: str, jobs: Sequence[Job]) -> set[str]:
  """{job_id}; ValueError that names the nearest where there is no such job."""
  ids = [job.id for job in jobs]
  if job_id not in ids:
    raise ValueError(f'--only {job_id}: no such job; nearest: {", ".join(difflib.get_close_matches(job_id, ids, 3, 0.0))}')
  return {job_id}


def estimated(
    jobs: Sequence[Job], out: pathlib.Path, cores: frozenset[int]) -> tuple[dict[str, float], ablation_hours.Estimate]:
  """MFLOP of an example by group, and the seconds of each job."""
  mflop, peak = ablation_hours.count(jobs, FLAGS.config.data, cores)
  rate = {dims: FLAGS.gflops or share * peak for dims, share in ablation_hours.SHARE.items()}
  source = '--gflops' if FLAGS.gflops else f'guessed from {peak:.0f} in matrix products, measured now on {len(cores)} cores'
  print(f'# hours are counted at {rate[2]:.1f} GFLOP/s in 2D, {rate[3]:.1f} in 3D ({source}); jobs whose like are finished, '
        'at what those took', file=sys.stderr)
  estimate = ablation_hours.Estimate(jobs, mflop, rate)
  for job in jobs:
    stored = ablation_jobs.note(out, job)
    if stored['done'] == len(job.commands):
      estimate.add(job, stored['seconds'])
  return mflop, estimate


def ablate() -> str | None:
  """Does what the flags say; returns what is to be said of a sweep that is not finished."""
  if sum(map(bool, (FLAGS.only, FLAGS.dry_run, FLAGS.slurm))) > 1:
    raise ValueError('--only, --dry_run and --slurm: expected one of them at most')
  out = pathlib.Path(FLAGS.out).absolute()
  results = pathlib.Path(FLAGS.results).absolute() if FLAGS.results else None
  jobs = ablation_plan.expand(FLAGS.config, out)
  todo = unfinished(out, jobs, results)
  if FLAGS.only:
    return run(out, jobs, todo & only(FLAGS.only, jobs), split_cores(1), results, None)

  slots = split_cores(FLAGS.jobs)
  mflop, estimate = estimated(jobs, out, slots[0])
  hours = sum(map(estimate.seconds, jobs)) / 3600
  left = sum(estimate.seconds(job) for job in jobs if job.id in todo) / 3600
  summary = f'{len(jobs)} jobs, {hours:.1f} hours; to do {len(todo)}, {left:.1f} hours one at a time'
  if FLAGS.dry_run:
    print(f'{table(jobs, todo, mflop, estimate)}\n\n{summary}, {left / len(slots):.1f} with --jobs {len(slots)}')
    return None
  for folder in filter(None, (out, results)):
    folder.mkdir(parents=True, exist_ok=True)
    workdir_lib.write_json(folder / 'plan.json', ablation_plan.record(FLAGS.config, jobs, hours))
  for job in jobs:
    if job.needs and job.id not in todo:
      ablation_jobs.keep_results(out, job, results)
  if FLAGS.slurm:
    command = [sys.executable, '-m', 'tools.ablate', *(arg for arg in sys.argv[1:] if arg.lstrip('-') != 'slurm')]
    print(slurm(jobs, todo, command, os.getcwd()))
    return None
  print(f'{summary}, {len(slots)} at a time', flush=True)
  return run(out, jobs, todo, slots, results, estimate)


def run(out: pathlib.Path, jobs: Sequence[Job], todo: set[str], slots: list[frozenset[int]], results: pathlib.Path | None,
        estimate: ablation_hours.Estimate | None) -> str | None:
  say = lambda line: print(line, flush=True)
  runner = ablation_runner.Runner(out, jobs, todo, slots, ablation_plan.ROOT, results, estimate, say)
  runner.run()
  if runner.stopped:
    return f'stopped by {runner.stopped}; the same command continues'
  if runner.failed:
    lines = [f'{name}: {why}' for name, why in runner.failed.items()]
    return '\n  '.join([f'{len(lines)} of {len(todo)} not done:', *lines])
  return None


def main(argv: list[str]) -> None:
  del argv
  try:
    trouble = ablate()
  except (ValueError, OSError) as error:
    trouble = str(error)
  if trouble:
    sys.exit(f'tools.ablate: {trouble}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  config_flags.DEFINE_config_file('config', None, 'experiments/ablate_dims.py:arguments', lock_config=True)
  flags.DEFINE_string('out', None, 'folder of the sweep; continued if it holds one')
  flags.DEFINE_integer('jobs', 1, 'trainings at a time, each on its share of the cores')
  flags.DEFINE_string('results', '', 'folder for copies of each small results.json; a run that has one there is finished')
  flags.DEFINE_bool('dry_run', False, 'print the plan and its hours, do nothing')
  flags.DEFINE_bool('slurm', False, 'print a script that submits the same jobs to SLURM')
  flags.DEFINE_string('only', '', 'do this one job, as runs/volume-parameters-s0, and print no plan')
  flags.DEFINE_float('gflops', 0.0, 'rate of a training, for the hours: what sgm.train measures; 0: guessed',
                     lower_bound=0.0)
  flags.mark_flags_as_required(['config', 'out'])
  app.run(main)
