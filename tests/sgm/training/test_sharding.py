from __future__ import annotations

import jax
from jax.sharding import PartitionSpec as P
import numpy as np
import pytest

from sgm.training import sharding


def test_mesh_fills_the_open_axis():
  devices = jax.devices()[:8]
  assert dict(sharding.make_mesh(-1, 1, devices).shape) == dict(data=8, fsdp=1)
  assert dict(sharding.make_mesh(-1, 4, devices).shape) == dict(data=2, fsdp=4)
  assert dict(sharding.make_mesh(2, -1, devices).shape) == dict(data=2, fsdp=4)


@pytest.mark.parametrize('data, fsdp', [(3, 1), (-1, 3), (-1, -1), (-1, 0), (16, 1)])
def test_mesh_that_does_not_fit_is_refused(data, fsdp):
  with pytest.raises(ValueError, match=f'mesh data={data}, fsdp={fsdp} on 8 devices: the product must be 8'):
    sharding.make_mesh(data, fsdp, jax.devices()[:8])


def test_rules_cut_the_largest_divisible_axis_of_large_leaves():
  mesh = sharding.make_mesh(2, 4, jax.devices()[:8])
  leaf = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
  tree = dict(kernel=leaf(3, 3, 64, 128), odd=leaf(128, 129), square=leaf(128, 128), prime=leaf(131, 131),
              bias=leaf(128), step=leaf())
  specs = {k: s.spec for k, s in sharding.weight_shardings(mesh, tree).items()}
  assert specs == dict(kernel=P(None, None, None, 'fsdp'), odd=P('fsdp', None), square=P('fsdp', None), prime=P(),
                       bias=P(), step=P())
  flat = sharding.weight_shardings(sharding.make_mesh(8, 1, jax.devices()[:8]), tree)
  assert all(s.is_fully_replicated for s in flat.values())


def test_batch_is_cut_over_all_devices_and_texts_stay_behind():
  mesh = sharding.make_mesh(2, 4, jax.devices()[:8])
  x = np.arange(32.0).reshape(16, 2)
  placed = sharding.place_batch(mesh, dict(x=x, text=np.array(['a'] * 16), half=x.astype(np.float16), flag=x > 3))
  assert sorted(placed) == ['flag', 'half', 'x']
  assert {s.data.shape for s in placed['x'].addressable_shards} == {(2, 2)}
  np.testing.assert_array_equal(placed['x'], x)
  with pytest.raises(ValueError, match=r"batch entry 'x' of shape \(15, 2\)"):
    sharding.place_batch(mesh, dict(x=x[:15]))


def test_single_host_does_not_join_anything(monkeypatch):
  monkeypatch.setattr(jax.distributed, 'initialize', lambda **_: pytest.fail('joined'))
  for name in ('JAX_COORDINATOR_ADDRESS', 'SLURM_STEP_NODELIST'):
    monkeypatch.delenv(name, raising=False)
  sharding.initialize_hosts()


def test_several_hosts_are_recognised(monkeypatch):
  calls = []
  monkeypatch.setattr(jax.distributed, 'initialize', lambda **kw: calls.append(kw))
  monkeypatch.setenv('SLURM_STEP_NODELIST', 'n[1-2]')
  monkeypatch.setenv('SLURM_STEP_NUM_TASKS', '2')
  sharding.initialize_hosts()
  monkeypatch.setenv('JAX_COORDINATOR_ADDRESS', 'n1:1234')
  monkeypatch.setenv('JAX_NUM_PROCESSES', '2')
  with pytest.raises(ValueError, match='JAX_PROCESS_ID is not'):
    sharding.initialize_hosts()
  monkeypatch.setenv('JAX_PROCESS_ID', '1')
  sharding.initialize_hosts()
  assert calls == [{}, dict(num_processes=2, process_id=1)]
