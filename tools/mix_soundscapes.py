r"""Mixes labelled soundscapes of recordings: birds, backgrounds, unlabelled contaminants, drawn from a configuration.

  python -m tools.mix_soundscapes --data recordings/ --backgrounds rain/,wind/ --count 50 --out runs/mixed --stems --pictures
  python -m tools.mix_soundscapes --data runs/real --backgrounds built-in --count train=800,val=100,test=100 --out runs/mixed \
      --config experiments/mixing.py:seconds=60,channels=2

--data takes data sets of tools.build_dataset, folders of recordings (species sub-folders, or a manifest.csv), and kind:FOLDER
for its other sources, such as xeno_canto:owls/ or raven:site/. What a licence forbids derivatives of is left out.

OUT appears only when it is finished: a folder for each clip (tools.mixed_clip says what is in it), events.tsv, boxes.json and
soundscape_labels.csv with all labels, ATTRIBUTION.csv, mix.json (configuration, figures, what was left out), index.html.
A count per split deals out recording groups, none to two splits. Clip i is the same whatever --count and --workers are.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import pathlib
import shutil
import sys
import time
from typing import Any, Callable, Iterator, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

from absl import app, flags
from ml_collections import config_flags

from data_pipeline import licences, mixing, mixing_distributions, mixing_sources, splits
from data_pipeline.mixing_spec import MixingSpec
from tools import dataset_folder, mixed_tables
from tools.mixed_clip import Done, Extras, chunk
from tools.progress import Progress

CHUNK = 8      # clips per message of a worker
SHOWN = 20     # skips on the terminal; mix.json has them all
ALL = 'all'    # the one split there is where no splits are asked for


@dataclasses.dataclass(frozen=True)
class Options:
  """What to mix of what; `count`: clips per split, {ALL: n} for one without splits."""

  data: Sequence[str]
  count: dict[str, int]
  out: str
  spec: MixingSpec
  backgrounds: Sequence[str] = ()
  contaminants: Sequence[str] = ()
  seed: int = 0
  split_seed: int = 0
  extras: Extras = Extras()
  birds_in_backgrounds: bool = False
  workers: int = 1


def counts(text: str) -> dict[str, int]:
  """'50' -> {ALL: 50}; 'train=80,test=20' -> as it says. Raises ValueError for anything else."""
  try:
    made = {ALL: int(text)} if '=' not in text else {k.strip(): int(n) for k, n in (p.split('=') for p in text.split(','))}
  except ValueError:
    raise ValueError(f'--count {text}: expected a number of clips, or such as train=800,test=100') from None
  for split, n in made.items():
    if split not in (ALL, *splits.SPLITS):
      raise ValueError(f'--count {text}: unknown split {split!r}; known: {", ".join(splits.SPLITS)}')
    if n < 1:
      raise ValueError(f'--count {text}: {n} clips')
  return made


def mix(o: Options, say: Callable[[str], None] = print) -> dict[str, Any]:
  """Makes OUT; returns the content of its mix.json.

  Raises:
    ValueError: OUT holds something, sources that cannot be used, rules that no scene keeps.
    OSError: OUT cannot be written.
  """
  out = pathlib.Path(o.out).absolute()
  if out.exists() and (not out.is_dir() or any(out.iterdir())):
    raise ValueError(f'{out} holds something already: name another folder')
  with dataset_folder.claimed(out) as partial:
    named = () if set(o.count) == {ALL} else tuple(o.count)
    with Progress('recordings', say) as progress:
      gathered = mixing_sources.gather(
          o.data, o.backgrounds, o.contaminants, partial / dataset_folder.KEPT, sample_rate=o.spec.sample_rate,
          channels=o.spec.channels, splits=named, split_seed=o.split_seed, birds_in_backgrounds=o.birds_in_backgrounds,
          workers=o.workers, progress=progress)
    pools = {split: gathered.pools.split(split) for split in o.count}
    for text, known, name in ((o.spec.events.species, gathered.pools.taxonomy.codes, 'events.species'),
                              (o.spec.events.source, {s.name for s in gathered.pools.foreground}, 'events.source')):
      mixing_distributions.choice(text, name, sorted(known))
    start = time.perf_counter()
    total, done = sum(o.count.values()), []
    jobs = [(partial, pools[split], o.spec, o.seed, split, i, min(i + CHUNK, n), o.extras)
            for split, n in o.count.items() for i in range(0, n, CHUNK)]
    with Progress('clips', say) as progress:
      for some in _made(jobs, o.workers):
        done += some
        progress(len(done), total)
    seconds = time.perf_counter() - start
    attribution = mixed_tables.write(partial, done, o.spec, gathered.pools.taxonomy)
    figures = mixed_tables.summary(done)
    terms = licences.terms(a.licence for a in attribution).statement
    record = {
        'version': mixing.VERSION, 'seed': o.seed, 'split_seed': o.split_seed, 'count': o.count, 'spec': o.spec.to_dict(),
        'figures': figures, 'times_real_time': round(total * o.spec.seconds / seconds, 1),
        'sources': {split: {kind: len(getattr(p, kind)) for kind in ('foreground', 'background', 'contaminants')}
                    for split, p in pools.items()},
        'recordings_per_split': {split: sorted({s.name for s in (*p.foreground, *p.background, *p.contaminants)})
                                 for split, p in pools.items()},
        'taxonomy': gathered.pools.taxonomy.to_json(), 'terms': terms, 'notes': list(gathered.notes),
        'skipped': [dataclasses.asdict(s) for s in gathered.skips]}
    dataset_folder.write_json(partial / 'mix.json', record)
    mixed_tables.page(partial, done, gathered.pools.taxonomy, figures, o.extras, gathered.notes, out.name)
    shutil.rmtree(partial / dataset_folder.KEPT)
    os.rename(partial, out)
  _tell(record, o, say)
  return record


def _made(jobs: Sequence[tuple], workers: int) -> Iterator[list[Done]]:
  """The clips of every job, in order."""
  if workers <= 1 or len(jobs) < 2:
    for job in jobs:
      yield chunk(*job)
    return
  pool = concurrent.futures.ProcessPoolExecutor(
      min(workers, len(jobs)), multiprocessing.get_context('spawn'), _leave_accelerators)
  pending: collections.deque = collections.deque()
  try:
    for job in jobs:
      pending.append(pool.submit(chunk, *job))
      if len(pending) > 2 * workers:  # sources travel with every job
        yield pending.popleft().result()
    while pending:
      yield pending.popleft().result()
  finally:
    pool.shutdown(wait=True, cancel_futures=True)


def _leave_accelerators() -> None:
  os.environ['JAX_PLATFORMS'] = 'cpu'  # each worker that draws would else take a whole one


def _tell(record: dict[str, Any], o: Options, say: Callable[[str], None]) -> None:
  f = record['figures']
  for note in record['notes']:
    say(f'note: {note}')
  for s in record['skipped'][:SHOWN]:
    say(f'skipped {s["name"]}: {s["reason"]}')
  if len(record['skipped']) > SHOWN:
    say(f'and {len(record["skipped"]) - SHOWN} more, all in mix.json')
  say(f'{o.out}: {f["clips"]} clips of {o.spec.seconds:g} s, {f["events"]} events of {len(f["events_per_species"])} species, '
      f'{f["contaminants"]} contaminants; {record["times_real_time"]:g} times real time')
  say(f'SNR at most {f["snr_error_db_max"]:.4f} dB off what was asked; {f["scaled_down"]} clips scaled down; '
      f'{sum(f["redraws"].values())} scenes drawn again')
  say(f'terms: {record["terms"]}')


def main(unused_argv: list[str]) -> None:
  f = flags.FLAGS
  try:
    if not f.data:
      raise ValueError('--data is missing: where birds come from')
    mix(Options(f.data, counts(f.count), f.out, MixingSpec.from_dict(f.config.to_dict()), f.backgrounds, f.contaminants, f.seed,
                f.split_seed, Extras(f.stems, f.masks, f.pictures), f.birds_in_backgrounds, f.workers))
  except (ValueError, OSError) as error:
    sys.exit(f'mix_soundscapes: {error}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  config_flags.DEFINE_config_file('config', 'experiments/mixing.py', 'experiments/mixing.py[:arguments]', lock_config=True)
  flags.DEFINE_list('data', [], 'Data sets, folders of recordings, kind:FOLDER: where birds come from, and without '
                    '--backgrounds also what they hold of no species.')
  flags.DEFINE_list('backgrounds', [], 'Folders of sound without birds; built-in for synthetic textures.')
  flags.DEFINE_list('contaminants', [], 'Folders of sounds that are mixed in and stay without a label.')
  flags.DEFINE_string('count', None, 'Clips to make: a number, or one for each split: train=800,test=100.', required=True)
  flags.DEFINE_string('out', None, 'Folder to make.', required=True)
  flags.DEFINE_integer('seed', 0, 'Of the clips.', lower_bound=0)
  flags.DEFINE_integer('split_seed', 0, 'Of dealing recordings to splits: kept, none changes sides.', lower_bound=0)
  flags.DEFINE_bool('stems', False, 'Writes every event, contaminant and the background alone.')
  flags.DEFINE_bool('masks', False, 'Writes pixel masks of events and species.')
  flags.DEFINE_bool('pictures', False, 'Draws spectrograms with boxes and masks.')
  flags.DEFINE_bool('birds_in_backgrounds', False, 'Keeps backgrounds whose labels or names speak of birds.')
  flags.DEFINE_integer('workers', os.cpu_count(), 'Processes at work.', lower_bound=1)
  app.run(main)
