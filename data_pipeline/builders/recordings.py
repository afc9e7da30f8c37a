"""A collection of recordings as a TFDS data set: clips, their scenes, split by recording group."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import hashlib
import pathlib
from typing import Any, Callable, Iterator, Sequence
import zlib

import numpy as np
import tensorflow_datasets as tfds

from data_pipeline import clip_windows, recorded_species
from data_pipeline.builders import features
from data_pipeline.decoded import Decoded, decode
from data_pipeline.decoding import BadRecording
from data_pipeline.recording import Listing, Recording, Skip
from data_pipeline.scene import Event
from data_pipeline.splits import SPLITS, assign
from data_pipeline.taxonomy import Taxonomy

VERSION = '1.0.0'
DENSE_SPLITS = ('train', 'judge')  # overlapping windows; elsewhere they are disjoint


@dataclasses.dataclass(frozen=True)
class Used:
  """A recording that is in the data set: the codes of its species, its split, its clips (those of judge and train added)."""

  recording: Recording
  codes: tuple[str, ...]
  split: str
  seconds: float
  clips: int


@dataclasses.dataclass(frozen=True)
class Report:
  """What became of a collection.

  Attributes:
    path: the folder to read with `tfds.builder_from_directory`.
    splits: clips per split.
    taxonomy: the species that are in it; none where nothing is labelled.
    used: the recordings in it, in order of their names; skips: the files left out.
    clips: species code -> split -> number of clips that it is in.
    groups: species code -> split -> number of recording groups.
    judge_shares_train: species whose judge clips come from the groups of train, there being too few.
    notes: what a reader of the data has to know, in sentences.
  """

  path: str
  splits: dict[str, int]
  taxonomy: Taxonomy
  used: tuple[Used, ...]
  skips: tuple[Skip, ...]
  clips: dict[str, dict[str, int]]
  groups: dict[str, dict[str, int]]
  judge_shares_train: tuple[str, ...]
  notes: tuple[str, ...]


@dataclasses.dataclass(kw_only=True)
class RecordingsConfig(tfds.core.BuilderConfig):
  channels: int = 1


class Recordings(tfds.core.GeneratorBasedBuilder):
  """Clips cut from recordings, with the events that were annotated, or found by energy where nobody did."""

  VERSION = tfds.core.Version(VERSION)
  examples: Callable[[str], Iterator[tuple[str, dict[str, Any]]]] | None = None  # set by `build`
  splits_to_make: tuple[str, ...] = ()

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
        builder=self, description=self.__doc__,
        features=tfds.features.FeaturesDict(features.feature_dict(self.builder_config.channels)))

  def _split_generators(self, dl_manager):
    del dl_manager
    return {split: self._generate_examples(split) for split in self.splits_to_make}

  def _generate_examples(self, split: str):
    yield from self.examples(split)


@dataclasses.dataclass(frozen=True)
class _Part:
  """A decoded recording, the events of its clips by onset, and its species."""

  recording: Recording
  sound: Decoded
  events: tuple[Event, ...]
  codes: tuple[str, ...]


def build(out_dir: str, *, listing: Listing, year: int, seed: int, clip_seconds: float, sample_rate: int, channels: int,
          workers: int, judge_groups: str = 'own', progress: Callable[[int, int], None] | None = None) -> Report:
  """Makes the data set.

  Args:
    out_dir: the TFDS folder is made inside of it; beside it `decoded/`, which an interrupted build finds again and the
      caller removes.
    listing: what to make it of.
    year: edition of eBird's taxonomy that names are of.
    seed: of the splits and of the places of disjoint clips.
    clip_seconds, sample_rate, channels: of the clips; several channels are averaged where one is asked.
    workers: threads that decode.
    judge_groups: see `splits.assign`.
    progress: called with (recordings done, recordings to do), decoding and cutting counted.

  Raises:
    ValueError: no usable recording at all, or an unknown edition.
  """
  species = recorded_species.of(listing.recordings, year)
  wanted = [r for r in listing.recordings if r.species not in species.refused]
  skips = [*listing.skips,
           *(Skip(r.name, species.refused[r.species]) for r in listing.recordings if r.species in species.refused)]
  done, total = 0, 2 * len(wanted)

  def tick(n: int = 1) -> None:
    nonlocal done
    done += n
    if progress:
      progress(done, total)

  folder = pathlib.Path(out_dir) / 'decoded'
  folder.mkdir(parents=True, exist_ok=True)

  def part(recording: Recording) -> tuple[_Part | None, list[Skip]]:
    code = species.code_of.get(recording.species, '')
    try:
      sound = decode(recording, folder, sample_rate, channels, regions=bool(code) and recording.events is None)
    except BadRecording as error:
      return None, [Skip(recording.name, str(error))]
    if sound.regions is None:
      events, late = _within(recording, sound)
      if recording.events and not events and not recording.continuous:
        return None, [*late, Skip(recording.name, 'none of its events can be used')]
      return _Part(recording, sound, events, tuple(sorted({e.species for e in events} or {code} - {''}))), late
    if not sound.regions:
      return None, [Skip(recording.name, 'nothing stands out of its noise')]
    events = tuple(Event(code, recording.vocalisation, r.onset, r.offset, r.low_hz, r.high_hz, r.level_db)
                   for r in sound.regions)
    return _Part(recording, sound, events, (code,)), []

  parts: list[_Part] = []
  with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
    for made, bad in pool.map(part, wanted):
      tick(1 if made else 2)
      skips += bad
      parts += [made] if made else []
  skips.sort(key=lambda s: s.name)
  if not parts:
    first = f'; the first: {skips[0].name}: {skips[0].reason}' if skips else ''
    raise ValueError(f'none of {len(skips)} files can be used{first}')

  taxonomy = _subset(species.taxonomy, {c for p in parts for c in p.codes})
  split_of, shares = _splits(parts, seed, judge_groups)
  clips = {code: collections.Counter() for code in taxonomy.codes}
  made_of: collections.Counter[str] = collections.Counter()
  index_of = {code: i for i, code in enumerate(taxonomy.codes)}

  def members(split: str) -> list[_Part]:
    shared = [p for p in parts if split == 'judge' and split_of[p.recording.name] == 'train' and set(p.codes) & set(shares)]
    return [p for p in parts if split_of[p.recording.name] == split] + shared

  def examples(split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for p in members(split):
      for name, scene, sound in _cut(p, split in DENSE_SPLITS, seed, clip_seconds):
        for code in {e.species for e in scene.events}:
          clips[code][split] += 1
        made_of[p.recording.name] += 1
        yield name, features.to_example(
            sound, scene, index_of, id=name, group=p.recording.group or p.recording.name, recordist=p.recording.recordist,
            licence=p.recording.licence or 'unknown')
      if split == split_of[p.recording.name]:
        tick()

  tfds.disable_progress_bar()
  mark = hashlib.sha256('\n'.join(p.recording.name for p in parts).encode()).hexdigest()[:16]
  builder = Recordings(data_dir=str(out_dir), config=RecordingsConfig(name=mark, channels=channels), file_format='tfrecord')
  splits = tuple(dict.fromkeys((*SPLITS, *split_of.values())))
  builder.examples, builder.splits_to_make = examples, tuple(s for s in splits if members(s))
  builder.download_and_prepare()
  groups = {code: {s: len({p.recording.group for p in parts if code in p.codes and split_of[p.recording.name] == s})
                   for s in splits} for code in taxonomy.codes}
  used = tuple(Used(p.recording, p.codes, split_of[p.recording.name], p.sound.seconds, made_of[p.recording.name])
               for p in parts)
  return Report(str(builder.data_dir), {s: builder.info.splits[s].num_examples for s in builder.splits_to_make}, taxonomy,
                used, tuple(skips), {c: {s: n[s] for s in splits} for c, n in clips.items()}, groups, shares,
                (*listing.notes, *species.notes, *_notes(parts, channels, shares, groups)))


def _within(recording: Recording, sound: Decoded) -> tuple[tuple[Event, ...], list[Skip]]:
  """Annotated events as far as they lie within the sound, in time and below Nyquist, and a skip for each that does not."""
  events, skips, nyquist = [], [], sound.sample_rate / 2
  for e in sorted(recording.events or (), key=lambda e: (e.onset, e.offset)):
    where = f'{recording.name}, event of {e.species} from {e.onset:.2f} to {e.offset:.2f} s'
    if e.onset >= sound.seconds:
      skips.append(Skip(where, f'begins after the end of the file ({sound.seconds:.2f} s)'))
    elif e.low_hz >= nyquist:
      skips.append(Skip(where, f'lies above {nyquist:g} Hz, half the rate of the data set'))
    else:
      events.append(dataclasses.replace(e, offset=min(e.offset, sound.seconds), high_hz=min(e.high_hz, nyquist)))
  return tuple(events), skips


def _splits(parts: Sequence[_Part], seed: int, judge_groups: str) -> tuple[dict[str, str], tuple[str, ...]]:
  """Name of recording -> split, and the species that judge has to share with train; what is unlabelled judges nothing."""
  groups: dict[str, set[str]] = collections.defaultdict(set)
  for p in parts:
    if not p.recording.split:
      for code in p.codes or ('',):
        groups[code].add(p.recording.group or p.recording.name)
  split_of_group, shares = assign(groups, seed, judge_groups)
  labelled = set().union(*(g for code, g in groups.items() if code))
  split_of_group = {g: 'train' if s == 'judge' and g not in labelled else s for g, s in split_of_group.items()}
  return ({p.recording.name: p.recording.split or split_of_group[p.recording.group or p.recording.name] for p in parts},
          tuple(code for code in shares if code))


def _cut(part: _Part, dense: bool, seed: int, clip_seconds: float) -> Iterator[tuple[str, Any, np.ndarray]]:
  """(name, scene, (n, C) int16) of the clips of a recording, one at a time."""
  r, sound = part.recording, part.sound
  if r.continuous:
    starts = clip_windows.consecutive(sound.seconds, clip_seconds)
  elif not part.events:  # annotated as holding nothing
    starts = clip_windows.consecutive(sound.seconds, clip_seconds)[:clip_windows.MAX_WINDOWS]
  else:
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, zlib.crc32(r.name.encode())])))
    starts = clip_windows.windows(part.events, sound.seconds, clip_seconds, dense, rng)
  for start in starts:
    first = round(start * sound.sample_rate)
    samples = sound.read(first, round(clip_seconds * sound.sample_rate))  # (n, C)
    at = first / sound.sample_rate
    scene = clip_windows.scene_of(part.events, at, len(samples) / sound.sample_rate, r.environment, r.near)
    yield f'{r.name}@{at:.3f}', scene, samples


def _subset(taxonomy: Taxonomy, codes: set[str]) -> Taxonomy:
  return dataclasses.replace(taxonomy, species=tuple(s for s in taxonomy.species if s.code in codes))


def _notes(parts: Sequence[_Part], channels: int, shares: tuple[str, ...], groups: dict[str, dict[str, int]]) -> list[str]:
  notes = []
  found = sum(p.sound.regions is not None for p in parts)
  if found:
    notes.append(f'events of {found} recordings are active regions found by energy, all of them labelled with the species of '
                 'the recording')
  if channels == 1:
    notes.append('recordings of several channels, if there are any, were averaged to one')
  if shares:
    notes.append(f'judge shares the recordings of train for {len(shares)} species: {", ".join(shares)}')
  for split in ('val', 'test'):
    without = [code for code, counts in groups.items() if not counts[split]]
    if without:
      notes.append(f'no recording left for {split}: {", ".join(without)}')
  return notes
