"""Writing and reading small files, and what their readers check."""

from __future__ import annotations

import functools
import json
import os
import pathlib
from typing import Any, Callable

Path = str | os.PathLike


def write_text(path: Path, text: str) -> None:
  """`write_bytes` of UTF-8 text."""
  write_bytes(path, text.encode('utf-8'))


def write_bytes(path: Path, content: bytes) -> None:
  """Writes under a temporary name and renames it, so that `path` is either whole or not there."""
  path = pathlib.Path(path)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    temporary.write_bytes(content)
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def read_text(path: Path) -> str:
  """A UTF-8 text file, with or without BOM, line ends as `\\n`. Raises ValueError for another encoding."""
  try:
    return pathlib.Path(path).read_text(encoding='utf-8-sig')
  except UnicodeDecodeError as error:
    raise ValueError(f'{path}: not UTF-8 text ({error.reason} at byte {error.start})') from error


def read_lines(path: Path) -> list[str]:
  """The lines of a UTF-8 text file, with or without BOM, any line ends. Raises ValueError for another encoding."""
  text = read_text(path)
  return text.split('\n') if text else []


def read_json(path: Path) -> Any:
  """What a JSON file holds. Raises ValueError that names file and line."""
  text = read_text(path)
  try:
    return json.loads(text)
  except json.JSONDecodeError as error:
    raise ValueError(f'{path}: not JSON (line {error.lineno}: {error.msg})') from error
  except RecursionError as error:
    raise ValueError(f'{path}: not JSON (nested too deeply)') from error
  except ValueError as error:  # python reads no whole number of more than 4300 digits
    raise ValueError(f'{path}: holds a number that is too long') from error


def read_json_object(path: Path) -> dict[str, Any]:
  """The object that a JSON file holds. Raises ValueError as `read_json`, and for anything but an object."""
  value = read_json(path)
  if not isinstance(value, dict):
    raise ValueError(f'{path}: holds a JSON {type(value).__name__}: expected an object')
  return value


def member(value: Any, key: str, kind: type, where: str) -> Any:
  """`value[key]` of parsed JSON. Raises ValueError that starts with `where` for a missing key or another type."""
  if not isinstance(value, dict) or key not in value:
    raise ValueError(f'{where}: no {key!r}' if isinstance(value, dict) else f'{where}: {value!r} is not an object')
  if not isinstance(value[key], kind):
    raise ValueError(f'{where}: {key!r} is a {type(value[key]).__name__}: expected a {kind.__name__}')
  return value[key]


def number(text: Any, where: str) -> float:
  """A finite number from text or JSON. Raises ValueError that starts with `where`."""
  try:
    value = float(text)
  except (TypeError, ValueError, OverflowError):
    value = float('nan')
  if not abs(value) < float('inf'):
    raise ValueError(f'{where}: {text!r} is not a number')
  return value


def before_end(onset: float, seconds: Any) -> None:
  """Raises ValueError for an event that begins after the end of a file of `seconds`, as its table states them, if it does."""
  if isinstance(seconds, (int, float)) and 0 < seconds <= onset:
    raise ValueError(f'begins at {onset:g} s, after the end of the file ({seconds:g} s)')


def one_field(text: str, what: str) -> str:
  """`text`, which must not break a tab-separated line. Raises ValueError."""
  if any(sign in text for sign in '\t\n\r'):
    raise ValueError(f'{what} {text!r} holds a tab or a line break')
  return text


def inside(folder: Path, path: Path) -> pathlib.Path:
  """The place of `path`, as a table from elsewhere names it, in `folder`: absolute, links and `..` resolved.

  The file need not be there. Raises ValueError when the place is outside of `folder`: a table must not make its reader open,
  or name, files that are none of its data.
  """
  try:
    root = pathlib.Path(folder).resolve()
    place = (root / path).resolve()
  except (OSError, RuntimeError, ValueError) as error:  # loops of links; zero bytes
    raise ValueError(f'{str(path)!r} is no path: {error}') from error
  if not place.is_relative_to(root):
    raise ValueError(f'{str(path)!r} leads out of the folder {folder}')
  return place


def sound_of(folder: Path | None) -> Callable[[str], str]:
  """A check of the sound files that the rows of a table name: gives back the name, which must be `inside` and there.

  It raises ValueError, and remembers its answers, as tables repeat a name in many rows. Without folder it lets all pass.
  """
  @functools.lru_cache(maxsize=None)
  def wrong(name: str) -> str:
    try:
      return '' if inside(folder, name).is_file() else f'{name!r} is no file in {folder}'
    except OSError:  # a name longer than any file's
      return f'{name!r} is no file in {folder}'
    except ValueError as error:
      return str(error)

  def check(name: str) -> str:
    if folder is not None and wrong(name):
      raise ValueError(wrong(name))
    return name
  return check
