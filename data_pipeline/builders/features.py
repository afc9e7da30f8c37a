"""The stored form of a clip, shared by every builder: TFDS features, and their values from a Scene and arrays."""

from __future__ import annotations

import json
import math
from typing import Any, Mapping

import numpy as np
import tensorflow_datasets as tfds

from data_pipeline.scene import VOCALISATIONS, Scene
from data_pipeline.series import to_int16

_EVENT_NUMBERS = ('onset', 'offset', 'low_hz', 'high_hz', 'level_db', 'azimuth')
_SCENE_TEXTS = ('environment', 'noise', 'near')
PROVENANCE = 'provenance'


def feature_dict(channels: int) -> dict[str, Any]:
  """What one example holds, for `tfds.features.FeaturesDict`.

  audio (N, C) and stems (E, N, C, with E = 0 where they are not stored) are int16, full scale 32767, written as bytes
  (TFDS's Audio writes varints: three times the size). Per event, (E,): species (index in the taxonomy) and vocalisation
  (index in scene.VOCALISATIONS) as int64, onset and offset in s, low_hz, high_hz, level_db (dB re full scale) and azimuth
  (degrees, NaN = unknown) as float32. Texts: environment, noise, near as in Scene; id; group (the recording: splits never
  divide it); recordist; licence; provenance (how the clip was drawn: a JSON object, that of soundscape.Clip; data sets made
  before it was stored lack this one).
  """

  def vector(dtype):
    return tfds.features.Tensor(shape=(None,), dtype=dtype)

  return dict(
      audio=tfds.features.Tensor(shape=(None, channels), dtype=np.int16, encoding='bytes'),
      stems=tfds.features.Tensor(shape=(None, None, channels), dtype=np.int16, encoding='bytes'),
      species=vector(np.int64),
      vocalisation=vector(np.int64),
      **{name: vector(np.float32) for name in _EVENT_NUMBERS},
      **{name: tfds.features.Text() for name in _SCENE_TEXTS + ('id', 'group', 'recordist', 'licence', PROVENANCE)},
  )


def to_example(audio: np.ndarray, scene: Scene, index_of: dict[str, int], *, id: str, group: str, recordist: str,
               licence: str, stems: np.ndarray | None = None, provenance: Mapping[str, Any] | None = None) -> dict[str, Any]:
  """The values of `feature_dict`.

  Args:
    audio: (N, C) float in [-1, 1], or int16 already.
    scene: its events' species must be keys of `index_of`, which gives their index in the taxonomy.
    stems: (E, N, C) like audio, in the order of the scene's events; None = not stored.
    id, group, recordist, licence, provenance: see `feature_dict`.

  Raises:
    ValueError: shapes that do not agree, or a species without index.
  """
  if audio.ndim != 2:
    raise ValueError(f'{id}: audio of shape {audio.shape}, expected (samples, channels)')
  if stems is None:
    stems = np.zeros((0,) + audio.shape, np.int16)
  elif stems.shape != (len(scene.events),) + audio.shape:
    raise ValueError(f'{id}: stems of shape {stems.shape}, expected {(len(scene.events),) + audio.shape}')
  unknown = sorted({e.species for e in scene.events} - set(index_of))
  if unknown:
    raise ValueError(f'{id}: species {unknown[0]!r} is not in the taxonomy of this data set')
  numbers = {
      name: np.array([math.nan if getattr(e, name) is None else getattr(e, name) for e in scene.events], np.float32)
      for name in _EVENT_NUMBERS}
  return dict(
      audio=to_int16(audio),
      stems=to_int16(stems),
      species=np.array([index_of[e.species] for e in scene.events], np.int64),
      vocalisation=np.array([VOCALISATIONS.index(e.vocalisation) for e in scene.events], np.int64),
      **numbers,
      **{name: getattr(scene, name) for name in _SCENE_TEXTS},
      id=id, group=group, recordist=recordist, licence=licence, **{PROVENANCE: json.dumps(provenance or {}, allow_nan=False)})
