"""What an evaluator is, and how a configuration becomes one.

An evaluator's `run(params, frozen)` returns {metric: (sum, count)}, so that padded last batches and several hosts add up
exactly; `details` then holds the per-clip arrays, from which intervals are computed.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Iterator, Protocol, Sequence

import numpy as np

Batches = Callable[..., Iterator[dict[str, np.ndarray]]]  # (split, ops, batch_size, limit=...) -> batches with 'mask'


class Evaluator(Protocol):
  every: int | str

  def run(self, params: Any, frozen: Any) -> dict[str, tuple[float, float]]:
    ...


@dataclasses.dataclass(frozen=True)
class Context:
  """What every evaluator is built with.

  Attributes:
    config: of the run.
    task: of the run.
    labels: has `taxonomy` and `tokenizer`.
    batches: reads the data set's splits; injected, because nothing here imports tensorflow.
  """

  config: Any
  task: Any
  labels: Any
  batches: Batches

  def clips(self, split: str, ops: Sequence[str], batch_size: int, limit: int | None) -> Iterator[dict[str, np.ndarray]]:
    """Batches of `split`: audio prepared as in training (`clip.prepare`), cropped at the centre to the run's clip length, then `ops`."""
    clip = self.config.clip
    return self.batches(split, (*clip.prepare, f'center_crop({clip.samples})', *ops), batch_size, limit=limit)


def build(config: Any, task: Any, labels: Any, batches: Batches) -> dict[str, Evaluator]:
  """{name: evaluator} of config.evals; `name` in each picks the class, all other keys are its keyword arguments.

  Raises:
    ValueError: unknown evaluator (the known are listed). TypeError: unknown keyword.
  """
  # Here, since these modules use Context.
  from sgm.evaluation import detection
  from sgm.evaluation import label_fidelity
  from sgm.evaluation import reconstruction
  from sgm.evaluation import validation
  from sgm.tasks.factory import named

  known = {
      'loss': validation.Loss, 'accuracy': validation.Accuracy, 'reconstruction': reconstruction.Reconstruction,
      'label_fidelity': label_fidelity.LabelFidelity, 'detection': detection.Detection,
  }
  context = Context(config, task, labels, batches)
  return {key: named(f'evals.{key}', known, spec, context=context) for key, spec in config.evals.items()}


def mean_of(values: np.ndarray) -> tuple[float, float]:
  """(sum, count) of an array, for one metric."""
  return float(np.sum(values)), float(np.size(values))
