"""Events of the rows of annotation tables: which species each is of, and what is left out. Used by data_pipeline.annotated."""

from __future__ import annotations

import collections
import dataclasses
from typing import Mapping, Sequence

from data_pipeline import recorded_species
from data_pipeline.annotated_labels import Labels, Meaning
from data_pipeline.annotated_sounds import shown
from data_pipeline.formats import box
from data_pipeline.recording import Recording, Skip, vocalisation_of
from data_pipeline.scene import Event
from data_pipeline.taxonomy import edition

BAND_HZ = (150.0, 15000.0)  # of boxes without frequencies
LEVEL_DB = -30.0            # of boxes without level
NAMED = 8                   # labels or tables that a note names
LONGEST = 1000              # characters of a reason
NO_SPECIES = ('names no species: write it into a column of the table, or into species_common or species_scientific of a '
              'manifest.csv, or put the recording into a folder of its species')


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
  """A box, the name of its table for messages, and whether no row of that table has a label."""

  box: box.Box
  table: str
  unlabelled: bool

  def skip(self, reason: str) -> Skip:
    return skipped(self.table, self.box.path, self.box.where, reason)


def skipped(table: str, path: str, where: str, message: str) -> Skip:
  """A row that is left out, 'x.txt line 3'; `where`: `path` and place, with which `message` may begin."""
  return Skip(f'{table} {where.removeprefix(f"{path}, ")}', one_line(message.removeprefix(where).lstrip(':, ')))


def one_line(text: str) -> str:
  """A message without line breaks and other odd signs, of at most LONGEST characters."""
  line = ' '.join(''.join(c if c.isprintable() else ' ' for c in text[:2 * LONGEST]).split())
  return line if len(line) <= LONGEST else f'{line[:LONGEST - 3]}...'


class Annotator:
  """Makes events of the rows of recordings, and counts what a reader of the data has to know."""

  def __init__(self, labels: Labels, listed: bool, spoken: bool):
    """`listed`: a manifest describes the recordings, else their folders' names; `spoken`: some labels name species."""
    self._labels, self._listed, self._spoken = labels, listed, spoken
    self._edition, self._species = edition(labels.year), {}
    self._counts = collections.Counter()
    self._no_bird, self._own = collections.Counter(), collections.Counter()  # rows by label
    self._swapped = collections.Counter()                                    # rows by table

  def annotated(self, recording: Recording, rows: Sequence[Row]) -> tuple[Recording, list[Skip]]:
    """The recording with its events, by onset, and its rows that are left out.

    It keeps the names of a species that a manifest gives, or a folder whose name eBird knows or that rows have taken their
    species from; not those of a site, nor any where nothing is heard.
    """
    events, skips = [], []
    # The name of a folder is asked for only where it matters: with a site's, the search for near names takes its time.
    known = self._listed or any(self._edition.get(name) for name in recording.species)
    own, taken = self._own_of(recording)[0] if known else '', False
    for row in rows:
      meaning = self._labels.meaning(row.box.label)
      if meaning.no_bird:
        self._no_bird[row.box.label] += 1
        continue
      try:
        events.append(self._event(recording, own, row, meaning))
      except ValueError as error:
        skips.append(row.skip(str(error)))
      else:
        taken = taken or not meaning.code
    own = own or (self._own_of(recording)[0] if taken else '')
    single = tuple(dict.fromkeys(sorted(events, key=lambda e: (e.onset, e.offset))))
    self._counts['twice'] += len(events) - len(single)
    if not (single and own):
      recording = dataclasses.replace(recording, common='', scientific='', code='')
    return dataclasses.replace(recording, events=single), skips

  def _own_of(self, recording: Recording) -> tuple[str, str]:
    """The code of a recording's own species, '' for none, and why its names cannot be understood, '' where they can."""
    names = recording.species
    if names not in self._species:
      found = recorded_species.of([recording], self._labels.year)
      self._species[names] = found.code_of.get(names, ''), found.refused.get(names, '')
    return self._species[names]

  def _surely(self, own: str) -> bool:
    """Whether a recording's own species is one: the name of a folder that no edition has may be a site or a day."""
    return bool(own) and (self._listed or self._edition.get(own) is not None)

  def _event(self, recording: Recording, own: str, row: Row, meaning: Meaning) -> Event:
    """Raises ValueError: no species, or an impossible box."""
    one = row.box
    code = meaning.code or self._own_code(recording, row)
    said = meaning.vocalisation or (vocalisation_of(one.vocalisation) if one.vocalisation else '')
    event = one.event(code, said or (recording.vocalisation if code == own or not meaning.code else 'song'), BAND_HZ, LEVEL_DB)
    self._own[one.label] += not meaning.code
    self._counts['band'] += one.low_hz is None or one.high_hz is None
    self._counts['level'] += one.level_db is None
    self._swapped[row.table] += bool(one.swapped)
    return event

  def _own_code(self, recording: Recording, row: Row) -> str:
    """The species of the recording, for a row that names none. Raises ValueError where it is none of the row's."""
    label = row.box.label
    if box.nobody_knows(label):
      raise ValueError(f'{shown(label)} says that nobody knows the species')
    if self._spoken and label:
      raise ValueError(self._labels.why(label))
    if self._spoken and not row.unlabelled:
      raise ValueError('has no label, and other rows of its table have')
    own, refused = self._own_of(recording)
    if refused:
      raise ValueError(f'of its recording: {refused}')
    if label and not self._surely(own):
      raise ValueError(self._labels.why(label))
    if not own:
      raise ValueError(NO_SPECIES)
    return own

  def notes(self) -> list[str]:
    """What the events are made of, in sentences."""
    notes, own = [], +self._own
    nameless = own.pop('', 0)
    if self._no_bird:
      notes.append(f'{self._no_bird.total()} rows are left out, no birds by the map of labels: {_some(self._no_bird)}')
    if nameless:
      notes.append(f'{nameless} rows without label are of the species of their recording')
    if own:
      notes.append(f'{own.total()} rows have labels that name no species, and are of that of their recording: {_some(own)}')
    if self._swapped.total():
      notes.append(f'{self._swapped.total()} rows had low above high frequency and were put right: {_some(+self._swapped)}')
    if self._counts['band']:
      low, high = BAND_HZ
      notes.append(f'{self._counts["band"]} events have no frequencies in their tables: {low:g} to {high:g} Hz was taken')
    if self._counts['level']:
      notes.append(f'{self._counts["level"]} events have no level in their tables: {LEVEL_DB:g} dB was taken')
    if self._counts['twice']:
      notes.append(f'{self._counts["twice"]} events stood in the tables twice')
    return notes


def _some(counts: Mapping[str, int]) -> str:
  most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
  more = f', {len(most) - NAMED} more' if most[NAMED:] else ''
  return ', '.join(f'{shown(text)} ({n})' for text, n in most[:NAMED]) + more
