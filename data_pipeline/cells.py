"""What the cells of other people's tables mean: text, numbers, addresses and lists, where any of them may be missing or odd.

A cell is whatever a JSON field or a CSV column holds. Text and numbers are read leniently: what cannot be understood counts
as not known. A list that is broken raises ValueError, since half of it would pass for the whole.
"""

from __future__ import annotations

import ast
import datetime
import math
import re
from typing import Any

# What programs and people write where nothing is known, in lower case; "NA" is R, "nan" is pandas. Question marks say it too.
UNKNOWN = frozenset(('', '-', 'unknown', 'null', 'none', 'na', 'n/a', 'nan', 'no score', 'not known', 'not specified',
                     'restricted_species'))
LONGEST_LIST = 100_000  # characters; parsing deeply nested text costs memory out of proportion


def text(cell: Any) -> str:
  """One line of text without blanks around it; '' for everything that says "not known", and for lists and dicts."""
  if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
    return ''
  if isinstance(cell, int) and abs(cell) > 10 ** 18 or isinstance(cell, float) and not math.isfinite(cell):
    return ''  # python also refuses to print numbers of thousands of digits
  line = str(cell)
  if not line.isprintable():
    line = ''.join(c if c.isprintable() else ' ' for c in line)
  line = ' '.join(line.split())
  return '' if line.lower() in UNKNOWN or not line.strip('?') else line


def number(cell: Any, low: float = -math.inf, high: float = math.inf) -> float | None:
  """A finite number from `low` to `high`, else None."""
  try:
    value = float(text(cell))
  except ValueError:
    return None
  return value if math.isfinite(value) and low <= value <= high else None


def whole(cell: Any, low: int, high: int) -> int | None:
  """A whole number from `low` to `high`, written as 5 or 5.0, else None."""
  value = number(cell, low, high)
  return int(value) if value is not None and value == int(value) else None


def yes(cell: Any) -> bool | None:
  """True, False, or None where nobody said."""
  if isinstance(cell, bool):
    return cell
  return {'yes': True, 'true': True, '1': True, 'no': False, 'false': False, '0': False}.get(text(cell).lower())


def address(cell: Any) -> str:
  """An http(s) address, with its protocol; '' for anything else."""
  line = text(cell)
  if line.startswith('//'):
    line = f'https:{line}'
  elif re.match(r'[\w-]+(\.[\w-]+)+/', line):
    line = f'https://{line}'
  return line if re.match(r'https?://[^/\s]+', line, re.IGNORECASE) and ' ' not in line else ''


def date(cell: Any) -> str:
  """YYYY-MM-DD, YYYY-MM or YYYY, as far as it is known; '' where nothing is. Unknown parts are written 00 by their makers."""
  found = re.match(r'(\d{4})(?:[-/](\d{1,2}))?(?:[-/](\d{1,2}))?(?!\d)', text(cell), re.ASCII)
  if not found or not int(found[1]):
    return ''
  month, day = int(found[2] or 0), int(found[3] or 0)
  if not 1 <= month <= 12:
    return found[1]
  return f'{found[1]}-{month:02d}-{day:02d}' if 1 <= day <= 31 else f'{found[1]}-{month:02d}'


def clock(cell: Any) -> str:
  """HH:MM of a day, or '' (times are also written as "?", "am" or "dawn")."""
  found = re.match(r'(\d{1,2}):(\d{2})(?::\d{2})?\s*([ap]m)?$', text(cell), re.IGNORECASE | re.ASCII)
  if not found:
    return ''
  hour, minute, half = int(found[1]), int(found[2]), (found[3] or '').lower()
  if half:
    hour = hour % 12 + 12 * (half == 'pm') if 1 <= hour <= 12 else 24
  return f'{hour:02d}:{minute:02d}' if hour < 24 and minute < 60 else ''


def moment(day: str, time: str) -> str:
  """What `date` and `clock` give, in ISO 8601 as far as known: '2015-06-23T07:17', '2012-05', 'T07:17'."""
  try:
    datetime.date.fromisoformat(day)
  except ValueError:  # a part of a date, which takes no time; or a day that its month has not
    return day[:7] or (f'T{time}' if time else '')
  return f'{day}T{time}' if time else day


def length(cell: Any) -> float | None:
  """Seconds of m:ss or h:mm:ss, or of a number; None for anything else."""
  line = text(cell)
  found = re.fullmatch(r'(?:(\d{1,3}):)?(\d{1,4}):(\d{1,2}(?:\.\d+)?)', line, re.ASCII)
  if not found:
    return number(line, 0.0, 1e6)
  hours, minutes, seconds = int(found[1] or 0), int(found[2]), float(found[3])
  return 3600.0 * hours + 60.0 * minutes + seconds if seconds < 60 and (not found[1] or minutes < 60) else None


def altitude(cell: Any) -> float | None:
  """Metres of '1300', '~1300 m' or '1300 masl'; None for ranges and whatever lies on no mountain of the earth."""
  found = re.fullmatch(r'(?:~|ca?\.?|approx\.?)?\s*(-?\d+(?:\.\d+)?)\s*(?:m\.?(?:a\.?s\.?l\.?)?|met(?:er|re)s?)?',
                       text(cell), re.IGNORECASE | re.ASCII)
  return number(found[1], -500.0, 9000.0) if found else None


def parsed(cell: Any) -> Any:
  """A cell that holds a list or dict as python prints it, as that list or dict; other cells as they are.

  Raises ValueError: it begins like a list or dict and is none.
  """
  if not isinstance(cell, str) or not cell.strip().startswith(('[', '{', '(')):
    return cell
  if len(cell) > LONGEST_LIST:
    raise ValueError(f'{_short(cell)} is longer than {LONGEST_LIST} characters')
  try:
    return ast.literal_eval(cell.strip())
  except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
    raise ValueError(f'{_short(cell)} is not a list or dict as python writes it') from None


def names(cell: Any) -> tuple[str, ...]:
  """The texts of a list, of a list as python prints it, or of text with commas; the unknown ones and repetitions left out.

  Raises ValueError: a broken list.
  """
  cell = parsed(cell)
  if isinstance(cell, dict):
    raise ValueError(f'{_short(cell)}: expected a list, not a dict')
  if isinstance(cell, str):
    cell = cell.split(',')
  elif not isinstance(cell, (list, tuple)):
    cell = [cell]
  return tuple(dict.fromkeys(filter(None, map(text, cell))))


def _short(cell: Any) -> str:
  written = repr(cell)
  return written if len(written) <= 60 else f'{written[:57]}...'
