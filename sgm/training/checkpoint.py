"""Checkpoints: exact resume for training, weights alone for everybody else. The one module that knows orbax.

  W/checkpoints/<step>/{params,ema,rest,meta}     params and ema stand apart, so that inference reads only what it needs
  W/frozen/                                       untrained weights (an autoencoder), so that W is complete by itself
"""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp

from sgm.training.step import TrainState

PyTree = Any


class Checkpoints:
  """The checkpoints of one work directory; a context manager that waits for what is being written."""

  def __init__(self, workdir: str | pathlib.Path, keep: int):
    """`keep`: how many to hold, the newest ones; 1 or more."""
    if keep < 1:
      raise ValueError(f'checkpoint.keep is {keep}: expected 1 or more')
    self.directory = pathlib.Path(workdir).absolute() / 'checkpoints'
    options = ocp.CheckpointManagerOptions(
        preservation_policy=ocp.checkpoint_managers.LatestN(keep), enable_async_checkpointing=True,
        cleanup_tmp_directories=True)  # left by a process that was killed while it wrote
    self._manager = ocp.CheckpointManager(self.directory, options=options)

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, *exc) -> None:
    self._manager.wait_until_finished()
    self._manager.close()

  def latest(self) -> int:
    """Step of the newest complete checkpoint, 0 when there is none."""
    return self._manager.latest_step() or 0

  def save(self, step: int, state: TrainState, meta: dict[str, Any]) -> None:
    """Copies the state to the host and writes it in the background; the state may be donated afterwards. Once per step."""
    if step == self._manager.latest_step():
      return
    rest = {'step': state.step, 'opt_state': state.opt_state, 'key': state.key}
    self._manager.save(step, args=ocp.args.Composite(
        params=ocp.args.StandardSave(state.params), ema=ocp.args.StandardSave(state.ema),
        rest=ocp.args.StandardSave(rest), meta=ocp.args.JsonSave(meta)))

  def restore(self, step: int, target: TrainState) -> tuple[TrainState, dict[str, Any]]:
    """(state, meta) of `step`. `target`: a TrainState of `sharding.abstract`; any mesh, not only the one it was saved on."""
    rest = {'step': target.step, 'opt_state': target.opt_state, 'key': target.key}
    got = self._manager.restore(step, args=ocp.args.Composite(
        params=ocp.args.StandardRestore(target.params), ema=ocp.args.StandardRestore(target.ema),
        rest=ocp.args.StandardRestore(rest), meta=ocp.args.JsonRestore()))
    return TrainState(params=got.params, ema=got.ema, **got.rest), got.meta


def _restore_tree(directory: pathlib.Path) -> PyTree:
  """A tree of nested dicts as it was stored, on this host's first device, whatever devices it was saved from."""
  here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  with ocp.StandardCheckpointer() as checkpointer:
    stored = checkpointer.metadata(directory).item_metadata.tree
    target = jax.tree.map(lambda m: jax.ShapeDtypeStruct(m.shape, m.dtype, sharding=here), stored)
    return checkpointer.restore(directory, target)


def latest_step(workdir: str | pathlib.Path) -> int:
  """Step of the newest complete checkpoint under `workdir`, 0 when there is none."""
  directory = pathlib.Path(workdir).absolute() / 'checkpoints'
  return max(ocp.utils.checkpoint_steps(directory), default=0) if directory.is_dir() else 0


def restore_params(workdir: str | pathlib.Path, ema: bool = True) -> PyTree:
  """The newest weights of a training: the moving average, or with `ema=False` the last ones.

  Needs neither task nor optimiser nor the devices of the training. Raises ValueError when there is no checkpoint.
  """
  step = latest_step(workdir)
  if not step:
    raise ValueError(f'no checkpoint in {workdir}: expected a work directory of sgm.train with checkpoints/ in it')
  return _restore_tree(pathlib.Path(workdir).absolute() / 'checkpoints' / str(step) / ('ema' if ema else 'params'))


def save_frozen(workdir: str | pathlib.Path, frozen: PyTree) -> None:
  """Stores untrained weights (nested dicts of arrays) in the work directory; a tree without leaves leaves no trace."""
  if jax.tree.leaves(frozen):
    with ocp.StandardCheckpointer() as checkpointer:  # leaves when all is written; the folder appears whole or not at all
      checkpointer.save(pathlib.Path(workdir).absolute() / 'frozen', frozen)


def restore_frozen(workdir: str | pathlib.Path) -> PyTree | None:
  """What `save_frozen` stored, None when it stored nothing."""
  directory = pathlib.Path(workdir).absolute() / 'frozen'
  return _restore_tree(directory) if directory.is_dir() else None
