"""Tables of text with a header line: columns found by name, and one line of error for each bad row.

What the readers of CSV and TSV formats share. A broken header always raises. A bad row raises too, unless the caller gives a
list for `skips`: then it is put there as a BadRow and reading goes on.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import dataclasses
import io
from typing import Callable, Iterable, Iterator, Mapping, Sequence
import warnings

from data_pipeline import cells
from data_pipeline.formats import files
from data_pipeline.scene import VOCALISATIONS, Event, Scene
from data_pipeline.taxonomy import Species, Taxonomy, UnknownSpecies

Events = Scene | Sequence[Event]


@dataclasses.dataclass(frozen=True)
class BadRow:
  """A row that a reader left out. `where`: file and line; `message`: one line that starts with it and says why."""

  where: str
  message: str

  def __str__(self) -> str:
    return self.message


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
  """One row of a table. Errors name file, line and column.

  `fields`: by name of column, without blanks around them; `spelled`: those names as the file spells them.
  """

  path: str
  line: int
  fields: Mapping[str, str]
  spelled: Mapping[str, str]
  decimal_comma: bool

  @property
  def where(self) -> str:
    return f'{self.path}, line {self.line}'

  def raw(self, column: str) -> str:
    """The field as it stands there, '' where the table has no such column."""
    return self.fields.get(column, '')

  def text(self, column: str) -> str:
    """The field, '' where it says that nothing is known; see `cells.text`."""
    return cells.text(self.raw(column))

  def number(self, column: str, default: float | None = None) -> float:
    """A finite number; `default` for a field that says nothing. Raises ValueError."""
    if default is not None and not self.text(column):
      return default
    field = self.raw(column)
    # Where `;` parts the columns, the comma is that country's decimal point.
    if self.decimal_comma and field.count(',') == 1 and '.' not in field:
      field = field.replace(',', '.')
    try:
      return files.number(field, '')
    except ValueError:
      raise ValueError(f'{self._at(column)}: {self.raw(column)!r} is not a number') from None

  def seconds(self, column: str) -> float:
    """A time from the start of a file, not negative. Raises ValueError."""
    value = self.number(column)
    if value < 0:
      raise ValueError(f'{self._at(column)}: {value} s is before the start: expected 0 or more')
    return value

  def _at(self, column: str) -> str:
    return f'{self.where}, column {self.spelled.get(column, column)!r}'


@dataclasses.dataclass(frozen=True)
class Table:
  """What `read` gives. `header`: all columns of the file; `columns`: those asked for and found; no blank rows."""

  path: str
  what: str
  header: tuple[str, ...]
  columns: frozenset[str]
  rows: tuple[Row, ...]

  def need_one_of(self, columns: Sequence[str]) -> None:
    """Raises ValueError when the table has none of `columns`."""
    if not self.columns & set(columns):
      raise ValueError(_no_column(self.path, self.what, f'any of {tuple(columns)}', self.header))


def read(path: files.Path, wanted: Sequence[str | tuple[str, ...]], optional: Sequence[str | tuple[str, ...]] = (),
         what: str = 'a table', delimiters: str = ',;', skips: list[BadRow] | None = None) -> Table:
  """Reads the named columns of a table; others are ignored, and so is the case of their names.

  Args:
    path: file to read; UTF-8, with or without BOM, any line ends.
    wanted: columns that must be there. A tuple holds names of one column, best first, known afterwards by the first of them.
    optional: the same, may be missing.
    what: for errors: 'not a Raven selection table'.
    delimiters: tried in order; the first whose header has all wanted columns. Tabs alone mean that nothing is quoted.
    skips: where rows with more fields than the header go (a delimiter within a name shifts all columns after it).

  Raises:
    ValueError: a missing or doubled column, or quotes that never close, with file and line.
  """
  text, path = files.read_text(path), str(path)
  quoting = {'quoting': csv.QUOTE_NONE} if delimiters == '\t' else {'strict': True}
  tried, broken = [], None
  for delimiter in delimiters:
    lines = _numbered(csv.reader(io.StringIO(text, newline=''), delimiter=delimiter, **quoting), path)
    try:
      header = tuple(name.strip() for name in next(lines, (0, []))[1])
    except ValueError as error:  # `"a";"b"` breaks the rules of quotes when it is parted by commas
      broken = error
      continue
    places, missing = _find(header, wanted, optional, path)
    if not missing:
      break
    tried.append((header, missing))
  else:
    if not tried:
      raise broken
    header, missing = max(tried, key=lambda one: len(one[0]))
    raise ValueError(_no_column(path, what, repr(missing[0][0]) if len(missing[0]) == 1 else f'any of {missing[0]}', header))
  spelled = {name: header[i] for name, i in places.items()}
  rows = []
  for line, fields in lines:
    with bad_rows(f'{path}, line {line}', skips):
      if any(field.strip() for field in fields[len(header):]):
        raise ValueError(f'{len(fields)} fields: expected {len(header)}, as many as the header has')
      # Programs leave trailing empty fields out.
      found = {name: fields[i].strip() if i < len(fields) else '' for name, i in places.items()}
      rows.append(Row(path, line, found, spelled, delimiter == ';'))
  return Table(path, what, header, frozenset(places), tuple(rows))


def write(path: files.Path, columns: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = ',') -> None:
  """Writes a table, whole or not at all. Raises ValueError for a field that would not be read back as it is."""
  text = io.StringIO()
  quoting = {'quoting': csv.QUOTE_NONE, 'quotechar': None} if delimiter == '\t' else {}
  writer = csv.writer(text, delimiter=delimiter, lineterminator='\n', **quoting)
  writer.writerow(columns)
  for row in rows:
    for column, field in zip(columns, row, strict=True):
      if files.one_field(field, f'{path}: {column}') != field.strip():
        raise ValueError(f'{path}: {column} {field!r} has blanks around it')
    writer.writerow(row)
  files.write_text(path, text.getvalue())


@contextlib.contextmanager
def bad_rows(where: str, skips: list[BadRow] | None) -> Iterator[None]:
  """Makes the ValueError of one row name its place; with a list, puts it there and goes on after the block."""
  try:
    yield
  except ValueError as error:
    message = str(error) if str(error).startswith(where) else f'{where}: {error}'
    if skips is None:
      raise type(error)(message) from error
    skips.append(BadRow(where, message))


def resolver(taxonomy: Taxonomy) -> Callable[[str], Species]:
  """`taxonomy.resolve` that remembers its answers, the errors too, and says so when there is no name.

  Finding the names nearest to an unknown one takes a second among all birds, and a table may hold it in every row.
  """
  known: dict[str, Species | UnknownSpecies] = {}

  def resolve(name: str) -> Species:
    if not name:
      raise UnknownSpecies('no species')
    if name not in known:
      try:
        known[name] = taxonomy.resolve(name)
      except UnknownSpecies as error:
        known[name] = error
    found = known[name]
    if isinstance(found, UnknownSpecies):
      raise UnknownSpecies(str(found))
    return found
  return resolve


def name_and_vocalisation(label: str, vocalisation: str) -> tuple[str, str]:
  """'Glass pipit song' -> ('Glass pipit', 'song'); a label that ends in none of VOCALISATIONS -> (label, vocalisation)."""
  name, _, last = label.rpartition(' ')
  return (name, last.lower()) if name and last.lower() in VOCALISATIONS else (label, vocalisation)


def in_order(events: Events) -> list[Event]:
  """Events in order of onset, as every writer writes them."""
  return sorted(events.events if isinstance(events, Scene) else events, key=lambda e: (e.onset, e.offset))


def by_file(events: Iterable[tuple[str, Event]]) -> dict[str, tuple[Event, ...]]:
  """(file, event) pairs -> the events of each file, both in order of their first row."""
  grouped = collections.defaultdict(list)
  for path, event in events:
    grouped[path].append(event)
  return {path: tuple(some) for path, some in grouped.items()}


def band(low: float, high: float, row: Row, swapped: list[Row]) -> tuple[float, float]:
  """(low, high), put right where they are swapped (published tables have that); then `row` goes to `swapped`."""
  if low <= high:
    return low, high
  swapped.append(row)
  return high, low


def warn_swapped(swapped: Sequence[Row]) -> None:
  """One warning, at the line that called the reader, for all rows that `band` put right."""
  if swapped:
    warnings.warn(f'{swapped[0].path}: low frequency above high frequency in {len(swapped)} rows, '
                  f'first in line {swapped[0].line}: swapped them back', stacklevel=3)


def _numbered(reader, path: str) -> Iterator[tuple[int, list[str]]]:
  """(number of its first line, fields) of each row that is not blank."""
  line = 1
  try:
    for fields in reader:
      if any(field.strip() for field in fields):
        yield line, fields
      line = reader.line_num + 1
  except csv.Error as error:
    raise ValueError(f'{path}, line {line}: {error}; is a quote left open?') from error


def _find(header: Sequence[str], wanted: Sequence[str | tuple[str, ...]], optional: Sequence[str | tuple[str, ...]],
          path: str) -> tuple[dict[str, int], list[tuple[str, ...]]]:
  """Place of each column, and the wanted ones that are missing."""
  spelled = [name.lower() for name in header]
  places: dict[str, int] = {}
  missing = []
  for names in (*wanted, *optional):
    names = (names,) if isinstance(names, str) else names
    found = [name.lower() for name in names if name.lower() in spelled]
    if found:
      if spelled.count(found[0]) > 1:
        raise ValueError(f'{path}: column {found[0]!r} stands there twice')
      places[names[0]] = spelled.index(found[0])
    elif names in wanted or names[0] in wanted:
      missing.append(names)
  return places, missing


def _no_column(path: str, what: str, wanted: str, header: Sequence[str]) -> str:
  return f'{path}: not {what}: no column {wanted}; it has {list(header)}'
