"""The work directory: what a training was, written down before it starts, and the guard against mixing two of them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import tempfile
from typing import Any, Mapping

import jax

FREE_TO_CHANGE = ('log_every', 'checkpoint.keep')  # do not touch the result, may differ when a run continues
PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy', 'sgm')


class WorkdirError(ValueError):
  """The work directory cannot be used; the message says why and what to do."""


def write_json(path: pathlib.Path, content: Any) -> None:
  """Writes `content` whole or not at all: a reader never sees half of it."""
  temporary = path.with_name(path.name + '.tmp')
  temporary.write_text(json.dumps(content, indent=1) + '\n')
  os.replace(temporary, path)


def check_writable(directory: str | pathlib.Path) -> pathlib.Path:
  """Makes the directory where it is missing and tries a write; WorkdirError in one line when that fails."""
  directory = pathlib.Path(directory).absolute()
  try:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):
      pass
  except OSError as error:
    raise WorkdirError(f'cannot write to {directory}: {error.strerror}') from error
  return directory


def flatten(config: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
  """Nested mapping -> {'a.b': leaf}; an empty mapping counts as a leaf."""
  flat = {}
  for key, value in config.items():
    if isinstance(value, Mapping) and value:
      flat.update(flatten(value, f'{prefix}{key}.'))
    else:
      flat[f'{prefix}{key}'] = value
  return flat


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
  """One 'key: old value there, new value here' for each key that differs, but for those that are free to change."""
  old, new = flatten(old), flatten(new)
  absent = object()
  show = lambda x: 'absent' if x is absent else json.dumps(x)
  pairs = [(k, old.get(k, absent), new.get(k, absent)) for k in sorted({*old, *new} - set(FREE_TO_CHANGE))]
  return [f'{k}: {show(a)} there, {show(b)} here' for k, a, b in pairs if a is absent or b is absent or a != b]


def config_fingerprint(config: Mapping[str, Any]) -> str:
  """16 hex digits that stand for the configuration."""
  return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
  """Versions of Python and of the packages that decide the result; 'source' for one that runs uninstalled."""
  found = {'python': platform.python_version()}
  for package in PACKAGES:
    try:
      found[package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      found[package] = 'source'
  return found


def git_commit() -> str | None:
  """The commit of the checkout that holds this file, with '+' when files differ from it; None outside of one."""
  def git(*args):
    return subprocess.run(('git', *args), cwd=pathlib.Path(__file__).parent, capture_output=True, text=True,
                          check=True).stdout

  try:
    return git('rev-parse', 'HEAD').strip() + ('+' if git('status', '--porcelain', '-uno').strip() else '')
  except (OSError, subprocess.CalledProcessError):
    return None


def start(directory: str | pathlib.Path, config: Mapping[str, Any], data_fingerprint: str) -> dict[str, Any]:
  """Opens a work directory for training: writes config.json, or checks the one that is there.

  Args:
    directory: made when missing.
    config: the resolved configuration as plain dicts; it has `seed`.
    data_fingerprint: of the data set it trains on.

  Returns:
    The content of config.json: config, config_fingerprint, seed, data_fingerprint, versions, git_commit.

  Raises:
    WorkdirError: not writable, or it holds a run of another configuration or data (each differing key is named).
  """
  directory = check_writable(directory)
  config = json.loads(json.dumps(config))  # tuples become lists, as they are in the file
  path = directory / 'config.json'
  trained = (directory / 'frozen').exists() or any(directory.glob('checkpoints/[1-9]*'))
  if path.exists() and trained:  # a start that failed before it left anything may be corrected
    record = read(directory)
    changed = differences(record['config'], config)
    if record['data_fingerprint'] != data_fingerprint:
      changed.append(f'data fingerprint: {record["data_fingerprint"]} there, {data_fingerprint} here')
    if changed:
      raise WorkdirError(f'{directory} holds a run of another configuration ({"; ".join(changed)}): '
                         'give another --workdir, or remove this one')
    return record
  record = dict(config=config, config_fingerprint=config_fingerprint(config), seed=config['seed'],
                data_fingerprint=data_fingerprint, versions=versions(), git_commit=git_commit())
  if jax.process_index() == 0:
    write_json(path, record)
  return record


def read(directory: str | pathlib.Path) -> dict[str, Any]:
  """config.json of a work directory; WorkdirError when there is none or it is damaged."""
  path = pathlib.Path(directory) / 'config.json'
  try:
    record = json.loads(path.read_text())
    return {**record, 'config': record['config'], 'data_fingerprint': record['data_fingerprint']}
  except FileNotFoundError as error:
    raise WorkdirError(f'{directory} is no work directory of sgm.train: no config.json in it') from error
  except (json.JSONDecodeError, KeyError, TypeError) as error:
    raise WorkdirError(f'{path} is damaged ({error}): remove the work directory and train again') from error


def steps(every: int | str, total_steps: int) -> int:
  """'10%' of the training, or a number of steps -> number of steps, 1 or more. ValueError for anything else.

  '1000' is 1000 too: overriding a field that holds '10%' from the command line gives text.
  """
  if isinstance(every, str) and every.isdecimal():
    every = int(every)
  if isinstance(every, str) and every.endswith('%'):
    try:
      percent = float(every[:-1])
    except ValueError:
      percent = 0.0
    if 0 < percent <= 100:
      return max(1, round(total_steps * percent / 100))
  elif isinstance(every, int) and not isinstance(every, bool) and every >= 1:
    return every
  raise ValueError(f"every={every!r}: expected a number of steps, 1 or more, or a part of the training such as '10%'")


def due(step: int, every: int, total_steps: int) -> bool:
  """Whether something that happens every `every` steps, and at the end, happens after `step` steps."""
  return step % every == 0 or step == total_steps
