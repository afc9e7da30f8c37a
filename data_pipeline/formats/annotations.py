"""Annotation tables (CSV) of research tools: crowsetta's sequences and boxes, and R's selection tables in kHz.

One reader for all of them: they differ in the names of the same few columns.

* crowsetta generic-seq: `label, onset_s, offset_s, onset_sample, offset_sample, notated_path, annot_path, sequence, annotation`
* boxes: `begin_time_s, end_time_s, low_freq_hz, high_freq_hz, annotation`
* R (warbleR, ohun, NatureSounds): `sound.files, channel, selec, start, end, bottom.freq, top.freq`, frequencies in kHz
"""

from __future__ import annotations

import os
from typing import Mapping

from data_pipeline.formats import box, files, tables
from data_pipeline.scene import Event
from data_pipeline.taxonomy import Taxonomy

SEQUENCE_COLUMNS = ('label', 'onset_s', 'offset_s', 'onset_sample', 'offset_sample', 'notated_path', 'annot_path', 'sequence',
                    'annotation')
BOX_COLUMNS = ('begin_time_s', 'end_time_s', 'low_freq_hz', 'high_freq_hz', 'annotation')
KHZ_COLUMNS = ('sound.files', 'channel', 'selec', 'start', 'end', 'bottom.freq', 'top.freq', 'species', 'vocalisation',
               'level_db')
# Names of one column, best first.
ONSET = ('onset_s', 'begin_time_s', 'start_time_s', 'Begin Time (s)', 'Start Time (s)', 'start', 'onset')
OFFSET = ('offset_s', 'end_time_s', 'stop_time_s', 'End Time (s)', 'end', 'offset')
FILE = ('notated_path', 'sound.files', 'filename', 'file', 'begin_path')
LOW_HZ, HIGH_HZ = ('low_freq_hz', 'Low Freq (Hz)', 'low_hz'), ('high_freq_hz', 'High Freq (Hz)', 'high_hz')
LOW_KHZ, HIGH_KHZ = ('bottom.freq', 'Low Freq (kHz)', 'low_freq_khz'), ('top.freq', 'High Freq (kHz)', 'high_freq_khz')
LEVEL = ('level_db', 'Level (dB)')
# Columns that may name the species, best first: what is called so does, where there are other labels too. `annotation` is the
# label of a box, and a number where there is a column `label`.
LABELS = ('species_code', 'Species eBird Code', 'species', 'sp', 'scientific_name', 'common_name', 'label', 'annotation')
MOST_KHZ = 500.0  # no recorder goes there: such numbers are Hz in a column said to be kHz


def write_sequences(path: files.Path, events: Mapping[str, tables.Events], taxonomy: Taxonomy,
                    sample_rate: int | None = None) -> None:
  """Writes crowsetta's generic-seq: labels are species codes; boxes, levels and vocalisations are lost.

  Args:
    path: file to write; it appears whole or not at all.
    events: by sound file; one without events leaves no row.
    taxonomy: of their species codes.
    sample_rate: Hz, for the two columns in samples; None leaves them out, as crowsetta wants them full or not at all.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for a file name that breaks the table.
  """
  rows = []
  for number, (name, some) in enumerate((name, tables.in_order(some)) for name, some in events.items() if tables.in_order(some)):
    for e in some:
      label = taxonomy.species[taxonomy.index(e.species)].code
      samples = () if sample_rate is None else (str(round(e.onset * sample_rate)), str(round(e.offset * sample_rate)))
      rows.append((label, f'{e.onset:.6f}', f'{e.offset:.6f}', *samples, name, os.path.basename(path), '0', str(number)))
  samples = SEQUENCE_COLUMNS[3:5] if sample_rate is not None else ()
  tables.write(path, SEQUENCE_COLUMNS[:3] + samples + SEQUENCE_COLUMNS[5:], rows)


def write_boxes(path: files.Path, events: tables.Events, taxonomy: Taxonomy) -> None:
  """Writes the boxes of one file; the annotation is the species code. Levels and vocalisations are lost."""
  tables.write(path, BOX_COLUMNS, [
      (f'{e.onset:.6f}', f'{e.offset:.6f}', f'{e.low_hz:.3f}', f'{e.high_hz:.3f}',
       taxonomy.species[taxonomy.index(e.species)].code) for e in tables.in_order(events)])


def write_khz(path: files.Path, events: Mapping[str, tables.Events], taxonomy: Taxonomy, channel: int = 1) -> None:
  """Writes R's selection table of several files, frequencies in kHz; warbleR accepts the three further columns.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for a channel below 1 or a name that breaks the table.
  """
  if channel < 1:
    raise ValueError(f'annotations.write_khz: channel is {channel}: expected 1 or more')
  rows = []
  for name, some in events.items():
    for selection, e in enumerate(tables.in_order(some), 1):
      rows.append((name, str(channel), str(selection), f'{e.onset:.6f}', f'{e.offset:.6f}', f'{e.low_hz / 1000:.6f}',
                   f'{e.high_hz / 1000:.6f}', taxonomy.species[taxonomy.index(e.species)].code, e.vocalisation,
                   f'{e.level_db:.3f}'))
  tables.write(path, KHZ_COLUMNS, rows)


def read(path: files.Path, taxonomy: Taxonomy, band_hz: tuple[float, float] | None = None, species: str = '',
         vocalisation: str = 'song', level_db: float = -30.0,
         skips: list[tables.BadRow] | None = None) -> dict[str, tuple[Event, ...]]:
  """Reads any of the tables above. Swapped frequencies are put right with a warning.

  Args:
    path: file to read; UTF-8, with or without BOM, columns parted by `,` or `;`.
    taxonomy: must hold the labels, by any of their names.
    band_hz: (low, high) for tables without frequencies, and for boxes that leave one edge empty.
    species: any name of the species of rows without label: R's tables often are of one bird and do not say which.
    vocalisation, level_db: for tables without the columns vocalisation and level_db.
    skips: takes the bad rows; without it the first one raises.

  Returns:
    Events by sound file, '' where the table names none. Check foreign names with files.inside before opening them.

  Raises:
    ValueError: a missing column, no frequencies and no band_hz, a field that is no number or an impossible box, with file,
      line and column.
    UnknownSpecies: with file, line and the nearest names.
  """
  found = boxes(path, skips, labelled=not species, edged=band_hz is None)
  box.warn_swapped(found)
  return tables.by_file(box.events(found, taxonomy, vocalisation, level_db, skips, band_hz, species))


def boxes(path: files.Path, skips: list[tables.BadRow] | None = None, labelled: bool = True,
          edged: bool = True) -> list[box.Box]:
  """The rows of a table. Raises ValueError as `read`.

  Without `labelled` and `edged` the columns of label and frequencies may be missing, and edges empty.
  """
  table = tables.read(path, (ONSET, OFFSET), (*LABELS, FILE, LOW_HZ, HIGH_HZ, LOW_KHZ, HIGH_KHZ, LEVEL, 'vocalisation'),
                      'an annotation table', skips=skips)
  if labelled:
    table.need_one_of(LABELS)
  in_hz, in_khz = ({low[0], high[0]} <= table.columns for low, high in ((LOW_HZ, HIGH_HZ), (LOW_KHZ, HIGH_KHZ)))
  if edged and not in_hz and not in_khz:
    raise ValueError(f'{path}: no columns of low and high frequency: expected band_hz; it has {list(table.header)}')
  names, scale = ((LOW_KHZ[0], HIGH_KHZ[0]), 1000.0) if in_khz and not in_hz else ((LOW_HZ[0], HIGH_HZ[0]), 1.0)
  found = []
  for row in table.rows:
    with tables.bad_rows(row.where, skips):
      edges = [scale * row.number(name) if edged or row.text(name) else None for name in names]
      if scale > 1 and max(filter(None, edges), default=0.0) > scale * MOST_KHZ:
        raise ValueError(f'{max(filter(None, edges)) / scale} kHz: is the column in Hz?')
      found.append(box.of_row(row, box.label_of(row, LABELS), row.seconds(ONSET[0]), row.seconds(OFFSET[0]), edges,
                              row.raw(FILE[0]), 'vocalisation', LEVEL[0]))
  return found
