"""What is in a data set, counted clip by clip: species, sound, licences, and what lies on two sides of its splits."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import itertools
import json
import pathlib
from typing import Any, Iterator

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from data_pipeline import licences, storage
from data_pipeline.builders.features import PROVENANCE
from data_pipeline.scene import VOCALISATIONS

FULL_SCALE = 32767
SILENCE_DB = -120.0  # no level is lower
UNKNOWN = 'unknown'
_TEXTS = ('id', 'group', 'recordist', 'licence')
_NUMBERS = ('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db')


@dataclasses.dataclass(frozen=True)
class Clip:
  """One record without its sound.

  Attributes:
    split, index: where it lies; id: its name; group, recordist, licence: texts, '' or 'unknown' = not known.
    seconds: length. rms_db, peak_db: dB re full scale over all channels, at least SILENCE_DB.
    full_scale: samples at full scale; alike: all channels hold the same (of several).
    digest: of the sound; equal only for equal sound.
    events: per event (species index, vocalisation index, onset s, offset s, low Hz, high Hz, level dB).
    plausibility: of a drawn scene, as habitat.Plausibility.to_dict gives it; empty where the data set does not say.
  """

  split: str
  index: int
  id: str
  group: str
  recordist: str
  licence: str
  seconds: float
  rms_db: float
  peak_db: float
  full_scale: int
  alike: bool
  digest: str
  events: tuple[tuple[int, int, float, float, float, float, float], ...]
  plausibility: dict[str, Any] = dataclasses.field(default_factory=dict)

  @property
  def species(self) -> set[int]:
    return {e[0] for e in self.events}


@dataclasses.dataclass(frozen=True)
class Leak:
  """A group, a recordist or one sound in more than one split; `clips`: split -> clips of it; `known`: the data set says so."""

  kind: str  # one of LEAKS
  name: str
  clips: dict[str, int]
  known: bool


LEAKS = ('sound', 'group', 'recordist')  # the worst first: the same samples, the same recording, the same person


@dataclasses.dataclass(frozen=True)
class Facts:
  """A data set read through: its description, all clips, what dataset.json says besides, and what leaks."""

  info: storage.DataInfo
  clips: tuple[Clip, ...]
  record: dict[str, Any]
  leaks: tuple[Leak, ...]


def collect(directory: str) -> Facts:
  """Reads a data set of tools.build_dataset, sound by sound; memory holds one sound at a time.

  Raises FileNotFoundError, ValueError: no finished data set; see `storage.open_dataset`.
  """
  info = storage.open_dataset(directory)
  record = json.loads((pathlib.Path(directory) / 'dataset.json').read_text())
  clips = tuple(itertools.chain.from_iterable(_clips(info, split) for split in info.splits))
  return Facts(info, clips, record, tuple(leaks(clips, set(record.get('judge_shares_train', ())), info)))


def examples(info: storage.DataInfo, split: str, indices: list[int] | None = None) -> Iterator[dict[str, np.ndarray]]:
  """Sound (`audio`, (N, C) int16), _TEXTS, _NUMBERS and, where it is stored, the provenance of some records of a split, or of
  all; stems are much larger, and not decoded."""
  records = storage.Records(info, split)
  names = [n for n in ('audio', *_NUMBERS, *_TEXTS, PROVENANCE) if n in records.stored]
  parse = tfds.features.FeaturesDict({n: records.stored[n] for n in names}).deserialize_example
  chosen = range(len(records)) if indices is None else indices
  dataset = tf.data.Dataset.from_generator(lambda: (records[i] for i in chosen), output_signature=tf.TensorSpec((), tf.string))
  yield from dataset.map(parse).as_numpy_iterator()


def _clips(info: storage.DataInfo, split: str) -> Iterator[Clip]:
  for index, e in enumerate(examples(info, split)):
    audio = e['audio']
    power = np.mean(np.square(audio, dtype=np.float64)) / FULL_SCALE ** 2 if audio.size else 0.0
    peak = int(np.abs(audio.astype(np.int32)).max(initial=0)) / FULL_SCALE
    text = {name: e[name].decode('utf-8', 'replace') for name in _TEXTS}
    yield Clip(split, index, **text, seconds=len(audio) / info.sample_rate, rms_db=_db(power), peak_db=_db(peak ** 2),
               full_scale=int((np.abs(audio.astype(np.int32)) >= FULL_SCALE).sum()),
               alike=bool((audio == audio[:, :1]).all()), digest=hashlib.sha256(audio.tobytes()).hexdigest()[:24],
               events=tuple(zip(*(e[n].tolist() for n in _NUMBERS))),
               plausibility=json.loads(e.get(PROVENANCE, b'{}')).get('plausibility', {}))


def _db(power: float) -> float:
  return max(float(10 * np.log10(max(power, 1e-30))), SILENCE_DB)


def leaks(clips: tuple[Clip, ...], shared: set[str], info: storage.DataInfo) -> list[Leak]:
  """What lies in more than one split, worst kind first.

  Invented birds are made by one program, so that a recordist tells nothing there. `shared`: species codes whose judge clips
  come from the recordings of train on purpose: what train and judge alone have in common of them is `known`.
  """
  found = []
  for kind in LEAKS:
    if kind == 'recordist' and info.name == 'procedural':
      continue
    sides: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    of: dict[str, set[str]] = collections.defaultdict(set)  # name -> codes of its species
    for c in clips:
      name = {'sound': c.digest, 'group': c.group, 'recordist': c.recordist}[kind]
      if name and name != UNKNOWN:
        sides[name][c.split] += 1
        of[name] |= {info.taxonomy.codes[s] for s in c.species}
    first = {c.digest: c.id for c in reversed(clips)}
    for name, count in sides.items():
      if len(count) > 1:
        known = set(count) == {'train', 'judge'} and of[name] <= shared and kind != 'recordist'
        found.append(Leak(kind, first[name] if kind == 'sound' else name, dict(count), known))
  return sorted(found, key=lambda k: (LEAKS.index(k.kind), k.known, k.name))


def species_table(facts: Facts) -> list[dict[str, Any]]:
  """One row per species: code, common, `clips` {split: n}, recordings, recordists, seconds of its clips, events, `sounding`
  (seconds its events last), median Hz of their edges and dB of their level, and shares of vocalisations. A clip of two
  species counts for both."""
  rows = []
  for i, s in enumerate(facts.info.taxonomy.species):
    mine = [c for c in facts.clips if i in c.species]
    events = [e for c in mine for e in c.events if e[0] == i]
    median = lambda k: float(np.median([e[k] for e in events])) if events else None
    rows.append({
        'code': s.code, 'common': s.common, 'clips': dict(collections.Counter(c.split for c in mine)), 'total': len(mine),
        'recordings': len({c.group for c in mine}), 'recordists': len({c.recordist for c in mine} - {'', UNKNOWN}),
        'seconds': sum(c.seconds for c in mine), 'events': len(events), 'sounding': sum(e[3] - e[2] for e in events),
        'low_hz': median(4), 'high_hz': median(5), 'level_db': median(6),
        'kinds': {v: sum(e[1] == k for e in events) for k, v in enumerate(VOCALISATIONS)}})
  return rows


def split_table(facts: Facts) -> list[dict[str, Any]]:
  """One row per split: clips, recordings, recordists, species, hours, shortest and longest s, quantiles of RMS in dB re full
  scale (5, 50, 95 %), clips with samples at full scale, without events, and (several channels) with equal channels."""
  rows = []
  for split in facts.info.splits:
    mine = [c for c in facts.clips if c.split == split]
    if not mine:
      continue
    low, middle, high = np.quantile([c.rms_db for c in mine], [0.05, 0.5, 0.95]).tolist()
    rows.append({
        'split': split, 'clips': len(mine), 'recordings': len({c.group for c in mine}),
        'recordists': len({c.recordist for c in mine} - {'', UNKNOWN}), 'species': len(set().union(*(c.species for c in mine))),
        'hours': sum(c.seconds for c in mine) / 3600,
        'shortest': min(c.seconds for c in mine), 'longest': max(c.seconds for c in mine),
        'rms_low': low, 'rms': middle, 'rms_high': high, 'full_scale': sum(c.full_scale > 0 for c in mine),
        'empty': sum(not c.events for c in mine), 'alike': sum(c.alike for c in mine) if facts.info.channels > 1 else None})
  return rows


def plausibility_table(facts: Facts) -> list[dict[str, Any]]:
  """One row per split and mode of its drawn scenes: clips, `verdicts` {verdict: clips}, and the mean of the known scores."""
  rows: dict[tuple[str, str], list[dict[str, Any]]] = collections.defaultdict(list)
  for c in facts.clips:
    if c.plausibility:
      rows[c.split, c.plausibility['mode']].append(c.plausibility)
  scores = lambda found: [p['score'] for p in found if p['score'] is not None]
  verdicts = lambda found: dict(collections.Counter(p['verdict'] for p in found))
  return [{'split': split, 'mode': mode, 'clips': len(found), 'verdicts': verdicts(found),
           'score': float(np.mean(scores(found))) if scores(found) else None} for (split, mode), found in rows.items()]


def licence_table(facts: Facts) -> list[dict[str, Any]]:
  """One row per licence, the most frequent first: clips, recordings, and whether it allows no derivatives."""
  clips = collections.Counter(c.licence or UNKNOWN for c in facts.clips)
  return [{'licence': licence, 'clips': n, 'recordings': len({c.group for c in facts.clips if (c.licence or UNKNOWN) == licence}),
           'no_derivatives': licences.parse(licence).forbids_derivatives} for licence, n in clips.most_common()]


def warnings(facts: Facts) -> list[str]:
  """What a reader has to know, the gravest first, in sentences."""
  said = []
  for kind, what in (('sound', 'sounds'), ('group', 'recordings'), ('recordist', 'recordists')):
    mine = [k for k in facts.leaks if k.kind == kind]
    known, unknown = [k for k in mine if k.known], [k for k in mine if not k.known]
    if unknown:
      first = f'{unknown[0].name} ({_counted(unknown[0].clips)})'
      said.append(f'{len(unknown)} {what} lie in more than one split; the first: {first}')
    if known:
      said.append(f'train and judge share {len(known)} {what}, as the data set was built to')
  nobody = sum(c.recordist in ('', UNKNOWN) for c in facts.clips)
  if nobody:
    said.append(f'{nobody} of {len(facts.clips)} clips name no recordist: whether one is on two sides cannot be told for them')
  table = species_table(facts)
  single = [r['code'] for r in table if r['recordists'] == 1 and facts.info.name != 'procedural' and not nobody]
  if single:
    said.append(f'all clips are by one recordist, who cannot be told from the species: {", ".join(single)}')
  without = {split: [r['code'] for r in table if not r['clips'].get(split)] for split in facts.info.splits}
  said.extend(f'no clip in {split}: {", ".join(codes)}' for split, codes in without.items() if codes)
  bare = [r for r in licence_table(facts) if r['no_derivatives']]
  if bare:
    said.append(f'{sum(r["clips"] for r in bare)} clips are under licences that allow no derivatives')
  clipped = sum(c.full_scale > 0 for c in facts.clips)
  if clipped:
    said.append(f'{clipped} clips have samples at full scale, and may be distorted')
  return said


def _counted(clips: dict[str, int]) -> str:
  return ', '.join(f'{split} {n}' for split, n in clips.items())
