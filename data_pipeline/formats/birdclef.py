"""Label tables of the BirdCLEF competitions, which cut soundscapes into windows of 5 s, named by their end.

2022, `row_id,target`: one row for each file, scored bird and window, row_id = {file_id}_{bird}_{end_time}.
2021, `row_id,site,audio_id,seconds,birds`: one row for each window, birds parted by blanks or `nocall`,
row_id = {audio_id}_{site}_{seconds}.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Iterable, Sequence

from data_pipeline.formats import files, tables
from data_pipeline.formats.detection import Detection, of_windows
from data_pipeline.taxonomy import Taxonomy

WINDOW_S = 5
NO_BIRD = 'nocall'
TARGETS = {'true': 1.0, 'false': 0.0}


def write(path: files.Path, detections: Iterable[Detection], taxonomy: Taxonomy, threshold: float = 0.5) -> None:
  """Writes rows of 2022 in the order given: target is whether the confidence reaches `threshold`.

  detection.of_windows makes the full grid of files, birds and windows from events.

  Raises:
    UnknownSpecies: a code that the taxonomy lacks.
    ValueError: a detection that is not of one window, without path, or with a code that breaks the row_id.
  """
  rows = []
  for d in detections:
    code = taxonomy.species[taxonomy.index(d.species)].code
    if d.offset % WINDOW_S or d.offset - d.onset != WINDOW_S:
      raise ValueError(f'birdclef.write: {d} is not of a window of {WINDOW_S} s')
    if not d.path or '_' in code:
      raise ValueError(f'birdclef.write: {d}: expected a path, and a code without _')
    rows.append((f'{d.path}_{code}_{int(d.offset)}', str(d.confidence >= threshold)))
  tables.write(path, ('row_id', 'target'), rows)


def read(path: files.Path, taxonomy: Taxonomy, skips: list[tables.BadRow] | None = None) -> tuple[Detection, ...]:
  """Reads rows of 2022, the untrue ones too: confidence 0 says that a scored bird is not there.

  Args:
    path: file to read; target may be True, False or a number from 0 to 1.
    taxonomy: must hold the birds.
    skips: takes the bad rows; without it the first one raises.

  Returns:
    Detections whose path is the file_id, in order of rows.

  Raises:
    ValueError: a missing column, a row_id or a target without sense, with file and line.
    UnknownSpecies: with file, line and the nearest names.
  """
  resolve, found = tables.resolver(taxonomy), []
  for row in tables.read(path, ('row_id', 'target'), (), 'a BirdCLEF 2022 table', skips=skips).rows:
    with tables.bad_rows(row.where, skips):
      parts = row.raw('row_id').rsplit('_', 2)
      if len(parts) != 3 or not parts[0]:
        raise ValueError(f'row_id {row.raw("row_id")!r}: expected {{file_id}}_{{bird}}_{{end_time}}')
      end = _end(parts[2])
      target = TARGETS.get(row.raw('target').lower())
      target = row.number('target') if target is None else target
      found.append(Detection(resolve(parts[1]).code, end - WINDOW_S, end, target, parts[0]))
  return tuple(found)


@dataclasses.dataclass(frozen=True)
class Window:
  """A row of 2021: the window of `audio_id`, recorded at `site`, that ends at `end` seconds, and the codes of its birds."""

  audio_id: str
  site: str
  end: int
  species: tuple[str, ...] = ()

  def detections(self) -> tuple[Detection, ...]:
    """Its birds, with `{audio_id}_{site}` as path: so start the names of the sound files."""
    return tuple(Detection(s, self.end - WINDOW_S, self.end, 1.0, f'{self.audio_id}_{self.site}') for s in self.species)


def windows(events: tables.Events, audio_id: str, site: str, duration: float, codes: Sequence[str]) -> tuple[Window, ...]:
  """All windows of a file of `duration` seconds, each with those of `codes` that are heard in it, in their order."""
  found = {end: [] for end in range(WINDOW_S, WINDOW_S * math.ceil(duration / WINDOW_S) + 1, WINDOW_S)}
  for d in of_windows(events, '', duration, codes, WINDOW_S):
    found[int(d.offset)] += [d.species] if d.confidence else []
  return tuple(Window(audio_id, site, end, tuple(species)) for end, species in found.items())


def write_soundscapes(path: files.Path, rows: Iterable[Window], taxonomy: Taxonomy) -> None:
  """Writes rows of 2021 in the order given. Raises UnknownSpecies, and ValueError for an id or a code that breaks the row."""
  lines = []
  for w in rows:
    if '_' in w.site or not w.site or not w.audio_id or any(' ' in s or s == NO_BIRD for s in w.species):
      raise ValueError(f'birdclef.write_soundscapes: {w}: expected an audio_id, a site without _ and codes without blanks')
    codes = ' '.join(taxonomy.species[taxonomy.index(s)].code for s in w.species)
    lines.append((f'{w.audio_id}_{w.site}_{w.end}', w.site, w.audio_id, str(w.end), codes or NO_BIRD))
  tables.write(path, ('row_id', 'site', 'audio_id', 'seconds', 'birds'), lines)


def read_soundscapes(path: files.Path, taxonomy: Taxonomy, skips: list[tables.BadRow] | None = None) -> tuple[Window, ...]:
  """Reads rows of 2021 in their order. Arguments and errors as in `read`; `nocall` rows are windows without species."""
  resolve, found = tables.resolver(taxonomy), []
  columns = ('row_id', 'site', 'audio_id', 'seconds', 'birds')
  for row in tables.read(path, columns, (), 'a BirdCLEF 2021 table', skips=skips).rows:
    with tables.bad_rows(row.where, skips):
      site, audio_id, end, birds = row.raw('site'), row.raw('audio_id'), _end(row.raw('seconds')), row.raw('birds').split()
      row_id = f'{audio_id}_{site}_{end}'
      if row.raw('row_id') != row_id:
        raise ValueError(f'row_id {row.raw("row_id")!r}: expected {row_id!r}, as the other columns say')
      if not birds or (NO_BIRD in birds and len(birds) > 1):
        raise ValueError(f'birds {row.raw("birds")!r}: expected codes, or {NO_BIRD} alone')
      found.append(Window(audio_id, site, end, tuple(resolve(b).code for b in birds if b != NO_BIRD)))
  return tuple(found)


def _end(text: str) -> int:
  if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) and int(text) % WINDOW_S == 0):
    raise ValueError(f'end time {text!r}: expected seconds: {WINDOW_S}, {2 * WINDOW_S}, ...')
  return int(text)
