"""Further clips, sources and worker processes for ops that mix: all only when asked for, each clip a function of a seed alone.

A partner goes through the ops before the one that asks, with draws of its own, so both clips are alike prepared. Example i
stays a function of (seed, i): nothing depends on the batch or on what was read before.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import Any, Callable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from data_pipeline import mixing_store, registry
from data_pipeline.mixing_pools import Pools
from data_pipeline.storage import DataInfo, Records, open_dataset
from data_pipeline.workers import Workers

MOST_WORKERS = 8  # processes: one takes 10 to 15 ms for a clip, and the process that batches them 3


def apply(ops: Sequence[registry.Op], features: registry.Features, seed: tf.Tensor) -> registry.Features:
  """Runs `ops` in turn; op i draws from (seed, i). seed: int32 (2,)."""
  for i, op in enumerate(ops):
    features = op(features, tf.random.fold_in(seed, i))
  return features


def example(info: DataInfo, records: Records, number: tf.Tensor, index_of: Callable[[int], int]) -> registry.Features:
  """The features of record `index_of(number)`; number: int64 ()."""
  serialized = tf.numpy_function(lambda n: records[index_of(int(n))], [number], tf.string)
  serialized.set_shape(())
  return dict(records.features.deserialize_example(serialized), sample_rate=tf.constant(info.sample_rate, tf.int32))


class Resources(contextlib.ExitStack):
  """What ops opened, to be closed after the last batch: tensorflow never lets go of an op's functions.

  Attributes:
    processes: that ops wait for, each in a thread.
  """

  processes = 0


class Partners:
  """Further clips for one op of a list.

  Args:
    info, split, records: the split that the clips to be mixed come from.
    before: the op strings before that op.
    resources: what ops open is added to it.
  """

  def __init__(self, info: DataInfo, split: str, records: Records, before: Sequence[str],
               resources: Resources | None = None):
    self._info, self.split, self._records, self._before = info, split, records, before
    self._resources = resources or Resources()

  def any(self) -> Callable[[tf.Tensor], registry.Features]:
    """seed -> a clip of the same split, each as likely as any other."""
    return self._drawn(self._info, self._records, np.arange(len(self._records)))

  def without_events(self, data: str) -> Callable[[tf.Tensor], registry.Features]:
    """seed -> a clip in which no bird is labelled, of the same split of the data set `data` ('' = of this one).

    Raises ValueError: no such clip, another sample rate, or no such split.
    """
    info, records = self._info, self._records
    if data:
      info = open_dataset(data)
      records = Records(info, self.split)
    if info.sample_rate != self._info.sample_rate:
      raise ValueError(f'{info.directory} has {info.sample_rate} Hz and {self._info.directory} {self._info.sample_rate}: '
                       'build one of them anew')
    empty = np.flatnonzero(_event_counts(records) == 0)
    if not len(empty):
      raise ValueError(f'{info.directory}: split {self.split} has no clip without events; name a data set that has some')
    return self._drawn(info, records, empty)

  def pools(self, sample_rate: int, backgrounds: str) -> Pools:
    """Vocalisations and backgrounds of the same split, see `mixing_store.pools`."""
    return mixing_store.pools(self._info, self.split, sample_rate, backgrounds)

  def workers(self, function: Callable[..., Any]) -> Workers:
    """Processes, one for each core, that call `function`, as long as there are batches."""
    count = min(MOST_WORKERS, len(os.sched_getaffinity(0)))
    made = Workers(function, count)
    self._resources.callback(made.close)
    self._resources.processes += count
    return made

  def _drawn(self, info: DataInfo, records: Records, indices: np.ndarray) -> Callable[[tf.Tensor], registry.Features]:
    ops = registry.build(self._before, info, functools.partial(Partners, info, self.split, records, resources=self._resources))

    def draw(seed: tf.Tensor) -> registry.Features:
      number = tf.random.stateless_uniform((), seed, 0, len(indices), tf.int64)
      return apply(ops, example(info, records, number, lambda n: int(indices[n])), tf.random.fold_in(seed, 1))
    return draw


def _event_counts(records: Records) -> np.ndarray:
  """Labelled events of every record: (N,) int64."""
  parse = tfds.features.FeaturesDict({'species': records.features['species']}).deserialize_example
  dataset = tf.data.Dataset.from_generator(lambda: (records[i] for i in range(len(records))),
                                           output_signature=tf.TensorSpec((), tf.string))
  return np.array(list(dataset.map(lambda s: tf.size(parse(s)['species'])).as_numpy_iterator()))
