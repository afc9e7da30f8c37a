"""OUT/index.html: what was heard in which files, with the surest events of each species to look at and to listen to."""

from __future__ import annotations

import collections
import pathlib
from typing import Any, Mapping, Sequence
import urllib.parse

from data_pipeline.taxonomy import Taxonomy
from sgm import pages
from sgm.evaluation import detected_clips, presence
from sgm.evaluation.detected_files import FileResult
from sgm.evaluation.localisation import DetectedEvent
from sgm.training import clock

ROWS = 500  # events of a species that its table lists: a browser wants no more


def write(out: pathlib.Path, results: Sequence[FileResult], clips: Mapping[str, Sequence[detected_clips.Clip]],
          summary: Mapping[str, Any], taxonomy: Taxonomy) -> None:
  """Writes the page; `clips` and `summary` as `detected_clips.write` and `detected_files.write_all` gave them."""
  name = lambda code: taxonomy.species[taxonomy.index(code)].common
  listed = detected_clips.best(results, ROWS)
  species = [{'code': code, 'name': name(code), 'count': summary['species'][code], 'clips': some, 'listed': len(listed[code]),
              'by_file': _by_file(listed[code])} for code, some in clips.items()]
  pages.write(out / 'index.html', pathlib.Path(__file__).parent / 'detected_page.html', {
      'media': "'self' file:", 'summary': summary, 'species': species,
      'files': [{'result': r, 'table': urllib.parse.quote(f'{r.name}.selections.txt'), 'counts': [
          (name(code), n) for code, n in collections.Counter(e.species for e in r.events).most_common()]} for r in results]},
      {'per_hour': presence.per_hour, 'time': clock.hours, 'second': lambda s: f'{clock.hours(s)}.{int(10 * s) % 10}'})


def _by_file(found: Sequence[tuple[FileResult, DetectedEvent]]) -> dict[str, list[DetectedEvent]]:
  """Events by name of their file, in order of onset."""
  grouped = collections.defaultdict(list)
  for result, event in sorted(found, key=lambda pair: (pair[0].name, pair[1].onset, pair[1].offset)):
    grouped[result.name].append(event)
  return grouped
