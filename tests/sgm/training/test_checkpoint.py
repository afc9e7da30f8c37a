from __future__ import annotations

import jax
import numpy as np
import pytest

from sgm.training import checkpoint
from sgm.training import sharding
from tests.sgm.training import test_step


def leaves(state):
  data = lambda x: jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x
  return [np.asarray(data(x)) for x in jax.tree.leaves(state)]


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A work directory with checkpoints of steps 1, 2, 3 of which two are kept, and the last state."""
  workdir = tmp_path_factory.mktemp('run')
  mesh = sharding.make_mesh(2, 4, jax.devices()[:8])
  state, _ = test_step.run(mesh, 2)
  with checkpoint.Checkpoints(workdir, keep=2) as checkpoints:
    assert checkpoints.latest() == 0
    for step in (1, 2, 3, 3):
      checkpoints.save(step, state, {'seconds': 1.5 * step})
  return workdir, state


def test_keeps_the_newest(saved):
  workdir, _ = saved
  assert sorted(p.name for p in (workdir / 'checkpoints').iterdir() if p.is_dir()) == ['2', '3']
  assert checkpoint.latest_step(workdir) == 3


def test_restores_every_bit_onto_another_mesh(saved):
  workdir, state = saved
  mesh = test_step.single()
  shapes = jax.eval_shape(lambda s: s, state)
  with checkpoint.Checkpoints(workdir, keep=2) as checkpoints:
    target = sharding.abstract(shapes, sharding.weight_shardings(mesh, shapes))
    restored, meta = checkpoints.restore(checkpoints.latest(), target)
  assert meta == {'seconds': 4.5}
  assert jax.tree.structure(restored) == jax.tree.structure(state)
  assert restored.params['wide']['kernel'].sharding.device_set == set(jax.devices()[:1])
  for a, b in zip(leaves(restored), leaves(state), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('ema', [True, False])
def test_weights_alone(saved, ema):
  workdir, state = saved
  params = checkpoint.restore_params(workdir, ema=ema)
  expected = state.ema if ema else state.params
  assert jax.tree.structure(params) == jax.tree.structure(expected)
  for a, b in zip(leaves(params), leaves(expected), strict=True):
    np.testing.assert_array_equal(a, b)
  assert not np.array_equal(leaves(state.ema)[1], leaves(state.params)[1])


def test_no_checkpoint_is_a_clear_error(tmp_path):
  assert checkpoint.latest_step(tmp_path) == 0
  with pytest.raises(ValueError, match='no checkpoint in .*: expected a work directory'):
    checkpoint.restore_params(tmp_path)
  with pytest.raises(ValueError, match='checkpoint.keep is 0'):
    checkpoint.Checkpoints(tmp_path, keep=0)


def test_frozen_round_trip(tmp_path):
  frozen = {'autoencoder': {'kernel': np.arange(6.0, dtype=np.float32).reshape(2, 3)}, 'scale': np.float32(3.0)}
  assert checkpoint.restore_frozen(tmp_path) is None
  checkpoint.save_frozen(tmp_path, {})
  assert checkpoint.restore_frozen(tmp_path) is None
  checkpoint.save_frozen(tmp_path, frozen)
  got = checkpoint.restore_frozen(tmp_path)
  np.testing.assert_array_equal(got['autoencoder']['kernel'], frozen['autoencoder']['kernel'])
  assert float(got['scale']) == 3.0 and set(got) == set(frozen)


def test_donation_does_not_disturb_a_save_under_way(tmp_path):
  """The state is overwritten by the next steps while it is still being written."""
  task_state, _ = test_step.run(test_step.single(), 1)
  before = leaves(task_state)
  overwrite = jax.jit(lambda s: jax.tree.map(lambda x: x * 0 + 7 if x.dtype == np.float32 else x, s), donate_argnums=0)
  with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
    checkpoints.save(1, task_state, {})
    for _ in range(3):
      task_state = overwrite(task_state)
    jax.block_until_ready(task_state)
  shapes = jax.eval_shape(lambda s: s, task_state)
  with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
    target = sharding.abstract(shapes, sharding.weight_shardings(test_step.single(), shapes))
    restored, _ = checkpoints.restore(1, target)
  for a, b in zip(leaves(restored), before, strict=True):
    np.testing.assert_array_equal(a, b)
