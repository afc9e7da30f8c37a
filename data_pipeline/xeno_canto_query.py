"""Queries of xeno-canto: checked, and the ranges that its API ignores put into a form that it obeys."""

from __future__ import annotations

import decimal
import re

# What the API documents or its clients use; others are sent too, with a word of warning.
TAGS = frozenset('gen sp ssp fam grp en rec cnt loc area box lat lon q type sex stage method len year month since lic also seen '
                 'playback nr temp regnr auto dvc mic smp rmk'.split())
NO_RANGES = ('year', 'month', 'smp', 'temp')  # a-b is silently ignored for these: the whole archive would come back
_TERM = re.compile(r'([\w-]+):("[^"]*"|[^\s"]+)')
_NUMBER = r'(-?\d+(?:\.\d+)?)'


def prepare(query: str) -> tuple[str, list[str]]:
  """The query to send, and what was done to it, in lines for the user.

  Raises ValueError: empty, words without a tag (v3 of the API refuses them), or a range from more to less.
  """
  rest = ' '.join(_TERM.sub(' ', query).split())
  if rest or not query.strip():
    raise ValueError(f'query {query!r}: expected tagged terms such as gen:Strix sp:aluco q:">C"' +
                     (f', found {rest!r}' if rest else ''))
  terms, notes = [], []
  for tag, value in _TERM.findall(query):
    new = _range(tag, value.strip('"')) if tag in NO_RANGES else None
    if new:
      notes.append(f'{tag}:{value} is sent as {new}: the API ignores such ranges without a word')
    if tag not in TAGS:
      notes.append(f'{tag}: is no tag known here; it is sent as it is, and the API may ignore it')
    terms.append(new or f'{tag}:{value}')
  return ' '.join(terms), notes


def _range(tag: str, value: str) -> str | None:
  """Two open ends for a closed range of numbers; None for everything else."""
  found = re.fullmatch(rf'\s*{_NUMBER}\s*-\s*{_NUMBER}\s*', value, re.ASCII)
  if not found:
    return None
  low, high = map(decimal.Decimal, found.groups())
  if low > high:
    raise ValueError(f'query: {tag}:{value} is a range from more to less')
  step = decimal.Decimal(1).scaleb(min(low.as_tuple().exponent, high.as_tuple().exponent))  # of the last digit given
  return f'{tag}:">{low - step}" {tag}:"<{high + step}"'
