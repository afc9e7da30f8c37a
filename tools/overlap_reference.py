"""What the overlap test compares models with: two-bird scenes, each sounded many times. Equal in all arms, so it is kept."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
from typing import Any

import numpy as np

from data_pipeline import ops_audio
from data_pipeline import registry
from data_pipeline import rerendering
from data_pipeline import soundscape
from data_pipeline import species as species_lib
from data_pipeline.scene import Scene
from sgm.audio import masks
from sgm.audio.spectrogram import Frontend
from sgm.evaluation import overlap
from sgm.tasks import restore
from sgm.training import workdir as workdir_lib

SCENES = 4
RENDERINGS, PROBES = 200, 32  # of a scene; of one that may be taken
CELLS = 100  # that both birds share, or a scene is passed over
FLOOR_DB = -75.0
SEED = 0


@dataclasses.dataclass(frozen=True)
class Reference:
  """s: (K, RENDERINGS, T, F) of each scene. kinds: {kind: (K, T, F) bool}, see `overlap.kinds_of_cells`."""

  scenes: tuple[Scene, ...]
  s: np.ndarray
  kinds: dict[str, np.ndarray]


def obstacle(run: restore.Run) -> str | None:
  """Why a run's data cannot be sounded anew, None where they can."""
  strange = set(run.labels.taxonomy.codes) - set(species_lib.PATTERNS)
  if strange:
    return f'only built-in birds can be sounded anew, not {min(strange)}'
  if run.task.autoencoder.channels != 1 or [registry.parse(op).name for op in run.config.clip.prepare] != ['decode']:
    return 'the data are stereo, or brought to a level before they are heard'
  return None


def reference(run: restore.Run, folder: pathlib.Path) -> Reference:
  """Read from `folder`, or made (half a minute) and kept there; a file belongs to one front end and gain."""
  frontend, gain, duration = run.task.frontend, _gain_db(run.config), run.config.clip.seconds
  what = dict(sounds=soundscape.VERSION, frontend=dataclasses.asdict(frontend), gain=gain, duration=duration, scenes=SCENES,
              renderings=RENDERINGS, probes=PROBES, cells=CELLS, floor=FLOOR_DB, seed=SEED)
  path = folder / f'overlap-{workdir_lib.config_fingerprint(what)}.npz'
  if not path.exists():
    made = _make(frontend, gain, duration)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.stem}-{os.getpid()}.tmp')  # other runs of a sweep may be making it too
    with partial.open('wb') as f:
      np.savez(f, scenes=json.dumps([scene.to_dict() for scene in made.scenes]), s=made.s.astype(np.float16), **made.kinds)
    partial.rename(path)
  with np.load(path) as stored:
    scenes = tuple(map(Scene.from_dict, json.loads(str(stored['scenes']))))
    return Reference(scenes, stored['s'].astype(np.float32), {kind: stored[kind] for kind in overlap.KINDS})


def _gain_db(config: Any) -> tuple[float, float]:
  """Range of the gain that a run's training clips are heard with."""
  calls = [call for call in map(registry.parse, registry.resolve(config.data.ops, config)) if call.name == 'gain']
  given = (*calls[0].args, *calls[0].kwargs.values())[0] if calls else 0.0
  return ops_audio.number_range('gain', 'db', given)


def _make(frontend: Frontend, gain_db: tuple[float, float], duration: float) -> Reference:
  def sounded(scene: Scene, count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """S (count, T, F), and the kinds of its cells."""
    s, audible = [], []
    for clip in rerendering.renderings(scene, count, SEED, gain_db=gain_db, sample_rate=frontend.sample_rate):
      s.append(np.asarray(frontend(clip.audio[None]))[0, ..., 0])
      alone = clip.stems + (clip.audio - clip.stems.sum(0))  # (2, N, 1): each bird in the background, without the other
      audible.append(np.asarray(masks.audible_masks(clip.stems[:, None], alone, frontend, FLOOR_DB))[:, 0])
    return np.stack(s), overlap.kinds_of_cells(np.stack(audible))

  candidates = rerendering.two_birds(SEED, duration=duration, sample_rate=frontend.sample_rate)
  shared = (scene for scene in candidates if sounded(scene, PROBES)[1]['overlap'].sum() >= CELLS)
  scenes = tuple(itertools.islice(shared, SCENES))
  s, kinds = zip(*(sounded(scene, RENDERINGS) for scene in scenes))
  return Reference(scenes, np.stack(s), {kind: np.stack([k[kind] for k in kinds]) for kind in overlap.KINDS})
