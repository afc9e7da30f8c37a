"""Train a spectrogram classifier: which species sing in a clip, and in which frames."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import optax

from sgm.audio import spectrogram as frontend_lib
from sgm.audio import stereo as stereo_lib
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
    stereo: hear two channels by `sgm.audio.stereo.features`, which hold where a sound comes from, not by their levels alone.
  """

  frontend: frontend_lib.Frontend
  model: classifier_lib.Classifier
  frame_weight: float
  time_mask: float
  band_mask: float
  shift: float
  stereo: bool = False

  def planes(self, audio):
    """Audio (B, N, C) -> what the model hears, (B, T, F, C), with `stereo` (B, T, F, 4): in [0, 1], no phase is 0.5."""
    if not self.stereo:
      return self.frontend(audio)
    s = stereo_lib.features(audio, self.frontend)
    return jnp.concatenate([s[..., :2], 0.5 + 0.5 * s[..., 2:]], -1)

  def restore_frozen(self, batches):
    return {}

  def precompute(self, frozen, rng, batch):
    rest = {k: v for k, v in batch.items() if k != 'audio'}
    return {**rest, 'spectrogram': self.planes(batch['audio']).astype(jnp.float16)}

  def init(self, rng, batch):
    return self.model.init(rng, task_lib.spectrogram(self.planes, batch))['params']

  def _augment(self, rng, s):
    k_shift, k_time, k_band = jax.random.split(rng, 3)
    shift = jax.random.uniform(k_shift, (s.shape[0], 1, 1, 1), minval=-self.shift, maxval=self.shift)
    level = jnp.arange(s.shape[-1]) < (2 if self.stereo else s.shape[-1])  # (C,) planes that a gain changes, and phases
    s = jnp.clip(s + shift * level, 0.0, 1.0)
    for axis, widest, key in ((1, self.time_mask, k_time), (2, self.band_mask, k_band)):
      n = s.shape[axis]
      k_start, k_width = jax.random.split(key)
      width = jax.random.uniform(k_width, (s.shape[0], 1)) * widest * n
      start = jax.random.uniform(k_start, (s.shape[0], 1)) * n
      place = jnp.arange(n)[None, :]
      masked = (place >= start) & (place < start + width)  # (B, n)
      s = jnp.where(jnp.expand_dims(masked, tuple(a for a in (1, 2, 3) if a != axis)), jnp.where(level, 0.0, 0.5), s)
    return s

  def loss(self, params, frozen, rng, batch):
    k_augment, k_dropout = jax.random.split(rng)
    s = self._augment(k_augment, task_lib.spectrogram(self.planes, batch))
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
    s = task_lib.spectrogram(self.planes, batch)
    out = self.hear(params, s)
    return {**out, **self._terms(out['clip'], out['frame'], batch)}

  def hear(self, params, s):
    """S (B, T, F, C) as `planes` makes it -> clip logits (B, S + 1), frame logits, their probabilities and the embedding."""
    if self.stereo and s.shape[-1] != len(stereo_lib.CHANNELS):
      raise ValueError(f'the spectrogram is {s.shape}: this classifier hears two channels, expected the planes '
                       f'{", ".join(stereo_lib.CHANNELS)}')
    (clip, frame), sown = self.model.apply({'params': params}, s, mutable=['intermediates'])
    return {
        'clip': clip, 'frame': frame,
        'probability': jax.nn.sigmoid(clip), 'frame_probability': jax.nn.sigmoid(frame),
        'embedding': sown['intermediates']['embedding'][0],
    }
