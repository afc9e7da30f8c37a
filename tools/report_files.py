"""Reading a run's files for the report: what is missing or damaged counts as absent, and damage is remembered."""

from __future__ import annotations

import base64
import json
import math
import pathlib
from typing import Any, Mapping

MIME = {'.wav': 'audio/wav', '.flac': 'audio/flac', '.ogg': 'audio/ogg', '.mp3': 'audio/mpeg', '.png': 'image/png',
        '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.svg': 'image/svg+xml'}


class Reader:
  """Reads a run's files; what cannot be read is remembered in `problems` and counts as absent."""

  def __init__(self, out: pathlib.Path):
    self.out = out.resolve()
    self.problems: list[str] = []

  def json(self, path: pathlib.Path, kind: type) -> Any:
    """The file's content; an empty `kind` (dict or list) when it is missing, damaged or of another kind."""
    name = path.relative_to(self.out)
    try:
      content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
      return kind()
    except (OSError, ValueError) as error:
      self.problems.append(f'{name} cannot be read: {error}')
      return kind()
    if not isinstance(content, kind):
      self.problems.append(f'{name} holds a {type(content).__name__}: expected a {kind.__name__}')
      return kind()
    return content

  def rows(self, path: pathlib.Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; a line cut off by a killed process is left out."""
    rows = []
    try:
      lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, ValueError):
      return rows
    for line in lines:
      try:
        row = json.loads(line)
      except ValueError:
        continue
      if isinstance(row, dict) and is_number(row.get('step')):
        rows.append(row)
    return rows

  def embed(self, relative: Any) -> str | None:
    """A file inside the run as a data URI; None (and a problem noted, unless it is null) when there is none."""
    if relative is None:
      return None
    path = (self.out / str(relative)).resolve()
    if not path.is_relative_to(self.out):
      self.problems.append(f'{relative} lies outside of the run')
    elif path.suffix.lower() not in MIME:
      self.problems.append(f'{relative}: expected one of {", ".join(MIME)}')
    else:
      try:
        return f'data:{MIME[path.suffix.lower()]};base64,{base64.b64encode(path.read_bytes()).decode()}'
      except OSError as error:
        self.problems.append(f'{relative} cannot be read: {error.strerror}')
    return None


def is_number(value: Any) -> bool:
  """Whether it is a finite number; True and False are none."""
  return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def interval(value: Any) -> tuple[float, float] | None:
  """[low, high] as a tuple; None for anything else."""
  return tuple(value) if isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) else None


def mapping(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
  """The object under a key; an empty one when there is none."""
  value = parent.get(key)
  return value if isinstance(value, dict) else {}


def items(parent: Mapping[str, Any], key: str) -> list[Any]:
  """The list under a key; an empty one when there is none."""
  value = parent.get(key)
  return value if isinstance(value, list) else []


def figure(summary: Mapping[str, Any], group: str, key: str) -> float | None:
  """summary[group][key] where that is a finite number, else None."""
  value = mapping(summary, group).get(key)
  return value if is_number(value) else None
