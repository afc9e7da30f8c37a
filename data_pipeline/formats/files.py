"""Writing and reading small text files."""

from __future__ import annotations

import os
import pathlib

Path = str | os.PathLike


def write_text(path: Path, text: str) -> None:
  """Writes UTF-8 text under a temporary name and renames it, so that `path` is either whole or not there."""
  path = pathlib.Path(path)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    temporary.write_text(text, encoding='utf-8', newline='')
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def read_lines(path: Path) -> list[str]:
  """The lines of a UTF-8 text file, with or without BOM, any line ends. Raises ValueError for another encoding."""
  try:
    text = pathlib.Path(path).read_text(encoding='utf-8-sig')
  except UnicodeDecodeError as error:
    raise ValueError(f'{path}: not UTF-8 text ({error.reason} at byte {error.start})') from error
  return text.split('\n') if text else []


def number(text: str, where: str) -> float:
  """A finite number. Raises ValueError that starts with `where`."""
  try:
    value = float(text)
  except ValueError:
    value = float('nan')
  if not abs(value) < float('inf'):
    raise ValueError(f'{where}: {text!r} is not a number')
  return value


def one_field(text: str, what: str) -> str:
  """`text`, which must not break a tab-separated line. Raises ValueError."""
  if any(sign in text for sign in '\t\n\r'):
    raise ValueError(f'{what} {text!r} holds a tab or a line break')
  return text
