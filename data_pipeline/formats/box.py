"""Box: one row of an annotation table as a person wrote it, before its label is taken for a species.

What the readers of annotations share: `boxes` of a format reads a file into these, and its `read` makes events of them.
"""

from __future__ import annotations

import dataclasses
from typing import Iterable, Sequence
import warnings

from data_pipeline.formats import tables
from data_pipeline.scene import Event
from data_pipeline.taxonomy import Taxonomy


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
  """One annotation; '' or None = the table does not say.

  Attributes:
    path: the table. place: the row in it, 'line 3'.
    label: as written; marks such as '?' and 'unknown', with which people say that nobody knows, stay.
    onset, offset: seconds of the sound file.
    low_hz, high_hz: low <= high where both are there.
    file: the sound file as the table names it.
    vocalisation: as written, lower case.
    level_db: dB re full scale.
    swapped: where its low and high frequency stand that were swapped and are put right.
  """

  path: str
  place: str
  label: str
  onset: float
  offset: float
  low_hz: float | None = None
  high_hz: float | None = None
  file: str = ''
  vocalisation: str = ''
  level_db: float | None = None
  swapped: str = ''

  @property
  def where(self) -> str:
    return f'{self.path}, {self.place}'

  def event(self, species: str, vocalisation: str, band_hz: tuple[float, float], level_db: float) -> Event:
    """The event of a species code; `band_hz` and `level_db` for what is None. Raises ValueError for an impossible box."""
    low = band_hz[0] if self.low_hz is None else self.low_hz
    high = band_hz[1] if self.high_hz is None else self.high_hz
    level = level_db if self.level_db is None else self.level_db
    return Event(species, vocalisation, self.onset, self.offset, low, high, level)


def of_row(row: tables.Row, label: str, onset: float, offset: float, edges: Sequence[float | None], file: str,
           vocalisation: str, level: str) -> Box:
  """The Box of a row of a table, its edges (Hz) put in order; `vocalisation`, `level`: columns. Raises ValueError."""
  (low, high), place = edges, f'line {row.line}'
  swapped = low is not None and high is not None and low > high
  return Box(row.path, place, label, onset, offset, *((high, low) if swapped else (low, high)), file,
             row.text(vocalisation).lower(), row.number(level) if row.text(level) else None, place if swapped else '')


def label_of(row: tables.Row, columns: Sequence[str]) -> str:
  """The first of some fields that says something, else the first that says that nobody knows; '' where all are empty."""
  written = [column for column in columns if row.raw(column)]
  said = next(filter(None, map(row.text, written)), '')
  return said or next(filter(nobody_knows, map(row.raw, written)), '')


def nobody_knows(label: str) -> bool:
  """Whether a label says that the species is not known: '?', '????', 'unknown'."""
  return bool(label) and (not label.strip('?') or label.lower() in ('unknown', 'not known'))


def events(boxes: Iterable[Box], taxonomy: Taxonomy, vocalisation: str, level_db: float, skips: list[tables.BadRow] | None,
           band_hz: tuple[float, float] | None = None, species: str = '') -> list[tuple[str, Event]]:
  """(sound file, event) of each box, in their order.

  Args:
    boxes: with frequencies where `band_hz` is None.
    taxonomy: must hold the labels, by any of their names, with or without a vocalisation behind them.
    vocalisation, level_db, band_hz, species: of boxes that do not say.
    skips: takes the bad boxes; without it the first one raises.

  Raises:
    UnknownSpecies, ValueError: with file and place.
  """
  resolve, found = tables.resolver(taxonomy), []
  for box in boxes:
    with tables.bad_rows(box.where, skips):
      name, kind = tables.name_and_vocalisation(box.label or species, box.vocalisation or vocalisation)
      found.append((box.file, box.event(resolve(name).code, kind, band_hz or (0.0, 0.0), level_db)))
  return found


def warn_swapped(boxes: Sequence[Box]) -> None:
  """One warning, at the line that called the reader, for all boxes whose low and high frequency were swapped."""
  swapped = [box for box in boxes if box.swapped]
  if swapped:
    warnings.warn(f'{swapped[0].path}: low frequency above high frequency in {len(swapped)} rows, '
                  f'first in {swapped[0].swapped}: swapped them back', stacklevel=3)
