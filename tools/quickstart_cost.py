"""What a training example costs in latent and in pixel space: values, parameters, counted FLOPs."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import numpy as np

from data_pipeline.tokenizer import PROMPT_TOKENS
from experiments import ldm
from sgm import tasks
from sgm.tasks import restore
from sgm.training import clock

ROWS = 4  # examples in the program that is counted


def count(params: Any) -> int:
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))


def flops_per_example(task: Any, frozen: Any, features: dict[str, tuple[int, ...]]) -> float:
  """FLOPs of loss and gradients for one example, from the lowered program; `features` {name: shape} of one example."""
  batch = {name: jax.ShapeDtypeStruct((ROWS, *shape), 'int32' if 'tokens' in name else 'float32') for name, shape in features.items()}
  params = jax.eval_shape(task.init, jax.random.key(0), batch)
  return clock.loss_flops(task, params, frozen, batch) / ROWS


def diffusion_features(latent: tuple[int, ...], species: int) -> dict[str, tuple[int, ...]]:
  """What a latent diffusion model learns from, with latents of this shape."""
  return {'latent': latent, 'tokens': (PROMPT_TOKENS,), 'partial_tokens': (PROMPT_TOKENS,), 'roll': (latent[0], species)}


def compare(out: pathlib.Path) -> dict[str, Any]:
  """The chain's denoiser beside the same one on the spectrogram itself, and the parameters of every network."""
  run = restore.load(out / 'ldm', expect='latent_diffusion')
  config, species = run.config, len(run.labels.taxonomy)
  pixel_config = ldm.get_config(f'data={config.data.dir},autoencoder=none')
  pixel_config.model = config.model
  pixel_config.frontend = config.frontend
  pixel = tasks.build(pixel_config, run.labels)
  spectrogram = (config.clip.frames, config.frontend.bands, 1)
  latent = run.task.autoencoder.latent_shape((1, *spectrogram))[1:]
  rows = []
  for name, task, shape in (('latent', run.task, latent), ('pixel', pixel, spectrogram)):
    flops = flops_per_example(task, run.frozen, diffusion_features(shape, species))
    rows.append({'space': f'{name} {" x ".join(map(str, shape))}', 'values': int(np.prod(shape)),
                 'mflop_per_example': round(flops / 1e6, 1)})
  parameters = {name: count(restore.load(out / name).params) for name in ('autoencoder', 'judge', 'ldm')}
  return {'rows': rows, 'parameters': parameters}
