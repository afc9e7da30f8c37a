"""Runs jobs as child processes: several at a time, each on its cores; one that fails fails alone; a signal lets them all stop.

What the commands of a job print is in ablation.log, in its folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import time
from typing import IO, Any, Callable, Iterator, Sequence

from tools import ablation_jobs
from tools.ablation_jobs import Job

LOG = 'ablation.log'
POLL_SECONDS = 0.1


@dataclasses.dataclass
class _Active:
  job: Job
  cores: frozenset[int]
  process: subprocess.Popen
  lock: IO[str]
  began: float
  told: bool = False  # to stop


class Runner:
  """Runs jobs; one that fails, or cannot start, stops only those that need it.

  Args:
    out: folder of the sweep.
    jobs: all of them, in the order they are best run in.
    todo: ids of those to run; what they need and is not among them has to be finished.
    slots: the cores of each child that runs at a time; empty ones leave it to the system.
    cwd: of the commands.
    results: folder for copies of results.json, or None.
    estimate: see `ablation_hours.Estimate`, None where nothing is known.
    say: prints a line.

  Attributes:
    failed: {id: why}.
    stopped: name of the signal that stopped it, None.
  """

  def __init__(self, out: pathlib.Path, jobs: Sequence[Job], todo: set[str], slots: Sequence[frozenset[int]], cwd: pathlib.Path,
               results: pathlib.Path | None, estimate: Any, say: Callable[[str], None]):
    self._out, self._slots, self._cwd, self._results, self._estimate, self._say = out, slots, cwd, results, estimate, say
    self._done = {job.id for job in jobs if ablation_jobs.finished(out, job)} - todo
    self._todo = [job for job in jobs if job.id in todo]
    self._counts = [0, len(self._todo)]
    self._active: list[_Active] = []
    self.failed: dict[str, str] = {}
    self.stopped: str | None = None

  def run(self) -> None:
    with self._stop_signals():
      try:
        while self._active or (self._todo and not self.stopped):
          if not self.stopped:
            self._fill()
          time.sleep(POLL_SECONDS)
          for active in list(self._active):
            if active.process.poll() is not None:
              self._ended(active)
            elif self.stopped and not active.told:
              active.process.terminate()  # a training writes a checkpoint then
              active.told = True
              self._tell(f'{self.stopped}: stopping', active.job)
      finally:  # whatever went wrong here: nothing runs on unwatched
        for active in self._active:
          active.process.terminate()

  @contextlib.contextmanager
  def _stop_signals(self) -> Iterator[None]:
    """The first signal asks the children to stop; a second one acts as usual."""
    def receive(number, frame):
      self.stopped = signal.Signals(number).name
      restore()

    def restore():
      for number, handler in before.items():
        signal.signal(number, handler)

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
              if signal.getsignal(number) is not signal.SIG_IGN}  # as nohup has it
    try:
      yield
    finally:
      restore()

  def _fill(self) -> None:
    """Starts the first jobs that can be, while there are slots; drops those that cannot be any more."""
    free = list(self._slots)
    for active in self._active:
      free.remove(active.cores)
    for job in list(self._todo):
      if job.needs in self._done or job.needs is None:
        if free:
          self._todo.remove(job)
          self._begin(job, free)
      elif job.needs not in {j.id for j in self._todo} | {active.job.id for active in self._active}:
        self._todo.remove(job)
        self._fail(job, f'skipped, {job.needs} is not finished')

  def _begin(self, job: Job, free: list[frozenset[int]]) -> None:
    lock = ablation_jobs.take(self._out, job)
    if lock is None:
      return self._fail(job, 'skipped, another process is at work on it')
    ablation_jobs.open_folder(self._out, job)
    cores = free.pop(0)
    self._active.append(_Active(job, cores, self._spawn(job, cores, lock), lock, time.monotonic()))
    self._tell('started', job)

  def _spawn(self, job: Job, cores: frozenset[int], lock: IO[str]) -> subprocess.Popen:
    command = job.commands[ablation_jobs.note(self._out, job)['done']]
    before = os.sched_getaffinity(0) if cores else None
    with open(self._out / job.id / LOG, 'a') as log:
      log.write(f'$ {shlex.join(command)}\n')
      log.flush()
      if cores:  # of this thread, from which the child has them
        os.sched_setaffinity(0, cores)
      try:
        # In a session of its own: Ctrl-C is for us to hand on. It keeps the lock, should we be killed.
        return subprocess.Popen(command, cwd=self._cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                start_new_session=True, pass_fds=(lock.fileno(),))
      finally:
        if cores:
          os.sched_setaffinity(0, before)

  def _ended(self, active: _Active) -> None:
    job, code = active.job, active.process.returncode
    ablation_jobs.add(self._out, job, time.monotonic() - active.began, code == 0)
    stored = ablation_jobs.note(self._out, job)
    if code == 0 and stored['done'] < len(job.commands) and not self.stopped:
      active.process, active.began = self._spawn(job, active.cores, active.lock), time.monotonic()
      return
    self._active.remove(active)
    active.lock.close()
    if stored['done'] < len(job.commands):
      if not self.stopped:
        self._fail(job, _why(self._out / job.id / LOG, code))
    elif not ablation_jobs.finished(self._out, job):
      self._fail(job, f'its last command wrote no results.json with the key {job.key}')
    else:
      self._succeed(job, stored['seconds'])

  def _succeed(self, job: Job, seconds: float) -> None:
    shutil.rmtree(self._out / job.id / 'cache', ignore_errors=True)  # of encoded clips: large, and made anew if need be
    if job.needs:
      ablation_jobs.keep_results(self._out, job, self._results)
    if self._estimate:
      self._estimate.add(job, seconds)
    self._done.add(job.id)
    self._counts[0] += 1
    self._tell('done', job, f' in {clock(seconds)}')

  def _fail(self, job: Job, why: str) -> None:
    self.failed[job.id] = why
    self._tell('FAILED', job, f': {why}')

  def _tell(self, what: str, job: Job, more: str = '') -> None:
    left = ''
    if self._estimate:
      gone = sum(min(time.monotonic() - active.began, self._estimate.seconds(active.job)) for active in self._active)
      jobs = self._todo + [active.job for active in self._active]
      left = f', about {clock((sum(map(self._estimate.seconds, jobs)) - gone) / len(self._slots))} left'
    failed = f', {len(self.failed)} failed' if self.failed else ''
    self._say(f'[{self._counts[0]} of {self._counts[1]} done{failed}{left}] {what} {job.id}{more}')


def _why(log: pathlib.Path, code: int) -> str:
  last = next((line for line in reversed(log.read_text(errors='replace').splitlines()) if line.strip()), '')
  how = f'killed by {signal.Signals(-code).name}, last line' if code < 0 else f'exit status {code}'
  return f'{how}: {last[:300]} ({log})'


def clock(seconds: float) -> str:
  """3725.2 -> '1:02:05'."""
  return str(datetime.timedelta(seconds=round(max(seconds, 0.0))))
