"""Where arrays live: a mesh of devices, rules for weights and batches, and the start of several hosts.

Two axes. Batches are cut along both; weights and optimiser state are cut along `fsdp` (every device holds a part and gathers
it when needed) and repeated along `data`. Models never see the mesh.
"""

from __future__ import annotations

import math
import os
from typing import Any, Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

PyTree = Any
AXES = ('data', 'fsdp')
MIN_SHARDED = 2**14  # smaller leaves are replicated: cutting them up costs more than it saves


def make_mesh(data: int, fsdp: int, devices: Sequence[jax.Device] | None = None) -> Mesh:
  """The mesh of shape (data, fsdp); one of the two may be -1, 'all that are left'.

  Raises:
    ValueError: the product is not the number of devices.
  """
  devices = jax.devices() if devices is None else list(devices)
  n = len(devices)
  sizes = [data, fsdp]
  if sizes.count(-1) == 1:
    known = sizes[1 - sizes.index(-1)]
    if known > 0:
      sizes[sizes.index(-1)] = n // known
  if min(sizes) < 1 or math.prod(sizes) != n:
    raise ValueError(f'mesh data={data}, fsdp={fsdp} on {n} devices: the product must be {n} (one of them may be -1)')
  return jax.make_mesh(tuple(sizes), AXES, axis_types=(AxisType.Auto,) * 2, devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
  """A whole copy on every device."""
  return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Axis 0 (examples) cut over all devices."""
  return NamedSharding(mesh, PartitionSpec(AXES))


def weight_shardings(mesh: Mesh, shapes: PyTree) -> PyTree:
  """A sharding for each leaf of a tree of arrays or `ShapeDtypeStruct`s (a whole TrainState, or frozen weights).

  Leaves of MIN_SHARDED elements or more are cut over `fsdp` along their largest axis that it divides, others replicated. It
  depends on the shape alone, so weights, their average and the optimiser's moments lie alike.
  """
  n = mesh.shape['fsdp']

  def rule(leaf):
    shape = np.shape(leaf)
    axes = [i for i, size in enumerate(shape) if size % n == 0]
    if n == 1 or not axes or math.prod(shape) < MIN_SHARDED:
      return replicated(mesh)
    largest = max(axes, key=lambda i: shape[i])
    return NamedSharding(mesh, PartitionSpec(*['fsdp' if i == largest else None for i in range(len(shape))]))

  return jax.tree.map(rule, shapes)


def abstract(shapes: PyTree, shardings: PyTree) -> PyTree:
  """`ShapeDtypeStruct`s that carry their sharding: what a checkpoint is restored into."""
  return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)


def place_weights(mesh: Mesh, tree: PyTree) -> PyTree:
  """Host arrays, the same on every host -> device arrays as `weight_shardings` says."""
  return jax.device_put(tree, weight_shardings(mesh, tree))


def place_batch(mesh: Mesh, batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
  """This host's part of a batch, (B / hosts, ...) each -> global arrays (B, ...) cut along axis 0.

  Entries that are no numbers (texts, ids) stay behind. Raises ValueError when the devices do not divide the batch.
  """
  rows = batch_sharding(mesh)
  local = mesh.size // jax.process_count()
  arrays = {}
  for name, x in batch.items():
    x = np.asarray(x)
    if x.dtype.kind not in 'biuf':
      continue
    if x.ndim == 0 or x.shape[0] % local:
      raise ValueError(f'batch entry {name!r} of shape {x.shape}: axis 0 must be a multiple of the {local} local devices')
    arrays[name] = jax.make_array_from_process_local_data(rows, x)
  return arrays


def initialize_hosts() -> None:
  """Joins the hosts of a job, before anything touches a device; does nothing on a single one.

  Several hosts are recognised by SLURM's step variables (more than one task) or by JAX_COORDINATOR_ADDRESS together with
  JAX_NUM_PROCESSES and JAX_PROCESS_ID.
  """
  env = os.environ
  if 'JAX_COORDINATOR_ADDRESS' in env:
    missing = [v for v in ('JAX_NUM_PROCESSES', 'JAX_PROCESS_ID') if v not in env]
    if missing:
      raise ValueError(f'JAX_COORDINATOR_ADDRESS is set but {missing[0]} is not: several hosts need both')
    jax.distributed.initialize(num_processes=int(env['JAX_NUM_PROCESSES']), process_id=int(env['JAX_PROCESS_ID']))
  elif 'SLURM_STEP_NODELIST' in env and int(env.get('SLURM_STEP_NUM_TASKS', '1')) > 1:
    jax.distributed.initialize()  # reads the rest of SLURM's variables
