"""Ops that change the spectrum: tanh_distortion, band_limit."""

from __future__ import annotations

import math

import tensorflow as tf

from data_pipeline.levels import SILENCE
from data_pipeline.ops_audio import amplitude, choose_events, number_range, rms, uniform
from data_pipeline.registry import AUGMENTATION, Features, Op, register

SLOPE_OCTAVES = 1 / 6   # beyond the edge of a band, down to nothing
LEAST_BAND = 0.5        # of an event's band, in Hz: with less left of it, it is no longer that bird


def _energy(audio: tf.Tensor, features: Features) -> tf.Tensor:
  """Energy of `audio` (N, C) within each event: (E,) float64."""
  rate = tf.cast(features['sample_rate'], tf.float64)
  total = tf.concat([[0.0], tf.cumsum(tf.reduce_sum(tf.square(tf.cast(audio, tf.float64)), 1))], 0)  # (N + 1,)
  at = [tf.clip_by_value(tf.cast(tf.round(tf.cast(features[k], tf.float64) * rate), tf.int32), 0, tf.shape(audio)[0])
        for k in ('onset', 'offset')]
  return tf.gather(total, at[1]) - tf.gather(total, at[0])


@register('tanh_distortion', AUGMENTATION)
def tanh_distortion(drive_db: float | tuple[float, float]) -> Op:
  """An overdriven input: tanh of the clip with its peak raised to a drive drawn from (low, high) dB, then its RMS restored.

  At -20 dB it changes nothing that is heard, at 0 dB peaks are rounded, at 20 dB nearly square. It is a gain from sample to
  sample, and stems get the same, so that they still add up; an event's level follows what that does to the clip while it lasts.
  Harmonics that arise are no part of an event's band. Silence is left alone.
  """
  low, high = number_range('tanh_distortion', 'drive_db', drive_db)

  def op(features: Features, seed: tf.Tensor) -> Features:
    audio = features['audio']
    driven = audio * (amplitude(uniform(seed, low, high)) / tf.maximum(tf.reduce_max(tf.abs(audio)), SILENCE))
    # tanh(x) / x, by its series where x / x would be lost to rounding
    gain = tf.where(tf.abs(driven) > 1e-3, tf.math.divide_no_nan(tf.tanh(driven), driven), 1.0 - driven ** 2 / 3.0)  # (N, C)
    gain *= tf.math.divide_no_nan(rms(audio), rms(audio * gain))
    bent = audio * gain
    before, after = _energy(audio, features), _energy(bent, features)
    ratio = tf.where((before > 0) & (after > 0), tf.math.divide_no_nan(after, before), 1.0)
    change = 10.0 / math.log(10.0) * tf.math.log(ratio)
    return {**features, 'audio': bent, 'stems': features['stems'] * gain,
            'level_db': features['level_db'] + tf.cast(change, tf.float32)}
  return op


@register('band_limit', AUGMENTATION)
def band_limit(low_hz: float | tuple[float, float], high_hz: float | tuple[float, float]) -> Op:
  """Keeps the frequencies between two edges, each drawn from its (low, high) in Hz, as a poor microphone or codec does.

  Nothing is left SLOPE_OCTAVES beyond an edge; 0 is no lower edge, half the sample rate no upper one. Events' bands are cut to
  it, and those with less than LEAST_BAND of theirs left go. Levels stay: what of a cut event's energy is gone is not known.

  Raises ValueError unless every lower edge lies below every upper one.
  """
  low, high = number_range('band_limit', 'low_hz', low_hz), number_range('band_limit', 'high_hz', high_hz)
  if not 0 <= low[1] < high[0]:
    raise ValueError(f'band_limit: low_hz {low_hz!r} and high_hz {high_hz!r}, expected 0 <= low_hz < high_hz')

  def op(features: Features, seed: tf.Tensor) -> Features:
    seeds = tf.random.split(seed, 2)
    bottom, top = uniform(seeds[0], *low), uniform(seeds[1], *high)
    samples = tf.shape(features['audio'])[0]
    hz = tf.linspace(0.0, 0.5 * tf.cast(features['sample_rate'], tf.float32), samples // 2 + 1)
    octaves = lambda above, below: tf.math.log(tf.maximum(above, 1e-6) / tf.maximum(below, 1e-12)) / math.log(2.0)
    beyond = tf.maximum(octaves(bottom, hz) if low[1] > 0 else tf.zeros_like(hz), octaves(hz, top))  # (bins,) <= 0 inside
    gain = 0.5 + 0.5 * tf.cos(math.pi * tf.clip_by_value(beyond / SLOPE_OCTAVES, 0.0, 1.0))
    out = {**features, **{k: _filter(features[k], gain, samples) for k in ('audio', 'stems')}}
    width = features['high_hz'] - features['low_hz']
    out['low_hz'], out['high_hz'] = tf.maximum(features['low_hz'], bottom), tf.minimum(features['high_hz'], top)
    return choose_events(out, tf.where(out['high_hz'] - out['low_hz'] >= LEAST_BAND * width)[:, 0])
  return op


def _filter(x: tf.Tensor, gain: tf.Tensor, samples: tf.Tensor) -> tf.Tensor:
  """x (..., N, C) with each frequency scaled by `gain` (N // 2 + 1,); phases stay, so nothing moves in time."""
  spectrum = tf.signal.rfft(tf.linalg.matrix_transpose(x)) * tf.cast(gain, tf.complex64)  # (..., C, N // 2 + 1)
  return tf.ensure_shape(tf.linalg.matrix_transpose(tf.signal.irfft(spectrum, [samples])), x.shape)
