r"""Mixes labelled soundscapes of recordings: birds, backgrounds, unlabelled contaminants, drawn from a configuration.

  python -m tools.mix_soundscapes --data recordings/ --backgrounds rain/,wind/ --count 50 --out runs/mixed --stems --pictures
  python -m tools.mix_soundscapes --data runs/real --backgrounds built-in --count train=800,val=100,test=100 --out runs/mixed \
      --config experiments/mixing.py:seconds=60,channels=2

--data takes data sets of tools.build_dataset, folders of recordings (species sub-folders, or a manifest.csv), and kind:FOLDER
for its other sources, such as xeno_canto:owls/ or raven:site/. What a licence forbids derivatives of is left out.

OUT appears only when it is finished: a folder for each clip (tools.mixed_clip says what is in it), events.tsv, boxes.json and
soundscape_labels.csv with all labels, ATTRIBUTION.csv, mix.json (configuration, figures, what was left out), index.html.
A count per split deals out recording groups, none to two splits. Clip i is the same whatever --count and --workers are.
A run that was interrupted, or killed, goes on where it stopped when its command line is repeated, with any --workers.

--plausibility plausible draws birds that fit the place of the background and each other, implausible such that do not
(data_pipeline/habitat.py). Real birds need --avonet (see tools.plausibility). --yolo writes OUT/yolo: plain spectrograms, boxes
and a data.yaml, for ultralytics.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import shutil
import sys
import time
from typing import Any, Callable, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

from absl import app, flags
from ml_collections import config_flags

from data_pipeline import habitat, licences, mixing, mixing_distributions, mixing_habitat, mixing_sources, splits, workers
from data_pipeline.mixing_pools import Pools, Source
from data_pipeline.mixing_spec import MixingSpec
from tools import dataset_folder, mixed_clip, mixed_tables, plausibility
from tools.mixed_clip import Extras
from tools.progress import Progress

CHUNK = 8      # clips per message of a worker
SHOWN = 20     # skips on the terminal; mix.json has them all
ALL = 'all'    # the one split there is where no splits are asked for


@dataclasses.dataclass(frozen=True)
class Options:
  """What to mix of what.

  Attributes:
    count: clips per split, {ALL: n} for one without splits.
    plausibility: one of habitat.MODES. avonet, also: files, see tools.plausibility.
  """

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
  plausibility: str = 'uniform'
  avonet: str | None = None
  also: Sequence[str] = ()
  workers: int = 1

  def command(self) -> dict[str, Any]:
    """All that decides what is made, but for the content of files; JSON types."""
    other = ('out', 'workers', 'spec', 'extras')
    plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in other}
    return {'version': mixing.VERSION, **plain, 'spec': self.spec.to_dict(), **dataclasses.asdict(self.extras)}


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
    ValueError: OUT holds something, or an interrupted run of another command; sources that cannot be used, rules that no scene
      keeps.
    OSError: OUT cannot be written.
    KeyboardInterrupt, and any error of the system: what is done is kept beside OUT, for the same command to go on with.
  """
  out = pathlib.Path(o.out).absolute()
  if out.exists() and (not out.is_dir() or any(out.iterdir())):
    raise ValueError(f'{out} holds something already: name another folder')
  with dataset_folder.claimed(out) as partial:
    command = o.command()
    dataset_folder.go_on(partial, command)
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
    habitats = mixing_habitat.with_built_in(plausibility.read(gathered.pools.taxonomy, o.avonet, o.also))
    choose = mixing_habitat.chooser(o.plausibility, habitats, o.spec.events.species, pools.values())
    command |= {'sources': _digest(gathered.pools), 'habitats': choose.digest if choose else ''}
    dataset_folder.go_on(partial, command)
    dataset_folder.write_json(partial / dataset_folder.COMMAND, command)
    start, total, done = time.perf_counter(), sum(o.count.values()), []
    before = clips_done(out)
    if before:
      say(f'going on with {before} clips of {total} that are done')
    jobs = [(partial, pools[split], o.spec, o.seed, split, i, min(i + CHUNK, n), o.extras, choose)
            for split, n in o.count.items() for i in range(0, n, CHUNK)]
    try:
      with Progress('clips', say) as progress:
        for some in workers.in_order(mixed_clip.chunk, jobs, o.workers):
          done += some
          progress(len(done), total)
    except ValueError:  # of these rules no repetition makes a clip: nothing is to be kept
      (partial / dataset_folder.COMMAND).unlink()
      raise
    rate = (total - before) * o.spec.seconds / (time.perf_counter() - start)
    attribution = mixed_tables.write(partial, done, o.spec, gathered.pools.taxonomy, o.extras)
    record = {
        'version': mixing.VERSION, 'seed': o.seed, 'split_seed': o.split_seed, 'count': o.count, 'spec': o.spec.to_dict(),
        'plausibility': {'mode': o.plausibility, 'files': [pathlib.Path(p).name for p in (o.avonet, *o.also) if p]},
        'figures': mixed_tables.summary(done),
        'sources': {split: {kind: len(getattr(p, kind)) for kind in ('foreground', 'background', 'contaminants')}
                    for split, p in pools.items()},
        'recordings_per_split': {split: sorted({s.name for s in _sources(p)}) for split, p in pools.items()},
        'taxonomy': gathered.pools.taxonomy.to_json(), 'terms': licences.terms(a.licence for a in attribution).statement,
        'notes': [*gathered.notes, *_notes(o, gathered.pools, choose)],
        'skipped': [dataclasses.asdict(s) for s in gathered.skips]}
    dataset_folder.write_json(partial / 'mix.json', record)
    mixed_tables.page(partial, done, gathered.pools.taxonomy, record['figures'], o.extras, record['notes'], out.name)
    shutil.rmtree(partial / dataset_folder.KEPT)
    (partial / dataset_folder.COMMAND).unlink()
    os.rename(partial, out)
  _tell(record, rate, o, say)
  return record


def clips_done(out: pathlib.Path) -> int:
  """Of an interrupted run, 0 where there is none."""
  return sum(1 for _ in dataset_folder.partial_of(out.absolute()).glob('*/[0-9]*/mix.wav'))


def _sources(pools: Pools) -> tuple[Source, ...]:
  return pools.foreground + pools.background + pools.contaminants


def _digest(pools: Pools) -> str:
  """Of what is mixed: every source, and the samples that were cut out; backgrounds are known by file name, size and time."""
  digest = hashlib.sha256()
  for s in _sources(pools):
    digest.update(repr(dataclasses.replace(s, path=s.path and s.path.name)).encode())
  for path in sorted({s.path for s in (*pools.foreground, *pools.contaminants)}):
    with open(path, 'rb') as f:
      digest.update(hashlib.file_digest(f, 'sha256').digest())
  return digest.hexdigest()


def _notes(o: Options, pools: Pools, choose: mixing_habitat.PlausibleBirds | None) -> list[str]:
  """What a reader has to know besides what was noted of the sources."""
  notes = []
  homeless = [s.common for s in pools.taxonomy.species if choose and s.code not in choose.known.homes]
  if homeless:
    notes.append(f'no habitat is known of {", ".join(homeless[:SHOWN])}' + ' ...' * (len(homeless) > SHOWN))
  missing = [s for s in ('train', 'val') if o.extras.yolo and s not in o.count]
  if missing:
    notes.append(f'yolo/data.yaml has no {" and no ".join(missing)}, which ultralytics asks for: '
                 '--count train=800,val=100 makes both')
  return notes


def _tell(record: dict[str, Any], rate: float, o: Options, say: Callable[[str], None]) -> None:
  f = record['figures']
  for note in record['notes']:
    say(f'note: {note}')
  for s in record['skipped'][:SHOWN]:
    say(f'skipped {s["name"]}: {s["reason"]}')
  if len(record['skipped']) > SHOWN:
    say(f'and {len(record["skipped"]) - SHOWN} more, all in mix.json')
  say(f'{o.out}: {f["clips"]} clips of {o.spec.seconds:g} s, {f["events"]} events of {len(f["events_per_species"])} species, '
      f'{f["contaminants"]} contaminants; {rate:.1f} times real time')
  say(f'SNR at most {f["snr_error_db_max"]:.4f} dB off what was asked; {f["scaled_down"]} clips scaled down; '
      f'{sum(f["redraws"].values())} scenes drawn again')
  if f['verdicts']:
    say(f'plausibility ({o.plausibility}): ' + ', '.join(f'{n} {v}' for v, n in f['verdicts'].items()))
  say(f'terms: {record["terms"]}')


def main(unused_argv: list[str]) -> None:
  f = flags.FLAGS
  try:
    if not f.data:
      raise ValueError('--data is missing: where birds come from')
    mix(Options(f.data, counts(f.count), f.out, MixingSpec.from_dict(f.config.to_dict()), f.backgrounds, f.contaminants, f.seed,
                f.split_seed, Extras(f.stems, f.masks, f.pictures, f.yolo), f.birds_in_backgrounds, f.plausibility, f.avonet,
                f.also, f.workers))
  except ValueError as error:
    sys.exit(f'mix_soundscapes: {error}')
  except (OSError, KeyboardInterrupt) as error:
    n = clips_done(pathlib.Path(f.out))
    kept = f'{n} clips are done and kept: the same command line goes on with them' if n else 'no clip is done yet'
    sys.exit(f'mix_soundscapes: {str(error) or "interrupted"}; {kept}')


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
  flags.DEFINE_bool('yolo', False, 'Writes pictures, boxes and data.yaml as ultralytics\' YOLO trains on them.')
  flags.DEFINE_enum('plausibility', 'uniform', habitat.MODES,
                    'Of the scenes: birds that fit the place and each other, any, or such that do not.')
  flags.DEFINE_string('avonet', None, 'AVONET1_BirdLife.csv, for real birds; the built-in birds need none.')
  flags.DEFINE_list('also', [], "Saved pages of xeno-canto's API: who is heard together.")
  flags.DEFINE_bool('birds_in_backgrounds', False, 'Keeps backgrounds whose labels or names speak of birds.')
  flags.DEFINE_integer('workers', os.cpu_count(), 'Processes at work.', lower_bound=1)
  app.run(main)
