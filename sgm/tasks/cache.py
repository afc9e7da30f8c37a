"""The cache: K augmented encodings of every training clip, computed once, read back as memory maps."""

from __future__ import annotations

import hashlib
import json
import pathlib
import shutil
from typing import Any, Callable, Iterable

from absl import logging
import jax
import numpy as np

from sgm.tasks import task as task_lib


def key_of(frozen: Any, **parts: Any) -> str:
  """Hash of the frozen weights and of everything else that decides the cache's contents (JSON-able `parts`)."""
  digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
  for leaf in jax.tree.leaves(frozen):
    digest.update(np.asarray(leaf).tobytes())
  return digest.hexdigest()[:16]


def build(task: task_lib.Cached, frozen: Any, passes: int, batches: Callable[[], Iterable[dict[str, np.ndarray]]], *,
          size: int, directory: pathlib.Path, key: str, rng: jax.Array) -> dict[str, np.ndarray]:
  """Arrays (N, K, ...) of the task's precomputed batches; reused when `directory`/`key` is complete.

  Args:
    passes: K, augmented encodings per clip.
    batches: of one pass over all N clips after the other, each with 'mask' (B,) (0 = padding).
    size: N.
    directory: holds one folder per key; written under a temporary name, then renamed.

  Returns:
    {name: memory map (N, K, ...)}.
  """
  final = pathlib.Path(directory) / key
  if not (final / 'done').exists():
    partial = pathlib.Path(directory) / f'{key}.tmp'
    for leftover in (partial, final):
      shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    encode = jax.jit(task.precompute)
    maps: dict[str, np.ndarray] = {}
    k = row = step = 0
    for batch in batches():
      keep = batch['mask'] > 0
      count = int(keep.sum())
      if k == passes or row + count > size:
        raise RuntimeError(f'cache pass {k} of {passes}: {row + count} clips read, {size} expected')
      arrays = {name: v for name, v in batch.items() if name != 'mask'}
      out = jax.device_get(encode(frozen, jax.random.fold_in(jax.random.fold_in(rng, k), step), arrays))
      for name, value in out.items():
        if name not in maps:
          maps[name] = np.lib.format.open_memmap(
              partial / f'{name}.npy', mode='w+', dtype=value.dtype, shape=(size, passes, *value.shape[1:]))
        maps[name][row:row + count, k] = value[keep]
      row, step = row + count, step + 1
      if row == size:
        k, row, step = k + 1, 0, 0
        logging.log_every_n_seconds(logging.INFO, 'cache: %d of %d passes over %d clips', 10, k, passes, size)
    if k < passes:
      raise RuntimeError(f'cache pass {k} of {passes}: {row} clips read, {size} expected')
    for m in maps.values():
      m.flush()
    (partial / 'done').touch()
    partial.rename(final)
  return {path.stem: np.load(path, mmap_mode='r') for path in sorted(final.glob('*.npy'))}
