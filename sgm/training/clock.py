"""Time: progress lines, examples per second, arithmetic per second, and the machine's own speed to compare with."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from typing import Any, Callable, Iterator

import jax
import jax.numpy as jnp

from sgm.training.step import loss_and_grad

SECONDS_BETWEEN_LINES = 5.0


def hours(seconds: float) -> str:
  """97.0 -> '1:37', 3700 -> '1:01:40'."""
  minutes, s = divmod(int(max(seconds, 0.0)), 60)
  h, m = divmod(minutes, 60)
  return f'{h}:{m:02d}:{s:02d}' if h else f'{m}:{s:02d}'


def peak_memory_mb() -> float:
  """The most memory that was in use so far, in MB: of the first device where it says so (GPU, TPU), else of this process."""
  stats = jax.local_devices()[0].memory_stats() or {}
  return stats.get('peak_bytes_in_use', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) / 2**20


class Clock:
  """Measures a training and says how far it is.

  Rates leave out compilation (everything before `begin`) and what happens under `pause` (evaluation); the remaining time
  counts the pauses in, they come again.
  """

  def __init__(self, total_steps: int, batch_size: int, spent: float, flops_per_step: float, out: Any = None,
               now: Callable[[], float] = time.monotonic):
    """`spent`: seconds of earlier runs of this training. `out`: a text stream, standard error by default."""
    self._total, self._batch, self._spent, self._flops = total_steps, batch_size, spent, flops_per_step
    self._out, self._now = sys.stderr if out is None else out, now
    self._start = now()
    self._line_at = -float('inf')
    self.begin(0)

  def begin(self, step: int) -> None:
    """Starts measuring after `step`, whose result must be there."""
    self._first_step = self._tick_step = step
    self._first_time = self._tick_time = self._now()
    self._paused = 0.0

  @contextlib.contextmanager
  def pause(self) -> Iterator[None]:
    """Time spent inside does not count against the training's rate."""
    before = self._now()
    try:
      yield
    finally:
      self._paused += self._now() - before

  def seconds(self) -> float:
    """Wall time of this training so far, earlier runs included."""
    return self._spent + self._now() - self._start

  def rates(self, step: int) -> dict[str, float]:
    """Since the last call: {'examples_per_s', 'gflops'}; {} when no step was measured. The step's result must be there."""
    now = self._now()
    steps, elapsed = step - self._tick_step, now - self._tick_time - self._paused
    self._tick_step, self._tick_time, self._paused = step, now, 0.0
    if steps <= 0 or elapsed <= 0:
      return {}
    return {'examples_per_s': steps * self._batch / elapsed, 'gflops': steps * self._flops / elapsed / 1e9}

  def line(self, step: int, loss: float, rates: dict[str, float]) -> None:
    """Prints step, loss, rate and remaining time, every few seconds and at the end; on a terminal it stays one line."""
    now = self._now()
    early = now - self._line_at < SECONDS_BETWEEN_LINES and step != self._total
    if early or jax.process_index() != 0:
      return
    self._line_at = now
    done = step - self._first_step
    eta = hours((now - self._first_time) / done * (self._total - step)) if done > 0 else '?'
    rate = f'{rates["examples_per_s"]:.0f} examples/s  ' if rates else ''
    text = f'step {step}/{self._total}  loss {loss:.4g}  {rate}elapsed {hours(self.seconds())}  eta {eta}'
    if self._out.isatty():
      print(f'\r{text:<100}', end='\n' if step == self._total else '', file=self._out, flush=True)
    else:
      print(text, file=self._out, flush=True)


def loss_flops(task, params: Any, frozen: Any, batch: Any) -> float:
  """Floating-point operations of the loss and its gradient on one micro-batch, counted by XLA before optimisation.

  Nothing is compiled or run. A scan inside the loss would be counted as one turn: tasks that have one undercount.
  Arguments may be arrays or `ShapeDtypeStruct`s.
  """
  shape = lambda tree: jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)
  key = jax.eval_shape(lambda: jax.random.key(0))
  lowered = jax.jit(loss_and_grad(task)).lower(shape(params), shape(frozen), key, shape(batch))
  return float((lowered.cost_analysis() or {}).get('flops', 0.0))  # some backends count nothing


def matmul_gflops(size: int = 2048, tries: int = 4) -> float:
  """The machine's rate in GFLOP/s on a float32 matrix product, the best of a few: what a step's rate is held against."""
  a = jax.random.normal(jax.random.key(0), (size, size), jnp.float32)
  product = jax.jit(jnp.matmul)
  jax.block_until_ready(product(a, a))
  best, begun = float('inf'), time.monotonic()
  for _ in range(tries):
    before = time.monotonic()
    jax.block_until_ready(product(a, a))
    best = min(best, time.monotonic() - before)
    if time.monotonic() - begun > 1.0:
      break
  return 2 * size**3 / best / 1e9
