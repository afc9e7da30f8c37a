r"""Builds a data set: the built-in birds, or recordings of any of the known sources.

  python -m tools.build_dataset --source procedural --out runs/data --sizes train=6000,val=256 [--plausibility plausible]
  python -m tools.build_dataset --source recordings --dir recordings/ --out runs/real
  python -m tools.build_dataset --source xeno_canto --dir owls/ --out runs/owls --dry_run

Sources of recordings: recordings (species sub-folders, or a manifest.csv), xeno_canto, birdclef2021, birdclef2022, freesound
(environments), raven, audacity, annotations (tables beside the sound), woodland (long and unlabelled).

OUT appears only when it is finished: dataset.json (what it is: see data_pipeline.storage.open_dataset), the TFDS files,
ATTRIBUTION.csv, and for recordings recordings.csv, a row for each. A finished OUT of the same configuration is left as it
is, of another one it is refused. An interrupted build of recordings goes on with what it had decoded.
"""

from __future__ import annotations

import contextlib
import dataclasses
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

from data_pipeline import (
    active_regions, annotated_labels, clip_windows, habitat, licences, series, soundscape, sources, taxonomy, tokenizer)
from data_pipeline.recording import Listing
from tools import dataset_folder, dataset_recordings
from tools.progress import Progress


@dataclasses.dataclass(frozen=True)
class Options:
  """What decides the contents, and where to get and put them; `sizes` and `plausibility` for procedural, the rest below for
  recordings."""

  source: str
  out: str
  seed: int = 0
  clip_seconds: float = 2.56
  sample_rate: int = 16000
  channels: int = 1
  workers: int = 1
  sizes: dict[str, int] | None = None
  plausibility: str = 'uniform'
  directory: str | None = None
  judge_groups: str = 'own'
  species: tuple[str, ...] = ()
  labels: str | None = None
  year: int | None = None
  keep_no_derivatives: bool = False
  strict: bool = False

  @property
  def edition(self) -> int:
    """Of eBird's taxonomy."""
    return self.year or sources.SOURCES[self.source].year


def listing(o: Options) -> Listing:
  """The recordings that are to be used. Raises ValueError for options that do not fit the source."""
  if o.sizes:
    raise ValueError('--sizes belongs to --source procedural: the splits of recordings follow from their groups')
  if o.plausibility != 'uniform':
    raise ValueError('--plausibility belongs to --source procedural: the birds of a recording are those that were there')
  if not o.directory:
    raise ValueError(f'--source {o.source} needs --dir')
  found = sources.listing(o.source, o.directory, o.year, annotated_labels.read_labels(o.labels) if o.labels else None)
  if not o.keep_no_derivatives:
    found = sources.without_no_derivatives(found)
  return sources.of_species(found, o.species, o.edition) if o.species else found


def configuration(o: Options, found: Listing | None) -> dict[str, Any]:
  """All that decides the contents of the data set, and nothing else: its fingerprint is the hash of this.

  Raises ValueError for options that do not fit the source.
  """
  c: dict[str, Any] = dict(source=o.source, seed=o.seed, clip_seconds=float(o.clip_seconds), sample_rate=o.sample_rate,
                           channels=o.channels)
  if found is None:
    defaults = {f.name: f.default for f in dataclasses.fields(Options)}
    foreign = {'directory': 'dir', 'judge_groups': 'judge_groups', 'species': 'species', 'labels': 'labels', 'year': 'taxonomy_year',
               'keep_no_derivatives': 'keep_no_derivatives', 'strict': 'strict'}
    given = [f'--{flag}' for name, flag in foreign.items() if getattr(o, name) != defaults[name]]
    if given:
      raise ValueError(f'{" and ".join(given)} belongs to recordings, not to --source procedural')
    # What was made before there was a choice is uniform, and found again.
    drawn = {} if o.plausibility == 'uniform' else {'plausibility': o.plausibility}
    return c | dict(version=soundscape.VERSION, sizes=series.known_sizes(o.sizes or series.SIZES)) | drawn
  digest = hashlib.sha256()
  for r in found.recordings:
    head = b''
    if r.path.is_file():
      with open(r.path, 'rb') as f:  # the whole of a large folder would take as long to read as to build
        head = f.read(65536)
    known = repr(dataclasses.replace(r, path=pathlib.Path()))
    digest.update(repr((known, r.path.stat().st_size if r.path.is_file() else None, zlib.crc32(head))).encode())
  constants = {k.lower(): v for module in (active_regions, clip_windows) for k, v in vars(module).items() if k.isupper()}
  return c | dict(version=2, judge_groups=o.judge_groups, taxonomy_year=o.edition, files=digest.hexdigest(), cutting=constants)


def build(o: Options, say: Callable[[str], None] | None = None) -> dict[str, Any]:
  """Makes OUT, or finds it made; returns the content of its dataset.json.

  Args:
    o: what to make.
    say: takes lines of progress and the report; None prints them.

  Raises:
    ValueError: options that do not fit, OUT holds something else, no recording can be used, or with `strict` not all can.
    OSError: OUT cannot be written (found out before any work).
  """
  out, stdout = pathlib.Path(o.out).absolute(), sys.stdout
  say = say or (lambda text: print(text, file=stdout, flush=True))
  found = None if o.source == 'procedural' else listing(o)
  config = configuration(o, found)
  fingerprint = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
  made = dataset_folder.finished(out, config, fingerprint)
  if made:
    say(f'{o.out} is finished already (fingerprint {fingerprint[:12]})')
    return made
  with dataset_folder.claimed(out) as partial:
    dataset = {'name': o.source, 'fingerprint': fingerprint, 'sample_rate': o.sample_rate, 'channels': o.channels,
               'clip_seconds': float(o.clip_seconds), 'source': config}
    with contextlib.redirect_stdout(io.StringIO()):  # tfds announces downloads that there are none of
      dataset |= _procedural(o, partial, say) if found is None else _recordings(o, found, partial, say)
    for leftover in ('downloads', dataset_folder.KEPT):
      shutil.rmtree(partial / leftover, ignore_errors=True)
    # Imported late, like the builders: 8 s of tensorflow are for builds, not for refusals.
    from data_pipeline import storage
    dataset |= {'tokenizer': tokenizer.from_grammar(taxonomy.Taxonomy.from_json(dataset['taxonomy'])).to_json(),
                'profiles': {}}
    dataset_folder.write_json(partial / 'dataset.json', dataset)
    measured = next((s for s in ('train', *dataset['splits']) if s in dataset['splits']), None)
    dataset['profiles'] = storage.profiles(storage.open_dataset(str(partial)), measured)
    dataset_folder.write_json(partial / 'dataset.json', dataset)
    os.rename(partial, out)
  clips = ', '.join(f'{s} {n}' for s, n in dataset['splits'].items())
  say(f'{o.out}: {clips} clips of {o.clip_seconds:g} s (fingerprint {fingerprint[:12]})')
  say(f'terms: {dataset["terms"]}')
  return dataset


def _procedural(o: Options, folder: pathlib.Path, say: Callable[[str], None]) -> dict[str, Any]:
  from data_pipeline.builders import procedural
  with Progress('clips', say) as progress:
    path, splits = procedural.build(
        str(folder), seed=o.seed, sizes=series.known_sizes(o.sizes or series.SIZES), clip_seconds=o.clip_seconds,
        sample_rate=o.sample_rate, channels=o.channels, workers=o.workers, plausibility=o.plausibility, progress=progress)
  licences.write_attribution(folder / 'ATTRIBUTION.csv', [
      licences.Attribution('all clips', 'invented birds', procedural.RECORDIST, procedural.LICENCE)])
  return {'taxonomy': taxonomy.PROCEDURAL.to_json(), 'splits': splits, 'path': os.path.relpath(path, folder),
          'licences': {procedural.LICENCE: sum(splits.values())}, 'no_derivatives': 0,
          'terms': 'invented sounds in the public domain'}


def _recordings(o: Options, found: Listing, folder: pathlib.Path, say: Callable[[str], None]) -> dict[str, Any]:
  from data_pipeline.builders import recordings
  with Progress('recordings (decoded, then cut)', say) as progress:
    try:
      report = recordings.build(
          str(folder), listing=found, year=o.edition, seed=o.seed, clip_seconds=o.clip_seconds, sample_rate=o.sample_rate,
          channels=o.channels, workers=o.workers, judge_groups=o.judge_groups, progress=progress)
    except ValueError as error:
      raise ValueError(f'{o.directory}: {error}') from error
  dataset_recordings.tell(report, say)
  if o.strict and report.skips:
    raise ValueError(f'{o.directory}: {len(report.skips)} files or rows were skipped, and --strict allows none')
  return dataset_recordings.describe(report, found, folder)


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
    if f.source != 'procedural' and f.source not in sources.SOURCES:
      sources.listing(f.source, '')  # raises, naming the known ones
    if not f.out and not f.dry_run:
      raise ValueError('--out is missing: the folder to make')
    o = Options(f.source, f.out or '', f.seed, f.clip_seconds, f.sample_rate, f.channels, f.workers, _sizes(f.sizes),
                f.plausibility, f.dir, f.judge_groups, tuple(f.species), f.labels, f.taxonomy_year, f.keep_no_derivatives, f.strict)
    if not f.dry_run:
      build(o)
    elif o.source == 'procedural':
      raise ValueError('--dry_run belongs to recordings, not to --source procedural')
    elif dataset_recordings.preview(listing(o), o.edition, o.workers) and o.strict:
      raise ValueError(f'{o.directory}: files or rows would be skipped, and --strict allows none')
  except (ValueError, OSError) as error:
    sys.exit(f'build_dataset: {error}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('source', None, 'Where the sound comes from: procedural, ' + '; '.join(
      f'{name} ({s.what})' for name, s in sources.SOURCES.items()) + '.', required=True)
  flags.DEFINE_string('out', None, 'Folder to make.')
  flags.DEFINE_string('dir', None, 'Folder of recordings.')
  flags.DEFINE_bool('dry_run', False, 'Tells what there is, hours and licences and what would be skipped; makes nothing.')
  flags.DEFINE_bool('strict', False, 'Fails where any file or row has to be skipped.')
  flags.DEFINE_list('species', [], 'Only these: codes, common or scientific names.')
  flags.DEFINE_string('labels', None, 'CSV with the columns label and species: what the labels of tables mean; no species = no bird.')
  flags.DEFINE_integer('taxonomy_year', None, 'Edition of eBird\'s taxonomy that names are of; default: the source\'s own.')
  flags.DEFINE_bool('keep_no_derivatives', False,
                    'Takes recordings in whose licence forbids derivatives: for analysis, not for training or mixing.')
  flags.DEFINE_integer('seed', 0, 'Of the clips (procedural), of the splits (recordings).', lower_bound=0)
  flags.DEFINE_float('clip_seconds', 2.56, 'Length of the stored clips.', lower_bound=0.1)
  flags.DEFINE_integer('sample_rate', 16000, 'Samples per second.', lower_bound=4000)
  flags.DEFINE_integer('channels', 1, 'Channels to store; 1 averages those of a recording.', lower_bound=1)
  flags.DEFINE_list('sizes', None, 'Clips per split (procedural), such as train=6000,val=256.')
  flags.DEFINE_enum('plausibility', 'uniform', habitat.MODES,
                    'Of the scenes (procedural): birds that fit their place and each other, any, or such that do not.')
  flags.DEFINE_enum('judge_groups', 'own', ['own', 'train'],
                    'Recordings the judge learns from: its own, or those of train where there are few (recordings).')
  flags.DEFINE_integer('workers', os.cpu_count(), 'Processes or threads at work.', lower_bound=1)
  app.run(main)
