"""Ops that add a second clip of a data set to each: mixup, mix_background."""

from __future__ import annotations

import tensorflow as tf

from data_pipeline.levels import SILENCE
from data_pipeline.ops_audio import EVENT_KEYS, amplify, amplitude, choose_events, number_range, rms, uniform
from data_pipeline.registry import MIXTURE, Features, Op, register

INAUDIBLE = 10 ** (-30 / 20)  # events of a clip that is mixed in fainter than -30 dB are not heard, and not labelled
TARGETS = ('label', 'activity', 'roll')  # features that may be there already, and are then averaged
CLIP = ('audio', 'stems', 'sample_rate', 'environment', 'noise', 'near', 'id', 'group', 'recordist', 'licence', *EVENT_KEYS)


def _check(op: str, features: Features, other: Features, allowed: tuple[str, ...]) -> None:
  """Raises ValueError for labels that cannot be mixed, or clips of different shapes."""
  made = [k for k in features if k not in allowed]
  if made:
    raise ValueError(f'{op}: the feature {made[0]!r} of two clips cannot be mixed; put {op} before the op that makes it')
  shapes = features['audio'].shape, other['audio'].shape
  if shapes[0] != shapes[1] or not shapes[0].is_fully_defined():
    raise ValueError(f'{op}: clips of shapes {shapes[0]} and {shapes[1]} (samples, channels); crop them to one length first')


def _either(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
  """Of two words the one that is known; '' where they differ: the Scene has room for one."""
  return tf.where(a == b, a, tf.where(a == '', b, tf.where(b == '', a, '')))


@register('mixup', MIXTURE)
def mixup(alpha: float = 0.4, *, partners) -> Op:
  """x = w x1 + (1 - w) x2 with another clip of the split, w ~ Beta(alpha, alpha) (Zhang et al. 2018, arXiv 1710.09412).

  The events of both are united, their levels lowered with their clip; those of a clip below INAUDIBLE go. So labels made after
  it are of all birds that are heard; of labels made before it (label, activity, roll) the average with weights w and 1 - w is
  taken, as in the paper. Environment and near are known where one of the clips knows them and they do not contradict, noise
  where they agree; id, group, recordist and licence stay the first clip's.
  """
  if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or not 0 < alpha < float('inf'):
    raise ValueError(f'mixup: alpha is {alpha!r}, expected a number above 0')
  draw = partners.any()

  def op(features: Features, seed: tf.Tensor) -> Features:
    seeds = tf.random.split(seed, 2)
    other = draw(seeds[0])
    _check('mixup', features, other, CLIP + TARGETS)
    gammas = tf.random.stateless_gamma((2,), seeds[1], alpha)
    weights = tf.unstack(tf.clip_by_value(gammas / tf.reduce_sum(gammas), 1e-6, 1.0))
    mixed = _united(*(_faded(clip, w) for clip, w in zip((features, other), weights)))
    mixed['noise'] = tf.where(features['noise'] == other['noise'], features['noise'], '')
    return {**mixed, **{k: weights[0] * features[k] + weights[1] * other[k] for k in TARGETS if k in features}}
  return op


def _faded(features: Features, weight: tf.Tensor) -> Features:
  """A clip times `weight`, without its events where these are no longer heard."""
  features = amplify(features, 20.0 * tf.math.log(weight) / tf.math.log(10.0))
  count = tf.size(features['species'])
  return choose_events(features, tf.range(tf.where(weight < INAUDIBLE, 0, count)))


def _united(a: Features, b: Features) -> Features:
  """The sum of two clips with the events of both, in order of onset; stems where both clips have them all."""
  stored = [tf.shape(x['stems'])[0] == tf.size(x['species']) for x in (a, b)]
  stems = tf.concat([a['stems'], b['stems']], 0)
  out = {**a, 'audio': a['audio'] + b['audio'], **{k: tf.concat([a[k], b[k]], 0) for k in EVENT_KEYS},
         'stems': stems[:tf.where(stored[0] & stored[1], tf.shape(stems)[0], 0)],
         **{k: _either(a[k], b[k]) for k in ('environment', 'near')}}
  return choose_events(out, tf.argsort(out['onset'], stable=True))


@register('mix_background', MIXTURE)
def mix_background(snr_db: float | tuple[float, float], data: str = '', *, partners) -> Op:
  """Adds a clip in which no bird is labelled, at an SNR drawn from (low, high) dB below the clip's RMS. Silence stays silent.

  It comes from the same split of the data set `data`, '' = of this one. Events and stems stay; the noise word is unknown after
  it, environment and near as with `mixup`.
  """
  low, high = number_range('mix_background', 'snr_db', snr_db)
  draw = partners.without_events(data)

  def op(features: Features, seed: tf.Tensor) -> Features:
    seeds = tf.random.split(seed, 2)
    other = draw(seeds[0])
    _check('mix_background', features, other, CLIP)
    audio, background = features['audio'], other['audio']
    factor = rms(audio) * amplitude(-uniform(seeds[1], low, high)) / tf.maximum(rms(background), SILENCE)
    return {**features, 'audio': audio + factor * background, 'noise': tf.zeros_like(features['noise']),
            **{k: _either(features[k], other[k]) for k in ('environment', 'near')}}
  return op
