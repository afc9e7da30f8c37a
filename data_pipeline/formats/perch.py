"""Tables of the annotated soundscapes on Zenodo (Sierra Nevada, Hawaii, Sapsucker Woods, ...), as Perch reads them.

CSV with `Filename, Start Time (s), End Time (s), Low Freq (Hz), High Freq (Hz), Species eBird Code` over many files.
Vocalisations and levels do not fit into the format. `????` is a bird that nobody named.
"""

from __future__ import annotations

from typing import Mapping

from data_pipeline.formats import files, tables
from data_pipeline.scene import Event
from data_pipeline.taxonomy import Taxonomy

COLUMNS = ('Filename', 'Start Time (s)', 'End Time (s)', 'Low Freq (Hz)', 'High Freq (Hz)', 'Species eBird Code')


def write(path: files.Path, events: Mapping[str, tables.Events], taxonomy: Taxonomy) -> None:
  """Writes the events of each file, in order of onset; a file without events leaves no row. It appears whole or not at all.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for a file name that breaks the table.
  """
  rows = []
  for name, some in events.items():
    for e in tables.in_order(some):
      code = taxonomy.species[taxonomy.index(e.species)].code
      rows.append((name, f'{e.onset:.6f}', f'{e.offset:.6f}', f'{e.low_hz:.3f}', f'{e.high_hz:.3f}', code))
  tables.write(path, COLUMNS, rows)


def read(path: files.Path, taxonomy: Taxonomy, vocalisation: str = 'song', level_db: float = -30.0,
         skips: list[tables.BadRow] | None = None, folder: files.Path | None = None) -> dict[str, tuple[Event, ...]]:
  """Reads the events of each file, in order of rows. Swapped frequencies are put right with a warning.

  Args:
    path: file to read; UTF-8, with or without BOM, columns parted by `,` or `;`.
    taxonomy: must hold the species.
    vocalisation, level_db: of every event.
    skips: takes the bad rows, `????` among them; without it the first one raises.
    folder: where the sound files lie: rows of files that lead out of it or are not there are bad; None = not looked at.

  Returns:
    Events by Filename; without `folder`, check foreign names with files.inside before opening them.

  Raises:
    ValueError: a missing column, a field that is no number or an impossible box, with file, line and column.
    UnknownSpecies: with file, line and the nearest names.
  """
  resolve, sound, swapped, found = tables.resolver(taxonomy), files.sound_of(folder), [], []
  for row in tables.read(path, COLUMNS, (), 'a table of annotated soundscapes', skips=skips).rows:
    with tables.bad_rows(row.where, skips):
      if not row.raw('Filename'):
        raise ValueError('Filename is empty')
      low, high = tables.band(row.number('Low Freq (Hz)'), row.number('High Freq (Hz)'), row, swapped)
      found.append((sound(row.raw('Filename')), Event(
          resolve(row.text('Species eBird Code')).code, vocalisation, row.seconds('Start Time (s)'), row.seconds('End Time (s)'),
          low, high, level_db)))
  tables.warn_swapped(swapped)
  return tables.by_file(found)
