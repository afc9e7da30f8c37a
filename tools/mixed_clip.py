"""One mixed clip as a folder: mix.wav, scene.json, a Raven table, and as asked stems, masks and pictures.

  mix.wav                  float32
  labels.selections.txt    Raven selection table
  scene.json               scene, prompt, species ('weak'), provenance
  stems/background.wav, stems/event_00_<code>.wav, stems/contaminant_00.wav    float32, they add up to mix.wav
  masks.npz                audible masks (bool): events (E, T, F) in the order of the scene, species (S, T, F) of `codes`;
                           times (T + 1,) in s and hz (F + 1,): the borders of the cells
  spectrogram.png          boxes and masks of each species; with stems a picture of each beside its sound

The pictures for YOLO lie together, outside of these folders.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from typing import Any, Sequence
import zlib

import numpy as np
from scipy.io import wavfile

from data_pipeline import mixing, prompts
from data_pipeline.formats import files, raven, yolo
from data_pipeline.mixing import Mixed, Part
from data_pipeline.mixing_placing import Chooser
from data_pipeline.mixing_pools import Pools
from data_pipeline.mixing_spec import MixingSpec
from data_pipeline.scene import Scene
from data_pipeline.taxonomy import Taxonomy

FLOOR_DB = -90.0          # re a full-scale sine: what is fainter is in no mask
FRAME_SECONDS = 0.01      # of pictures and masks; longer in clips of more than MOST_FRAMES
MOST_FRAMES = 1000
BANDS = 128
LOW_HZ = 150.0
LEGEND_CHARACTERS = 64    # of common names; codes are shorter
SHOWN_DB = 70.0           # below the loudest cell, in pictures
YOLO_ROWS = 512          # of the pictures for YOLO, whose frequency axis is linear
_TOGETHER = 4             # stems whose masks are computed at once: one shape is one compilation


@dataclasses.dataclass(frozen=True)
class Extras:
  """What is written beside sound and labels."""

  stems: bool = False
  masks: bool = False
  pictures: bool = False
  yolo: bool = False


@dataclasses.dataclass(frozen=True)
class Done:
  """A clip that was written: its folder relative to the output, scene, prompt, and what the summary counts."""

  path: str
  scene: Scene
  prompt: str
  provenance: dict[str, Any]


def chunk(out: pathlib.Path, pools: Pools, spec: MixingSpec, seed: int, split: str, start: int, stop: int, extras: Extras,
          choose: Chooser | None = None) -> list[Done]:
  """Mixes and writes the clips start to stop of a split: what a worker process does. A folder that is there is whole, and read.
  """
  done = []
  for index in range(start, stop):
    path, partial = f'{split}/{index:05d}', out / split / f'.{index:05d}'
    if (out / path).exists():
      known = files.read_json_object(out / path / 'scene.json')
      done.append(Done(path, Scene.from_dict(known['scene']), known['prompt'], known['provenance']))
      continue
    mixed = mixing.mix(pools, spec, seed, index, split, choose)
    prompt = write(partial, mixed, spec, pools.taxonomy, extras)
    if extras.yolo:
      _yolo_picture(out / f'yolo/images/{path}.png', mixed, spec)
    os.rename(partial, out / path)
    done.append(Done(path, mixed.scene, prompt, mixed.provenance))
  return done


def write(folder: pathlib.Path, mixed: Mixed, spec: MixingSpec, taxonomy: Taxonomy, extras: Extras) -> str:
  """Writes the folder; returns the prompt."""
  folder.mkdir(parents=True)
  rng = np.random.default_rng([mixed.provenance['seed'], mixed.provenance['index'], zlib.crc32(b'prompt')])
  prompt = prompts.render(mixed.scene, rng, taxonomy)
  _wav(folder / 'mix.wav', mixed.audio, spec.sample_rate)
  raven.write(folder / 'labels.selections.txt', mixed.scene, taxonomy, begin_path='mix.wav')
  record = {'scene': mixed.scene.to_dict(), 'prompt': prompt, 'weak': sorted({e.species for e in mixed.scene.events}),
            'taxonomy': [taxonomy.name, taxonomy.year], 'provenance': mixed.provenance}
  files.write_text(folder / 'scene.json', json.dumps(record, indent=1, allow_nan=False) + '\n')
  stems = list(_stems(mixed)) if extras.stems else []
  for name, part in stems:
    _wav(folder / 'stems' / f'{name}.wav', part.stem(len(mixed.audio)), spec.sample_rate)
  if extras.masks or extras.pictures:
    _pictured(folder, mixed, spec, taxonomy, extras, prompt, stems)
  return prompt


def _wav(path: pathlib.Path, audio: np.ndarray, rate: int) -> None:
  path.parent.mkdir(exist_ok=True)
  wavfile.write(path, rate, audio)  # libsndfile would write the time of day into it


def _stems(mixed: Mixed) -> list[tuple[str, Part]]:
  return [('background', Part(0, mixed.background, {})),
          *((f'event_{i:02d}_{p.facts["species"]}', p) for i, p in enumerate(mixed.events)),
          *((f'contaminant_{i:02d}', p) for i, p in enumerate(mixed.contaminants))]


def _grid(spec: MixingSpec) -> tuple[int, int]:
  """(samples per frame, samples per window) of pictures and masks."""
  hop = 2 * round(max(FRAME_SECONDS, spec.seconds / MOST_FRAMES) * spec.sample_rate / 2)
  return hop, 2 ** int(np.ceil(np.log2(max(2 * hop, 0.04 * spec.sample_rate))))


def yolo_picture(spec: MixingSpec) -> tuple[yolo.Picture, Any]:
  """Geometry of the pictures for YOLO, and the Frontend that makes them."""
  from sgm.audio.spectrogram import Frontend  # imported late, as in _pictured
  rate, (hop, n_fft) = spec.sample_rate, _grid(spec)
  frontend = Frontend(rate, n_fft, hop, min(YOLO_ROWS, n_fft // 2), 0.0, rate / 2, 'linear', (-1.0, 0.0))
  frames = -(-round(spec.seconds * rate) // hop)
  edges = frontend.band_edges_hz
  return yolo.Picture(frames, frontend.bands, frames * hop / rate, float(edges[0]), float(edges[-1])), frontend


def _yolo_picture(path: pathlib.Path, mixed: Mixed, spec: MixingSpec) -> None:
  """The spectrogram alone, a pixel a cell, from SHOWN_DB below its loudest cell (black) up to that (white)."""
  from matplotlib import image
  frontend = yolo_picture(spec)[1]
  audio = np.pad(mixed.audio, ((0, -len(mixed.audio) % frontend.hop), (0, 0)))
  db = 10 * np.log10(np.asarray(frontend.power(audio)).mean(-1) + 1e-12)  # (T, F)
  path.parent.mkdir(parents=True, exist_ok=True)
  image.imsave(path, db.T, vmin=db.max() - SHOWN_DB, vmax=db.max(), cmap='gray', origin='lower')


def _pictured(folder: pathlib.Path, mixed: Mixed, spec: MixingSpec, taxonomy: Taxonomy, extras: Extras, prompt: str,
              stems: Sequence[tuple[str, Part]]) -> None:
  # Imported late: a second of jax and matplotlib are for those who want pictures.
  from sgm import render
  from sgm.audio.masks import audible_masks
  from sgm.audio.spectrogram import Frontend
  rate, (hop, n_fft) = spec.sample_rate, _grid(spec)
  frontend = Frontend(rate, n_fft, hop, BANDS, LOW_HZ, rate / 2, 'mel', (-1.0, 0.0))  # the range is the clip's own
  samples = len(mixed.audio)
  whole = lambda audio: np.pad(audio, ((0, -samples % hop), (0, 0)))
  audio, frames = whole(mixed.audio), -(-samples // hop)
  masks = np.zeros((len(mixed.events), frames, BANDS), bool)
  for at in range(0, len(masks), _TOGETHER):
    some = np.zeros((_TOGETHER, *audio.shape), np.float32)
    for k, part in enumerate(mixed.events[at:at + _TOGETHER]):
      some[k] = whole(part.stem(samples))
    masks[at:at + _TOGETHER] = audible_masks(some, audio, frontend, FLOOR_DB)[:len(masks) - at]
  codes = sorted({e.species for e in mixed.scene.events})
  species = np.array([np.any([m for m, e in zip(masks, mixed.scene.events) if e.species == code], axis=0) for code in codes])
  if extras.masks:
    np.savez_compressed(folder / 'masks.npz', events=masks, species=species.reshape(-1, frames, BANDS),
                        codes=np.array(codes, str), times=np.arange(frames + 1) * hop / rate, hz=frontend.band_edges_hz)
  if not extras.pictures:
    return

  def picture(path: pathlib.Path, sound: np.ndarray, top: float | None, **more) -> float:
    db = 10 * np.log10(np.asarray(frontend.power(sound)).mean(-1) + 1e-12)  # (T, F)
    top = float(db.max()) if top is None else top
    grid = render.Grid(frames * hop / rate, frontend.band_hz, (top - SHOWN_DB, top))
    path.write_bytes(render.spectrogram_figure(np.clip((db - top) / SHOWN_DB + 1, 0, 1), grid, **more))
    return top

  # A species has one colour, of its boxes and of its mask, and the legend says which.
  boxes = [dataclasses.replace(b, colour=codes.index(e.species), label='')
           for b, e in zip(render.boxes_of(mixed.scene, taxonomy), mixed.scene.events)]
  names = [taxonomy.resolve(code).common for code in codes]
  named = dict(zip(names if sum(map(len, names)) + 4 * len(names) <= LEGEND_CHARACTERS else codes, species))
  top = picture(folder / 'spectrogram.png', audio, None, title=prompt, boxes=boxes, masks=named)
  for i, (name, part) in enumerate(stems):
    own = boxes[i - 1:i] if 0 < i <= len(boxes) else []  # the background comes first
    picture(folder / 'stems' / f'{name}.png', whole(part.stem(samples)), top, title=name.replace('_', ' '), boxes=own)
