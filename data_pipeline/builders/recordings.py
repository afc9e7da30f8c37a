"""A folder of recordings as a TFDS data set: clips around the vocalisations, split by recording group."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import hashlib
import zlib
from typing import Any, Callable, Iterator

import numpy as np
import tensorflow_datasets as tfds

from data_pipeline import active_regions, clip_windows, licences, sources
from data_pipeline.builders import features
from data_pipeline.sources import BadRecording, Recording, Skip
from data_pipeline.splits import SPLITS, assign
from data_pipeline.taxonomy import Taxonomy

VERSION = '1.0.0'
DENSE_SPLITS = ('train', 'judge')  # overlapping windows; elsewhere they are disjoint


@dataclasses.dataclass(frozen=True)
class Report:
  """What became of a folder.

  Attributes:
    path: the folder to read with `tfds.builder_from_directory`.
    splits: clips per split.
    taxonomy: the species that are in it.
    used: the recordings in it, in order of their names; skips: the files left out.
    clips: species code -> split -> number of clips.
    groups: species code -> split -> number of recording groups.
    judge_shares_train: species whose judge clips come from the groups of train, there being too few.
    notes: what a reader of the data has to know, in sentences.
  """

  path: str
  splits: dict[str, int]
  taxonomy: Taxonomy
  used: tuple[Recording, ...]
  skips: tuple[Skip, ...]
  clips: dict[str, dict[str, int]]
  groups: dict[str, dict[str, int]]
  judge_shares_train: tuple[str, ...]
  notes: tuple[str, ...]


@dataclasses.dataclass(kw_only=True)
class RecordingsConfig(tfds.core.BuilderConfig):
  channels: int = 1


class Recordings(tfds.core.GeneratorBasedBuilder):
  """Clips cut from recordings around their vocalisations; events are found by energy, not by ear."""

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


def build(out_dir: str, *, directory: str, seed: int, clip_seconds: float, sample_rate: int, channels: int,
          workers: int, judge_groups: str = 'own', progress: Callable[[int, int], None] | None = None) -> Report:
  """Makes the data set.

  Every recording is decoded twice, once to check it and find its active regions, once to write its clips: memory holds a
  few recordings at a time.

  Args:
    out_dir: the TFDS folder is made inside of it.
    directory: see `sources.find`.
    seed: of the splits and of the places of disjoint clips.
    clip_seconds, sample_rate, channels: of the clips; several channels are averaged where one is asked.
    workers: threads that decode.
    judge_groups: see `splits.assign`.
    progress: called with (recordings done, recordings to do), both passes counted.

  Raises:
    ValueError: no usable recording at all; the folder is none, or its manifest lacks a column.
  """
  recordings, skips = sources.find(directory)
  done = 0

  def scan(recording: Recording) -> list[active_regions.Region] | Skip:
    try:
      regions = active_regions.find(sources.read(recording, sample_rate, channels), sample_rate)
    except BadRecording as error:
      return Skip(recording.name, str(error))
    return regions or Skip(recording.name, 'nothing stands out of its noise')

  def tick() -> None:
    nonlocal done
    done += 1
    if progress:
      progress(done, 2 * len(recordings))

  found: dict[Recording, list[active_regions.Region]] = {}
  with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
    for recording, result in zip(recordings, pool.map(scan, recordings)):
      tick()
      if isinstance(result, Skip):
        skips.append(result)
        tick()
      else:
        found[recording] = result
  skips.sort(key=lambda s: s.name)
  if not found:
    first = f'; the first: {skips[0].name}: {skips[0].reason}' if skips else ''
    raise ValueError(f'{directory}: none of {len(skips)} files can be used{first}')
  used = tuple(found)
  taxonomy, code_of = sources.taxonomy_of(list(used))
  groups: dict[str, set[str]] = collections.defaultdict(set)
  for r in used:
    groups[code_of[r]].add(r.group)
  split_of, shares = assign(groups, seed, judge_groups)
  index_of = {code: i for i, code in enumerate(taxonomy.codes)}
  clips = {code: dict.fromkeys(SPLITS, 0) for code in taxonomy.codes}

  def members(split: str) -> list[Recording]:
    also = [r for r in used if split == 'judge' and split_of[r.group] == 'train' and code_of[r] in shares]
    return [r for r in used if split_of[r.group] == split] + also

  def cut(recording: Recording, split: str) -> list[tuple[str, dict[str, Any]]]:
    audio = sources.read(recording, sample_rate, channels)  # (N, C)
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, zlib.crc32(recording.name.encode())])))
    made, regions = [], found[recording]
    samples = round(clip_seconds * sample_rate)
    for start in clip_windows.windows(regions, len(audio) / sample_rate, clip_seconds, split in DENSE_SPLITS, rng):
      first = round(start * sample_rate)
      sound = audio[first:first + samples]
      scene = clip_windows.scene_of(regions, code_of[recording], recording.vocalisation, first / sample_rate,
                                    len(sound) / sample_rate)
      name = f'{recording.name}@{first / sample_rate:.3f}'
      made.append((name, features.to_example(
          sound, scene, index_of, id=name, group=recording.group, recordist=recording.recordist,
          licence=recording.licence or 'unknown')))
    return made

  def examples(split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # One chunk of recordings at a time: an executor's map would decode them all ahead of the writer.
    mine, step = members(split), 2 * max(1, workers)
    with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
      for at in range(0, len(mine), step):
        chunk = mine[at:at + step]
        for recording, made in zip(chunk, pool.map(lambda r: cut(r, split), chunk)):
          if split == split_of[recording.group]:
            tick()
          clips[code_of[recording]][split] += len(made)
          yield from made

  tfds.disable_progress_bar()
  mark = hashlib.sha256('\n'.join(r.name for r in used).encode()).hexdigest()[:16]
  config = RecordingsConfig(name=mark, channels=channels)
  builder = Recordings(data_dir=str(out_dir), config=config, file_format='tfrecord')
  builder.examples, builder.splits_to_make = examples, tuple(s for s in SPLITS if members(s))
  builder.download_and_prepare()
  counts = {code: {s: len({g for g in groups[code] if split_of[g] == s}) for s in SPLITS} for code in taxonomy.codes}
  return Report(str(builder.data_dir), {s: builder.info.splits[s].num_examples for s in builder.splits_to_make}, taxonomy,
                used, tuple(skips), clips, counts, shares, tuple(_notes(channels, shares, counts, used)))


def _notes(channels: int, shares: tuple[str, ...], counts: dict[str, dict[str, int]],
           used: tuple[Recording, ...]) -> list[str]:
  notes = ['events are active regions found by energy, all of them labelled with the species of the recording']
  if channels == 1:
    notes.append('recordings of several channels were averaged to one')
  if shares:
    notes.append(f'judge shares the recordings of train for {len(shares)} species: {", ".join(shares)}')
  for split in ('val', 'test'):
    without = [code for code, c in counts.items() if not c[split]]
    if without:
      notes.append(f'no recording left for {split}: {", ".join(without)}')
  bare = sum(licences.parse(r.licence).forbids_derivatives for r in used)
  if bare:
    notes.append(f'{bare} recordings are under licences that allow no derivatives')
  return notes
