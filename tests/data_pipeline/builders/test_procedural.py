"""The TFDS form of the built-in birds."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_pipeline import series, taxonomy
from data_pipeline.builders import features, procedural
from data_pipeline.scene import VOCALISATIONS, Event, Scene

ARGUMENTS = dict(seed=5, sizes=dict(train=20, val=5, single=3, pairs=3), clip_seconds=1.28, sample_rate=16000, channels=2)


@pytest.fixture(scope='module')
def built(tmp_path_factory):
  calls = []
  out = tmp_path_factory.mktemp('procedural')
  folder, counts = procedural.build(str(out), workers=2, progress=lambda done, total: calls.append((done, total)), **ARGUMENTS)
  return out, folder, counts, calls


def test_counts_and_progress(built):
  out, folder, counts, calls = built
  assert counts == ARGUMENTS['sizes']
  assert calls == [(i + 1, 31) for i in range(31)]
  assert pathlib.Path(folder).is_relative_to(out)


def test_what_is_read_is_what_was_made(built):
  builder = tfds.builder_from_directory(built[1])
  for split, n in ARGUMENTS['sizes'].items():
    examples = {e['id'].decode(): e for e in tfds.as_numpy(builder.as_dataset(split=split))}
    assert len(examples) == n
    for i in range(n):
      clip = series.split_clip(5, split, i, duration=1.28, sample_rate=16000, channels=2)
      e = examples[clip.id]
      np.testing.assert_array_equal(e['audio'], series.to_int16(clip.audio))
      assert e['audio'].shape == (20480, 2)
      if split in series.WITHOUT_STEMS:
        assert e['stems'].shape == (0, 20480, 2)
      else:
        np.testing.assert_array_equal(e['stems'], series.to_int16(clip.stems))
      assert [taxonomy.PROCEDURAL.codes[s] for s in e['species']] == [v.species for v in clip.scene.events]
      assert [VOCALISATIONS[v] for v in e['vocalisation']] == [v.vocalisation for v in clip.scene.events]
      for name in ('onset', 'offset', 'low_hz', 'high_hz', 'level_db', 'azimuth'):
        np.testing.assert_allclose(e[name], [getattr(v, name) for v in clip.scene.events], rtol=1e-6)
      for name in ('environment', 'noise', 'near'):
        assert e[name].decode() == getattr(clip.scene, name)
      assert json.loads(e['provenance']) == clip.provenance and clip.provenance['plausibility']['mode'] == 'uniform'
      assert (e['group'], e['recordist'], e['licence']) == (e['id'], b'sgm', b'CC0-1.0')


def test_a_finished_data_set_is_found_again_and_leftovers_are_cleared(built):
  out, folder, counts, _ = built
  leftover = pathlib.Path(folder).parent / '1.0.0.incompleteABC'
  leftover.mkdir()

  def never(done, total):
    raise AssertionError('made again')
  assert procedural.build(str(out), workers=1, progress=never, **ARGUMENTS) == (folder, counts)
  assert not leftover.exists()


def test_bad_arguments_fail_before_any_work(tmp_path):
  with pytest.raises(ValueError, match='expected one of train'):
    procedural.build(str(tmp_path), workers=1, **{**ARGUMENTS, 'sizes': dict(tests=1)})
  with pytest.raises(ValueError, match='sample_rate 8000'):
    procedural.build(str(tmp_path), workers=1, **{**ARGUMENTS, 'sample_rate': 8000})
  with pytest.raises(ValueError, match="plausibility 'likely': expected one of plausible"):
    procedural.build(str(tmp_path), workers=1, plausibility='likely', **ARGUMENTS)
  assert not any(tmp_path.iterdir())


def test_example_values_are_checked():
  scene = Scene((Event('gltpip', 'song', 0.1, 0.5, 100, 200, -20),), '', '', '', 1.0)
  texts = dict(id='x', group='g', recordist='r', licence='l')
  audio = np.zeros((100, 1), np.float32)
  example = features.to_example(audio, scene, {'gltpip': 3}, **texts)
  assert example['stems'].shape == (0, 100, 1) and np.isnan(example['azimuth']).all() and example['species'] == [3]
  assert set(example) == set(features.feature_dict(1))
  with pytest.raises(ValueError, match="'gltpip'"):
    features.to_example(audio, scene, {}, **texts)
  with pytest.raises(ValueError, match='stems of shape'):
    features.to_example(audio, scene, {'gltpip': 0}, stems=np.zeros((2, 100, 1)), **texts)
  with pytest.raises(ValueError, match='audio of shape'):
    features.to_example(audio[:, 0], scene, {'gltpip': 0}, **texts)


def test_full_scale():
  np.testing.assert_array_equal(series.to_int16(np.array([-2.0, -1.0, 0.0, 1.0, 2.0])), [-32767, -32767, 0, 32767, 32767])
