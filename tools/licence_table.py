"""Licences of many recordings, as a table for the terminal."""

from __future__ import annotations

import collections
from typing import Iterable

from rich import console as rich_console, table as rich_table

from data_pipeline import licences


def text(recordings: Iterable[tuple[str, float | None]], title: str) -> str:
  """A table of licences, the most frequent first, and one line that says what all of them together permit.

  Args:
    recordings: (licence as it is written, seconds or None) of each.
    title: above the table.
  """
  kinds: dict[licences.Licence, list[float]] = collections.defaultdict(list)
  texts = []
  for licence, seconds in recordings:
    texts.append(licence)
    kinds[licences.parse(licence)].append(seconds or 0.0)
  table = rich_table.Table('licence', 'recordings', 'minutes', 'derivatives', 'commercial use', title=title)
  answer = lambda licence, permitted: 'yes' if permitted else '?' if licence.kind == 'unknown' else 'no'
  for licence, seconds in sorted(kinds.items(), key=lambda kv: -len(kv[1])):
    table.add_row(f'{licence.kind} {licence.version}'.strip(), str(len(seconds)), f'{sum(seconds) / 60:.1f}',
                  answer(licence, licence.derivatives), answer(licence, licence.commercial))
  console = rich_console.Console(width=100)
  with console.capture() as captured:
    console.print(table)
  return f'{captured.get().rstrip()}\n{licences.terms(texts).statement}'
