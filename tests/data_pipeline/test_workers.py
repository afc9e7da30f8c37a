"""Worker processes: order, errors, what they import, and that they end."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
import functools
import multiprocessing
import operator
import os
import subprocess
import sys
import threading
import time

import pytest

from data_pipeline import workers

JOBS = [(100, n) for n in range(1, 30)]


@pytest.fixture(autouse=True)
def nobody_stays():
  others = set(multiprocessing.active_children())
  yield
  assert set(multiprocessing.active_children()) <= others


def test_the_number_of_workers_changes_nothing():
  expected = [100 // n for _, n in JOBS]
  for count in (1, 2, 3):
    assert list(workers.in_order(operator.floordiv, JOBS, count)) == expected
  assert list(workers.in_order(operator.floordiv, JOBS[:1], 2)) == [100]
  assert list(workers.in_order(operator.floordiv, [], 2)) == []


def test_an_error_is_told_and_ends_what_is_at_work():
  jobs = [(0.0,), ('x',), *[(60.0,)] * 6]
  start = time.monotonic()
  made = workers.in_order(time.sleep, jobs, 2)
  assert next(made) is None
  with pytest.raises(TypeError, match='str'):
    next(made)
  assert time.monotonic() - start < 30


def test_closed_early():
  start = time.monotonic()
  made = workers.in_order(time.sleep, [(0.0,), *[(60.0,)] * 6], 2)
  next(made)
  made.close()
  assert time.monotonic() - start < 30


def test_threads_call_side_by_side():
  w = workers.Workers(functools.partial(operator.mul, 'ab'), 2)
  assert not w._processes  # none before it is wanted
  made = {}
  threads = [threading.Thread(target=lambda n=n: made.update({n: w(n)})) for n in range(12)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert made == {n: 'ab' * n for n in range(12)} and len(w._processes) == 2
  w.close()


def test_a_killed_worker_is_told():
  w = workers.Workers(time.sleep, 1)
  asleep = w.submit(60.0)
  [process] = w._processes
  process.kill()
  with pytest.raises(BrokenProcessPool, match='terminated abruptly'):
    asleep.result(30)
  w.close()


def test_workers_are_bare(tmp_path):
  """They do not import what the script that starts them did, and take no accelerator."""
  script = tmp_path / 'main.py'
  script.write_text("""
import tensorflow
from data_pipeline import workers
if __name__ == '__main__':
  look = workers.Workers(eval, 1)
  print(look('"tensorflow" in __import__("sys").modules'), look('__import__("os").environ["JAX_PLATFORMS"]'))
""")
  done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True,
                        env={k: v for k, v in os.environ.items() if k != 'JAX_PLATFORMS'} | {'PYTHONPATH': os.getcwd()})
  assert done.stdout.split() == ['False', 'cpu']
