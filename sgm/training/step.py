"""The train step: a pure function of (state, frozen weights, batch), compiled once.

Loss, gradient accumulation, optimiser and the moving average of the weights all happen inside it. It knows nothing of what
is trained: the task brings `init`, `loss` and `eval` (see `sgm.tasks.task`).
"""

from __future__ import annotations

from typing import Any, Callable

import flax.struct
import jax
import jax.numpy as jnp
import optax

from sgm.training import sharding

PyTree = Any
RESERVED = ('loss', 'grad_norm', 'finite')  # names the step itself reports


@flax.struct.dataclass
class TrainState:
  """All that changes in training, and the base key.

  Attributes:
    step: () int32, updates done so far.
    params: trained weights.
    ema: exponential moving average of `params`, what evaluation and sampling use.
    opt_state: the optimiser's.
    key: typed PRNG key, the same for the whole run; step k draws from `fold_in(key, k)`.
  """

  step: jax.Array
  params: PyTree
  ema: PyTree
  opt_state: PyTree
  key: jax.Array


def init_state(task, optimizer: optax.GradientTransformation, key: jax.Array, batch: PyTree) -> TrainState:
  """The state at step 0. Pure, for `jax.eval_shape` and `jax.jit`; `batch` serves for its shapes only."""
  init_key, base_key = jax.random.split(key)
  params = task.init(init_key, batch)
  return TrainState(
      step=jnp.zeros((), jnp.int32), params=params, ema=jax.tree.map(jnp.copy, params),  # copies: both are donated
      opt_state=optimizer.init(params), key=base_key)


def ema_decay_at(step: jax.Array, decay: float) -> jax.Array:
  """Decay with warm-up, min(decay, (1 + step) / (10 + step)): early averages forget the initial weights fast."""
  step = step.astype(jnp.float32)
  return jnp.minimum(decay, (1.0 + step) / (10.0 + step))


def loss_and_grad(task) -> Callable[..., tuple[tuple[jax.Array, dict[str, jax.Array]], PyTree]]:
  """-> f(params, frozen, rng, batch) = ((loss (), {term: mean over the batch ()}), gradients like params)."""

  def loss(params, frozen, rng, batch):
    value, terms = task.loss(params, frozen, rng, batch)
    taken = sorted(set(terms) & set(RESERVED))
    if taken:
      raise ValueError(f'loss term {taken[0]!r} of {type(task).__name__}: {RESERVED} are reported by the step itself')
    return value.astype(jnp.float32), {name: jnp.mean(x.astype(jnp.float32)) for name, x in terms.items()}

  return jax.value_and_grad(loss, has_aux=True)


def _accumulated(grad_fn, accumulate: int, mesh: jax.sharding.Mesh, params, frozen, rng, batch):
  """Mean loss, terms and gradients over `accumulate` micro-batches, one after the other in a scan."""
  rows = sharding.batch_sharding(mesh).spec[0]

  def split(x):  # (B, ...) -> (A, B / A, ...): every A-th row, so that each device cuts up its own rows only
    x = jnp.swapaxes(x.reshape(x.shape[0] // accumulate, accumulate, *x.shape[1:]), 0, 1)
    spec = jax.sharding.PartitionSpec(None, rows)
    return jax.lax.with_sharding_constraint(x, jax.sharding.NamedSharding(mesh, spec))

  def body(total, xs):
    i, micro = xs
    out = grad_fn(params, frozen, jax.random.fold_in(rng, i), micro)
    return jax.tree.map(jnp.add, total, out), None

  micros = jax.tree.map(split, batch)
  shapes = jax.eval_shape(grad_fn, params, frozen, rng, jax.tree.map(lambda x: x[0], micros))
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
  total, _ = jax.lax.scan(body, zeros, (jnp.arange(accumulate), micros))
  return jax.tree.map(lambda x: x / accumulate, total)


def make_train_step(task, optimizer: optax.GradientTransformation, ema_decay: float, accumulate: int,
                    mesh: jax.sharding.Mesh, state_shardings: TrainState) -> Callable[..., tuple[TrainState, dict]]:
  """Compiles the update.

  Args:
    task: see `sgm.tasks.task`; its loss must be a mean over the batch, or accumulation changes it.
    optimizer: from `optim.build`, the very object that made the state.
    ema_decay: in [0, 1); 0 keeps no average (ema = params).
    accumulate: micro-batches per update; it divides the batch.
    mesh, state_shardings: from `sharding`; they decide where the result lies. Batches come from `sharding.place_batch`.

  Returns:
    (state, frozen, batch) -> (state, metrics), the given state is consumed. metrics: scalars 'loss', the mean of each of
    the task's terms, 'grad_norm' (before clipping) and 'finite' (bool: loss and gradients are).
  """
  grad_fn = loss_and_grad(task)

  def train_step(state: TrainState, frozen: PyTree, batch: PyTree):
    rng = jax.random.fold_in(state.key, state.step)
    if accumulate == 1:
      (loss, terms), grads = grad_fn(state.params, frozen, rng, batch)
    else:
      (loss, terms), grads = _accumulated(grad_fn, accumulate, mesh, state.params, frozen, rng, batch)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    decay = ema_decay_at(state.step, ema_decay)
    ema = jax.tree.map(lambda e, p: p + decay * (e - p), state.ema, params)
    norm = optax.tree.norm(grads)
    metrics = {'loss': loss, 'grad_norm': norm, 'finite': jnp.isfinite(loss) & jnp.isfinite(norm), **terms}
    return state.replace(step=state.step + 1, params=params, ema=ema, opt_state=opt_state), metrics

  return jax.jit(train_step, donate_argnums=0, out_shardings=(state_shardings, sharding.replicated(mesh)))


def make_eval_step(task) -> Callable[..., dict[str, jax.Array]]:
  """-> jitted (params, frozen, rng, batch) -> {name: (B, ...)}, the task's `eval`; nothing is donated."""

  def eval_step(params, frozen, rng, batch):
    return task.eval(params, frozen, rng, batch)

  return jax.jit(eval_step)
