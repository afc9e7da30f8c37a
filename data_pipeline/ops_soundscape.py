"""The op mix_soundscapes: in a clip's place a new soundscape, mixed of the birds and backgrounds of the same split.

`mixing` with what a training needs: nothing is written, and every epoch hears other scenes. What tools.mix_soundscapes can draw
this can too, by the same configuration (experiments/mixing.py).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline import mixing, mixing_distributions, mixing_habitat
from data_pipeline.builders.features import to_example
from data_pipeline.habitat import Habitats
from data_pipeline.homes import read_avonet
from data_pipeline.mixing_spec import MixingSpec
from data_pipeline.ops_audio import EVENT_KEYS
from data_pipeline.ops_mix import CLIP
from data_pipeline.registry import MIXTURE, Features, Op, register

_TEXTS = ('environment', 'noise', 'near', 'id', 'group', 'recordist', 'licence')
_TYPES = {'audio': tf.float32, 'stems': tf.float32, 'species': tf.int64, 'vocalisation': tf.int64,
          **{k: tf.float32 for k in EVENT_KEYS[2:]}, **{k: tf.string for k in _TEXTS}}


@register('mix_soundscapes', MIXTURE)
def mix_soundscapes(spec: dict[str, Any], backgrounds: str = '', plausibility: str = 'uniform', avonet: str = '', *, info,
                    partners) -> Op:
  """A soundscape drawn from `spec` (MixingSpec.from_dict) instead of the clip: 'mix_soundscapes({mixing}, "built-in", p=0.5)'.

  Audio, stems, events and the words for the place are the mix's; recordist and licence name those of all its sources; id is
  'mix/<split>/<n>', and mixing.mix(pools, spec, 0, n, split) is the same clip. Its singers are events of this split of the data
  set, of recordings whose licence allows it; its sources are kept in the data set's folder (see mixing_store).

  Args:
    spec: at the rate, with the channels and, where clips have been cropped before it, of the length of the clips.
    backgrounds: '' = clips of the split without events, 'built-in' = synthetic textures, or the folder of another data set.
    plausibility: how the birds of a scene fit its place and each other: 'plausible', 'implausible' or 'uniform' (not looked at).
    avonet: for that, AVONET's table of the homes of real birds; those of the built-in ones are known.

  Raises ValueError: what MixingSpec, `mixing_store.pools` or `mixing_habitat.chooser` refuse, an unknown species or recording,
  contaminants (a data set has none), rules that no scene keeps.
  """
  if not isinstance(spec, dict):
    raise ValueError(f'mix_soundscapes: spec is {spec!r}, expected the fields of a MixingSpec, such as {{mixing}} stands for')
  s = MixingSpec.from_dict(spec)
  if mixing_distributions.number(s.contaminants.count, 'contaminants.count').high > 0:
    raise ValueError(f'mix_soundscapes: contaminants.count is {s.contaminants.count}: a data set holds no contaminants, '
                     "expected 'const(0)'")
  pools, split = partners.pools(s.sample_rate, backgrounds), partners.split
  mixing_distributions.choice(s.events.species, 'events.species', sorted(pools.by_species))
  mixing_distributions.choice(s.events.source, 'events.source', sorted({f.name for f in pools.foreground}))
  choose = None
  if plausibility != 'uniform':
    known = Habitats(info.taxonomy, read_avonet(avonet, info.taxonomy) if avonet else {})
    choose = mixing_habitat.chooser(plausibility, mixing_habitat.with_built_in(known), s.events.species, [pools])
  mixing.mix(pools, s, 0, 0, split, choose)  # rules that no scene keeps are to be told here, not by a thread of tf.data
  # Two threads that mix are hardly faster than one: they wait for the interpreter.
  mix = partners.workers(functools.partial(mixing.mix, pools, s, 0, split=split, choose=choose, measure=False))
  shape = (round(s.seconds * s.sample_rate), s.channels)
  index_of = {code: i for i, code in enumerate(info.taxonomy.codes)}

  def mixed(seed: np.ndarray) -> list[Any]:
    high, low = (int(word) & 0xffffffff for word in seed)
    m = mix(high << 32 | low)
    words = {k: '; '.join(dict.fromkeys(a[k] for a in m.provenance['attribution'] if a[k])) for k in ('recordist', 'licence')}
    labels = to_example(np.zeros((0, s.channels), np.int16), m.scene, index_of, id=m.id, group=m.id, **words)
    made = {**labels, 'audio': m.audio, 'stems': m.clip.stems, **{k: labels[k].encode() for k in _TEXTS}}
    return [made[k] for k in _TYPES]

  def op(features: Features, seed: tf.Tensor) -> Features:
    _check(features, s, shape)
    made = dict(zip(_TYPES, tf.numpy_function(mixed, (seed,), list(_TYPES.values()))))
    for key, value in made.items():
      value.set_shape({'audio': shape, 'stems': (None, *shape)}.get(key, (None,) if key in EVENT_KEYS else ()))
    return {**features, **made}
  return op


def _check(features: Features, s: MixingSpec, shape: tuple[int, int]) -> None:
  """Raises ValueError for a clip in whose place no mix can stand."""
  made = [k for k in features if k not in CLIP]
  if made:
    raise ValueError(f'mix_soundscapes: the feature {made[0]!r} would be of another clip; put mix_soundscapes before the op '
                     'that makes it')
  audio = features['audio']
  if audio.dtype != tf.float32:
    raise ValueError('mix_soundscapes: put decode before it')
  rate = tf.get_static_value(features['sample_rate'])
  if rate is not None and rate != s.sample_rate:
    raise ValueError(f'mix_soundscapes: sample_rate is {s.sample_rate}, and clips are at {rate} Hz: say {rate}, or put '
                     f'resample({s.sample_rate}) before it')
  if audio.shape[0] not in (None, shape[0]) or audio.shape[1] != shape[1]:
    raise ValueError(f'mix_soundscapes: {s.seconds:g} s in {s.channels} channels are {shape} (samples, channels), and clips '
                     f'are {tuple(audio.shape)}: seconds, decode and crops have to agree')
