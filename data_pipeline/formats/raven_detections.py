"""Raven selection tables of detections: boxes with confidence and p-value, each in the channel it was heard in.

One layout for a single file and for several: Begin and End Time run on from file to file, File Offset starts anew in each, as
`raven_combined` has it, which reads these tables too.
"""

from __future__ import annotations

import dataclasses
from typing import Iterable, Protocol

from data_pipeline.formats import files, tables
from data_pipeline.taxonomy import Taxonomy

COLUMNS = ('Selection', 'View', 'Channel', 'Begin Time (s)', 'End Time (s)', 'Low Freq (Hz)', 'High Freq (Hz)', 'Common Name',
           'Scientific Name', 'Species Code', 'Confidence', 'P Value', 'File Offset (s)', 'Begin Path')


class Detected(Protocol):
  """A box: code of the species, seconds from the start of the file, Hz, 0 to 1, channel from 1."""

  species: str
  onset: float
  offset: float
  low_hz: float
  high_hz: float
  confidence: float
  p_value: float | None
  channel: int


@dataclasses.dataclass(frozen=True)
class Sound:
  """A file as its table names it, its length in seconds, and what was heard in it."""

  path: str
  duration: float
  events: tuple[Detected, ...]


def write(path: files.Path, sounds: Iterable[Sound], taxonomy: Taxonomy) -> None:
  """Writes one row for each event, files in the order given; none make a table of its header alone. Whole or not at all.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for a path that breaks the table.
  """
  rows, start = [], 0.0
  for sound in sounds:
    for e in sorted(sound.events, key=lambda e: (e.onset, e.offset, e.channel)):
      s = taxonomy.species[taxonomy.index(e.species)]
      rows.append((str(len(rows) + 1), 'Spectrogram 1', str(e.channel), f'{start + e.onset:.6f}', f'{start + e.offset:.6f}',
                   f'{e.low_hz:.3f}', f'{e.high_hz:.3f}', s.common, s.scientific, s.code, f'{e.confidence:.6f}',
                   '' if e.p_value is None else f'{e.p_value:.6g}', f'{e.onset:.6f}', sound.path))
    start += sound.duration
  tables.write(path, COLUMNS, rows, '\t')
