"""UNet over a latent grid of one, two or three axes, conditioned on noise level, text and label roll."""

from __future__ import annotations

import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from sgm.models import layers
from sgm.models import text


def _strides(grid: tuple[int, ...]) -> tuple[int, ...]:
  # Short axes (two amplitude planes) are kept, or the lower levels would lose them.
  return tuple(2 if n >= 4 else 1 for n in grid)


class UNet(nn.Module):
  """Prediction (eps, x0 or v: the task decides) of a noisy latent.

  Args of __call__:
    z: (B, *grid, C) noisy latent; the first axis of the grid is time.
    t: (B,) diffusion time in [0, 1].
    tokens: (B, L) int32, all 0 = no text.
    roll: (B, T', S) label roll on the latent's time axis; rows of `has_roll` == 0 are ignored.
    has_roll: (B,) 1 where the roll is given, 0 where it is unknown (unknown is not 'no birds').

  Returns:
    (B, *grid, C).

  Level i has round(width * mults[i]) channels. `factorised`: see `layers.Conv`.
  `attention` says at which levels blocks attend to the text, and to themselves: on long grids its cost outgrows its use.
  """

  vocabulary: int
  dims: int = 2
  factorised: bool = False
  width: int = 64
  mults: tuple[float, ...] = (1, 2)
  blocks: int = 1
  attention: tuple[bool, ...] = (False, True)
  heads: int = 4
  text_width: int = 64
  text_layers: int = 2

  @nn.compact
  def __call__(self, z: jax.Array, t: jax.Array, tokens: jax.Array, roll: jax.Array, has_roll: jax.Array) -> jax.Array:
    if z.ndim != self.dims + 2:
      raise ValueError(f'UNet(dims={self.dims}) expects (B, {self.dims} grid axes, C), got shape {z.shape}')
    if len(self.attention) != len(self.mults):
      raise ValueError(f'UNet.attention has {len(self.attention)} levels, mults {len(self.mults)}: expected as many')
    if roll.shape[1] != z.shape[1]:
      raise ValueError(f'roll has {roll.shape[1]} frames, the latent {z.shape[1]}: shapes {roll.shape} and {z.shape}')
    channels = [round(self.width * mult) for mult in self.mults]
    conv = functools.partial(layers.Conv, factorised=self.factorised)
    block = functools.partial(layers.ResBlock, factorised=self.factorised)
    context, mask = text.TextEncoder(self.vocabulary, self.text_width, self.text_layers, name='text')(tokens)

    e = nn.Dense(4 * self.width, name='time_in')(layers.fourier_features(t, self.width))
    e = e + nn.Dense(4 * self.width, name='text_pool')(
        jnp.sum(context * mask[..., None], 1) / jnp.sum(mask, 1, keepdims=True))
    e = nn.Dense(4 * self.width, name='time_out')(nn.silu(e))  # (B, E)

    known = has_roll[:, None, None]  # (B, 1, 1)
    r = jnp.concatenate([roll * known, jnp.broadcast_to(known, roll.shape[:2] + (1,))], -1)  # (B, T', S + 1)
    r = nn.Dense(channels[0], name='roll')(r)
    x = conv(channels[0], name='in')(z)
    x = x + r.reshape(*r.shape[:2], *(1,) * (self.dims - 1), channels[0])
    x = layers.PositionBias(name='position')(x)

    skips = [x]
    for level, features in enumerate(channels):
      if level:
        x = conv(features, strides=_strides(x.shape[1:-1]), name=f'down_{level}')(x)
        skips.append(x)
      for i in range(self.blocks):
        x = block(features, name=f'down_{level}_{i}')(x, e)
        if self.attention[level]:
          x = layers.Attention(self.heads, name=f'down_{level}_{i}_self')(x)
          x = layers.Attention(self.heads, name=f'down_{level}_{i}_text')(x, context, mask)
        skips.append(x)

    x = block(channels[-1], name='middle_0')(x, e)
    x = layers.Attention(self.heads, name='middle_self')(x)
    x = block(channels[-1], name='middle_1')(x, e)

    for level in reversed(range(len(channels))):
      for i in range(self.blocks + 1):
        x = jnp.concatenate([x, skips.pop()], axis=-1)
        x = block(channels[level], name=f'up_{level}_{i}')(x, e)
        if self.attention[level]:
          x = layers.Attention(self.heads, name=f'up_{level}_{i}_text')(x, context, mask)
      if level:
        grid = skips[-1].shape[1:-1]
        x = jax.image.resize(x, (x.shape[0], *grid, x.shape[-1]), 'nearest')
        x = conv(channels[level - 1], name=f'up_{level}')(x)

    x = nn.silu(layers.group_norm(x, 'norm_out'))
    return conv(z.shape[-1], zero_init=True, name='out')(x)


def text_attention(intermediates: Any, grid: tuple[int, ...]) -> jax.Array:
  """How much each cell attends to each token, (B, *grid, 1 + L): the mean over heads and over the layers that attend to text.

  Args:
    intermediates: what `UNet.apply(..., mutable='intermediates')` keeps; tokens as in `text.TextEncoder`, the start first.
    grid: the latent's; the maps of coarser layers are interpolated to it linearly, so that each cell's sum over tokens stays 1.

  Raises:
    ValueError: no layer attends to text.
  """
  maps = jax.tree.leaves(intermediates)
  if not maps:
    raise ValueError('no layer of this UNet attends to text: its `attention` is False at all levels')
  maps = [jax.image.resize(m, (m.shape[0], *grid, m.shape[-1]), 'linear') for m in maps]
  return sum(maps) / len(maps)
