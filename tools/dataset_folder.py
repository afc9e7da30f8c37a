"""The folder of a data set, or of mixes, while it is made: claimed, found again, refused when it holds something else."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
from typing import Any, Iterator

from data_pipeline.formats import files

KEPT = 'decoded'          # what an interrupted run finds again,
COMMAND = 'command.json'  # and where this is, all the rest as well


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
  raise ValueError(f'{out} holds another data set: {_differing(old, config)}. Name another folder, or remove it')


def go_on(partial: pathlib.Path, command: dict[str, Any]) -> None:
  """Raises ValueError where the run that was interrupted in `partial` differs from `command` (JSON types).

  What `command` does not say is not compared.
  """
  if (partial / COMMAND).exists():
    old, new = files.read_json_object(partial / COMMAND), json.loads(json.dumps(command))
    old = {k: old.get(k) for k in new}
    if old != new:
      raise ValueError(f'{partial} holds an interrupted run of another command: {_differing(old, new)}. Repeat that command '
                       'to go on with it, remove the folder to give it up, or name another --out')


def _differing(old: dict[str, Any], new: dict[str, Any]) -> str:
  old, new = _flat(old), _flat(new)
  return '; '.join(f'{k} {old.get(k, "absent")} there, {new.get(k, "absent")} asked'
                   for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k))


def _flat(config: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  flat = {}
  for key, value in config.items():
    flat |= _flat(value, f'{prefix}{key}.') if isinstance(value, dict) else {prefix + key: value}
  return flat


def partial_of(out: pathlib.Path) -> pathlib.Path:
  """Where OUT is made."""
  return out.parent / f'.{out.name}.partial'


@contextlib.contextmanager
def claimed(out: pathlib.Path) -> Iterator[pathlib.Path]:
  """The hidden folder beside OUT in which the build happens; nobody else can have it meanwhile.

  Of a run that was killed only KEPT is still in it. An error in the block removes the folder; an interruption leaves it.
  A run that can go on with all it has made puts COMMAND there (see `go_on`). From then on errors leave the folder too, and the
  next run finds everything but files and folders whose names begin with a dot, which are half made.
  Raises OSError where OUT cannot be written.
  """
  partial = partial_of(out)
  lock = None
  try:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir(exist_ok=True)
    lock = os.open(partial, os.O_RDONLY)
    # The lock lives as long as this process at most: a leftover without it is of a run that was killed.
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    goes_on = (partial / COMMAND).exists()
    for leftover in list(partial.rglob('.*') if goes_on else partial.iterdir()):
      if leftover.name != KEPT:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
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
    if not (partial / COMMAND).exists():
      shutil.rmtree(partial, ignore_errors=True)
    raise
  finally:
    os.close(lock)
