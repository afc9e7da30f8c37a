"""Any table of detections, known by its columns only: what is in it stays as it is to the letter, and columns are added.

A row is a span of sound: onset and offset, perhaps a band, a file and a species. Their columns are known under the names that
BirdNET, Raven, Perch, crowsetta, R's packages, DESED and we give them (COLUMNS); other names can be said. A label track of
Audacity, which has neither header nor room for columns, is taken for the table that says the same.
"""

from __future__ import annotations

import csv
import dataclasses
import difflib
import io
import pathlib
import re
from typing import Mapping, Sequence

from data_pipeline.formats import audacity, files

COLUMNS = {  # what is in a column: its names in lower case, best first
    'onset': ('start (s)', 'begin time (s)', 'start time (s)', 'begin_time_s', 'start_time_s', 'start_time', 'onset_s', 'onset',
              'start_time_seconds', 'start_s', 'start', 'begin'),
    'offset': ('end (s)', 'end time (s)', 'end_time_s', 'end_time', 'offset_s', 'offset', 'end_time_seconds', 'end_s', 'end'),
    'file_offset': ('file offset (s)',),
    'low': ('low freq (hz)', 'low_freq_hz', 'low_hz', 'low_freq', 'bottom.freq'),
    'high': ('high freq (hz)', 'high_freq_hz', 'high_hz', 'high_freq', 'top.freq'),
    'file': ('begin path', 'begin file', 'file', 'filename', 'sound.files', 'sound_file', 'audio_file', 'audio_path',
             'notated_path', 'path'),
    'species': ('species code', 'species ebird code', 'ebird_code', 'scientific name', 'scientific_name', 'common name',
                'common_name', 'species', 'event_label', 'annotation', 'label')}
KHZ = ('bottom.freq', 'top.freq')
LABEL_TRACK = re.compile(r'\ufeff?\s*-?\d[\d.]*\t-?\d[\d.]*(\t|\r|\n|$)')  # begins with two times
LABEL_COLUMNS = ('Start (s)', 'End (s)', 'Low Freq (Hz)', 'High Freq (Hz)', 'Label')


@dataclasses.dataclass(frozen=True)
class Span:
  """What a row says: seconds from the start of its file, Hz or None, the file and the species as written, '' = not said."""

  where: str
  onset: float
  offset: float
  low_hz: float | None
  high_hz: float | None
  file: str
  species: str


@dataclasses.dataclass(frozen=True)
class AnyTable:
  """A table. `records`: the text of the header and of each row, blank lines between them included, with their line ends."""

  path: str
  delimiter: str
  header: tuple[str, ...]
  records: tuple[str, ...]
  widths: tuple[int, ...]
  spans: tuple[Span, ...]

  def write(self, path: files.Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Writes the table with more columns behind its own: `rows` has a row for each of `spans`. Whole or not at all.

    Raises ValueError for a column that the table has already.
    """
    doubled = [c for c in columns if c.lower() in map(str.lower, self.header)]
    if doubled:
      raise ValueError(f'{self.path}: has a column {doubled[0]!r} already')
    added = iter([columns, *rows])
    text = []
    for record, width in zip(self.records, self.widths, strict=True):
      body = record.rstrip('\r\n')
      if width:  # else a blank line
        body += self.delimiter * (1 + len(self.header) - width) + _line(next(added), self.delimiter)
      text.append(body + record[len(record.rstrip('\r\n')):])
    files.write_text(path, ''.join(text))


def read(path: files.Path, names: Mapping[str, str] | None = None) -> AnyTable:
  """Reads a table whose columns are parted by tabs, `,` or `;` (then a comma may be a decimal point), or a label track.

  Args:
    path: UTF-8, with or without BOM, any line ends.
    names: what -> column, for columns of other names: keys of COLUMNS.

  Raises ValueError, with file, line and column: no header with an onset and an offset, a column of `names` that is not there, a
  row with more fields than the header, times that are none.
  """
  try:
    text = pathlib.Path(path).read_bytes().decode('utf-8')
  except UnicodeDecodeError as error:
    raise ValueError(f'{path}: not UTF-8 text (byte {error.start})') from error
  if LABEL_TRACK.match(text):
    text = _table_of_labels(path)
  names = {k: v.lower() for k, v in (names or {}).items()}
  unknown = sorted(set(names) - set(COLUMNS))
  if unknown:
    raise ValueError(f'{unknown[0]!r}: expected one of {", ".join(COLUMNS)}')
  tried = []
  for delimiter in '\t,;':
    records, fields = _records(text, delimiter, str(path))
    header = tuple(name.strip() for name in fields[0]) if fields else ()
    places = _places([h.lower().removeprefix('\ufeff') for h in header], names)
    if 'onset' in places and 'offset' in places:
      break
    tried.append(header)
  else:
    header = max(tried, key=len)
    raise ValueError(f'{path}: not a table of detections: no columns of onset and offset; it has {list(header)}')
  for what, name in names.items():
    if what not in places:
      near = difflib.get_close_matches(name, [h.lower() for h in header], 1, 0)
      raise ValueError(f'{path}: no column {name!r} for {what}; the nearest is {near[0]!r}')
  spans, line = [], 1
  for i, (record, row) in enumerate(zip(records, fields)):
    if i and row:
      spans.append(_span(row, places, header, delimiter, f'{path}, line {line}'))
    line += max(record.count('\n'), record.count('\r'))
  table = AnyTable(str(path), delimiter, header, tuple(records), tuple(map(len, fields)), tuple(spans))
  several = {s.file for s in spans}
  if len(several) > 1 and 'begin time (s)' in map(str.lower, header) and 'file_offset' not in places and 'file' not in names:
    raise ValueError(f'{path}: rows of {len(several)} files without File Offset (s): their times may run on from file to file, '
                     'or start anew in each')
  return table


def _table_of_labels(path: files.Path) -> str:
  """The text of the table with LABEL_COLUMNS that says what a label track of Audacity does, a row for each label."""
  lines = [LABEL_COLUMNS]
  for b in audacity.boxes(path, labelled=False):
    if not b.onset < b.offset:  # said here, as the table has other line numbers
      raise ValueError(f'{path}, {b.place}: from {b.onset:g} to {b.offset:g} s: expected 0 <= onset < offset')
    lines.append((b.onset, b.offset, *('' if hz is None else hz for hz in (b.low_hz, b.high_hz)), b.label))
  return ''.join('\t'.join(map(str, line)) + '\n' for line in lines)


def _records(text: str, delimiter: str, path: str) -> tuple[list[str], list[list[str]]]:
  """The text of each record, and its fields; a blank line has none."""
  lines = list(io.StringIO(text, newline=''))
  quoting = {'quoting': csv.QUOTE_NONE} if delimiter == '\t' else {}
  reader, records, fields, done = csv.reader(lines, delimiter=delimiter, **quoting), [], [], 0
  try:
    for row in reader:
      records.append(''.join(lines[done:reader.line_num]))
      fields.append(row if any(f.strip() for f in row) else [])
      done = reader.line_num
  except csv.Error as error:
    raise ValueError(f'{path}, line {done + 1}: {error}') from error
  return records, fields


def _places(header: list[str], names: Mapping[str, str]) -> dict[str, int]:
  """what -> index of its column."""
  found = {}
  for what, usual in COLUMNS.items():
    there = [n for n in ((names[what],) if what in names else usual) if n in header]
    if there:
      found[what] = header.index(there[0])
  return found


def _span(row: list[str], places: dict[str, int], header: tuple[str, ...], delimiter: str, where: str) -> Span:
  if len(row) > len(header):
    raise ValueError(f'{where}: {len(row)} fields: expected {len(header)}, as many as the header has')

  def raw(what: str) -> str:
    return row[places[what]].strip() if what in places and places[what] < len(row) else ''

  def number(what: str) -> float:
    text = raw(what)
    if delimiter == ';' and text.count(',') == 1 and '.' not in text:
      text = text.replace(',', '.')
    return files.number(text, f'{where}, column {header[places[what]]!r}')

  onset, offset = number('onset'), number('offset')
  if raw('file_offset'):
    onset, offset = number('file_offset'), number('file_offset') + offset - onset
  if not 0 <= onset < offset:
    raise ValueError(f'{where}: from {onset:g} to {offset:g} s: expected 0 <= onset < offset')
  edges = None
  if raw('low') and raw('high'):
    edges = sorted(number(w) * (1000 if header[places[w]].lower() in KHZ else 1) for w in ('low', 'high'))
  return Span(where, onset, offset, *(edges or (None, None)), raw('file'), raw('species'))


def _line(fields: Sequence[str], delimiter: str) -> str:
  text = io.StringIO()
  csv.writer(text, delimiter=delimiter, lineterminator='').writerow(fields)
  return text.getvalue()
