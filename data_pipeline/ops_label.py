"""Ops that turn an example's events into labels: prompt, roll, activity, label, pad_events, and keep.

They read the events as the sound ops left them (see ops_audio), so those come first. Rolls equal `scene.label_roll` and
`scene.activity` of the same events (held by a test); the arithmetic is in double precision because a frame that is
exactly half covered must fall on the same side in both.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from data_pipeline import description, prompts
from data_pipeline.registry import LABEL, OTHER, Features, Op, register, whole_number
from data_pipeline.scene import LOUDNESS_RANGE_DB, MIN_LOUDNESS, VOCALISATIONS, Event, Scene
from data_pipeline.tokenizer import PROMPT_EVENTS, PROMPT_TOKENS


def scene_of(features: dict[str, np.ndarray], codes: tuple[str, ...]) -> Scene:
  """The Scene of one example's numpy features (audio, sample_rate and the event arrays)."""
  events = []
  for i in range(len(features['species'])):
    azimuth = float(features['azimuth'][i])
    numbers = {k: float(features[k][i]) for k in ('onset', 'offset', 'low_hz', 'high_hz', 'level_db')}
    events.append(Event(codes[int(features['species'][i])], VOCALISATIONS[int(features['vocalisation'][i])],
                        azimuth=None if np.isnan(azimuth) else azimuth, **numbers))
  texts = {k: np.asarray(features[k]).item().decode() for k in ('environment', 'noise', 'near')}
  return Scene(tuple(events), duration=len(features['audio']) / int(features['sample_rate']), **texts)


def _cover(features: Features, frames: int) -> tf.Tensor:
  """`scene.coverage` of the events: (E, frames) float64."""
  duration = tf.cast(tf.shape(features['audio'])[0], tf.float64) / tf.cast(features['sample_rate'], tf.float64)
  edges = tf.range(frames + 1, dtype=tf.float64) * (duration / frames)
  onset, offset = (tf.cast(features[k], tf.float64)[:, None] for k in ('onset', 'offset'))
  overlap = tf.minimum(offset, edges[1:]) - tf.maximum(onset, edges[:-1])  # (E, frames)
  return tf.clip_by_value(overlap * (frames / duration), 0.0, 1.0)


def _per_species(features: Features, values: tf.Tensor, species: int) -> tf.Tensor:
  """The maximum of each species' events: (E, frames) -> (frames, S) float32, 0 where a species has none."""
  frames = values.shape[1]
  highest = tf.math.unsorted_segment_max(values, features['species'], species)  # (S, frames), very low where none
  return tf.ensure_shape(tf.cast(tf.transpose(tf.maximum(highest, 0.0)), tf.float32), (frames, species))


def _prompt_op(name: str, key: str, length: int, events: int, info, describe) -> Op:
  """The op behind `prompt` and `partial_prompt`: `describe(scene, rng) -> Description`; adds `key` and `key`_text."""
  whole_number(name, 'length', length)
  whole_number(name, 'events', events)
  codes = info.taxonomy.codes
  names = ('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db', 'azimuth', 'environment',
           'noise', 'near', 'audio', 'sample_rate')

  def say(seed: np.ndarray, *values: np.ndarray) -> tuple[bytes, np.ndarray]:
    scene = scene_of(dict(zip(names, values)), codes)
    loudest = sorted(scene.events, key=lambda e: -e.level_db)[:events]
    scene = dataclasses.replace(scene, events=tuple(e for e in scene.events if e in loudest))
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([int(s) & 0xffffffff for s in seed])))
    text = prompts.render(describe(scene, rng), rng, info.taxonomy)
    return text.encode(), info.tokenizer.encode(text, length).astype(np.int32)

  def op(features: Features, seed: tf.Tensor) -> Features:
    text, tokens = tf.numpy_function(say, (seed, *(features[n] for n in names)), (tf.string, tf.int32))
    text.set_shape(())
    tokens.set_shape((length,))
    return {**features, key.replace('tokens', 'text'): text, key: tokens}
  return op


@register('prompt', LABEL)
def prompt(length: int = PROMPT_TOKENS, events: int = PROMPT_EVENTS, *, info) -> Op:
  """Describes the example: 'text' (string) and 'tokens' int32 (length,), 0 = padding. The wording follows the seed.

  Only the `events` loudest events are named: a sentence about every syllable of a dense recording would fit no `length`.
  """
  return _prompt_op('prompt', 'tokens', length, events, info, lambda scene, rng: description.project(scene))


@register('partial_prompt', LABEL)
def partial_prompt(length: int = PROMPT_TOKENS, events: int = PROMPT_EVENTS, *, info) -> Op:
  """Like `prompt`, but a random part is left unsaid (`description.leave_unsaid`): 'partial_text' and 'partial_tokens'."""
  return _prompt_op('partial_prompt', 'partial_tokens', length, events, info,
                    lambda scene, rng: description.leave_unsaid(description.project(scene), rng))


@register('roll', LABEL)
def roll(frames: int, *, info) -> Op:
  """'roll' float32 (frames, S) in [0, 1]: `scene.label_roll`, the loudness of each species in each frame."""
  whole_number('roll', 'frames', frames)

  def op(features: Features, seed: tf.Tensor) -> Features:
    low, high = LOUDNESS_RANGE_DB
    loudness = tf.clip_by_value((tf.cast(features['level_db'], tf.float64) - low) / (high - low), MIN_LOUDNESS, 1.0)
    return {**features, 'roll': _per_species(features, _cover(features, frames) * loudness[:, None], len(info.taxonomy))}
  return op


@register('activity', LABEL)
def activity(frames: int, *, info) -> Op:
  """'activity' float32 (frames, S): `scene.activity`, 1 where a species fills at least half of the frame."""
  whole_number('activity', 'frames', frames)

  def op(features: Features, seed: tf.Tensor) -> Features:
    fills = tf.cast(_cover(features, frames) >= 0.5, tf.float64)
    return {**features, 'activity': _per_species(features, fills, len(info.taxonomy))}
  return op


@register('label', LABEL)
def label(*, info) -> Op:
  """'label' float32 (S + 1,): 1 for each species heard in the clip; the last is 1 when there is none."""
  species = len(info.taxonomy)

  def op(features: Features, seed: tf.Tensor) -> Features:
    heard = tf.reduce_max(tf.one_hot(features['species'], species), axis=0)  # (S,), very low without events
    heard = tf.maximum(heard, 0.0)
    return {**features, 'label': tf.concat([heard, [1.0 - tf.reduce_max(heard)]], axis=0)}
  return op


@register('pad_events', LABEL)
def pad_events(n: int) -> Op:
  """The events as arrays of fixed length, so that they can be batched; the loudest `n` when there are more.

  Adds event_species int32 (n,) with -1 = no event; event_onset, event_offset (s), event_low_hz, event_high_hz,
  event_level_db float32 (n,), 0 where there is no event; event_count int32 (), before any was left out; and makes
  stems float32 (n, N, C): zeros where there is no event, NaN where there is one whose stem is not stored.
  """
  whole_number('pad_events', 'n', n)

  def op(features: Features, seed: tf.Tensor) -> Features:
    count = tf.shape(features['species'])[0]
    loudest = tf.sort(tf.argsort(features['level_db'], direction='DESCENDING', stable=True)[:n])  # order of onset kept
    missing = n - tf.shape(loudest)[0]

    def fixed(values: tf.Tensor, fill: float) -> tf.Tensor:
      padding = [[0, missing]] + [[0, 0]] * (values.shape.rank - 1)
      padded = tf.pad(tf.gather(values, loudest), padding, constant_values=fill)
      return tf.ensure_shape(padded, [n] + values.shape[1:])

    out = {**features, 'event_count': count, 'event_species': fixed(tf.cast(features['species'], tf.int32), -1)}
    for key in ('onset', 'offset', 'low_hz', 'high_hz', 'level_db'):
      out[f'event_{key}'] = fixed(features[key], 0.0)
    stems = features['stems']
    unknown = tf.fill(tf.concat([[count - tf.shape(stems)[0]], tf.shape(features['audio'])], 0), float('nan'))
    out['stems'] = fixed(tf.concat([stems, unknown], axis=0), 0.0)
    return out
  return op


@register('keep', OTHER)
def keep(*names: str) -> Op:
  """Keeps the named features only. Raises ValueError that lists the features there are."""
  if not names:
    raise ValueError('keep: expected at least one feature name')

  def op(features: Features, seed: tf.Tensor) -> Features:
    unknown = [n for n in names if n not in features]
    if unknown:
      raise ValueError(f'keep: no feature {unknown[0]!r}; there are: {", ".join(sorted(features))}')
    return {n: features[n] for n in names}
  return op
