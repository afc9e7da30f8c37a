"""The optimiser: Muon or AdamW with warm-up, a schedule, global-norm clipping, and decay on kernels only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from sgm.training import workdir

SCHEDULES = ('cosine', 'constant', 'rsqrt')
OPTIMIZERS = ('adamw', 'muon')
MUON_RMS = 0.2  # of an update per unit of learning rate, as large as Adam's: rates of both compare
MUON_ADAM_SHARE = 0.3  # of the learning rate, for what is no matrix


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


def as_matrices(params: Any) -> Any:
  """Which axes of each kernel are inputs and which outputs, as Muon needs; None for all that is no kernel.

  Convolutions (*window, in, out) have one matrix (window * in, out); attention's query, key and value (in, heads, head) have
  (in, heads * head), its output (heads, head, out) has (heads * head, out).
  """
  def axes(path, x):
    names = [getattr(p, 'key', None) for p in path]
    if names[-1] != 'kernel' or x.ndim < 2:
      return None
    inputs = 1 if len(names) > 1 and names[-2] in ('query', 'key', 'value') else x.ndim - 1
    return optax.contrib.MuonDimensionNumbers(tuple(range(inputs)), tuple(range(inputs, x.ndim)))
  return jax.tree_util.tree_map_with_path(axes, params)


def build(total_steps: int, *, name: str, learning_rate: float, warmup_steps: int | str, weight_decay: float,
          clip_norm: float, b2: float, schedule: str) -> tuple[optax.GradientTransformation, optax.Schedule]:
  """(optimiser, learning rate schedule). Build them once: states of two builds do not count as the same type.

  Args:
    name: 'adamw', or 'muon' (Jordan et al. 2024; scaled as in Liu et al. 2025): kernels move by the orthogonal factor of their
      momentum, everything else by Adam with Nesterov's momentum, at `MUON_ADAM_SHARE` of the rate.
    total_steps, learning_rate, warmup_steps, schedule: see `learning_rate_schedule`; the warm-up may be a part of the
      training, '5%'.
    weight_decay: decoupled decay of kernels, per step and unit of learning rate.
    clip_norm: gradients of a larger global norm are scaled down to it; 0 clips nothing.
    b2: decay of Adam's second moment (the first's is 0.9).
  """
  if name not in OPTIMIZERS:
    raise ValueError(f'optim.name {name!r}: expected one of {OPTIMIZERS}')
  if weight_decay < 0 or clip_norm < 0:
    raise ValueError(f'optim.weight_decay {weight_decay}, optim.clip_norm {clip_norm}: expected 0 or more')
  if isinstance(warmup_steps, str):
    warmup_steps = workdir.steps(warmup_steps, total_steps)
  rate = learning_rate_schedule(total_steps, learning_rate, warmup_steps, schedule)
  if name == 'muon':
    update = optax.contrib.muon(
        rate, weight_decay=weight_decay, weight_decay_mask=kernels, adam_b1=0.9, adam_b2=b2, consistent_rms=MUON_RMS,
        adam_learning_rate=lambda step: MUON_ADAM_SHARE * rate(step), muon_weight_dimension_numbers=as_matrices)
  else:
    update = optax.adamw(rate, b1=0.9, b2=b2, weight_decay=weight_decay, mask=kernels)
  clip = optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()
  return optax.chain(clip, update), rate
