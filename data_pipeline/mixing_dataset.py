"""Vocalisations and backgrounds out of a TFDS data set of ours, each once, however many of its windows it is in."""

from __future__ import annotations

import collections
import csv
import dataclasses
import os
from typing import Iterable, Iterator

import numpy as np
import soxr
import tensorflow as tf
import tensorflow_datasets as tfds

from data_pipeline import licences, mixing_sources, storage
from data_pipeline.mixing_backgrounds import top_hz
from data_pipeline.mixing_pools import Source
from data_pipeline.scene import VOCALISATIONS, Event, Scene

_FACTS = ('id', 'licence', 'species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db')


@dataclasses.dataclass(frozen=True)
class _Stored:
  """A clip that is wanted: its sound (N, C) float32, stems (E, N, C) or None, scene, and the events of it to take."""

  audio: np.ndarray
  stems: np.ndarray | None
  scene: Scene
  take: tuple[int, ...]
  recording: str
  start: float
  split: str
  group: str
  recordist: str
  licence: str


def cuts(info: storage.DataInfo, sample_rate: int, splits: Iterable[str]) -> Iterator[mixing_sources.Cut]:
  """The cleaned vocalisations in some splits of a data set, and as backgrounds its clips without events."""
  with open(os.path.join(info.directory, 'ATTRIBUTION.csv'), encoding='utf-8', newline='') as f:
    urls = {row['path']: row['source url'] for row in csv.DictReader(f)}
  for c in _clips(info, sample_rate, splits):
    what = dict(group=c.group, recordist=c.recordist, licence=c.licence, split=c.split, url=urls.get(c.recording, ''))
    if not c.scene.events:
      yield Source(c.recording, onset=c.start, offset=c.start + c.scene.duration, path=None, channels=c.audio.shape[1],
                   environment=c.scene.environment, near=c.scene.near, top_hz=top_hz(c.audio, sample_rate), **what), c.audio
    for k in c.take:
      e = c.scene.events[k]
      if c.stems is None and mixing_sources.crossed(e, c.scene.events):
        continue
      audio = (c.audio if c.stems is None else c.stems[k]).mean(1)
      yield from mixing_sources.cut(
          audio, sample_rate, dataclasses.replace(e, onset=e.onset + c.start, offset=e.offset + c.start), c.start,
          lambda on, off, **more: Source(c.recording, onset=on, offset=off, species=e.species, vocalisation=e.vocalisation,
                                         common=info.taxonomy.resolve(e.species).common, **what, **more))


def _clips(info: storage.DataInfo, sample_rate: int, splits: Iterable[str]) -> Iterator[_Stored]:
  """The clips of some splits that hold an event in its best window, or no event at all; what licences forbid is left out."""
  for split in splits:
    records = storage.Records(info, split)
    take = _best(info, records)
    for index, e in zip(sorted(take), _parsed(records, records.features, sorted(take))):
      audio = _resampled(e['audio'] / np.float32(32767), info.sample_rate, sample_rate)
      stems = _stems(e['stems'], info.sample_rate, sample_rate)
      recording, start = _place(e['id'].decode())
      yield _Stored(audio, stems, Scene(_events(info, e), *(e[k].decode() for k in ('environment', 'noise', 'near')),
                                       len(e['audio']) / info.sample_rate), tuple(take[index]), recording, start, split,
                   *(e[k].decode() for k in ('group', 'recordist', 'licence')))


def _best(info: storage.DataInfo, records: storage.Records) -> dict[int, list[int]]:
  """Index of a clip -> its events that no other clip holds more of; clips without events -> []."""
  facts = tfds.features.FeaturesDict({n: records.features[n] for n in _FACTS})
  found: dict[str, list[tuple[float, float, str, int, int]]] = collections.defaultdict(list)
  take: dict[int, list[int]] = {}
  for index, e in enumerate(_parsed(records, facts, range(len(records)))):
    if licences.parse(e['licence'].decode()).forbids_derivatives:
      continue
    recording, start = _place(e['id'].decode())
    events = _events(info, e)
    if not events:
      take[index] = []
    for k, event in enumerate(events):
      found[recording].append((start + event.onset, start + event.offset, event.species, index, k))
  for spans in found.values():
    kept: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
    for onset, offset, species, index, k in sorted(spans, key=lambda s: s[0] - s[1]):  # longest first: it was cut least
      if all(min(offset, b) - max(onset, a) <= 0.02 for a, b in kept[species]):
        kept[species].append((onset, offset))
        take.setdefault(index, []).append(k)
  return take


def _parsed(records: storage.Records, features: tfds.features.FeaturesDict, indexes: Iterable[int]) -> Iterator[dict]:
  stored = tf.data.Dataset.from_generator(lambda: (records[i] for i in indexes), output_signature=tf.TensorSpec((), tf.string))
  return stored.map(features.deserialize_example).as_numpy_iterator()


def _place(id: str) -> tuple[str, float]:
  """(recording, start in s) of the id that builders give to a clip; 0 where it tells no place."""
  recording, at, start = id.rpartition('@')
  return (recording, float(start)) if at else (id, 0.0)


def _events(info: storage.DataInfo, e: dict) -> tuple[Event, ...]:
  return tuple(Event(info.taxonomy.codes[s], VOCALISATIONS[v], *numbers) for s, v, *numbers in zip(
      *(e[k].tolist() for k in ('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db'))))


def _resampled(audio: np.ndarray, stored: int, rate: int) -> np.ndarray:
  return audio if stored == rate else soxr.resample(audio, stored, rate)


def _stems(stems: np.ndarray, stored: int, rate: int) -> np.ndarray | None:
  if not len(stems):
    return None
  return np.stack([_resampled(s / np.float32(32767), stored, rate) for s in stems])
