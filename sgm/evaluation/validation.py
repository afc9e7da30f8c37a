"""Evaluators that need nothing but the task: its loss, and a classifier's accuracy."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline import registry
from sgm.evaluation import evaluator as evaluator_lib
from sgm.evaluation import metrics


@dataclasses.dataclass
class Loss:
  """Means of the task's per-example terms (`Task.eval`) over a split, with the run's own data ops.

  Clip i draws its noise from (0, i): the figures do not depend on the batch size, and are comparable between steps.
  """

  context: evaluator_lib.Context
  split: str
  every: int | str
  limit: int
  batch_size: int

  def __post_init__(self):
    self._eval = jax.jit(jax.vmap(self._terms, (None, None, 0, 0)))

  def _terms(self, params: Any, frozen: Any, key: jax.Array, clip: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The scalars of one clip."""
    out = self.context.task.eval(params, frozen, key, {name: value[None] for name, value in clip.items()})
    return {name: value[0] for name, value in out.items() if value.ndim == 1}

  def run(self, params: Any, frozen: Any) -> dict[str, tuple[float, float]]:
    ops = registry.resolve(self.context.config.data.ops, self.context.config)
    sums: dict[str, tuple[float, float]] = {}
    batches = self.context.batches(self.split, ops, self.batch_size, limit=self.limit)
    for i, batch in enumerate(batches):
      mask = batch.pop('mask')
      rows = jnp.arange(i * self.batch_size, (i + 1) * self.batch_size)
      keys = jax.vmap(lambda row: jax.random.fold_in(jax.random.key(0), row))(rows)
      for name, value in self._eval(params, frozen, keys, batch).items():
        total, count = sums.get(name, (0.0, 0.0))
        sums[name] = (total + float((np.asarray(value) * mask).sum()), count + float(mask.sum()))
    return sums


@dataclasses.dataclass
class Accuracy:
  """A classifier on a split: top-1 (chance: 1 / (S + 1)), macro AUROC (chance 0.5) of clip scores.

  `details`: 'probability' (N, S + 1), 'label' (N, S + 1).
  """

  context: evaluator_lib.Context
  split: str
  every: int | str
  limit: int
  batch_size: int

  def __post_init__(self):
    self._eval = jax.jit(self.context.task.eval)
    self.details: dict[str, np.ndarray] = {}

  def run(self, params: Any, frozen: Any) -> dict[str, tuple[float, float]]:
    frames = self.context.config.clip.frame_targets
    rows: dict[str, list[np.ndarray]] = {'probability': [], 'label': [], 'top1': [], 'frame_loss': []}
    ops = ('label', f'activity({frames})', 'keep("audio", "label", "activity")')
    for batch in self.context.clips(self.split, ops, self.batch_size, self.limit):
      keep = batch.pop('mask') > 0
      out = {**self._eval(params, frozen, jax.random.key(0), batch), 'label': batch['label']}
      for name, column in rows.items():
        column.append(np.asarray(out[name])[keep])
    self.details = {name: np.concatenate(column) for name, column in rows.items()}
    auroc = metrics.macro_auroc(self.details['probability'][:, :-1], self.details['label'][:, :-1])
    return {'top1': evaluator_lib.mean_of(self.details['top1']), 'auroc': (auroc.value, 1.0),
            'frame_loss': evaluator_lib.mean_of(self.details['frame_loss'])}
