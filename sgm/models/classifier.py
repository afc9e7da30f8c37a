"""Spectrogram classifier with clip and frame logits: the judge, and the downstream model."""

from __future__ import annotations

from flax import linen as nn
import jax
import jax.numpy as jnp

from sgm.models import layers


class Classifier(nn.Module):
  """Who sings, and when.

  Time is kept at a resolution of `time_patch` frames; all other axes are folded by `patch`, then halved at each level and
  at last flattened, since pitch, unlike time, tells birds apart.

  S (B, T, ..., C) in [0, 1] -> clip logits (B, S + 1), the last class 'none' (no bird), frame logits (B, T / time_patch, S).
  """

  classes: int
  dims: int = 2
  width: int = 32
  mults: tuple[int, ...] = (1, 2, 3)
  time_patch: int = 2
  patch: int = 4
  dropout: float = 0.1

  @nn.compact
  def __call__(self, s: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
    if s.ndim != self.dims + 2:
      raise ValueError(f'Classifier(dims={self.dims}) expects (B, {self.dims} grid axes, C), got shape {s.shape}')
    x = layers.fold(2.0 * s - 1.0, (self.time_patch,) + (self.patch,) * (self.dims - 1))
    x = nn.Dense(self.width, name='in')(x)
    x = layers.PositionBias(name='position')(x)
    for level, mult in enumerate(self.mults):
      if level:
        strides = (1,) + tuple(2 if n > 1 else 1 for n in x.shape[2:-1])
        x = layers.Conv(self.width * mult, strides=strides, name=f'down_{level}')(x)
      x = layers.ResBlock(self.width * mult, name=f'block_{level}')(x)
    x = nn.silu(layers.group_norm(x, 'norm'))
    x = nn.Dense(2 * self.width, name='squeeze')(x)
    x = x.reshape(*x.shape[:2], -1)  # (B, T', all other axes x channels)
    # A receptive field of some 0.4 s in the mixing layers: a trill is told by its rate, not by one frame.
    x = nn.silu(nn.Conv(4 * self.width, (9,), name='mix_0')(x))  # (B, T', 4 width)
    x = nn.silu(nn.LayerNorm(name='norm_mix')(nn.Conv(4 * self.width, (9,), name='mix_1')(x)))
    x = nn.Dropout(self.dropout, deterministic=not train)(x)
    frame = nn.Dense(self.classes, name='frame')(x)  # (B, T', S)
    pooled = jnp.concatenate([x.max(1), x.mean(1)], -1)  # (B, 8 width)
    clip = nn.Dense(self.classes + 1, name='clip')(pooled)  # (B, S + 1)
    self.sow('intermediates', 'embedding', pooled)
    return clip, frame
