"""The runner of a sweep with shell commands in the place of trainings."""

import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from tools import ablation_jobs
from tools import ablation_runner
from tools.ablation_jobs import Job

ROOT = pathlib.Path(__file__).resolve().parents[2]
NO_CORES = frozenset()


def shell(text):
  return ('sh', '-c', text)


def autoencoder(out, name='a-s0', text='echo trained', key='k'):
  return Job(f'autoencoders/{name}', key, None, (shell(text),), {'arm': 'a', 'seed': 0})


def run(out, name='a-s0', needs='autoencoders/a-s0', train='echo trained', measure='true', key='k', **labels):
  results = json.dumps({'key': key, 'arm': 'a', 'matchings': ['parameters'], 'metrics': {}})
  folder = out / 'runs' / name
  return Job(f'runs/{name}', key, needs, (shell(train), shell(f"{measure} && echo '{results}' > '{folder}/results.json'")),
             {'arm': 'a', 'matchings': ['parameters'], **labels})


def work(out, *jobs, todo=None, slots=(NO_CORES,), results=None, estimate=None, lines=None):
  todo = {job.id for job in jobs if not ablation_jobs.finished(out, job)} if todo is None else todo
  runner = ablation_runner.Runner(out, jobs, todo, slots, ROOT, results, estimate, ([] if lines is None else lines).append)
  runner.run()
  return runner


def count(path):
  return len(path.read_text().splitlines()) if path.exists() else 0


def wait_for(path, seconds=10.0):
  end = time.monotonic() + seconds
  while not path.exists():
    assert time.monotonic() < end, path
    time.sleep(0.02)


def test_what_is_needed_comes_first_and_nothing_is_repeated(tmp_path):
  order = tmp_path / 'order'
  jobs = [run(tmp_path, train=f'echo run >> {order}'), autoencoder(tmp_path, text=f'echo autoencoder >> {order}')]
  lines = []
  assert not work(tmp_path, *jobs, lines=lines).failed
  assert order.read_text().split() == ['autoencoder', 'run']
  assert all(ablation_jobs.finished(tmp_path, job) for job in jobs)
  assert [line.split('] ')[1].split(' in ')[0] for line in lines] == [
      'started autoencoders/a-s0', 'done autoencoders/a-s0', 'started runs/a-s0', 'done runs/a-s0']
  assert lines[-1].startswith('[2 of 2 done]')
  work(tmp_path, *jobs)
  assert count(order) == 2


def test_continues_with_the_command_that_failed(tmp_path):
  trained, works = tmp_path / 'trained', tmp_path / 'works'
  jobs = [autoencoder(tmp_path), run(tmp_path, train=f'echo >> {trained}', measure=f'echo no sound; echo; test -e {works}')]
  log = tmp_path / 'runs' / 'a-s0' / 'ablation.log'
  runner = work(tmp_path, *jobs)
  assert runner.failed == {'runs/a-s0': f'exit status 1: no sound ({log})'}
  works.touch()
  assert not work(tmp_path, *jobs).failed
  assert count(trained) == 1 and log.read_text().splitlines().count('no sound') == 2


def test_lost_results_are_measured_again_without_a_training(tmp_path):
  trained = tmp_path / 'trained'
  jobs = [autoencoder(tmp_path), run(tmp_path, train=f'echo >> {trained}')]
  work(tmp_path, *jobs)
  (tmp_path / 'runs' / 'a-s0' / 'results.json').unlink()
  assert not work(tmp_path, *jobs).failed
  assert count(trained) == 1 and ablation_jobs.finished(tmp_path, jobs[1])


def test_one_that_fails_stops_only_those_that_need_it(tmp_path):
  jobs = [autoencoder(tmp_path, text='echo loss is not finite >&2; exit 3'), run(tmp_path), run(tmp_path, 'a-s2'),
          autoencoder(tmp_path, 'b-s0'), run(tmp_path, 'b-s0', 'autoencoders/b-s0'),
          autoencoder(tmp_path, 'c-s0', 'kill -9 $$'), run(tmp_path, 'd-s0', 'autoencoders/d-s0')]
  failed = work(tmp_path, *jobs, slots=(NO_CORES,) * 2).failed
  assert failed['autoencoders/a-s0'].startswith('exit status 3: loss is not finite (')
  assert failed['autoencoders/c-s0'].startswith('killed by SIGKILL')
  assert failed['runs/a-s0'] == failed['runs/a-s2'] == 'skipped, autoencoders/a-s0 is not finished'
  assert set(failed) == {'autoencoders/a-s0', 'runs/a-s0', 'runs/a-s2', 'autoencoders/c-s0', 'runs/d-s0'}
  assert ablation_jobs.finished(tmp_path, jobs[4])


def test_results_that_were_not_written_are_a_failure(tmp_path):
  job = Job('runs/a-s0', 'k', 'autoencoders/a-s0', (shell('true'),), {})
  assert 'wrote no results.json with the key k' in work(tmp_path, autoencoder(tmp_path), job).failed['runs/a-s0']


def test_another_key_is_run_anew_and_the_old_one_kept_aside(tmp_path):
  work(tmp_path, autoencoder(tmp_path), run(tmp_path))
  new = [autoencoder(tmp_path, key='new'), run(tmp_path, key='new')]
  assert not any(ablation_jobs.finished(tmp_path, job) for job in new)
  assert not work(tmp_path, *new).failed
  old = tmp_path / 'replaced' / 'runs-a-s0-k'
  assert json.loads((old / 'results.json').read_text())['key'] == 'k'
  assert json.loads((tmp_path / 'runs' / 'a-s0' / 'results.json').read_text())['key'] == 'new'
  assert (tmp_path / 'replaced' / 'autoencoders-a-s0-k' / 'ablation.json').exists()


def test_the_cache_goes_when_the_job_is_done(tmp_path):
  job = autoencoder(tmp_path, text=f'mkdir {tmp_path}/autoencoders/a-s0/cache; exit 1')
  work(tmp_path, job)
  assert (tmp_path / 'autoencoders' / 'a-s0' / 'cache').exists()
  work(tmp_path, autoencoder(tmp_path))
  assert not (tmp_path / 'autoencoders' / 'a-s0' / 'cache').exists()


def test_small_results_are_copied_and_taken_over(tmp_path):
  kept, lost = tmp_path / 'kept', tmp_path / 'out'
  jobs = [autoencoder(lost), run(lost)]
  work(lost, *jobs, results=kept)
  copy = kept / 'a-s0.json'
  assert json.loads(copy.read_text())['key'] == 'k'
  lost.rename(tmp_path / 'gone')
  assert not ablation_jobs.finished(lost, run(lost, key='other'), kept)
  assert ablation_jobs.finished(lost, jobs[1], kept) and not ablation_jobs.finished(lost, jobs[1])
  ablation_jobs.keep_results(lost, jobs[1], kept)
  assert ablation_jobs.finished(lost, jobs[1]) and not ablation_jobs.finished(lost, jobs[0], kept)


def test_labels_are_the_plans(tmp_path):
  jobs = [autoencoder(tmp_path), run(tmp_path)]
  work(tmp_path, *jobs)
  ablation_jobs.keep_results(tmp_path, run(tmp_path, matchings=['parameters', 'flops']), tmp_path / 'kept')
  for path in (tmp_path / 'runs' / 'a-s0' / 'results.json', tmp_path / 'kept' / 'a-s0.json'):
    assert json.loads(path.read_text())['matchings'] == ['parameters', 'flops']


def test_jobs_run_beside_each_other_on_their_own_cores(tmp_path):
  cores = sorted(os.sched_getaffinity(0))
  if len(cores) < 2:
    pytest.skip('one core')
  meet = 'touch {0}/{1}; for i in $(seq 200); do test -e {0}/{2} && break; sleep 0.05; done; test -e {0}/{2}'
  look = '; grep Cpus_allowed_list /proc/self/status'
  jobs = [autoencoder(tmp_path, 'a-s0', meet.format(tmp_path, 'x', 'y') + look),
          autoencoder(tmp_path, 'b-s0', meet.format(tmp_path, 'y', 'x') + look), autoencoder(tmp_path, 'c-s0')]
  assert not work(tmp_path, *jobs, slots=[frozenset(cores[:1]), frozenset(cores[1:2])]).failed
  seen = [(tmp_path / job.id / 'ablation.log').read_text().split()[-1] for job in jobs[:2]]
  assert seen == [str(cores[0]), str(cores[1])]
  assert sorted(os.sched_getaffinity(0)) == cores


class Ten:
  """Every job takes ten seconds."""

  def seconds(self, job):
    return 10.0

  def add(self, job, seconds):
    pass


def test_says_how_long_it_takes(tmp_path):
  lines = []
  work(tmp_path, autoencoder(tmp_path), autoencoder(tmp_path, 'b-s0'), estimate=Ten(), lines=lines)
  assert lines[0] == '[0 of 2 done, about 0:00:20 left] started autoencoders/a-s0'
  assert lines[-1].startswith('[2 of 2 done, about 0:00:00 left] done')


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def number(request):
  """A signal that is not ignored, as a shell's background jobs ignore SIGINT."""
  before = signal.signal(request.param, signal.SIG_DFL)
  yield request.param
  signal.signal(request.param, before)


def test_a_signal_lets_the_children_write_their_checkpoints(tmp_path, number):
  began, saved = tmp_path / 'began', tmp_path / 'saved'
  train = f'test -e {saved} && exit 0; trap "touch {saved}; exit 1" TERM; touch {began}; while :; do sleep 0.05; done'
  jobs = [autoencoder(tmp_path), run(tmp_path, train=train), autoencoder(tmp_path, 'b-s0', text=f'test -e {saved}')]

  def stop():
    wait_for(began)
    os.kill(os.getpid(), number)

  thread = threading.Thread(target=stop)
  thread.start()
  runner = work(tmp_path, *jobs)
  thread.join()
  assert runner.stopped == signal.Signals(number).name and not runner.failed
  assert saved.exists() and not (tmp_path / 'autoencoders' / 'b-s0').exists()  # nothing new was begun
  assert signal.getsignal(number) is signal.SIG_DFL
  assert not work(tmp_path, *jobs).failed
  assert all(ablation_jobs.finished(tmp_path, job) for job in jobs)


def test_a_job_that_somebody_is_at_work_on_is_left_alone(tmp_path):
  job = autoencoder(tmp_path)
  (tmp_path / 'locks').mkdir()
  with open(tmp_path / 'locks' / 'autoencoders-a-s0', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert work(tmp_path, job).failed == {job.id: 'skipped, another process is at work on it'}
  assert not work(tmp_path, job).failed


def test_a_training_that_outlives_its_runner_keeps_others_out(tmp_path):
  text = f'touch {tmp_path}/began; while [ ! -e {tmp_path}/end ]; do sleep 0.05; done; touch {tmp_path}/ended'
  job = autoencoder(tmp_path, text=text)
  driver = f'''import pathlib
from tools.ablation_jobs import Job
from tools.ablation_runner import Runner
out = pathlib.Path({str(tmp_path)!r})
Runner(out, [{job!r}], {{{job.id!r}}}, [frozenset()], out, None, None, print).run()'''
  killed = subprocess.Popen([sys.executable, '-c', driver], cwd=ROOT, stdout=subprocess.DEVNULL)
  try:
    wait_for(tmp_path / 'began')
  finally:
    killed.kill()
    killed.wait()
  try:
    assert 'another process' in work(tmp_path, job).failed[job.id]
  finally:
    (tmp_path / 'end').touch()
  wait_for(tmp_path / 'ended')
  deadline = time.monotonic() + 10
  while work(tmp_path, job).failed and time.monotonic() < deadline:
    time.sleep(0.05)
  assert ablation_jobs.finished(tmp_path, job)
