"""Ops on sound: decode, resample, crops, pad, gain, level, loudness, gaussian_noise, channel_swap; and what all ops share.

Features of one example, as the ops see them:

  audio        float32 (N, C), full scale = 1 (int16 before `decode`)
  stems        float32 (E', N, C), one row per event where the data set stores them, else E' = 0
  sample_rate  int32 (), samples per second of `audio` and `stems`
  species, vocalisation int64 (E,); onset, offset (s), low_hz, high_hz, level_db, azimuth float32 (E,): the events

Whatever an op does to the sound it does to the events too, so that labels made later are labels of what is heard. Other ops are
in ops_time, ops_colour and ops_mix. SpecAugment is not among them: it acts on spectrograms, which are made on the device
(time_mask and band_mask of sgm.tasks.classification).
"""

from __future__ import annotations

import math

import numpy as np
import soxr
import tensorflow as tf

from data_pipeline.levels import MAX_GAIN_DB, SILENCE
from data_pipeline.lufs import integrated
from data_pipeline.registry import AUGMENTATION, SOUND, Features, Op, register, whole_number

EVENT_KEYS = ('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db', 'azimuth')
MIN_REMAINDER = 0.05      # seconds: what a crop leaves of an event below this is too short to name its singer


def number_range(op: str, name: str, value: float | tuple[float, float]) -> tuple[float, float]:
  """A number or (low, high) -> (low, high)."""
  try:
    low, high = (value, value) if isinstance(value, (int, float)) else value
    ok = math.isfinite(low) and math.isfinite(high) and low <= high
  except (TypeError, ValueError):
    ok = False
  if not ok:
    raise ValueError(f'{op}: {name} is {value!r}, expected a number or (low, high) with low <= high')
  return float(low), float(high)


def uniform(seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
  return low + (high - low) * tf.random.stateless_uniform((), seed)


def amplitude(db: tf.Tensor | float) -> tf.Tensor:
  return tf.pow(10.0, tf.cast(db, tf.float32) / 20.0)


def rms(audio: tf.Tensor) -> tf.Tensor:
  """Root mean square over samples and channels: (N, C) -> ()."""
  return tf.sqrt(tf.reduce_mean(tf.square(audio)))


def sometimes(op: Op, p: float) -> Op:
  """`op` on a share `p` of the clips, and no cost on the others."""
  def maybe(features: Features, seed: tf.Tensor) -> Features:
    before = {k: tf.convert_to_tensor(v) for k, v in features.items()}
    # Drawn apart from what the op draws, so that the op does the same with any p.
    return tf.cond(tf.random.stateless_uniform((), tf.random.fold_in(seed, -1)) < p, lambda: op(before, seed), lambda: before)
  return maybe


def choose_events(features: Features, index: tf.Tensor) -> Features:
  """The events `index` (M,) in this order, with their stems, where there are any."""
  there = tf.boolean_mask(index, index < tf.shape(features['stems'], index.dtype)[0])  # none where not stored
  return {**features, **{k: tf.gather(features[k], index) for k in EVENT_KEYS}, 'stems': tf.gather(features['stems'], there)}


def window(features: Features, start: tf.Tensor, samples: int) -> Features:
  """Cuts audio, stems and events to [start, start + samples); zeros follow where the clip ends before.

  Events are shifted and cut as `Scene.crop` does; of those that were cut, the ones with less than MIN_REMAINDER left go.
  """
  audio, stems = features['audio'], features['stems']
  stop = tf.minimum(start + samples, tf.shape(audio)[0])
  missing = samples - (stop - start)
  audio = tf.pad(audio[start:stop], ((0, missing), (0, 0)))
  stems = tf.pad(stems[:, start:stop], ((0, 0), (0, missing), (0, 0)))
  rate = tf.cast(features['sample_rate'], tf.float64)
  shift, end = tf.cast(start, tf.float64) / rate, samples / rate
  onset, offset = (tf.cast(features[k], tf.float64) for k in ('onset', 'offset'))
  length = offset - onset
  onset, offset = tf.maximum(onset - shift, 0.0), tf.minimum(offset - shift, end)
  # An uncut event loses nothing to rounding: a microsecond is far under a sample.
  stays = (offset > onset) & (offset - onset >= tf.minimum(length, MIN_REMAINDER) - 1e-6)
  out = {**features, 'onset': tf.cast(onset, tf.float32), 'offset': tf.cast(offset, tf.float32)}
  out.update({k: tf.boolean_mask(out[k], stays) for k in EVENT_KEYS})
  stems = tf.boolean_mask(stems, stays[:tf.shape(stems)[0]])  # no rows at all where stems are not stored
  channels = features['audio'].shape[1]
  out['audio'] = tf.ensure_shape(audio, (samples, channels))
  out['stems'] = tf.ensure_shape(stems, (None, samples, channels))
  return out


def amplify(features: Features, db: tf.Tensor) -> Features:
  """A gain of `db` on everything: audio, stems, the events' levels."""
  factor = amplitude(db)
  return {**features, 'audio': features['audio'] * factor, 'stems': features['stems'] * factor,
          'level_db': features['level_db'] + db}


@register('decode', SOUND)
def decode(channels: int = 1, *, info) -> Op:
  """int16 of full scale 32767 -> float32 in [-1, 1]. channels=1 averages the stored channels; events keep their stored levels.

  Raises ValueError when more channels are asked than the data set stores.
  """
  if channels not in (1, info.channels):
    raise ValueError(f'decode(channels={channels!r}): the data set stores {info.channels}; '
                     f'expected 1 or {info.channels}')

  def op(features: Features, seed: tf.Tensor) -> Features:
    out = dict(features)
    for key in ('audio', 'stems'):
      x = tf.cast(features[key], tf.float32) / 32767.0
      out[key] = tf.reduce_mean(x, axis=-1, keepdims=True) if channels < info.channels else x
    return out
  return op


@register('resample', SOUND)
def resample(rate: int) -> Op:
  """Band-limited change of the sample rate (soxr, high quality). Events are in seconds and stay.

  Args:
    rate: samples per second.
  """
  whole_number('resample', 'rate', rate)

  def convert(x: np.ndarray, source: np.ndarray) -> np.ndarray:  # (..., N, C)
    flat = np.moveaxis(x, -2, 0).reshape(x.shape[-2], -1)  # (N, ... C)
    if not flat.shape[1]:
      return np.zeros(x.shape[:-2] + (-(-x.shape[-2] * rate // int(source)), x.shape[-1]), np.float32)
    flat = soxr.resample(flat, int(source), rate)
    return np.ascontiguousarray(np.moveaxis(flat.reshape((-1,) + x.shape[:-2] + x.shape[-1:]), 0, -2), np.float32)

  def op(features: Features, seed: tf.Tensor) -> Features:
    out = {**features, 'sample_rate': tf.constant(rate, tf.int32)}
    for key in ('audio', 'stems'):
      x = features[key]
      out[key] = tf.numpy_function(convert, (x, features['sample_rate']), tf.float32)
      out[key].set_shape(x.shape[:-2] + [None, x.shape[-1]])
    return out
  return op


@register('random_crop', SOUND)
def random_crop(samples: int) -> Op:
  """A window of `samples` at a uniformly drawn place; a shorter clip is followed by zeros."""
  whole_number('random_crop', 'samples', samples)

  def op(features: Features, seed: tf.Tensor) -> Features:
    room = tf.maximum(tf.shape(features['audio'])[0] - samples, 0)
    start = tf.random.stateless_uniform((), seed, 0, room + 1, tf.int32)
    return window(features, start, samples)
  return op


@register('center_crop', SOUND)
def center_crop(samples: int) -> Op:
  """The middle `samples` of the clip; a shorter clip is followed by zeros."""
  whole_number('center_crop', 'samples', samples)

  def op(features: Features, seed: tf.Tensor) -> Features:
    return window(features, tf.maximum(tf.shape(features['audio'])[0] - samples, 0) // 2, samples)
  return op


@register('pad', SOUND)
def pad(samples: int) -> Op:
  """Zeros after the clip up to `samples`. Raises (InvalidArgumentError) for a longer clip: crop it first."""
  whole_number('pad', 'samples', samples)

  def op(features: Features, seed: tf.Tensor) -> Features:
    have = tf.shape(features['audio'])[0]
    check = tf.debugging.assert_less_equal(have, samples, f'pad({samples}): the clip is longer; crop it first')
    with tf.control_dependencies([check] if check is not None else []):
      return window(features, tf.constant(0), samples)
  return op


@register('gain', AUGMENTATION)
def gain(db: float | tuple[float, float]) -> Op:
  """A gain drawn uniformly from db = (low, high), or a fixed number of dB. Events' levels follow."""
  low, high = number_range('gain', 'db', db)

  def op(features: Features, seed: tf.Tensor) -> Features:
    return amplify(features, uniform(seed, low, high))
  return op


@register('level', SOUND)
def level(db: float) -> Op:
  """Scales the clip to an RMS of `db` dBFS over all samples and channels; silence is left alone.

  The gain is at most MAX_GAIN_DB. Peaks may pass full scale: the audio is floating point.
  """
  low, high = number_range('level', 'db', db)
  if low != high or high > 0:
    raise ValueError(f'level: db is {db!r}, expected one number of dBFS, 0 or below')

  def op(features: Features, seed: tf.Tensor) -> Features:
    current = rms(features['audio'])
    change = low - 20.0 * tf.math.log(tf.maximum(current, SILENCE)) / math.log(10.0)
    return amplify(features, tf.where(current < SILENCE, 0.0, tf.minimum(change, MAX_GAIN_DB)))
  return op


@register('loudness', AUGMENTATION)
def loudness(lufs: float | tuple[float, float]) -> Op:
  """Scales the clip to a loudness drawn from (low, high) LUFS (ITU-R BS.1770-4, see `lufs.integrated`); events' levels follow.

  The gain is at most MAX_GAIN_DB; what lies under the absolute gate of -70 LUFS has no loudness and is left alone.
  """
  low, high = number_range('loudness', 'lufs', lufs)
  if high > 0:
    raise ValueError(f'loudness: lufs is {lufs!r}, expected 0 or below')

  def op(features: Features, seed: tf.Tensor) -> Features:
    current = tf.numpy_function(integrated, (features['audio'], features['sample_rate']), tf.float64)
    change = uniform(seed, low, high) - tf.cast(tf.ensure_shape(current, ()), tf.float32)
    return amplify(features, tf.where(tf.math.is_finite(change), tf.minimum(change, MAX_GAIN_DB), 0.0))
  return op


@register('channel_swap', AUGMENTATION)
def channel_swap() -> Op:
  """Left becomes right, and azimuths change their sign; 'channel_swap(p=0.5)' for every second clip. Needs two channels."""
  def op(features: Features, seed: tf.Tensor) -> Features:
    if features['audio'].shape[-1] != 2:
      raise ValueError(f'channel_swap: expected 2 channels, got {features["audio"].shape[-1]}: decode(channels=2) keeps them')
    return {**features, 'audio': tf.reverse(features['audio'], [-1]), 'stems': tf.reverse(features['stems'], [-1]),
            'azimuth': -features['azimuth']}
  return op


@register('gaussian_noise', AUGMENTATION)
def gaussian_noise(snr_db: float | tuple[float, float]) -> Op:
  """Adds white noise at an SNR drawn from (low, high) dB below the clip's RMS; stems stay. Silence stays silent."""
  low, high = number_range('gaussian_noise', 'snr_db', snr_db)

  def op(features: Features, seed: tf.Tensor) -> Features:
    seeds = tf.random.split(seed, 2)
    audio = features['audio']
    deviation = rms(audio) * amplitude(-uniform(seeds[0], low, high))
    return {**features, 'audio': audio + deviation * tf.random.stateless_normal(tf.shape(audio), seeds[1])}
  return op
