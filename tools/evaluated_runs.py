"""Finished runs as evaluators want them, and which splits of their data each evaluation takes."""

from __future__ import annotations

import functools
import pathlib
from typing import NamedTuple

from data_pipeline import pipeline
from sgm.evaluation import evaluator as evaluator_lib
from sgm.tasks import restore


class Splits(NamedTuple):
  """single: clips of one species each, `scenes` of them. mixtures: of several, where the data have such a split."""

  single: str
  scenes: int
  mixtures: str


def open_run(workdir: str | pathlib.Path, *, expect: str | None = None) -> tuple[restore.Run, evaluator_lib.Context]:
  """Raises ValueError: no finished run of task `expect` there."""
  run = restore.load(workdir, expect=expect)
  batches = functools.partial(pipeline.eval_batches, run.config.data.dir)
  return run, evaluator_lib.Context(run.config, run.task, run.labels, batches)


def splits(directory: str) -> Splits:
  """Of a data set; recordings have neither 'single' nor 'pairs', their 'test' stands for both."""
  sizes = pipeline.open_dataset(directory).splits
  single, mixtures = (name if name in sizes else 'test' for name in ('single', 'pairs'))
  return Splits(single, sizes[single], mixtures)
