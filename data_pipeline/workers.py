"""Worker processes: none outlives the one that started it, and none reads its main module, and with it tensorflow, again."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from typing import Any, Callable, Iterator, Sequence

from data_pipeline import heap

_STARTING = threading.Lock()  # while the main module is hidden
_function: Callable[..., Any]  # of a worker


class Workers:
  """`count` processes that call one function. They begin with the first call and end with `close`.

  Args:
    function: picklable; sent to each once, so what is large and the same for every call belongs in it (functools.partial).
  """

  def __init__(self, function: Callable[..., Any], count: int):
    self._count, self._processes = count, set()
    self._pool = concurrent.futures.ProcessPoolExecutor(count, multiprocessing.get_context('spawn'), _begin, (function,))

  def submit(self, *args) -> concurrent.futures.Future:
    """Of function(*args); its result raises BrokenProcessPool where a worker was killed, by a system short of memory say."""
    with _STARTING:
      if not self._processes:
        self._start()
    return self._pool.submit(_call, *args)

  def __call__(self, *args) -> Any:
    """function(*args), of one of the workers; for threads, whose calls go on side by side."""
    return self.submit(*args).result()

  def close(self, finish: bool = True) -> None:
    """Ends the workers, and with `finish` lets each end its call first. No call is possible after it."""
    if not finish:
      for process in self._processes:
        process.terminate()
    self._pool.shutdown(wait=True, cancel_futures=True)

  def _start(self) -> None:
    others = set(multiprocessing.active_children())
    with _bare_main():
      for _ in range(self._count):  # each starts one: none is idle yet
        self._pool.submit(os.getpid)
    self._processes = set(multiprocessing.active_children()) - others


def in_order(function: Callable[..., Any], jobs: Sequence[tuple], count: int) -> Iterator[Any]:
  """function(*job) for each of `jobs`, in their order; with one worker or job in this process.

  Whatever ends it early, Ctrl-C too, ends the workers in the middle of what they do.
  """
  if count <= 1 or len(jobs) < 2:
    for job in jobs:
      yield function(*job)
    return
  workers, pending = Workers(function, min(count, len(jobs))), collections.deque()
  try:
    for job in jobs:
      pending.append(workers.submit(*job))
      if len(pending) > 2 * count:
        yield pending.popleft().result()
    while pending:
      yield pending.popleft().result()
  except BaseException:
    workers.close(finish=False)
    raise
  workers.close()


@contextlib.contextmanager
def _bare_main():
  main = sys.modules['__main__']
  sys.modules['__main__'] = types.ModuleType('__main__')
  try:
    yield
  finally:
    sys.modules['__main__'] = main


def _begin(function: Callable[..., Any]) -> None:
  """In a new worker."""
  global _function
  _function = function
  os.environ['JAX_PLATFORMS'] = 'cpu'  # each worker that draws would else take a whole accelerator
  heap.keep()
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
  threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
  """Ends this worker with the process that started it, should that be killed: the next run must find nobody at work."""
  multiprocessing.parent_process().join()
  os._exit(1)


def _call(*args) -> Any:
  return _function(*args)
