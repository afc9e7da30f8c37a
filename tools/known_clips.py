"""Clips whose birds are known, to calibrate and judge detectors: made anew of the built-in birds, or splits of data sets."""

from __future__ import annotations

import dataclasses
from typing import Iterator, NamedTuple

import numpy as np

from data_pipeline import series, soundscape, species as species_lib
from data_pipeline.scene import Event
from sgm.audio import masks as masks_lib
from sgm.tasks import restore

POLYPHONY = (0.1, 0.2, 0.3, 0.25, 0.15)  # share of made clips with 0 to 4 birds
MIXTURE = 2  # birds of a made clip that counts as a mixture
_BATCH = 64
_MOST_EVENTS = 64  # of a recorded clip; of more the loudest count
_FLOOR_DB = -75.0


class Clip(NamedTuple):
  """audio (samples, 1), prepared as for training; its events; (K, T, F) masks of K `species`, None where none were made.

  mixture: whether it counts for more than false masks. group: of the recording.
  """

  audio: np.ndarray
  events: tuple[Event, ...]
  species: np.ndarray
  masks: np.ndarray | None
  mixture: bool
  group: str


def built_in(run: restore.Run) -> bool:
  return set(run.labels.taxonomy.codes) == set(species_lib.CODES)


def made(run: restore.Run, name: str, count: int, seed: int, masked: int | None = None) -> Iterator[Clip]:
  """Soundscapes of none to four built-in birds, seeded by `name`: no split of a data set has them.

  An event's box is that of its audible mask: reverberation, and what louder birds cover, is nobody's to find.

  Args:
    masked: the first so many get masks and events, which take most of the time; None: all.
  """
  clip, codes, frontend = run.config.clip, run.labels.taxonomy.codes, run.task.frontend
  seed = soundscape.split_seed(seed, name)
  for index in range(count):
    c = soundscape.generate(seed, index, duration=clip.seconds, sample_rate=clip.sample_rate, channels=1, density=POLYPHONY,
                            max_events=len(POLYPHONY) - 1)
    audio, stems = (series.to_int16(x).astype(np.float32) / 32767 for x in (c.audio, c.stems))  # as a data set stores them
    of = np.array([codes.index(e.species) for e in c.scene.events], int)
    species = np.unique(of)
    if masked is not None and index >= masked:
      yield Clip(audio, (), species, None, len(of) >= MIXTURE, f'{name}/{index}')
      continue
    masks = np.zeros((len(species), clip.frames, frontend.bands), bool)
    events = []
    if len(of):
      audible = masks_lib.audible_masks(stems[None], audio[None], frontend, _FLOOR_DB)[0]  # (E, T, F)
      np.logical_or.at(masks, np.searchsorted(species, of), np.asarray(audible))
      for event, box in zip(c.scene.events, np.stack(masks_lib.extent(audible, frontend), 1).tolist()):
        if not np.isnan(box).any():  # nothing of it can be heard
          events.append(dataclasses.replace(event, **dict(zip(('onset', 'offset', 'low_hz', 'high_hz'), box))))
    yield Clip(audio, tuple(events), species, masks, len(of) >= MIXTURE, f'{name}/{index}')


def recorded(run: restore.Run, directory: str, split: str, limit: int) -> Iterator[Clip]:
  """The clips of a split, as the evaluators see them. They have no true masks; all of them count.

  Args:
    directory: of the data set; '' = that of the training.
  """
  from data_pipeline import pipeline  # tensorflow, which the built-in birds need not
  clip, codes = run.config.clip, run.labels.taxonomy.codes
  names = ('species', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db')
  ops = (*clip.prepare, f'center_crop({clip.samples})', f'pad_events({_MOST_EVENTS})',
         f'keep("audio", "group", {", ".join(repr(f"event_{name}") for name in names)})')
  for batch in pipeline.eval_batches(directory or run.config.data.dir, split, ops, _BATCH, limit=limit):
    for row in np.flatnonzero(batch['mask'] > 0):
      columns = zip(*(batch[f'event_{name}'][row] for name in names))
      events = tuple(Event(codes[s], 'song', *numbers) for s, *numbers in columns if s >= 0)  # which vocalisation plays no part
      species = np.unique([codes.index(e.species) for e in events]).astype(int)
      yield Clip(batch['audio'][row], events, species, None, True, batch['group'][row].decode())


def training(run: restore.Run, directory: str, limit: int) -> tuple[np.ndarray, np.ndarray]:
  """Spectrograms (N, T, F) and presence (N, S) of clips that the run was trained on; `directory` as in `recorded`."""
  import jax

  from data_pipeline import pipeline
  clip, compute = run.config.clip, jax.jit(run.task.frontend)
  ops = (*clip.prepare, f'center_crop({clip.samples})', 'label', 'keep("audio", "label")')
  rows = [(np.asarray(compute(b['audio']))[b['mask'] > 0, ..., 0], b['label'][b['mask'] > 0, :-1] > 0)
          for b in pipeline.eval_batches(directory or run.config.data.dir, run.config.data.split, ops, _BATCH, limit=limit)]
  return tuple(np.concatenate(column) for column in zip(*rows))


def anchors(samples: int, count: int, seed: int) -> dict[str, np.ndarray]:
  """Sounds without birds, (count, samples, 1) each: silence, and white noise from -60 to -20 dB re full scale."""
  rng = np.random.default_rng(seed)
  level = 10 ** (rng.uniform(-60, -20, (count, 1, 1)) / 20)
  return {'silence': np.zeros((count, samples, 1), np.float32),
          'white noise': np.clip(level * rng.standard_normal((count, samples, 1)), -1, 1).astype(np.float32)}
