"""Ops that move or bend time and pitch: time_shift, tempo, pitch_shift."""

from __future__ import annotations

from typing import Callable

import numpy as np
import soxr
import tensorflow as tf

from data_pipeline.ops_audio import EVENT_KEYS, MIN_REMAINDER, choose_events, number_range, uniform
from data_pipeline.registry import AUGMENTATION, Features, Op, register
from data_pipeline.time_stretch import time_stretch

WINDOW_SECONDS = 0.032  # of the phase vocoder: long enough for a steady tone, short enough for the syllables of a trill


@register('time_shift', AUGMENTATION)
def time_shift(seconds: float | tuple[float, float]) -> Op:
  """Turns the clip round in time by a number of seconds drawn from (low, high): what leaves at one end comes in at the other.

  An event across the seam becomes two, each with its part of the stem; a part under MIN_REMAINDER goes, as with crops.
  """
  low, high = number_range('time_shift', 'seconds', seconds)

  def op(features: Features, seed: tf.Tensor) -> Features:
    samples = tf.shape(features['audio'])[0]
    rate = tf.cast(features['sample_rate'], tf.float64)
    by = tf.math.floormod(tf.cast(tf.round(tf.cast(uniform(seed, low, high), tf.float64) * rate), tf.int32), samples)
    duration, shift = tf.cast(samples, tf.float64) / rate, tf.cast(by, tf.float64) / rate
    # Every event twice: as it is moved, and a clip's length before, where its part behind the seam comes in.
    begin, end = (tf.concat([moved, moved - duration], 0) for moved in (
        tf.cast(features[k], tf.float64) + shift for k in ('onset', 'offset')))  # (2 E,)
    onset, offset = tf.maximum(begin, 0.0), tf.minimum(end, duration)
    stays = (offset > onset) & (offset - onset >= tf.minimum(end - begin, MIN_REMAINDER) - 1e-6)
    out = {**features, **{k: tf.concat([features[k]] * 2, 0) for k in EVENT_KEYS},
           'audio': tf.roll(features['audio'], by, 0),
           'onset': tf.cast(onset, tf.float32), 'offset': tf.cast(offset, tf.float32)}
    out['stems'] = _split_stems(tf.roll(features['stems'], by, 1), by, stays)
    order = tf.argsort(onset, stable=True)
    return choose_events(out, tf.boolean_mask(order, tf.gather(stays, order)))
  return op


def _split_stems(stems: tf.Tensor, by: tf.Tensor, stays: tf.Tensor) -> tf.Tensor:
  """Turned stems (E', N, C) -> (2 E', N, C): parted at the seam where both events stay, else whole in the one that does."""
  moved, wrapped = tf.split(stays, 2)  # (E,)
  both = (moved & wrapped)[:tf.shape(stems)[0], None, None]
  late = (tf.range(tf.shape(stems)[1]) >= by)[None, :, None]
  return tf.concat([tf.where(both & ~late, 0.0, stems), tf.where(both & late, 0.0, stems)], 0)


def stretch(x: np.ndarray, rate: float, sample_rate: int) -> np.ndarray:
  """x (N, C) at the same pitch in 1 / rate of the time: (round(N / rate), C) float32, at least a sample.

  A phase vocoder blurs what moves fast, which costs a dB or two of level: the RMS of the whole is restored.
  """
  size = 1 << round(np.log2(WINDOW_SECONDS * sample_rate))
  padded = np.pad(x, ((0, max(size - len(x), 0)), (0, 0)))  # a transform needs a window at least
  out = np.stack([time_stretch(channel, rate, size) for channel in padded.T], axis=1)[:max(round(len(x) / rate), 1)]
  energy = [np.mean(np.square(y, dtype=np.float64)) for y in (x, out)]
  return np.ascontiguousarray(out * np.sqrt(energy[0] / max(energy[1], 1e-20)), np.float32)


def _bend(features: Features, convert: Callable[..., np.ndarray], by: tf.Tensor) -> Features:
  """`convert(audio, by, sample_rate)` of the sound, and what that leaves of the rest.

  Stems bent one by one would no longer add up, so there are none (as where they are not stored); nor do delays between channels
  stand, so azimuths are unknown.
  """
  audio = tf.numpy_function(convert, (features['audio'], by, features['sample_rate']), tf.float32)
  audio = tf.ensure_shape(audio, (None, features['audio'].shape[-1]))
  return {**features, 'audio': audio, 'stems': tf.zeros(tf.concat([[0], tf.shape(audio)], 0)),
          'azimuth': tf.fill(tf.shape(features['azimuth']), float('nan'))}


@register('tempo', AUGMENTATION)
def tempo(rate: float | tuple[float, float]) -> Op:
  """Plays the clip faster (rate > 1) or slower at the same pitch, by a factor drawn from (low, high); crop it after this.

  Events' times follow; after it there are no stems, and azimuths are unknown (see `stretch` for how, `_bend` for why).
  """
  low, high = number_range('tempo', 'rate', rate)
  if low < 0.25 or high > 4:
    raise ValueError(f'tempo: rate is {rate!r}, expected factors from 0.25 to 4')

  def convert(x: np.ndarray, by: np.ndarray, sample_rate: np.ndarray) -> np.ndarray:
    return stretch(x, float(by), int(sample_rate))

  def op(features: Features, seed: tf.Tensor) -> Features:
    by = uniform(seed, low, high)
    return {**_bend(features, convert, by), 'onset': features['onset'] / by, 'offset': features['offset'] / by}
  return op


@register('pitch_shift', AUGMENTATION)
def pitch_shift(semitones: float | tuple[float, float]) -> Op:
  """Raises or lowers the pitch at the same tempo, by a number of semitones drawn from (low, high).

  The clip is stretched and then played faster or slower by soxr. Events' frequencies follow and are cut at half the sample
  rate, those wholly above it go; stems and azimuths as with `tempo`.
  """
  low, high = number_range('pitch_shift', 'semitones', semitones)
  if low < -24 or high > 24:
    raise ValueError(f'pitch_shift: semitones is {semitones!r}, expected -24 to 24')

  def convert(x: np.ndarray, factor: np.ndarray, sample_rate: np.ndarray) -> np.ndarray:
    rate = int(sample_rate)
    moved = soxr.resample(stretch(x, 1 / float(factor), rate), rate * float(factor), rate, quality='MQ')
    return np.pad(moved[:len(x)], ((0, max(len(x) - len(moved), 0)), (0, 0)))  # rounding makes it a sample more or less

  def op(features: Features, seed: tf.Tensor) -> Features:
    factor, top = tf.pow(2.0, uniform(seed, low, high) / 12.0), 0.5 * tf.cast(features['sample_rate'], tf.float32)
    out = _bend(features, convert, factor)
    out['audio'] = tf.ensure_shape(out['audio'], features['audio'].shape)
    out['low_hz'], out['high_hz'] = features['low_hz'] * factor, tf.minimum(features['high_hz'] * factor, top)
    return choose_events(out, tf.where(out['low_hz'] < top)[:, 0])
  return op
