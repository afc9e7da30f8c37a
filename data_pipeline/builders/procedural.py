"""The built-in birds as a TFDS data set (tfrecord)."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from typing import Callable

import tensorflow_datasets as tfds

from data_pipeline import series, taxonomy
from data_pipeline.builders import features

VERSION = '1.1.0'
RECORDIST = 'sgm'
LICENCE = 'CC0-1.0'


@dataclasses.dataclass(kw_only=True)
class ProceduralConfig(tfds.core.BuilderConfig):
  """Arguments of `build`; the name is the head of their fingerprint, so that other arguments live in another folder."""

  seed: int = 0
  sizes: dict[str, int] = dataclasses.field(default_factory=lambda: dict(series.SIZES))
  clip_seconds: float = 2.56
  sample_rate: int = 16000
  channels: int = 1
  plausibility: str = 'uniform'


class Procedural(tfds.core.GeneratorBasedBuilder):
  """Synthetic soundscapes of twelve pseudo-species, each clip with its scene and, but for training splits, its stems."""

  VERSION = tfds.core.Version(VERSION)
  workers = 1
  progress: Callable[[int, int], None] | None = None
  _done = 0

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
        builder=self, description=self.__doc__,
        features=tfds.features.FeaturesDict(features.feature_dict(self.builder_config.channels)),
        disable_shuffling=True)  # clips are drawn independently, and a stream needs no memory

  def _split_generators(self, dl_manager):
    del dl_manager
    return {split: self._generate_examples(split, n) for split, n in self.builder_config.sizes.items()}

  def _generate_examples(self, split: str, count: int):
    c = self.builder_config
    index_of = {code: i for i, code in enumerate(taxonomy.PROCEDURAL.codes)}
    clips = series.split_clips(c.seed, split, count, duration=c.clip_seconds, sample_rate=c.sample_rate,
                               channels=c.channels, workers=self.workers, plausibility=c.plausibility)
    for index, (audio, stems, scene, provenance) in enumerate(clips):
      name = f'procedural/{split}/{index}'
      yield index, features.to_example(audio, scene, index_of, id=name, group=name, recordist=RECORDIST,
                                       licence=LICENCE, stems=stems, provenance=provenance)
      self._done += 1
      if self.progress:
        self.progress(self._done, sum(c.sizes.values()))


def build(out_dir: str, *, seed: int, sizes: dict[str, int], clip_seconds: float, sample_rate: int, channels: int,
          workers: int, plausibility: str = 'uniform',
          progress: Callable[[int, int], None] | None = None) -> tuple[str, dict[str, int]]:
  """Makes the data set, or finds it made.

  Args:
    out_dir: the TFDS folder is made inside of it.
    seed: 0 or more; sizes: clips per split, keys among series.SPLITS.
    clip_seconds, sample_rate, channels: geometry of every clip, see soundscape.generate.
    workers: processes; the clips do not depend on it.
    plausibility: of the scenes, one of habitat.MODES.
    progress: called with (clips made, clips in all) after each clip.

  Returns:
    The folder to read with `tfds.builder_from_directory`, and the number of clips per split.

  Raises:
    ValueError: an unknown split or plausibility, or a geometry out of range.
  """
  sizes = series.known_sizes(sizes)
  how = dict(sample_rate=sample_rate, channels=channels, plausibility=plausibility)
  mark = series.fingerprint(seed=seed, sizes=sizes, clip_seconds=clip_seconds, **how)
  # One clip in this process first: bad arguments fail here, in one line, not inside of a worker.
  series.split_clip(seed, next(iter(sizes)), 0, duration=clip_seconds, **how)
  config = ProceduralConfig(name=mark[:16], seed=seed, sizes=sizes, clip_seconds=clip_seconds, **how)
  for leftover in (pathlib.Path(out_dir) / 'procedural' / config.name).glob('*incomplete*'):  # of a run that was killed
    shutil.rmtree(leftover)
  tfds.disable_progress_bar()
  builder = Procedural(data_dir=str(out_dir), config=config, file_format='tfrecord')
  builder.workers, builder.progress = workers, progress
  builder.download_and_prepare()
  return str(builder.data_dir), {split: builder.info.splits[split].num_examples for split in sizes}
