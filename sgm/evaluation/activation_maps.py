"""Where does a classifier look? Class-activation maps of every species at once, from one pass forward and one back for each.

With A (T', F', C) what a layer gives and g = d logit / d A, a cell's share of a species' logit is, ReLU being taken at the end,

  grad_cam    sum_c mean_cells(g)_c A_c      Selvaraju et al. (2017), arXiv 1610.02391
  hires_cam   sum_c g_c A_c                  Draelos & Carin (2020), arXiv 2011.08891
  layer_cam   sum_c ReLU(g_c) A_c            Jiang et al. (2021), IEEE TIP 30, 5875

The first averages the gradient over cells, which suits networks that average their cells anyway. `Classifier` flattens the
frequency axis instead, so that a weight belongs to a band: the two others keep it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

KINDS = ('grad_cam', 'hires_cam', 'layer_cam')


@dataclasses.dataclass(frozen=True)
class Settings:
  """Of the map.

  Attributes:
    level: the classifier's level whose output is looked at; -1 = the last one, as published. Earlier ones have more bands.
    kind: see the module.
    frames: whether the map is multiplied by the probability of its frames, which are what the classifier learnt of time.
  """

  level: int = -1
  kind: str = 'grad_cam'
  frames: bool = False

  def __post_init__(self):
    if self.kind not in KINDS:
      raise ValueError(f'class-activation map {self.kind!r}: expected one of {", ".join(KINDS)}')


def hear(task: Any, params: Any, s: jax.Array, settings: Settings) -> tuple[jax.Array, jax.Array]:
  """Clip logits (B, S) of the species and their maps (B, S, T', F') >= 0.

  Args:
    task: a Classification; its clips do not depend on each other.
    s: (B, T, F, ..., C) in [0, 1]; what lies behind frequency is summed over.

  Raises:
    ValueError: a classifier without a frequency axis, a level it does not have.
  """
  model = task.model
  if model.dims < 2:
    raise ValueError(f'class-activation maps: a classifier of {model.dims} axis has no frequencies')
  if not -len(model.mults) <= settings.level < len(model.mults):
    raise ValueError(f'class-activation maps: level {settings.level}: the classifier has {len(model.mults)}')
  layer = f'block_{settings.level % len(model.mults)}'

  def logits(offset):
    """With `offset` added to what the layer gives, so that the gradient there is the gradient of the offset."""
    seen = []

    def tap(call, args, kwargs, context):
      out = call(*args, **kwargs)
      if context.module.path == (layer,):
        seen.append(out + offset)
        return seen[0]
      return out

    with nn.intercept_methods(tap):
      heard = task.hear(params, s)
    return heard['clip'][:, :-1], (seen[0], heard['frame_probability'])

  shape = jax.eval_shape(logits, 0.0)[1][0]
  scores, back, (a, frames) = jax.vjp(logits, jnp.zeros(shape.shape, shape.dtype), has_aux=True)
  species = jnp.eye(scores.shape[1], dtype=scores.dtype)[:, None]
  g = jax.vmap(lambda one: back(jnp.broadcast_to(one, scores.shape))[0], out_axes=1)(species)  # (B, S, T', F', ..., C)
  if settings.kind == 'grad_cam':
    g = g.mean(tuple(range(2, g.ndim - 1)), keepdims=True)
  elif settings.kind == 'layer_cam':
    g = nn.relu(g)
  maps = nn.relu((g * a[:, None]).sum(-1))
  maps = maps.sum(tuple(range(4, maps.ndim)))  # (B, S, T', F')
  return scores, maps * frames.swapaxes(1, 2)[..., None] if settings.frames else maps
