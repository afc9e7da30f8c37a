"""How long a sweep takes: counted FLOPs at the machine's rate; then, as jobs end, what such jobs took."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import statistics
from typing import Mapping, Sequence

from tools.ablation_jobs import Job
from tools.ablation_plan import examples

# What a training reaches of the rate of matrix products, by axes of the grid: a volume's products are small.
SHARE = {2: 0.3, 3: 0.15}
START_SECONDS = 30.0  # of a command: imports, compilation
# Work beside the training, in examples of it: a clip encoded for the cache costs half a forward pass, a third of an example's
# three; what is measured on a run is mostly sampling and detection.
CACHED, MEASURED = 1 / 6, 10_000


def count(jobs: Sequence[Job], data: str, cores: frozenset[int]) -> tuple[dict[str, float], float]:
  """{group: MFLOP of a training example, loss and gradient}, and this machine's GFLOP/s in matrix products on `cores`.

  In a process of its own, since JAX and TensorFlow would stay in memory for hours.
  """
  with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
    return pool.submit(_count, {job.group: job.config for job in jobs}, data, cores).result()


def _count(configs, data, cores):
  os.sched_setaffinity(0, cores)
  from data_pipeline import pipeline
  from sgm.training import clock
  from tools import match_budget

  info = pipeline.open_dataset(data)
  return {group: match_budget.cost(config, info).flops / 1e6 for group, config in configs.items()}, clock.matmul_gflops()


class Estimate:
  """Seconds of a job: the mean of finished ones of its group; before, counted, times what the count was off for the others."""

  def __init__(self, jobs: Sequence[Job], mflop: Mapping[str, float], rate: Mapping[int, float]):
    """mflop: see `count`. rate: {axes of the grid: GFLOP/s of a training}."""
    self._counted: dict[str, float] = {}
    self._took: dict[str, list[float]] = {}
    for job in jobs:
      work = mflop[job.group] * (examples(job) + MEASURED * bool(job.needs))
      if job.needs:
        work += CACHED * mflop[job.needs.rpartition('-s')[0]] * min(job.config.data.cache, examples(job))
      self._counted[job.group] = work / 1e3 / rate[job.config.model.dims] + START_SECONDS * len(job.commands)

  def add(self, job: Job, seconds: float) -> None:
    """The job took so long, all its commands together."""
    self._took.setdefault(job.group, []).append(seconds)

  def seconds(self, job: Job) -> float:
    if job.group in self._took:
      return statistics.mean(self._took[job.group])
    off = [statistics.mean(seconds) / self._counted[group] for group, seconds in self._took.items()]
    return self._counted[job.group] * (statistics.mean(off) if off else 1.0)
