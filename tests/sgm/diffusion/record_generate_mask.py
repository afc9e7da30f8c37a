"""Records what diffusers' own DiffEdit pipeline makes of given noise predictions, for test_diffedit.py.

Run by hand, in an environment with torch, which this project has not (see the test for the versions that were used):

  pip install torch diffusers==0.39.0 transformers && python tests/sgm/diffusion/record_generate_mask.py

The pipeline and its DDIM scheduler are the real ones; the networks are stand-ins, whose predictions are the arrays that are
stored. data/generate_mask.npz then has, for every case, <case>_reference and <case>_query (n, H, W, C), the predictions,
<case>_guidance, <case>_clamp, <case>_map (H, W), rescaled to [0, 1], and <case>_mask (H, W).

In that version `generate_mask` takes what `encode_prompt` returns, (prompt, negative prompt), in the wrong order. With guidance
g > 1 and one negative prompt for both sides its difference is then 1 - g, not g, times (query - reference), which changes no
mask. Without guidance it compares the negative prompts, and runs for one noise only: for that case they are swapped back here.
"""

from __future__ import annotations

import pathlib
import types
from typing import Any

from diffusers import DDIMScheduler
from diffusers import StableDiffusionDiffEditPipeline
import numpy as np
import torch
from torch.overrides import TorchFunctionMode

H, W, C = 6, 5, 4
NULL, REFERENCE, QUERY = 0, 1, 2  # the prompts, each an embedding of its number


class Predictions:
  """In the place of the UNet: row k of a prompt gets the k-th prediction for this prompt, whatever the latent."""

  config = types.SimpleNamespace(_diffusers_version='0.39.0', sample_size=64)
  dtype = torch.float32

  def __init__(self, table: np.ndarray):
    self.table = torch.tensor(table)  # (3 prompts, n, C, H, W)

  def __call__(self, latents, t, encoder_hidden_states, cross_attention_kwargs):
    prompts = encoder_hidden_states[:, 0, 0].int()
    noises = torch.arange(len(prompts)) % self.table.shape[1]
    return types.SimpleNamespace(sample=self.table[prompts, noises])


class Encoder:
  """In the place of the autoencoder: latents are given, so it need only say what it is."""

  config = types.SimpleNamespace(block_out_channels=(1,))
  dtype = torch.float32


class Rescaled(TorchFunctionMode):
  """Notes the map that the pipeline compares with 0.5, just before it makes a mask of it."""

  def __torch_function__(self, function, types, args=(), kwargs=None):
    if function is torch.Tensor.le and args[1] == 0.5:
      self.map = args[0]
    return function(*args, **(kwargs or {}))


def generate_mask(table: np.ndarray, guidance: float, clamp: float) -> tuple[np.ndarray, np.ndarray]:
  """(map, mask), both (H, W), of predictions (3, n, H, W, C)."""
  unet = Predictions(np.moveaxis(table, -1, 2))
  pipeline = StableDiffusionDiffEditPipeline(
      vae=Encoder(), text_encoder=None, tokenizer=None, unet=unet, scheduler=DDIMScheduler(steps_offset=1), safety_checker=None,
      feature_extractor=None, inverse_scheduler=None, requires_safety_checker=False)

  def prompts(side: str, number: int) -> dict[str, torch.Tensor]:
    names = (f'{side}_prompt_embeds', f'{side}_negative_prompt_embeds')
    numbers = (number, NULL) if guidance > 1 else (NULL, number)
    return {name: torch.full((1, 1, 1), float(k)) for name, k in zip(names, numbers)}

  with Rescaled() as rescaled:
    mask = pipeline.generate_mask(
        image=torch.zeros(1, C, H, W), **prompts('source', REFERENCE), **prompts('target', QUERY),
        num_maps_per_mask=table.shape[1], mask_thresholding_ratio=clamp, guidance_scale=guidance, output_type='np')
  return rescaled.map[0].numpy(), mask[0].astype(bool)


def cases() -> dict[str, tuple[np.ndarray, float, float]]:
  """{name: (predictions (3, n, H, W, C), guidance, clamp)}."""
  rng = np.random.default_rng(0)
  normal = lambda n: rng.normal(size=(3, n, H, W, C))
  place = np.zeros((3, 1, H, W, C))
  place[QUERY, :, 1:3, 1:4] = 1.0  # where a query differs from the reference
  # Steps of 1/4 are exact in float32: half of the cells 4, half 0, so with clamp 3 the map is 2/3 or 0, and with clamp 4
  # it is 1/2, right at the threshold.
  ties = np.zeros((3, 1, H, W, C))
  ties[QUERY, :, :H // 2] = 4.0
  return {
      'paper': (4 * place + normal(10), 7.5, 3.0),
      'one_noise': (normal(1), 7.5, 3.0),
      'three_noises': (place + 0.1 * normal(3), 7.5, 3.0),
      'no_guidance': (normal(1), 1.0, 3.0),
      'low_clamp': (normal(3), 3.0, 1.25),
      'one_line': (np.where(np.arange(W)[:, None] + np.arange(H)[:, None, None] == 3, normal(3), 0.0), 2.0, 3.0),
      'ties': (ties, 1.0, 3.0),
      'ties_at_the_threshold': (ties, 1.0, 4.0),
      'nothing': (np.ones((3, 1, H, W, C)), 7.5, 3.0),
  }


def main() -> None:
  out: dict[str, Any] = {}
  for name, (table, guidance, clamp) in cases().items():
    table = table.astype(np.float32)
    rescaled, mask = generate_mask(table, guidance, clamp)
    out |= {f'{name}_reference': table[REFERENCE], f'{name}_query': table[QUERY],
            f'{name}_guidance': guidance, f'{name}_clamp': clamp, f'{name}_map': rescaled, f'{name}_mask': mask}
    print(f'{name}: {mask.mean():.2f} of the cells marked, map {rescaled.min():.3f} to {rescaled.max():.3f}')
  path = pathlib.Path(__file__).parent / 'data/generate_mask.npz'
  np.savez_compressed(path, **out)
  print(path.stat().st_size, 'bytes')


if __name__ == '__main__':
  main()
