"""What a build of recordings says and writes beside its clips: tables per species, recordings.csv, ATTRIBUTION.csv, terms."""

from __future__ import annotations

import collections
import concurrent.futures
import csv
import dataclasses
import io
import os
import pathlib
from typing import Any, Callable

from rich import console as rich_console, table as rich_table

from data_pipeline import licences, recorded_species, stream
from data_pipeline.decoding import BadRecording
from data_pipeline.formats import files
from data_pipeline.recording import Listing, Recording, Skip
from tools.progress import Progress

SHOWN = 50  # skips on the terminal; dataset.json has them all
COLUMNS = ('name', 'codes', 'common', 'scientific', 'split', 'clips', 'seconds', 'group', 'recordist', 'licence', 'class',
           'url', 'vocalisation', 'types', 'quality', 'sex', 'stage', 'background', 'site', 'started', 'environment', 'near')


def describe(report: Any, found: Listing, folder: pathlib.Path) -> dict[str, Any]:
  """Writes recordings.csv and ATTRIBUTION.csv; returns what dataset.json holds of a `recordings.Report`."""
  used = [u.recording for u in report.used]
  _write_recordings(folder / 'recordings.csv', report)
  licences.write_attribution(folder / 'ATTRIBUTION.csv', [
      licences.Attribution(r.name, r.common or r.scientific or r.code, r.recordist, r.licence or 'unknown', r.url)
      for r in used])
  return {'taxonomy': report.taxonomy.to_json(), 'splits': report.splits, 'path': os.path.relpath(report.path, folder),
          'licences': dict(collections.Counter(r.licence or 'unknown' for r in used).most_common()),
          'no_derivatives': sum(licences.parse(r.licence).forbids_derivatives for r in used),
          'terms': licences.terms(r.licence for r in used).statement,
          'clips': report.clips, 'groups': report.groups, 'judge_shares_train': list(report.judge_shares_train),
          'notes': list(report.notes), 'skipped': [dataclasses.asdict(s) for s in report.skips], **found.extra}


def _write_recordings(path: pathlib.Path, report: Any) -> None:
  text = io.StringIO(newline='')
  writer = csv.DictWriter(text, COLUMNS, extrasaction='ignore', lineterminator='\n')
  writer.writeheader()
  for u in report.used:
    r = u.recording
    writer.writerow(vars(r) | {
        'codes': ' '.join(u.codes), 'split': u.split, 'clips': u.clips, 'seconds': f'{u.seconds:.3f}',
        'class': licences.parse(r.licence).kind, 'background': '; '.join(r.background)})
  files.write_text(path, text.getvalue())


def tell(report: Any, say: Callable[[str], None]) -> None:
  """Clips (and recording groups) per species and split, then what was left out."""
  splits = list(report.splits)
  table = rich_table.Table('species', *splits, title='clips (recordings)')
  for s in report.taxonomy.species:
    table.add_row(f'{s.common} ({s.code})', *(f'{report.clips[s.code][p]} ({report.groups[s.code][p]})' for p in splits))
  if len(report.taxonomy):
    say(_drawn(table))
  _tell_rest(report.notes, report.skips, say)


def preview(found: Listing, year: int, workers: int, say: Callable[[str], None] = print) -> int:
  """Tells what a build would use, from tables and headers alone; returns how many files or rows it would skip."""
  species = recorded_species.of(found.recordings, year)
  skips = list(found.skips)
  seconds: collections.Counter[str] = collections.Counter()
  count: collections.Counter[str] = collections.Counter()
  groups: dict[str, set[str]] = collections.defaultdict(set)
  usable = []

  def length(r: Recording) -> float | Skip:
    if r.species in species.refused:
      return Skip(r.name, species.refused[r.species])
    try:
      return stream.info(r.path).seconds
    except BadRecording as error:
      return Skip(r.name, str(error).removeprefix(f'{r.path}: '))

  with Progress('headers', say) as progress, concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
    for done, (r, result) in enumerate(zip(found.recordings, pool.map(length, found.recordings)), 1):
      progress(done, len(found.recordings))
      if isinstance(result, Skip):
        skips.append(result)
        continue
      usable.append(r)
      for code in {e.species for e in r.events or ()} or {species.code_of.get(r.species, '')}:
        seconds[code] += result
        count[code] += 1
        groups[code].add(r.group or r.name)
  table = rich_table.Table('species', 'recordings', 'groups', 'hours', title='what a build would use')
  for code in sorted(count):
    name = f'{species.taxonomy.resolve(code).common} ({code})' if code else 'no species'
    table.add_row(name, str(count[code]), str(len(groups[code])), f'{seconds[code] / 3600:.2f}')
  say(_drawn(table))
  say(f'terms: {licences.terms(r.licence for r in usable).statement}')
  _tell_rest((*found.notes, *species.notes), skips, say)
  return len(skips)


def _tell_rest(notes: Any, skips: Any, say: Callable[[str], None]) -> None:
  for note in notes:
    say(f'note: {note}')
  if skips:
    say(f'{len(skips)} files or rows skipped:')
    for skip in list(skips)[:SHOWN]:
      say(f'  {skip.name}: {skip.reason}')
    if len(skips) > SHOWN:
      say(f'  and {len(skips) - SHOWN} more')


def _drawn(table: rich_table.Table) -> str:
  console = rich_console.Console(width=100)
  with console.capture() as text:
    console.print(table)
  return text.get().rstrip()
