"""The optimiser: AdamW with warm-up, a schedule, global-norm clipping, and decay on kernels only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from sgm.training import workdir

SCHEDULES = ('cosine', 'constant', 'rsqrt')


def learning_rate_schedule(total_steps: int, learning_rate: float, warmup_steps: int, schedule: str) -> optax.Schedule:
  """Step -> learning rate: linear from 0 over the warm-up to `learning_rate`, then as `schedule` says.

  Args:
    total_steps: the length of the training, at which 'cosine' reaches 0.
    learning_rate: the peak, above 0.
    warmup_steps: 0 starts at the peak; below `total_steps`.
    schedule: 'cosine' (Loshchilov and Hutter 2017, half a cosine), 'constant', or 'rsqrt', sqrt(w / step) with
      w = max(warmup_steps, 1) (Vaswani et al. 2017).

  Raises:
    ValueError: a value outside these ranges.
  """
  if schedule not in SCHEDULES:
    raise ValueError(f'optim.schedule {schedule!r}: expected one of {SCHEDULES}')
  if not learning_rate > 0:
    raise ValueError(f'optim.learning_rate is {learning_rate}: expected a number above 0')
  if not 0 <= warmup_steps < total_steps:
    raise ValueError(f'optim.warmup_steps is {warmup_steps}: expected 0 or more and below total_steps ({total_steps})')
  if schedule == 'cosine':
    after = optax.cosine_decay_schedule(learning_rate, total_steps - warmup_steps)
  elif schedule == 'constant':
    after = optax.constant_schedule(learning_rate)
  else:
    knee = max(warmup_steps, 1)
    after = lambda count: learning_rate * (knee / (knee + jnp.maximum(count, 0))) ** 0.5
  if warmup_steps == 0:
    return after
  # Step 0 gets 1 / warmup of the peak: an update by nothing would be wasted.
  warmup = optax.linear_schedule(learning_rate / warmup_steps, learning_rate, warmup_steps - 1 or 1)
  return optax.join_schedules([warmup, after], [warmup_steps])


def kernels(params: Any) -> Any:
  """Tree of bools like `params`: true for leaves called 'kernel', so biases, norms and embeddings do not decay."""
  return jax.tree_util.tree_map_with_path(lambda path, _: getattr(path[-1], 'key', None) == 'kernel', params)


def build(total_steps: int, *, learning_rate: float, warmup_steps: int | str, weight_decay: float, clip_norm: float,
          b2: float, schedule: str) -> tuple[optax.GradientTransformation, optax.Schedule]:
  """(optimiser, learning rate schedule). Build them once: states of two builds do not count as the same type.

  Args:
    total_steps, learning_rate, warmup_steps, schedule: see `learning_rate_schedule`; the warm-up may be a part of the
      training, '5%'.
    weight_decay: decoupled decay of kernels, per step and unit of learning rate; 0 makes it Adam.
    clip_norm: gradients of a larger global norm are scaled down to it; 0 clips nothing.
    b2: decay of Adam's second moment (the first's is 0.9).
  """
  if weight_decay < 0 or clip_norm < 0:
    raise ValueError(f'optim.weight_decay {weight_decay}, optim.clip_norm {clip_norm}: expected 0 or more')
  if isinstance(warmup_steps, str):
    warmup_steps = workdir.steps(warmup_steps, total_steps)
  rate = learning_rate_schedule(total_steps, learning_rate, warmup_steps, schedule)
  adamw = optax.adamw(rate, b1=0.9, b2=b2, weight_decay=weight_decay, mask=kernels)
  clip = optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()
  return optax.chain(clip, adamw), rate
