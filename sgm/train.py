r"""Trains any task: the one loop, and its entry point.

  python -m sgm.train --config experiments/ldm.py:preset=tiny,data=runs/data,autoencoder=runs/ae --workdir runs/ldm

The same command continues an interrupted run. The work directory then holds config.json, metrics.jsonl, tensorboard/,
checkpoints/ and, where the task has untrained weights, frozen/.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import pathlib
import signal
import sys
import threading
from typing import Any, Callable, Iterator, Mapping

from absl import app
from absl import flags
import jax
import ml_collections
from ml_collections import config_flags

from data_pipeline import pipeline
from data_pipeline import registry
from sgm import evaluation
from sgm import process
from sgm import tasks
from sgm.tasks import cache
from sgm.tasks import restore
from sgm.training import checkpoint
from sgm.training import clock as clock_lib
from sgm.training import metrics
from sgm.training import optim
from sgm.training import sharding
from sgm.training import step as step_lib
from sgm.training import workdir as workdir_lib

AHEAD = 2  # steps the host may run ahead of the devices: enough to keep them busy, few batches in memory

Batches = Callable[[int], Iterator[Mapping[str, Any]]]  # step k -> the batches of steps k, k + 1, ...


class Interrupted(RuntimeError):
  """Training was asked to stop, and did so with a checkpoint."""


class _StopSignals:
  """Turns the first SIGTERM or Ctrl-C into a request to stop after the step; a second one acts as usual."""

  def __enter__(self) -> '_StopSignals':
    self.received = None
    self._before = {}
    if threading.current_thread() is threading.main_thread():  # elsewhere Python cannot set handlers
      self._before = {s: signal.signal(s, self._receive) for s in (signal.SIGTERM, signal.SIGINT)}
    return self

  def _receive(self, number, frame) -> None:
    self.received = signal.Signals(number).name
    self._restore()

  def _restore(self) -> None:
    for number, handler in self._before.items():
      signal.signal(number, handler)

  def __exit__(self, *exc) -> None:
    self._restore()


def evaluate(name: str, evaluator: Any, step: int, params: Any, frozen: Any, writer: metrics.MetricWriter) -> None:
  """Runs one evaluator, divides its sums and records them as name/metric. RuntimeError with name and step if it fails."""
  try:
    sums = evaluator.run(params, frozen)
    media = evaluator.media() if hasattr(evaluator, 'media') else {}
  except Exception as error:
    raise RuntimeError(f'evaluator {name!r} failed at step {step}: {type(error).__name__}: {error}') from error
  writer.write(step, {f'{name}/{k}': float(s) / float(n) if n else float('nan') for k, (s, n) in sums.items()})
  named = {kind: {f'{name}/{k}': x for k, x in media.get(kind, {}).items()} for kind in ('images', 'audio')}
  writer.media(step, **named)


def fit(config: ml_collections.ConfigDict, workdir: str, mesh: jax.sharding.Mesh, task: Any, frozen: Any,
        batches: Batches, evaluators: Mapping[str, Any]) -> dict[str, Any]:
  """The loop: continues from the newest checkpoint to `config.total_steps`.

  Args:
    config: reads seed, total_steps, batch_size, accumulate, optim, ema, log_every, checkpoint.
    workdir: opened by `workdir.start`.
    task: see `sgm.tasks.task`.
    frozen: its untrained weights, placed by `sharding.place_weights`.
    batches: `batches(k)` yields this host's part of batch k and its successors.
    evaluators: {name: evaluator}; each has `every` and `run(params, frozen) -> {metric: (sum, count)}`, and may have
      `media() -> {'images': ..., 'audio': ...}` for TensorBoard.

  Returns:
    The newest value of every metric.

  Raises:
    FloatingPointError: loss or gradients are not finite; the newest checkpoint is from before.
    Interrupted: SIGTERM or Ctrl-C; a checkpoint of the last step was written.
    RuntimeError: an evaluator failed.
  """
  total = config.total_steps
  every = {name: workdir_lib.steps(e.every, total) for name, e in evaluators.items()}
  log_every = workdir_lib.steps(config.log_every, total)
  save_every = workdir_lib.steps(config.checkpoint.every, total)
  if config.batch_size % (mesh.size * config.accumulate):
    raise ValueError(f'batch_size {config.batch_size} is no multiple of {mesh.size} devices x accumulate='
                     f'{config.accumulate}')
  optimizer, learning_rate = optim.build(total, **config.optim)

  with contextlib.ExitStack() as stack:
    checkpoints = stack.enter_context(checkpoint.Checkpoints(workdir, config.checkpoint.keep))
    stop = stack.enter_context(_StopSignals())
    start = checkpoints.latest()
    stream = iter(batches(start))
    first = next(stream)
    stream = itertools.chain([first], stream)
    batch = sharding.place_batch(mesh, first)
    init = lambda key, batch: step_lib.init_state(task, optimizer, key, batch)
    key = jax.random.key(config.seed)
    shapes = jax.eval_shape(init, key, batch)
    shardings = sharding.weight_shardings(mesh, shapes)
    if start:
      state, meta = checkpoints.restore(start, sharding.abstract(shapes, shardings))
    else:
      state, meta = jax.jit(init, out_shardings=shardings)(key, batch), {'seconds': 0.0}

    writer = stack.enter_context(contextlib.closing(metrics.MetricWriter(workdir, start)))
    micro = jax.tree.map(lambda x: jax.ShapeDtypeStruct((x.shape[0] // config.accumulate, *x.shape[1:]), x.dtype), batch)
    flops = config.accumulate * clock_lib.loss_flops(task, shapes.params, frozen, micro)
    clock = clock_lib.Clock(total, config.batch_size, meta['seconds'], flops)
    train_step = step_lib.make_train_step(task, optimizer, config.ema, config.accumulate, mesh, shardings)
    window = metrics.Window()

    # An evaluator that failed, or was cut off, after the checkpoint was written gets its turn now.
    recorded = {k.split('/')[0] for row in metrics.read_metrics(workdir) if row['step'] == start for k in row}
    for name, evaluator in evaluators.items():
      if start and name not in recorded and workdir_lib.due(start, every[name], total):
        evaluate(name, evaluator, start, state.ema, frozen, writer)

    for step in range(start + 1, total + 1):
      state, values = train_step(state, frozen, sharding.place_batch(mesh, next(stream)))
      window.add(step, values, AHEAD)
      if step == start + 1:
        jax.block_until_ready(values)
        clock.begin(step)  # compilation ends here

      log = workdir_lib.due(step, log_every, total)
      save = workdir_lib.due(step, save_every, total) or stop.received is not None
      now_due = [name for name in evaluators if workdir_lib.due(step, every[name], total)]
      if log or save or now_due:
        try:
          window.check()
        except FloatingPointError as error:
          good = checkpoints.latest()
          kept = f'the last good checkpoint is of step {good}' if good else 'no checkpoint yet'
          raise FloatingPointError(f'{error}; {kept} in {workdir}') from None
      if log:
        rates, means = clock.rates(step), window.mean()
        rate = float(learning_rate(step - 1))
        writer.write(step, {**{f'train/{k}': x for k, x in {**means, 'learning_rate': rate, **rates}.items()},
                            'train/seconds': clock.seconds(), 'train/peak_memory_mb': clock_lib.peak_memory_mb()})
        clock.line(step, means['loss'], rates)
      with clock.pause():
        if save:  # before the evaluators: should one fail, the training is not lost
          checkpoints.save(step, state, {'seconds': clock.seconds()})
        if stop.received:
          raise Interrupted(f'{stop.received}: stopped after step {step} of {total}, checkpoint written; '
                            f'the same command with --workdir {workdir} continues')
        for name in now_due:
          evaluate(name, evaluators[name], step, state.ema, frozen, writer)
  return metrics.last_metrics(workdir)


def _cached(task: Any, frozen: Any, config: ml_collections.ConfigDict, info: Any, ops: Any, workdir: str) -> Any:
  """Arrays (N, K, ...) of the N training clips, encoded by the task in as many passes K as make `data.cache` examples or more.

  A small data set is passed over more often, each time cropped and augmented anew. Each host has its own copy.
  """
  data = config.data
  wanted = min(data.cache, config.total_steps * config.batch_size)  # a short training sees no more
  passes = -(-wanted // info.splits[data.split])
  clips = lambda: pipeline.eval_batches(data.dir, data.split, ops, config.batch_size, seed=config.seed, passes=passes)
  key = cache.key_of(frozen, data=info.fingerprint, split=data.split, ops=ops, passes=passes, seed=config.seed,
                     frontend=config.frontend.to_dict())
  return cache.build(task, frozen, passes, clips, size=info.splits[data.split], key=key, rng=jax.random.key(config.seed),
                     directory=pathlib.Path(workdir) / 'cache' / f'host{jax.process_index()}')


def train(config: ml_collections.ConfigDict, workdir: str) -> dict[str, Any]:
  """Trains what `config` describes in `workdir`, or continues there; see `fit` for what it returns and raises.

  Raises:
    WorkdirError: the work directory is not writable or holds a run of another configuration; nothing was done.
  """
  workdir = str(workdir_lib.check_writable(workdir))
  info = pipeline.open_dataset(config.data.dir)
  ops = registry.resolve(config.data.ops, config)
  task = tasks.build(config, info)
  mesh = sharding.make_mesh(**config.mesh)
  workdir_lib.start(workdir, config.to_dict(), info.fingerprint)
  restore.Labels(info.taxonomy, info.tokenizer, info.profiles).save(workdir)
  heard = (config.data.dir, *registry.data_sets(ops), config.get('task', {}).get('autoencoder', ''))
  restore.keep_attribution(filter(None, heard), workdir)
  hosts = dict(process_index=jax.process_index(), process_count=jax.process_count())

  def decoded(start: int) -> Iterator[Mapping[str, Any]]:
    data = config.data
    return pipeline.train_batches(data.dir, data.split, ops, config.batch_size, config.seed, start=start, **hosts)

  frozen = checkpoint.restore_frozen(workdir)
  if frozen is None:
    frozen = task.restore_frozen(iter(decoded(0)))
    checkpoint.save_frozen(workdir, frozen)
  if config.data.cache > 0:
    arrays = _cached(task, frozen, config, info, ops, workdir)
    batches = lambda start: pipeline.array_batches(arrays, config.batch_size, config.seed, start=start, **hosts)
  else:
    batches = decoded
  frozen = sharding.place_weights(mesh, frozen)
  evaluated = functools.partial(pipeline.eval_batches, config.data.dir)
  return fit(config, workdir, mesh, task, frozen, batches, evaluation.build(config, task, info, evaluated))


def main(argv: list[str]) -> None:
  del argv
  process.prepare()
  sharding.initialize_hosts()
  try:
    last = train(flags.FLAGS.config, flags.FLAGS.workdir)
  except (ValueError, OSError, Interrupted, FloatingPointError) as error:
    sys.exit(f'sgm.train: {error}')
  print('  '.join(f'{name} {value:.6g}' for name, value in sorted(last.items()) if value is not None))


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  config_flags.DEFINE_config_file('config', None, 'experiments/<x>.py[:arguments]', lock_config=True)
  flags.DEFINE_string('workdir', None, 'where the run is kept; continued if it holds one')
  flags.mark_flags_as_required(['config', 'workdir'])
  app.run(main)
