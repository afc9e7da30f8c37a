r"""Builds a data set: the built-in birds, or a folder of recordings.

  python -m tools.build_dataset --source procedural --out runs/data --sizes train=6000,val=256
  python -m tools.build_dataset --source recordings --dir recordings/ --out runs/real

OUT appears only when it is finished: dataset.json (what it is: see data_pipeline.storage.open_dataset), the TFDS files, and
for recordings ATTRIBUTION.csv. A finished OUT of the same configuration is left as it is, of another one it is refused.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import fcntl
import hashlib
import io
import json
import os
import pathlib
import shutil
import sys
from typing import Any, Callable
import zlib

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

from absl import app, flags, logging
from rich import console as rich_console, table as rich_table

from data_pipeline import active_regions, clip_windows, licences, series, soundscape, sources, taxonomy, tokenizer
from tools.progress import Progress


@dataclasses.dataclass(frozen=True)
class Options:
  """What decides the contents, and where to get and put them; `sizes` for procedural, the rest below it for recordings."""

  source: str
  out: str
  seed: int = 0
  clip_seconds: float = 2.56
  sample_rate: int = 16000
  channels: int = 1
  workers: int = 1
  sizes: dict[str, int] | None = None
  directory: str | None = None
  judge_groups: str = 'own'


def configuration(o: Options) -> dict[str, Any]:
  """All that decides the contents of the data set, and nothing else: its fingerprint is the hash of this.

  Raises ValueError for options that do not fit the source.
  """
  c: dict[str, Any] = dict(source=o.source, seed=o.seed, clip_seconds=float(o.clip_seconds), sample_rate=o.sample_rate,
                           channels=o.channels)
  if o.source == 'procedural':
    if o.directory or o.judge_groups != 'own':
      raise ValueError('--dir and --judge_groups belong to --source recordings')
    return c | dict(version=soundscape.VERSION, sizes=series.known_sizes(o.sizes or series.SIZES))
  if o.sizes:
    raise ValueError('--sizes belongs to --source procedural: the splits of recordings follow from their groups')
  if not o.directory:
    raise ValueError('--source recordings needs --dir')
  digest = hashlib.sha256()
  for r in sources.find(o.directory)[0]:
    head = b''
    if r.path.is_file():
      with open(r.path, 'rb') as f:  # the whole of a large folder would take as long to read as to build
        head = f.read(65536)
    known = dataclasses.astuple(dataclasses.replace(r, path=pathlib.Path()))[1:]
    digest.update(repr((known, r.path.stat().st_size if r.path.is_file() else None, zlib.crc32(head))).encode())
  constants = {k.lower(): v for module in (active_regions, clip_windows) for k, v in vars(module).items() if k.isupper()}
  return c | dict(version=1, judge_groups=o.judge_groups, files=digest.hexdigest(), cutting=constants)


def build(o: Options, say: Callable[[str], None] | None = None) -> dict[str, Any]:
  """Makes OUT, or finds it made; returns the content of its dataset.json.

  Args:
    o: what to make.
    say: takes lines of progress and the report; None prints them.

  Raises:
    ValueError: options that do not fit, OUT holds something else, or no recording can be used.
    OSError: OUT cannot be written (found out before any work).
  """
  out, stdout = pathlib.Path(o.out).absolute(), sys.stdout
  say = say or (lambda text: print(text, file=stdout, flush=True))
  config = configuration(o)
  fingerprint = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
  made = _finished(out, config, fingerprint)
  if made:
    say(f'{o.out} is finished already (fingerprint {fingerprint[:12]})')
    return made
  partial = _claim(out)
  try:
    dataset = {'name': o.source, 'fingerprint': fingerprint, 'sample_rate': o.sample_rate, 'channels': o.channels,
               'clip_seconds': float(o.clip_seconds), 'source': config}
    make = _procedural if o.source == 'procedural' else _recordings
    with contextlib.redirect_stdout(io.StringIO()):  # tfds announces downloads that there are none of
      dataset |= make(o, partial, say)
    shutil.rmtree(partial / 'downloads', ignore_errors=True)
    # Imported late, like the builders: 8 s of tensorflow are for builds, not for refusals.
    from data_pipeline import storage
    dataset |= {'tokenizer': tokenizer.from_grammar(taxonomy.Taxonomy.from_json(dataset['taxonomy'])).to_json(),
                'profiles': {}}
    _write_json(partial / 'dataset.json', dataset)
    measured = next((s for s in ('train', *dataset['splits']) if s in dataset['splits']), None)
    dataset['profiles'] = storage.profiles(storage.open_dataset(str(partial)), measured)
    _write_json(partial / 'dataset.json', dataset)
    os.rename(partial, out)
  finally:
    shutil.rmtree(partial, ignore_errors=True)
  clips = ', '.join(f'{s} {n}' for s, n in dataset['splits'].items())
  say(f'{o.out}: {clips} clips of {o.clip_seconds:g} s (fingerprint {fingerprint[:12]})')
  return dataset


def _write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
  temporary = path.with_suffix('.tmp')
  temporary.write_text(json.dumps(content, indent=1))
  os.replace(temporary, path)


def _finished(out: pathlib.Path, config: dict[str, Any], fingerprint: str) -> dict[str, Any] | None:
  """The dataset.json of a finished OUT of this configuration, None where nothing is; raises ValueError for anything else."""
  if not out.exists():
    return None
  if not out.is_dir():
    raise ValueError(f'{out} is a file, expected a folder to make')
  if not (out / 'dataset.json').exists():
    if any(out.iterdir()):
      raise ValueError(f'{out} is not empty and holds no dataset.json: name another folder')
    return None
  try:
    made = json.loads((out / 'dataset.json').read_text())
    old, same = made['source'], made['fingerprint'] == fingerprint
  except (json.JSONDecodeError, KeyError, TypeError) as error:
    raise ValueError(f'{out}/dataset.json is not one of ours ({error!r}): name another folder') from error
  if same:
    return made
  old, new = _flat(old), _flat(config)
  differing = [f'{k} {old.get(k, "absent")} there, {new.get(k, "absent")} asked'
               for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)]
  raise ValueError(f'{out} holds another data set: {"; ".join(differing)}. Name another folder, or remove it')


def _flat(config: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  flat = {}
  for key, value in config.items():
    flat |= _flat(value, f'{prefix}{key}.') if isinstance(value, dict) else {prefix + key: value}
  return flat


def _claim(out: pathlib.Path) -> pathlib.Path:
  """Makes the hidden folder beside OUT in which the build happens; raises OSError where that cannot be."""
  partial = out.parent / f'.{out.name}.partial'
  try:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir(exist_ok=True)
    # The lock lives as long as this process: a leftover without it is of a run that was killed.
    fcntl.flock(os.open(partial, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    for leftover in partial.iterdir():
      shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    (partial / 'writable').touch()
    (partial / 'writable').unlink()
    if out.exists() and not os.access(out, os.W_OK):
      raise PermissionError(f'{out} is not writable')
  except BlockingIOError as error:
    raise BlockingIOError(f'another run is building {out}') from error
  except OSError as error:
    raise OSError(f'cannot write {out}: {error.strerror or error}') from error
  return partial


def _procedural(o: Options, folder: pathlib.Path, say: Callable[[str], None]) -> dict[str, Any]:
  from data_pipeline.builders import procedural
  with Progress('clips', say) as progress:
    path, splits = procedural.build(
        str(folder), seed=o.seed, sizes=series.known_sizes(o.sizes or series.SIZES), clip_seconds=o.clip_seconds,
        sample_rate=o.sample_rate, channels=o.channels, workers=o.workers, progress=progress)
  return {'taxonomy': taxonomy.PROCEDURAL.to_json(), 'splits': splits, 'path': os.path.relpath(path, folder),
          'licences': {procedural.LICENCE: sum(splits.values())}, 'no_derivatives': 0}


def _recordings(o: Options, folder: pathlib.Path, say: Callable[[str], None]) -> dict[str, Any]:
  from data_pipeline.builders import recordings
  with Progress('recordings (checked, then cut)', say) as progress:
    report = recordings.build(
        str(folder), directory=o.directory, seed=o.seed, clip_seconds=o.clip_seconds, sample_rate=o.sample_rate,
        channels=o.channels, workers=o.workers, judge_groups=o.judge_groups, progress=progress)
  licences.write_attribution(folder / 'ATTRIBUTION.csv', [
      licences.Attribution(r.name, r.common or r.scientific, r.recordist, r.licence or 'unknown') for r in report.used])
  _tell(report, say)
  bare = sum(licences.parse(r.licence).forbids_derivatives for r in report.used)
  return {'taxonomy': report.taxonomy.to_json(), 'splits': report.splits, 'path': os.path.relpath(report.path, folder),
          'licences': dict(collections.Counter(r.licence or 'unknown' for r in report.used).most_common()),
          'no_derivatives': bare, 'clips': report.clips, 'groups': report.groups,
          'judge_shares_train': list(report.judge_shares_train), 'notes': list(report.notes),
          'skipped': [dataclasses.asdict(s) for s in report.skips]}


def _tell(report: Any, say: Callable[[str], None]) -> None:
  """Clips (and recording groups) per species and split, then what was left out."""
  splits = list(next(iter(report.clips.values())))
  table = rich_table.Table('species', *splits, title='clips (recordings)')
  for s in report.taxonomy.species:
    table.add_row(f'{s.common} ({s.code})', *(f'{report.clips[s.code][p]} ({report.groups[s.code][p]})' for p in splits))
  console = rich_console.Console(width=100)
  with console.capture() as text:
    console.print(table)
  say(text.get().rstrip())
  for note in report.notes:
    say(f'note: {note}')
  if report.skips:
    say(f'{len(report.skips)} files skipped:')
    for skip in report.skips:
      say(f'  {skip.name}: {skip.reason}')


def _sizes(pairs: list[str] | None) -> dict[str, int] | None:
  if pairs is None:
    return None
  try:
    return {k.strip(): int(n) for k, n in (p.split('=') for p in pairs)}
  except ValueError as error:
    raise ValueError(f'--sizes {",".join(pairs)}: expected such as train=6000,val=256') from error


def main(unused_argv: list[str]) -> None:
  logging.set_verbosity(logging.ERROR)  # tfds tells of its folders
  f = flags.FLAGS
  try:
    build(Options(f.source, f.out, f.seed, f.clip_seconds, f.sample_rate, f.channels, f.workers, _sizes(f.sizes), f.dir,
                  f.judge_groups))
  except (ValueError, OSError) as error:
    sys.exit(f'build_dataset: {error}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_enum('source', None, ['procedural', 'recordings'], 'Where the sound comes from.', required=True)
  flags.DEFINE_string('out', None, 'Folder to make.', required=True)
  flags.DEFINE_string('dir', None, 'Folder of recordings: species sub-folders, or a manifest.csv in it or its parent.')
  flags.DEFINE_integer('seed', 0, 'Of the clips (procedural), of the splits (recordings).', lower_bound=0)
  flags.DEFINE_float('clip_seconds', 2.56, 'Length of the stored clips.', lower_bound=0.1)
  flags.DEFINE_integer('sample_rate', 16000, 'Samples per second.', lower_bound=4000)
  flags.DEFINE_integer('channels', 1, 'Channels to store; 1 averages those of a recording.', lower_bound=1)
  flags.DEFINE_list('sizes', None, 'Clips per split (procedural), such as train=6000,val=256.')
  flags.DEFINE_enum('judge_groups', 'own', ['own', 'train'],
                    'Recordings the judge learns from: its own, or those of train where there are few (recordings).')
  flags.DEFINE_integer('workers', os.cpu_count(), 'Processes or threads at work.', lower_bound=1)
  app.run(main)
