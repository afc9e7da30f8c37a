"""Data sets on disk -> batches of numpy arrays.

Batch k is a function of (seed, k) only: example `position` = k * batch_size + i is record
`order(seed, epoch)[position % n]`, and its ops draw from (seed, position). So a resumed run sees what an uninterrupted
one would have seen, and starting at batch 10,000 costs nothing: the tfrecord files are read by random access, no shuffle
buffer has to be refilled.
"""

from __future__ import annotations

import atexit
import functools
import os
import queue
import threading
from typing import Any, Iterator, Mapping, Sequence
import weakref

import numpy as np
import tensorflow as tf

from data_pipeline import registry
from data_pipeline.partners import Partners, Resources, apply, example
from data_pipeline.storage import DataInfo, Records, open_dataset

Batch = dict[str, np.ndarray]


@functools.lru_cache(maxsize=8)
def order(seed: int, epoch: int, n: int) -> np.ndarray:
  """The permutation of `n` examples in an epoch: (n,) int64. Every epoch has its own."""
  return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch]))).permutation(n)


@functools.lru_cache(maxsize=8)
def _variants(seed: int, epoch: int, n: int, k: int) -> np.ndarray:
  return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, 1]))).integers(k, size=n)


def _local(batch_size: int, start: int, process_index: int, process_count: int) -> int:
  """Checks the arguments all iterators share; returns the examples per batch of one process."""
  if batch_size < 1 or batch_size % process_count:
    raise ValueError(f'batch_size {batch_size} does not divide among {process_count} processes')
  if not 0 <= process_index < process_count:
    raise ValueError(f'process_index {process_index}: expected 0 to {process_count - 1}')
  if start < 0:
    raise ValueError(f'start is {start}, expected a batch number from 0')
  return batch_size // process_count


def _seed_words(seed: int) -> tf.Tensor:
  return tf.constant(np.array([seed & 0xffffffff, (seed >> 32) & 0xffffffff], np.uint32).view(np.int32))


def _dataset(info: DataInfo, split: str, records: Records, places: tf.data.Dataset, index_of, ops: Sequence[str], seed: int,
             batch: int, resources: Resources) -> tf.data.Dataset:
  """(pass, position), int64 -> batches of `batch` examples; `index_of(position)` names the record (numpy)."""
  built = registry.build(ops, info, functools.partial(Partners, info, split, records, resources=resources))

  def made(number: tf.Tensor, position: tf.Tensor) -> registry.Features:
    words = _seed_words(seed) + tf.stack([0, tf.cast(number, tf.int32)])
    return apply(built, example(info, records, position, index_of), tf.random.fold_in(words, position))

  if resources.processes:  # tensorflow has a thread for each core, too few where one waits for every process
    options = tf.data.Options()
    options.threading.private_threadpool_size = len(os.sched_getaffinity(0)) + resources.processes
    places = places.with_options(options)
  dataset = places.map(made, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
  ragged = [k for k, spec in dataset.element_spec.items() if not spec.shape.is_fully_defined()]
  if ragged:
    raise ValueError(f'ops {list(ops)}: feature {ragged[0]!r} differs in length between examples and cannot be batched; '
                     'crop the audio, and end with keep(...)')
  return dataset.batch(batch, drop_remainder=True)


_OPEN: weakref.WeakSet = weakref.WeakSet()


@atexit.register
def _close() -> None:
  for batches in list(_OPEN):
    batches.close()


def _closed_at_exit(dataset: tf.data.Dataset, resources: Resources) -> Iterator[Batch]:
  """The elements as numpy. The threads that read ahead call python, and hang a process that exits while they live."""
  batches = _elements(dataset, resources)
  _OPEN.add(batches)
  return batches


def _elements(dataset: tf.data.Dataset, resources: Resources) -> Iterator[Batch]:
  with resources:
    yield from (batch for batch in dataset.as_numpy_iterator())  # closed, a generator frees what it iterates over


def train_batches(directory: str, split: str, ops: Sequence[str], batch_size: int, seed: int, start: int = 0,
                  process_index: int = 0, process_count: int = 1) -> Iterator[Batch]:
  """Endless batches, reshuffled every epoch; batches run over the borders of epochs.

  Args:
    directory: data set (see `open_dataset`).
    split: its split.
    ops: resolved op strings (see `registry`).
    batch_size: examples over all processes.
    seed: of the order and of the ops.
    start: number of the first batch; nothing before it is read.
    process_index, process_count: this process gets examples index::count of every batch.

  Returns:
    iterator of {name: (batch_size / process_count, ...)}.
  """
  info = open_dataset(directory)
  batch = _local(batch_size, start, process_index, process_count)
  records = Records(info, split)
  n = len(records)
  if not n:
    raise ValueError(f'{directory}: split {split} is empty')
  positions = tf.data.Dataset.range(start * batch_size + process_index, np.iinfo(np.int64).max, process_count)
  places = positions.map(lambda p: (tf.constant(0, tf.int64), p))
  resources = Resources()
  dataset = _dataset(info, split, records, places, lambda p: order(seed, p // n, n)[p % n], ops, seed, batch, resources)
  return _closed_at_exit(dataset.prefetch(2), resources)


def eval_batches(directory: str, split: str, ops: Sequence[str], batch_size: int, seed: int = 0, limit: int | None = None,
                 process_index: int = 0, process_count: int = 1, passes: int = 1) -> Iterator[Batch]:
  """Every example once, in the order of the files; example i's ops draw from (seed, i), whatever the batch size.

  The last batch is filled up with copies of the last example. `limit`: only the first so many (the files are shuffled
  when built). Otherwise as `train_batches`. Batches carry 'mask' float32 (B,): 0 for the filling. `passes`: all of it so many
  times, each with draws of its own, those of pass k from seed + (k << 32).
  """
  info = open_dataset(directory)
  batch = _local(batch_size, 0, process_index, process_count)
  records = Records(info, split)
  n = len(records) if limit is None else min(limit, len(records))
  if n < 1:
    raise ValueError(f'{directory}: split {split} has no examples to evaluate (limit {limit})')
  padded = -(-n // batch_size) * batch_size
  places = tf.data.Dataset.range(process_index, passes * padded, process_count).map(lambda p: (p // padded, p % padded))
  resources = Resources()
  dataset = _dataset(info, split, records, places, lambda p: min(p, n - 1), ops, seed, batch, resources)
  masks = places.map(lambda _, p: tf.cast(p < n, tf.float32)).batch(batch, drop_remainder=True)
  dataset = tf.data.Dataset.zip((dataset, masks)).map(lambda d, mask: {**d, 'mask': mask})
  return _closed_at_exit(dataset.prefetch(2), resources)


def array_batches(arrays: Mapping[str, np.ndarray], batch_size: int, seed: int, start: int = 0, process_index: int = 0,
                  process_count: int = 1) -> Iterator[Batch]:
  """Endless batches from arrays (N, K, ...): N examples in K variants each, such as the latent cache.

  The contract of `train_batches`: an own permutation for each epoch, and for each example and epoch one variant drawn
  from (seed, epoch, index). Arrays may be memory-mapped: only what a batch needs is read, in a thread, two ahead.

  Raises ValueError when the arrays disagree in N or K.
  """
  batch = _local(batch_size, start, process_index, process_count)
  shapes = {name: a.shape[:2] for name, a in arrays.items()}
  if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 2 or 0 in next(iter(shapes.values())):
    raise ValueError(f'arrays of leading shapes {shapes}: expected one (N, K) for all, neither of them 0')
  n, k = next(iter(shapes.values()))

  def make(number: int) -> Batch:
    positions = number * batch_size + process_index + process_count * np.arange(batch)
    index = np.array([order(seed, p // n, n)[p % n] for p in positions.tolist()])
    variant = np.array([_variants(seed, p // n, n, k)[i] for p, i in zip(positions.tolist(), index)])
    return {name: np.ascontiguousarray(a[index, variant]) for name, a in arrays.items()}

  return _ahead(make, start)


def _ahead(make, start: int, depth: int = 2) -> Iterator[Any]:
  """make(start), make(start + 1), ... computed in a thread at most `depth` ahead; its error is raised here."""
  ready: queue.Queue = queue.Queue(depth)
  closed = threading.Event()

  def offer(item: Any) -> None:
    while not closed.is_set():
      try:
        return ready.put(item, timeout=0.2)
      except queue.Full:
        continue

  def work() -> None:
    number = start
    try:
      while not closed.is_set():
        offer((make(number), None))
        number += 1
    except Exception as error:  # handed to the consumer, which raises it
      offer((None, error))

  threading.Thread(target=work, daemon=True, name='array_batches').start()
  try:
    while True:
      item, error = ready.get()
      if error is not None:
        raise error
      yield item
  finally:
    closed.set()
