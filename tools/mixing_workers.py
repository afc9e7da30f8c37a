"""The processes that mix: none outlives the one that started them, and none has to finish what it is at."""

from __future__ import annotations

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import threading
from typing import Iterator, Sequence

from tools.mixed_clip import Done, chunk


def run(jobs: Sequence[tuple], workers: int) -> Iterator[list[Done]]:
  """What `mixed_clip.chunk` returns for the arguments in each of `jobs`, in order; with one worker in this process."""
  if workers <= 1 or len(jobs) < 2:
    for job in jobs:
      yield chunk(*job)
    return
  others = set(multiprocessing.active_children())
  pool = concurrent.futures.ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context('spawn'), _begin)
  pending: collections.deque = collections.deque()
  try:
    for job in jobs:
      pending.append(pool.submit(chunk, *job))
      if len(pending) > 2 * workers:  # sources travel with every job
        yield pending.popleft().result()
    while pending:
      yield pending.popleft().result()
  except BaseException:  # Ctrl-C as well: a clip is whole or not there, so that nothing is to be waited for
    for worker in set(multiprocessing.active_children()) - others:
      worker.terminate()
    raise
  finally:
    pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
  """In a new worker."""
  os.environ['JAX_PLATFORMS'] = 'cpu'  # each worker that draws would else take a whole accelerator
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
  threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
  """Ends this worker with the process that started it, should that be killed: the next run must find nobody at work."""
  multiprocessing.parent_process().join()
  os._exit(1)
