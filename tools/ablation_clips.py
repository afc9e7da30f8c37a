"""The same prompts and seed in each arm of an ablation: clips, and what each decoder says of one spectrogram.

Made once from the runs' work directories, kept under OUT/clips/RUN, and made anew when the run, the prompts or the seed change.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Callable

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline.formats import files
from data_pipeline.taxonomy import Taxonomy
from sgm import sample
from sgm.audio import volume
from sgm.tasks import codec, restore
from tools.ablation_results import Run

SEED = 0
SHOWN = 1  # of the prompts: the one with two birds at once, whose spectrogram all decoders are asked about


@dataclasses.dataclass(frozen=True)
class Clips:
  """Of one arm.

  folders: of the clips, as `sgm.render.render_clip` writes them, one a prompt. prompts: of the clips.
  s: (N, T, F, C) in [0, 1]. seconds: of a clip. hz: of the lowest and of the highest band.
  levels: (T, F, A), the decoder's probability of each amplitude level of the reference's clip SHOWN, encoded and decoded, first
  channel; None without an autoencoder.
  """

  run: Run
  prompts: tuple[str, ...]
  folders: tuple[pathlib.Path, ...]
  s: np.ndarray
  seconds: float
  hz: tuple[float, float]
  levels: np.ndarray | None


def prompts(taxonomy: Taxonomy) -> list[str]:
  """One bird alone, and two at once: the first and the last of the classes."""
  first, last = taxonomy.species[0].common, taxonomy.species[-1].common
  return [f'Forest environment, a {first} singing in the middle',
          f'Quiet environment, a {first} singing throughout, a {last} singing throughout']


def make(out: pathlib.Path, runs: dict[str, Run], say: Callable[[str], None]) -> dict[str, Clips]:
  """{arm: its clips} of runs that have work directories, the reference the first of them."""
  made: dict[str, Clips] = {}
  for arm, run in runs.items():
    told = prompts(restore.Labels.load(run.folder).taxonomy)
    reference = next(iter(made.values()), None)
    folder = out / 'clips' / run.name
    recipe = {'model': restore.fingerprint(run.folder), 'prompts': told, 'seed': SEED,
              'reference': restore.fingerprint(next(iter(runs.values())).folder)}
    note = folder / 'made.json'
    if not note.is_file() or json.loads(note.read_text()) != recipe:
      say(f'clips of {run.name}')
      _generate(run, told, folder, reference)
      files.write_text(note, json.dumps(recipe))  # the last: what was cut off is made anew
    with np.load(folder / 'clips.npz') as kept:
      made[arm] = Clips(run, tuple(told), tuple(folder / f'{i:04d}' for i in range(len(told))), kept['s'],
                        float(kept['seconds']), tuple(kept['hz'].tolist()), kept['levels'] if 'levels' in kept else None)
  return made


def _generate(run: Run, told: list[str], folder: pathlib.Path, reference: Clips | None) -> None:
  model = restore.load(run.folder, expect='latent_diffusion')
  requests = sample.plan(model, told, 1, SEED)
  s, audio = sample.generate(model, requests, SEED, 'both')
  sample.write(model, requests, s, audio, folder, seed=SEED, kind='both')
  levels = _levels(model, (s if reference is None else reference.s)[SHOWN])
  np.savez_compressed(folder / 'clips.npz', s=s.astype(np.float32), seconds=model.config.clip.seconds,
                      hz=[model.task.frontend.band_hz[0], model.task.frontend.band_hz[-1]],
                      **({} if levels is None else {'levels': levels.astype(np.float16)}))


def _levels(model: restore.Run, s: np.ndarray) -> np.ndarray | None:
  """S (T, F, C) -> (T, F, A), the probability of each level after encoding and decoding, of the first channel."""
  task = model.task
  if not isinstance(task.autoencoder, codec.Trained):
    return None

  @jax.jit
  def probabilities(frozen, s):  # (1, T, F, C) -> (1, T, F, C, A)
    said = task.decode(frozen, task.encode(frozen, s))
    return jnp.stack([jnp.exp(-said.nll(jnp.full_like(s, a))) for a in volume.amplitudes(task.autoencoder.model.levels)], -1)

  return np.asarray(probabilities(model.frozen, s[None]))[0, ..., 0, :]
