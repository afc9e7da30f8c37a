"""Which sound of a folder an annotation table means: by the path in its rows, or by the name of the table itself.

Tables are made on other machines. What they name is looked up among the sounds that were found in the folder, and is never
opened, so that no table can lead out of it.
"""

from __future__ import annotations

import collections
import posixpath
import re
from typing import Callable, Iterator, Sequence

from data_pipeline.recording import SUFFIXES

SHOWN = 60  # characters of a table's text in a message


class Sounds:
  """The sounds of a folder. All names are relative to it, with `/`."""

  def __init__(self, folder: str, names: Sequence[str]):
    """`folder`: its absolute path, so that 'site/x.wav' is found where it is the folder of the site."""
    self._folder = folder
    self._at = collections.defaultdict(list)     # (folder, file name or stem in lower case) -> sounds
    self._named = collections.defaultdict(list)  # the same, whatever the folder
    self._folders = {posixpath.dirname(name) for name in names}
    self._known: dict[tuple[str, str], tuple[str, bool] | ValueError] = {}  # tables repeat a name in many rows
    for name in names:
      place, base = posixpath.split(name)
      for key in {base.lower(), posixpath.splitext(base)[0].lower()}:
        self._at[place, key].append(name)
        self._named[key].append(name)

  def named(self, table: str, written: str) -> tuple[str, bool]:
    """The sound that a row of a table names, and whether its folder was left out of account.

    A path is taken from the table's folder or one above it; else the file's name decides, and as much of the path as tells
    several such files apart. Only of a path of another machine (absolute) need no folder agree.

    Raises ValueError: not there, leads out of the folder, or several are.
    """
    key = posixpath.dirname(table), written
    if key not in self._known:
      try:
        self._known[key] = self._find(*key)
      except ValueError as error:
        self._known[key] = error
    found = self._known[key]
    if isinstance(found, ValueError):
      raise ValueError(str(found))
    return found

  def beside(self, table: str) -> str:
    """The sound of which a table has the name up to a dot: x.wav of x.txt, x.wav.csv and x.Table.1.selections.txt.

    It lies beside the table or in a folder above, or anywhere where the table's folder holds tables alone.

    Raises ValueError: not there, or several are.
    """
    place, base = posixpath.split(table)
    stems = list(_stems(base))
    missing = 'no sound has its name, in its folder or above'
    for folder in _upwards(place):
      for stem in stems:
        found = self._at.get((folder, stem.lower()), [])
        if found:
          return self._best(found, [stem], 1, missing)
    if place not in self._folders:
      for stem in stems:
        found = self._named.get(stem.lower(), [])
        if found:
          # labels/x.txt may belong to audio/x.wav, but labels/site1/x.txt not to audio/site2/x.wav.
          return self._best(found, [*place.split('/'), stem], min(2, len(place.split('/'))), missing)
    raise ValueError(missing)

  def _find(self, place: str, written: str) -> tuple[str, bool]:
    path = written.replace('\\', '/')
    foreign = path.startswith('/') or bool(re.match('[A-Za-z]:', path))
    parts = [part for part in path.split('/') if part not in ('', '.')]
    missing = f'{shown(written)} is no sound file of the folder'
    if not parts:
      raise ValueError(missing)
    if foreign:
      places = [posixpath.normpath(path).removeprefix(f'{self._folder}/')]
    else:
      places = [posixpath.normpath(posixpath.join(above, path)) for above in _upwards(place)]
    for at in places:
      found = self._candidates(parts[-1], lambda key: self._at.get((posixpath.dirname(at), key), []))
      if found:
        return self._best(found, parts, 1, missing), False
    if '..' in parts and not foreign:
      out = places[0].startswith('..')
      raise ValueError(f'{shown(written)} leads out of the folder' if out else missing)
    found = self._candidates(parts[-1], lambda key: self._named.get(key, []))
    best = self._best(found, parts, 1 if foreign else min(2, len(parts)), missing)
    return best, len(parts) > 1 and self._agreeing(best, parts) == 1

  def _candidates(self, base: str, look: Callable[[str], list[str]]) -> list[str]:
    """Sounds of a file's name, else those of its stem: people convert their files."""
    stem, suffix = posixpath.splitext(base.lower())
    return look(base.lower()) or (look(stem) if suffix in SUFFIXES else [])

  def _agreeing(self, name: str, parts: Sequence[str]) -> int:
    """How many parts at the end of a path and of a sound's agree, the last of them counted as it is."""
    n = 1
    own = f'{self._folder}/{name}'.split('/')
    while n < min(len(own), len(parts)) and own[-n - 1] == parts[-n - 1]:
      n += 1
    return n

  def _best(self, found: Sequence[str], parts: Sequence[str], least: int, missing: str) -> str:
    def rank(name: str) -> tuple[int, int]:
      base = posixpath.basename(name)
      return self._agreeing(name, parts), 2 if base == parts[-1] else posixpath.splitext(base)[0] == parts[-1]

    ranked = sorted(found, key=rank)
    if not ranked or rank(ranked[-1])[0] < least:
      raise ValueError(missing)
    best = [name for name in ranked if rank(name) == rank(ranked[-1])]
    if len(best) > 1:
      raise ValueError(f'may be any of {", ".join(best[:3])}{" and more" if len(best) > 3 else ""}')
    return best[0]


def shown(text: str) -> str:
  """Text of a table for a message."""
  return repr(text if len(text) <= SHOWN else f'{text[:SHOWN - 3]}...')


def _upwards(place: str) -> Iterator[str]:
  """'a/b' -> 'a/b', 'a', ''."""
  yield place
  while place:
    place = posixpath.dirname(place)
    yield place


def _stems(base: str) -> Iterator[str]:
  """'x.a.txt' -> 'x.a', 'x'."""
  while '.' in base:
    base = base.rpartition('.')[0]
    if base:
      yield base
