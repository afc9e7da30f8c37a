r"""Prompts -> labelled soundscapes: audio, picture, selection tables and scene.json for each clip.

  python -m sgm.sample --workdir runs/ldm --prompt "Forest environment, a Glass pipit singing at the start, near a river" \
      --num 4 --seed 0 --out clips

What the prompt leaves unsaid (exact onsets, levels, individuals) is drawn from the seed. Clip i depends on (seed, i) only.
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from typing import Any, Sequence

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline import description as description_lib
from data_pipeline import prompts as prompts_lib
from data_pipeline import scene as scene_lib
from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline.formats import files
from data_pipeline.tokenizer import PROMPT_EVENTS
from data_pipeline.tokenizer import PROMPT_TOKENS
from sgm import process
from sgm import render
from sgm.evaluation import judge as judge_lib
from sgm.evaluation import label_fidelity
from sgm.tasks import restore
from sgm.training import workdir as workdir_lib

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Request:
  """One clip to be made: its prompt as given, the scene drawn for it, and its number."""

  prompt: str
  scene: scene_lib.Scene
  index: int


def plan(run: restore.Run, prompts: Sequence[str], num: int, seed: int) -> list[Request]:
  """`num` clips of every prompt, clip i = prompt i // num; raises PromptError before anything is generated."""
  requests = []
  for p, text in enumerate(prompts):
    described = prompts_lib.parse(text, run.labels.taxonomy)
    for k in range(num):
      index = p * num + k
      rng = np.random.default_rng([seed, index])
      scene = description_lib.realise(
          described, rng, run.config.clip.seconds, run.labels.taxonomy, run.labels.profiles)
      requests.append(Request(text, scene, index))
  return requests


def _told(scene: scene_lib.Scene) -> scene_lib.Scene:
  """The scene with its loudest events only, as many as a prompt of the training data names."""
  loudest = sorted(scene.events, key=lambda e: -e.level_db)[:PROMPT_EVENTS]
  return dataclasses.replace(scene, events=tuple(e for e in scene.events if e in loudest))


def condition_of(run: restore.Run, requests: Sequence[Request], kind: str) -> dict[str, np.ndarray]:
  """The condition rows of requests; the text is worded anew from the scene, in the grammar the model was trained on."""
  taxonomy, frames = run.labels.taxonomy, run.config.clip.latent_frames
  # The scene in words, with what the prompt left unsaid, and no more than its loudest events: as in training.
  texts = [prompts_lib.render(_told(r.scene), np.random.default_rng([r.index]), taxonomy) for r in requests]
  condition = {
      'tokens': np.stack([run.labels.tokenizer.encode(t, PROMPT_TOKENS) for t in texts]),
      'roll': np.stack([scene_lib.label_roll(r.scene, taxonomy.codes, frames) for r in requests]),
      'has_roll': np.ones(len(requests), np.float32),
  }
  return label_fidelity.withhold(condition, kind)


def generate(run: restore.Run, requests: Sequence[Request], seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
  """Spectrograms (N, T, F, C) and audio (N, samples, C) of requests."""
  sample = jax.jit(lambda params, frozen, keys, condition: run.task.sample(params, frozen, keys, condition)['spectrogram'])
  out = []
  for i in range(0, len(requests), BATCH):
    part = list(requests[i:i + BATCH])
    rows = part + [part[-1]] * (BATCH - len(part))  # one compiled shape; the repeats are dropped
    keys = jax.vmap(lambda j: jax.random.fold_in(jax.random.key(seed), j))(jnp.array([r.index for r in rows]))
    out.append(np.asarray(sample(run.params, run.frozen, keys, condition_of(run, rows, kind)))[:len(part)])
  s = np.concatenate(out)
  return s, judge_lib.rendered(s, run.task.frontend, seed)


def write(run: restore.Run, requests: Sequence[Request], s: np.ndarray, audio: np.ndarray, out: pathlib.Path, *, seed: int,
          kind: str, checks: Sequence[dict[str, Any]] | None = None) -> list[pathlib.Path]:
  """Writes each clip's folder OUT/NNNN, and whom to thank for what the model learnt from; `checks` (one dict a clip) is stored apart from the labels, under provenance."""
  frontend = run.task.frontend
  grid = render.Grid(run.config.clip.seconds, tuple(frontend.band_hz), frontend.db_range)
  paths = []
  for k, request in enumerate(requests):
    provenance = {'condition': kind, 'index': request.index, 'model': run.fingerprint}
    if checks:
      provenance['label_check'] = checks[k]
    paths.append(render.render_clip(
        out / f'{request.index:04d}', audio=audio[k], sample_rate=frontend.sample_rate, spectrogram=s[k, ..., 0], grid=grid,
        scene=request.scene, prompt=request.prompt, seed=seed, versions=workdir_lib.versions(), provenance=provenance,
        taxonomy=run.labels.taxonomy))
  if run.attribution:
    files.write_text(out / restore.ATTRIBUTION, run.attribution)
  return paths


def main(argv: list[str]) -> None:
  del argv
  f = flags.FLAGS
  if bool(f.prompt) == bool(f.prompts):
    sys.exit('sgm.sample: give either --prompt "..." or --prompts FILE (one prompt a line)')
  process.prepare()
  try:
    out = workdir_lib.check_writable(f.out)
    run = restore.load(f.workdir, expect='latent_diffusion')
    lines = [f.prompt] if f.prompt else pathlib.Path(f.prompts).read_text(encoding='utf-8').splitlines()
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
      raise ValueError(f'{f.prompts}: no prompt in it, expected one a line')
    requests = plan(run, prompts, f.num, f.seed)
  except (ValueError, OSError, taxonomy_lib.UnknownSpecies) as error:
    sys.exit(f'sgm.sample: {error}')
  s, audio = generate(run, requests, f.seed, f.condition)
  for path, request in zip(write(run, requests, s, audio, out, seed=f.seed, kind=f.condition), requests):
    print(f'{path}  {request.prompt}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('workdir', None, 'work directory of a latent diffusion run')
  flags.DEFINE_string('prompt', None, 'what to generate')
  flags.DEFINE_string('prompts', None, 'a text file, one prompt a line')
  flags.DEFINE_integer('num', 1, 'clips per prompt', lower_bound=1)
  flags.DEFINE_integer('seed', 0, 'clip i depends on (seed, i) only')
  flags.DEFINE_enum('condition', 'both', label_fidelity.CONDITIONS, 'what the model is told: the text, the label roll, or both')
  flags.DEFINE_string('out', None, 'folder for the clips')
  flags.mark_flags_as_required(['workdir', 'out'])
  app.run(main)
