"""Train a spectrogram classifier: which species sing in a clip, and in which frames."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import optax

from sgm.audio import spectrogram as frontend_lib
from sgm.models import classifier as classifier_lib
from sgm.tasks import task as task_lib


@dataclasses.dataclass(frozen=True)
class Classification:
  """Binary cross-entropy on the clip's multi-hot label (with 'none') and on the frames' activity.

  Batches hold 'audio' or 'spectrogram', 'label' (B, S + 1) and 'activity' (B, T / time_patch, S).

  Attributes:
    frame_weight: weight of the frame term against the clip term.
    time_mask, band_mask: widest SpecAugment mask (Park et al. 2019) as a fraction of the axis; 0 = none.
    shift: largest random offset added to S (a gain in dB over the dynamic range), uniform in +- shift.
  """

  frontend: frontend_lib.Frontend
  model: classifier_lib.Classifier
  frame_weight: float
  time_mask: float
  band_mask: float
  shift: float

  def restore_frozen(self, batches):
    return {}

  def precompute(self, frozen, rng, batch):
    rest = {k: v for k, v in batch.items() if k != 'audio'}
    return {**rest, 'spectrogram': self.frontend(batch['audio']).astype(jnp.float16)}

  def init(self, rng, batch):
    return self.model.init(rng, task_lib.spectrogram(self.frontend, batch))['params']

  def _augment(self, rng, s):
    k_shift, k_time, k_band = jax.random.split(rng, 3)
    shift = jax.random.uniform(k_shift, (s.shape[0], 1, 1, 1), minval=-self.shift, maxval=self.shift)
    s = jnp.clip(s + shift, 0.0, 1.0)
    for axis, widest, key in ((1, self.time_mask, k_time), (2, self.band_mask, k_band)):
      n = s.shape[axis]
      k_start, k_width = jax.random.split(key)
      width = jax.random.uniform(k_width, (s.shape[0], 1)) * widest * n
      start = jax.random.uniform(k_start, (s.shape[0], 1)) * n
      place = jnp.arange(n)[None, :]
      masked = (place >= start) & (place < start + width)  # (B, n)
      s = jnp.where(jnp.expand_dims(masked, tuple(a for a in (1, 2, 3) if a != axis)), 0.0, s)
    return s

  def loss(self, params, frozen, rng, batch):
    k_augment, k_dropout = jax.random.split(rng)
    s = self._augment(k_augment, task_lib.spectrogram(self.frontend, batch))
    clip, frame = self.model.apply({'params': params}, s, train=True, rngs={'dropout': k_dropout})
    terms = self._terms(clip, frame, batch)
    return (terms['clip_loss'] + self.frame_weight * terms['frame_loss']).mean(), terms

  def _terms(self, clip, frame, batch):
    label = batch['label']
    top1 = jnp.take_along_axis(label, clip.argmax(-1)[:, None], 1)[:, 0]  # (B,) 1 where the best class is one of the labels
    return {
        'clip_loss': optax.sigmoid_binary_cross_entropy(clip, label).mean(-1),
        'frame_loss': optax.sigmoid_binary_cross_entropy(frame, batch['activity']).mean((1, 2)),
        'top1': top1,
    }

  def eval(self, params, frozen, rng, batch):
    """Terms of the loss, 'probability' (B, S + 1), 'frame_probability' (B, T', S) and the pooled 'embedding' (B, E)."""
    s = task_lib.spectrogram(self.frontend, batch)
    out = self.hear(params, s)
    return {**out, **self._terms(out['clip'], out['frame'], batch)}

  def hear(self, params, s):
    """S (B, T, F, C) -> clip logits (B, S + 1), frame logits, their probabilities and the embedding."""
    (clip, frame), sown = self.model.apply({'params': params}, s, mutable=['intermediates'])
    return {
        'clip': clip, 'frame': frame,
        'probability': jax.nn.sigmoid(clip), 'frame_probability': jax.nn.sigmoid(frame),
        'embedding': sown['intermediates']['embedding'][0],
    }
