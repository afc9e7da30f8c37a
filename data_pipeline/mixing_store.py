"""The Pools of one split of a data set, for mixing while training: made ready once, kept in its folder, read ever after."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pathlib
import shutil
import uuid

from data_pipeline import mixing, mixing_dataset, mixing_sources
from data_pipeline.formats import files
from data_pipeline.mixing_pools import ASKED, TEXTURES, Pools, Source
from data_pipeline.storage import DataInfo, open_dataset

FOLDER = 'mixing'  # in that of the data set; what is in it can be deleted, and is made again
_SAMPLES, _SOURCES = 'samples.int16', 'sources.json'


def pools(info: DataInfo, split: str, sample_rate: int, backgrounds: str = '') -> Pools:
  """What a split can be mixed of, nothing of any other split in it.

  Args:
    sample_rate: Hz, to which everything is brought.
    backgrounds: '' = the split's clips without events; 'built-in' = synthetic textures; else the folder of another data set,
      whose clips without events of the split of the same name are taken.

  Raises:
    ValueError: no vocalisation that can be used, no clip without events, or no such split.
    OSError: a data set that is none, or in whose folder the sources cannot be kept.
  """
  own = _sources(info, split, sample_rate)
  foreground = tuple(s for s in own if s.species)
  if not foreground:
    raise ValueError(f'{info.directory}: split {split} has no event that stands out of its noise, alone, and may be mixed')
  if backgrounds == ASKED:
    return Pools(sample_rate, foreground, (TEXTURES,), (), info.taxonomy)
  places = open_dataset(backgrounds) if backgrounds else info
  background = tuple(s for s in (_sources(places, split, sample_rate) if backgrounds else own) if not s.species)
  if not background:
    raise ValueError(f'{places.directory}: split {split} has no clip without events; name a data set that has some, or '
                     f'{ASKED!r} for synthetic backgrounds')
  return Pools(sample_rate, foreground, background, (), info.taxonomy)


def _sources(info: DataInfo, split: str, sample_rate: int) -> list[Source]:
  if split not in info.splits:
    raise ValueError(f'{info.directory}: no split {split!r}; known: {", ".join(info.splits)}')
  name = f'{split}_{sample_rate}_{info.fingerprint[:16]}_{mixing.VERSION}'
  folder = pathlib.Path(info.directory) / FOLDER / name
  if not folder.exists():
    _make(info, split, sample_rate, folder)
  return [Source(path=folder / _SAMPLES, **row) for row in json.loads(files.read_text(folder / _SOURCES))]


def _make(info: DataInfo, split: str, sample_rate: int, folder: pathlib.Path) -> None:
  """Fills `folder` under another name first, so that it is either whole or not there, whoever else makes it meanwhile."""
  logging.info('%s: cutting out what split %s can be mixed of, into %s', info.directory, split, folder)
  partial = folder.with_name(f'.{folder.name}.{uuid.uuid4().hex}')
  try:
    partial.mkdir(parents=True)
    with open(partial / _SAMPLES, 'wb') as f:
      made = [mixing_sources.stored(cut, f, partial) for cut in mixing_dataset.cuts(info, sample_rate, [split])]
    rows = [{k: v for k, v in dataclasses.asdict(source).items() if k != 'path'} for source in made]
    files.write_text(partial / _SOURCES, json.dumps(rows))
    if not folder.exists():
      os.rename(partial, folder)
  except OSError:
    if not folder.exists():  # else another process was first, with the same
      raise
  finally:
    shutil.rmtree(partial, ignore_errors=True)
