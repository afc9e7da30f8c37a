"""The step against its definitions, on one device and on eight."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.training import optim
from sgm.training import sharding
from sgm.training import step as step_lib
from tests.sgm.training import toy

OPTIM = dict(name='adamw', learning_rate=1e-2, warmup_steps=1, schedule='cosine', weight_decay=0.1, clip_norm=1.0, b2=0.99)


@functools.cache
def compiled(mesh, accumulate, noise, ema, kind):
  """(first state, frozen, step): tests share them, compiling is what costs."""
  task = kind(noise)
  optimizer, _ = optim.build(10, **OPTIM)
  init = lambda key, batch: step_lib.init_state(task, optimizer, key, batch)
  key, batch = jax.random.key(0), sharding.place_batch(mesh, toy.batch_at(0))
  shardings = sharding.weight_shardings(mesh, jax.eval_shape(init, key, batch))
  init = jax.jit(init, out_shardings=shardings)
  frozen = sharding.place_weights(mesh, {'scale': np.float32(2.0)})
  return lambda: init(key, batch), frozen, step_lib.make_train_step(task, optimizer, ema, accumulate, mesh, shardings)


def run(mesh, steps, accumulate=1, noise=0.1, ema=0.9, kind=toy.Regression):
  """(state, metrics of each step on the host) after training from step 0."""
  init, frozen, train_step = compiled(mesh, accumulate, noise, ema, kind)
  state, log = init(), []
  for k in range(steps):
    state, metrics = train_step(state, frozen, sharding.place_batch(mesh, toy.batch_at(k)))
    log.append(jax.device_get(metrics))
  return state, log


def single():
  return sharding.make_mesh(1, 1, jax.devices()[:1])


def assert_close(a, b, tolerance):
  for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True):
    np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=tolerance, rtol=0, err_msg=str(path))


@pytest.mark.parametrize('shape', [(8, 1), (2, 4)])
def test_eight_devices_equal_one(shape):
  assert len(jax.devices()) >= 8, 'conftest.py sets XLA_FLAGS=--xla_force_host_platform_device_count=8'
  mesh = sharding.make_mesh(*shape, jax.devices()[:8])
  many, many_log = run(mesh, 4, accumulate=2)
  one, one_log = run(single(), 4, accumulate=2)
  assert_close((many.params, many.ema), (one.params, one.ema), 1e-5)
  assert_close(many_log, one_log, 1e-5)
  wide = many.params['wide']['kernel']
  assert wide.sharding.spec == (jax.sharding.PartitionSpec(None, 'fsdp') if shape[1] > 1 else jax.sharding.PartitionSpec())


def test_accumulated_equals_whole_batch():
  whole, whole_log = run(single(), 3, noise=0.0)
  parts, parts_log = run(single(), 3, accumulate=4, noise=0.0)
  assert_close(whole.params, parts.params, 1e-6)
  assert_close(whole_log, parts_log, 1e-6)


def test_ema_follows_its_definition():
  ema = None
  for k in range(4):
    state, _ = run(single(), k, ema=0.3)
    params = jax.device_get(state.params)
    decay = min(0.3, k / (9 + k))  # after k updates the last one was step k - 1
    ema = params if ema is None else jax.tree.map(lambda e, p: decay * e + (1 - decay) * p, ema, params)
  assert_close(state.ema, ema, 1e-6)


def test_noise_differs_between_steps_and_repeats_between_runs():
  _, a = run(single(), 2)
  _, b = run(single(), 2)
  assert [x['loss'] for x in a] == [x['loss'] for x in b]
  state, _ = run(single(), 1)
  keys = [jax.random.key_data(jax.random.fold_in(state.key, k)) for k in (0, 1)]
  assert not np.array_equal(*keys)


def test_finite_is_false_for_nan_loss():
  class Broken(toy.Regression):
    def loss(self, params, frozen, rng, batch):
      loss, terms = super().loss(params, frozen, rng, batch)
      return loss + jnp.log(-1.0), terms

  _, log = run(single(), 1, kind=Broken)
  assert not log[0]['finite']


def test_reserved_term_is_refused():
  class Clashing(toy.Regression):
    def loss(self, params, frozen, rng, batch):
      loss, terms = super().loss(params, frozen, rng, batch)
      return loss, {'grad_norm': terms['squared_error']}

  with pytest.raises(ValueError, match="loss term 'grad_norm' of Clashing"):
    run(single(), 1, kind=Clashing)


def test_eval_step_is_the_tasks_eval():
  task = toy.Regression(0.0)
  state, _ = run(single(), 1)
  batch = {k: v for k, v in toy.batch_at(5).items() if k != 'id'}
  frozen = {'scale': np.float32(2.0)}
  got = step_lib.make_eval_step(task)(state.ema, frozen, jax.random.key(0), batch)
  np.testing.assert_allclose(got['squared_error'], task.eval(state.ema, frozen, None, batch)['squared_error'], rtol=1e-5)
