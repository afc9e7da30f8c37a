r"""Downloads recordings of xeno-canto with their metadata, politely, and only those that are not there yet.

  export XENO_CANTO_API_KEY=...  # from your account page
  python -m tools.fetch_xeno_canto --query 'gen:Strix sp:aluco q:">C"' --out recordings/owls --max_seconds 120

OUT gets <Genus species>/XC<number>.<suffix>, the metadata as pages of API v3 (xeno_canto_0001.json, ...; read by
data_pipeline.xeno_canto.find), ATTRIBUTION.csv, and a hidden state. An interrupted run goes on where it stopped when it is
called again. The exit status is 1 where some recordings could not be had.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import sys
from typing import Any, Callable, Iterator

from absl import app, flags

from data_pipeline import licences, xeno_canto, xeno_canto_query
from data_pipeline.recording import Skip
from tools import licence_table
from tools.polite_http import Client, HttpError
from tools.progress import Progress
from tools.xeno_canto_folder import BASE_URL, Options, Run, count


@dataclasses.dataclass(frozen=True)
class Report:
  """What became of a run: numbers (without XC) got and had before, what was passed over, and what failed."""

  new: tuple[str, ...]
  had: tuple[str, ...]
  passed: tuple[Skip, ...]
  failed: tuple[Skip, ...]


def fetch(o: Options, key: str, client: Client, say: Callable[[str], None] = print) -> Report:
  """Downloads what is missing.

  Args:
    o: what to fetch.
    key: of the API; never shown, and sent to the API only.
    client: whose secrets hold the key.
    say: takes lines of progress and the report.

  Raises:
    ValueError: a query that cannot be sent, or an error that the API answers with.
    HttpError: the API cannot be reached.
    OSError: OUT cannot be written, or another run is writing it.
  """
  query, notes = xeno_canto_query.prepare(o.query)
  out = pathlib.Path(o.out).absolute()
  with _locked(out):
    for note in notes:
      say(f'note: {note}')
    run = Run(o, out, client)
    with Progress('recordings', say) as run.progress:
      for page in _pages(o, query, key, client):
        if not run.page(page):
          break
    report = Report(tuple(run.new), tuple(run.had), tuple(run.passed), tuple(run.failed))
    _tell(report, out, say)
  return report


@contextlib.contextmanager
def _locked(out: pathlib.Path) -> Iterator[None]:
  out.mkdir(parents=True, exist_ok=True)
  lock = os.open(out, os.O_RDONLY)
  try:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise BlockingIOError(f'another run is writing {out}') from None
    yield
  finally:
    os.close(lock)


def _pages(o: Options, query: str, key: str, client: Client) -> Iterator[dict[str, Any]]:
  """The pages of results, one by one. Raises ValueError for what is no page."""
  number, last = 1, 1
  while number <= last:
    url, where = f'{o.base_url.rstrip("/")}/api/3/recordings', f'page {number} of the results'
    try:
      page = client.json(url, dict(query=query, key=key, page=str(number), per_page=str(o.per_page)))
      xeno_canto.refuse_error(page, where)
    except ValueError as error:
      raise ValueError(client.redact(error)) from None
    if not isinstance(page, dict) or not isinstance(page.get('recordings'), list):
      raise ValueError(f'{where}: expected a list of recordings, found none')
    last = count(page, 'numPages', where) if page['recordings'] else 0
    yield page
    number += 1


def _tell(report: Report, out: pathlib.Path, say: Callable[[str], None]) -> None:
  """Licences of all that OUT holds, and what was left out; writes ATTRIBUTION.csv."""
  records = xeno_canto.find(str(out))[0] if any(out.glob('xeno_canto_*.json')) else []
  licences.write_attribution(out / 'ATTRIBUTION.csv', [licences.Attribution(
      r.path.relative_to(out.resolve()).as_posix(), r.scientific or r.common, r.recordist, r.licence, r.url) for r in records])
  if records:
    say(licence_table.text(((r.licence, r.seconds) for r in records), f'licences in {out.name}'))
  for reason, n in collections.Counter(xeno_canto.RESTRICTED if s.reason.startswith(xeno_canto.RESTRICTED) else s.reason
                                       for s in report.passed).most_common():
    say(f'passed over: {n} ({reason})')
  for skip in report.failed:
    say(f'failed: {skip.name}: {skip.reason}')
  say(f'{len(report.new)} new, {len(report.had)} already there, {len(report.passed)} passed over, {len(report.failed)} failed')


def main(unused_argv: list[str]) -> None:
  f = flags.FLAGS
  key = os.environ.get('XENO_CANTO_API_KEY', '').strip()
  if not key:
    sys.exit('fetch_xeno_canto: set XENO_CANTO_API_KEY to the API key of your xeno-canto account')
  try:
    with Client((key,), interval=f.interval, timeout=f.timeout) as client:
      report = fetch(Options(f.query, f.out, f.limit, f.max_seconds, f.stereo, f.base_url, f.per_page), key, client,
                     lambda line: print(line, flush=True))
  except (ValueError, OSError, HttpError) as error:
    sys.exit(f'fetch_xeno_canto: {str(error).replace(key, "***")}')
  except KeyboardInterrupt:
    sys.exit('fetch_xeno_canto: interrupted; call it again to go on')
  sys.exit(1 if report.failed else 0)


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('query', None, 'Tagged terms as xeno-canto knows them, such as gen:Strix sp:aluco.', required=True)
  flags.DEFINE_string('out', None, 'Folder to fill.', required=True)
  flags.DEFINE_integer('limit', None, 'The first so many results that fit, those already there counted.', lower_bound=1)
  flags.DEFINE_float('max_seconds', None, 'Passes over recordings that are stated to be longer.', lower_bound=0.0)
  flags.DEFINE_bool('stereo', False, 'Keeps only files whose two channels truly differ.')
  flags.DEFINE_string('base_url', BASE_URL, 'Where the API is.')
  flags.DEFINE_integer('per_page', 100, 'Results asked for at once.', lower_bound=50, upper_bound=500)
  flags.DEFINE_float('interval', 1.0, 'Least seconds between two requests.', lower_bound=0.0)
  flags.DEFINE_float('timeout', 30.0, 'Seconds without an answer after which a request is given up.', lower_bound=0.1)
  app.run(main)
