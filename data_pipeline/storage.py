"""A finished data set on disk: its description (dataset.json) and random access to its records."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from typing import Mapping

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from data_pipeline.builders.features import PROVENANCE
from data_pipeline.scene import VOCALISATIONS
from data_pipeline.taxonomy import Taxonomy
from data_pipeline.tokenizer import Tokenizer

tf.config.set_visible_devices([], 'GPU')  # tf only reads data here: the accelerators belong to jax


@dataclasses.dataclass(frozen=True)
class DataInfo:
  """What is known of a data set before reading it (dataset.json)."""

  directory: str
  name: str
  fingerprint: str
  taxonomy: Taxonomy
  tokenizer: Tokenizer
  sample_rate: int      # samples per second
  channels: int
  clip_seconds: float   # clips are this long, or shorter where a recording was
  splits: Mapping[str, int]
  path: str             # of the TFDS folder, relative to `directory`
  # (species, vocalisation) -> ranges of its events' 'seconds', 'low_hz', 'high_hz' in train: see description.realise.
  profiles: Mapping[tuple[str, str], Mapping[str, tuple[float, float]]]


def open_dataset(directory: str) -> DataInfo:
  """Reads dataset.json. Raises FileNotFoundError where there is none, ValueError where it lacks a field."""
  path = os.path.join(directory, 'dataset.json')
  if not os.path.exists(path):
    raise FileNotFoundError(f'{path} does not exist: no finished data set (tools.build_dataset makes one)')
  with open(path) as f:
    d = json.load(f)
  try:
    return DataInfo(str(directory), d['name'], d['fingerprint'], Taxonomy.from_json(d['taxonomy']),
                    Tokenizer.from_json(d['tokenizer']), d['sample_rate'], d['channels'], d['clip_seconds'], d['splits'],
                    d['path'], {tuple(k.split()): v for k, v in d['profiles'].items()})
  except KeyError as error:
    raise ValueError(f'{path} lacks the field {error}') from error


class Records:
  """Random access to the serialized examples of one split, in the order of their files.

  Attributes:
    features: of an example, for training. stored: all of them, with the provenance, which is true of no clip that an op has
      mixed with another.
  """

  def __init__(self, info: DataInfo, split: str):
    if split not in info.splits:
      raise ValueError(f'{info.directory}: no split {split!r}; known: {", ".join(info.splits)}')
    builder = tfds.builder_from_directory(os.path.join(info.directory, info.path))
    self.stored = builder.info.features
    self.features = tfds.features.FeaturesDict({k: f for k, f in self.stored.items() if k != PROVENANCE})
    self._files, self._spans = [], []  # spans: (file, start, length)
    for path in builder.info.splits[split].filepaths:
      f = open(path, 'rb')
      # A tfrecord: uint64 length, its crc32 (4 bytes), the data, its crc32 (4 bytes). Read, not mapped: the pages of a
      # mapped data set would count as memory of this process.
      at, size = 0, os.fstat(f.fileno()).st_size
      while at < size:
        head = os.pread(f.fileno(), 8, at)
        length = struct.unpack('<Q', head)[0] if len(head) == 8 else 0
        if not length or at + 16 + length > size:
          raise ValueError(f'{path} is truncated at byte {at}: build the data set anew')
        self._spans.append((len(self._files), at + 12, length))
        at += 16 + length
      self._files.append(f)  # open as long as this object lives
    if len(self) != info.splits[split]:
      raise ValueError(f'{info.directory}: split {split} has {len(self)} records, dataset.json says {info.splits[split]}')

  def __len__(self) -> int:
    return len(self._spans)

  def __getitem__(self, index: int) -> bytes:
    file, start, length = self._spans[index]
    return os.pread(self._files[file].fileno(), length, start)


def profiles(info: DataInfo, split: str) -> dict[str, dict[str, list[float]]]:
  """The `profiles` of dataset.json, measured on a split: 'species vocalisation' -> 10 and 90 % quantiles."""
  records = Records(info, split)
  names = ('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz')
  parse = tfds.features.FeaturesDict({n: records.features[n] for n in names}).deserialize_example
  dataset = tf.data.Dataset.from_generator(lambda: (records[i] for i in range(len(records))),
                                           output_signature=tf.TensorSpec((), tf.string)).map(parse)
  rows = [np.stack([np.asarray(e[n], np.float64) for n in names]) for e in dataset.as_numpy_iterator()]
  species, vocalisation, onset, offset, low, high = np.concatenate([np.zeros((6, 0)), *rows], axis=1)
  measured = {}
  for s, v in sorted(set(zip(species.astype(int).tolist(), vocalisation.astype(int).tolist()))):
    of = (species == s) & (vocalisation == v)
    measured[f'{info.taxonomy.codes[s]} {VOCALISATIONS[v]}'] = {
        name: np.quantile(x[of], [0.1, 0.9]).round(4).tolist()
        for name, x in (('seconds', offset - onset), ('low_hz', low), ('high_hz', high))}
  return measured
