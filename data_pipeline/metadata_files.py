"""Saved metadata and the sounds beside it: reading the files with clear errors, and never leaving the folder."""

from __future__ import annotations

import csv
import io
import os
import pathlib
from typing import Any, Callable, Iterable, TypeVar

from data_pipeline.formats import files
from data_pipeline.recording import SUFFIXES, Skip

Record = TypeVar('Record')
OWN = ('ATTRIBUTION.csv', 'manifest.csv', 'dataset.json')  # of this project; they describe no recordings of a collection


def load_table(path: files.Path, columns: tuple[str, ...],
               any_of: tuple[str, ...] = ()) -> list[tuple[int, dict[str, str] | ValueError]]:
  """The rows of a CSV file with commas or semicolons: (line in the file, cells), or (line, the error).

  Raises ValueError naming the file: not UTF-8, not CSV, one of `columns` is missing, or all of `any_of` are.
  """
  text = '\n'.join(files.read_lines(path)).replace('\0', '')
  header = text.split('\n', 1)[0]
  reader = csv.DictReader(io.StringIO(text, newline=''), delimiter=';' if header.count(';') > header.count(',') else ',')
  rows: list[tuple[int, dict[str, str] | ValueError]] = []
  try:
    found = [c.strip() for c in reader.fieldnames or []]
    if not set(columns) <= set(found) or any_of and not set(any_of) & set(found):
      either = f' and {" or ".join(any_of)}' if any_of else ''
      raise ValueError(f'{path}: expected the columns {", ".join(columns)}{either}, found {", ".join(found) or "none"}')
    reader.fieldnames = found
    for row in reader:
      if None in row:  # more cells than columns: an unquoted delimiter has shifted them, and nobody can tell which
        rows.append((reader.line_num, ValueError(f'has {len(found) + len(row[None])} cells, the header has {len(found)}')))
      else:
        rows.append((reader.line_num, {k: v or '' for k, v in row.items()}))
  except csv.Error as error:
    raise ValueError(f'{path}, after line {reader.line_num}: not CSV ({error})') from error
  return rows


def records_of(rows: Iterable[tuple[str, Any]], record: Callable[[Any], Record]) -> tuple[list[Record], list[Skip]]:
  """The records of (where, row) pairs, and one skip for each row that is an error or of which `record` raises one."""
  records, skips = [], []
  for where, row in rows:
    try:
      if isinstance(row, ValueError):
        raise row
      records.append(record(row))
    except ValueError as error:
      skips.append(Skip(where, str(error)))
  return records, skips


def rows_of_pages(decoded: Any, key: str, rows_of: Callable[[Any], list[Any]]) -> list[Any]:
  """The rows of decoded JSON: of one page, or of a list in which pages (objects with `key`) and single rows may stand."""
  if not isinstance(decoded, list):
    return rows_of(decoded)
  return [row for part in decoded for row in (rows_of(part) if isinstance(part, dict) and key in part else [part])]


def walk(folder: pathlib.Path, suffixes: tuple[str, ...]) -> tuple[list[pathlib.Path], list[Skip]]:
  """The files below a folder with one of the suffixes (lower case), sorted; hidden ones are passed over.

  Links that lead out of the folder are skipped with a reason, and folders that are links are not entered.
  """
  found, skips = [], []
  for root, folders, names in os.walk(folder):
    folders[:] = sorted(f for f in folders if not f.startswith('.'))
    for name in sorted(names):
      path = pathlib.Path(root, name)
      if name.startswith('.') or path.suffix.lower() not in suffixes:
        continue
      if inside(folder, path):
        found.append(path)
      else:
        skips.append(Skip(path.relative_to(folder).as_posix(), 'leads out of the folder'))
  return sorted(found), skips


def inside(folder: pathlib.Path, path: pathlib.Path) -> bool:
  """Whether a path, links followed, stays in a folder; see `files.inside`."""
  try:
    files.inside(folder, path)
  except ValueError:
    return False
  return True


def find(directory: str, what: str, suffixes: tuple[str, ...], read: Callable[[pathlib.Path], tuple[list[Record], list[Skip]]],
         id_of: Callable[[pathlib.Path], str]) -> tuple[list[tuple[Record, pathlib.Path]], list[Skip]]:
  """Records of the metadata in a folder, each with its audio files (several cuts of one recording make several pairs).

  Args:
    directory: searched with all below it.
    what: the collection, for messages.
    suffixes: of metadata files.
    read: metadata file -> (records, skips); a ValueError makes the file a skip. Records have an `id`. Where files repeat an
      id, the last file in order of names holds.
    id_of: audio file -> id, '' where its name tells none.

  Returns:
    Pairs sorted by path, and what was left out, sorted by name.

  Raises:
    ValueError: no such folder, or nothing at all in it.
  """
  folder = pathlib.Path(directory).resolve()
  if not folder.is_dir():
    raise ValueError(f'{directory} is no folder')
  tables, skips = walk(folder, suffixes)
  records: dict[str, Record] = {}
  for path in tables:
    if path.name in OWN:
      continue
    try:
      new, bad = read(path)
    except ValueError as error:
      skips.append(Skip(path.relative_to(folder).as_posix(), str(error).removeprefix(f'{path}: ')))
      continue
    records.update({r.id: r for r in new})
    skips += bad
  sounds, out = walk(folder, SUFFIXES)
  skips += out
  pairs, heard = [], set()
  for path in sounds:
    name, key = path.relative_to(folder).as_posix(), id_of(path)
    if key in records:
      pairs.append((records[key], path))
      heard.add(key)
    else:
      skips.append(Skip(name, f'no {what} metadata of {key}' if key else f'no {what} number in its name'))
  skips += [Skip(f'{what} {key}', 'no audio file') for key in records if key not in heard]
  if not pairs and not skips:
    raise ValueError(f'{directory} holds no {what} metadata ({", ".join(suffixes)})')
  return pairs, sorted(skips, key=lambda s: s.name)
