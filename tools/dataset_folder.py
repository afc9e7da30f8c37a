"""The folder of a data set while it is built: claimed, found again when finished, refused when it holds something else."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
from typing import Any, Iterator

from data_pipeline.formats import files

KEPT = 'decoded'  # what an interrupted build of recordings finds again


def write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
  files.write_text(path, json.dumps(content, indent=1))


def finished(out: pathlib.Path, config: dict[str, Any], fingerprint: str) -> dict[str, Any] | None:
  """The dataset.json of a finished OUT of this configuration, None where nothing is; raises ValueError for anything else."""
  if not out.exists():
    return None
  if not out.is_dir():
    raise ValueError(f'{out} is a file, expected a folder to make')
  if not (out / 'dataset.json').exists():
    if any(out.iterdir()):
      raise ValueError(f'{out} is not empty and holds no dataset.json: name another folder')
    return None
  try:
    made = json.loads((out / 'dataset.json').read_text())
    old, same = made['source'], made['fingerprint'] == fingerprint
  except (json.JSONDecodeError, KeyError, TypeError) as error:
    raise ValueError(f'{out}/dataset.json is not one of ours ({error!r}): name another folder') from error
  if same:
    return made
  old, new = _flat(old), _flat(config)
  differing = [f'{k} {old.get(k, "absent")} there, {new.get(k, "absent")} asked'
               for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)]
  raise ValueError(f'{out} holds another data set: {"; ".join(differing)}. Name another folder, or remove it')


def _flat(config: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  flat = {}
  for key, value in config.items():
    flat |= _flat(value, f'{prefix}{key}.') if isinstance(value, dict) else {prefix + key: value}
  return flat


@contextlib.contextmanager
def claimed(out: pathlib.Path) -> Iterator[pathlib.Path]:
  """The hidden folder beside OUT in which the build happens; nobody else can have it meanwhile.

  Of a run that was killed only KEPT is still in it. An error in the block removes the folder; an interruption leaves it.
  Raises OSError where OUT cannot be written.
  """
  partial = out.parent / f'.{out.name}.partial'
  lock = None
  try:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir(exist_ok=True)
    lock = os.open(partial, os.O_RDONLY)
    # The lock lives as long as this process at most: a leftover without it is of a run that was killed.
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for leftover in partial.iterdir():
      if leftover.name != KEPT:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    (partial / 'writable').touch()
    (partial / 'writable').unlink()
    if out.exists() and not os.access(out, os.W_OK):
      raise PermissionError(f'{out} is not writable')
  except OSError as error:
    if lock is not None:
      os.close(lock)
    if isinstance(error, BlockingIOError):
      raise BlockingIOError(f'another run is building {out}') from error
    raise OSError(f'cannot write {out}: {error.strerror or error}') from error
  try:
    yield partial
  except Exception:
    shutil.rmtree(partial, ignore_errors=True)
    raise
  finally:
    os.close(lock)
