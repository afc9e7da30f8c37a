"""Ops of time and pitch: the labels say where the sound is, checked on the sound itself."""

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import registry, scene as scenes
from data_pipeline.taxonomy import PROCEDURAL
from tests.data_pipeline import tones

RATE = tones.RATE
ROWS = ((0.2, 0.7, 1000.0), (1.0, 1.6, 2300.0))


@pytest.fixture
def one(features_of):
  return tones.sound(features_of(tones.scene_of(ROWS), np.random.default_rng(0)))


@pytest.mark.parametrize('text, labelled', [
    ('time_shift((0.3, 0.3))', 0.98), ('time_shift((-0.5, -0.5))', 0.98), ('time_shift((-2, 2))', 0.98),
    ('tempo(0.8)', 0.95), ('tempo((1.1, 1.3))', 0.95), ('pitch_shift(2.0)', 0.95), ('pitch_shift((-4, -3))', 0.95)])
def test_events_follow_the_sound(run, one, text, labelled):
  out = run(text, one)
  assert out['audio'].dtype == np.float32 and len(out['species']) >= 2
  assert tones.share_labelled(out) > labelled
  for i in range(len(out['species'])):  # each label has its own sound, and not half of it
    assert tones.level_in(out, i) > -22  # of -20: a phase vocoder blurs one partial more than another
  still = {**one, **{k: out[k] for k in ('audio',)}}
  assert tones.share_labelled(still) < 0.9  # the old labels are wrong: the check can fail


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(1, 5), st.integers(4, 30)), max_size=3), st.integers(-40, 40))
def test_time_shift(features_of, rows, tenths):
  rows = [(a / 10, min(a + n, 20) / 10, 100.0 * hz) for a, n, hz in rows]
  scene = tones.scene_of(rows)
  one = tones.sound(features_of(scene, np.random.default_rng(0)))
  [op, roll] = registry.build([f'time_shift({tenths / 10})', 'roll(20)'], Info)
  out = {k: v.numpy() if isinstance(v, tf.Tensor) else v for k, v in
         roll(op({k: tf.convert_to_tensor(v) for k, v in one.items()}, tf.constant([1, 2])), None).items()}
  by = tenths * RATE // 10 % len(one['audio'])
  np.testing.assert_array_equal(out['audio'], np.roll(one['audio'], by, 0))
  np.testing.assert_allclose(out['stems'].sum(0), out['audio'], atol=1e-6)
  assert len(out['stems']) == len(out['species']) and np.all(np.diff(out['onset']) >= 0)
  expected = np.roll(scenes.label_roll(scene, PROCEDURAL.codes, 20), tenths, 0)  # a frame is a tenth of a second
  np.testing.assert_allclose(out['roll'], expected, atol=1e-4)
  for a, b, stem in zip(out['onset'], out['offset'], out['stems']):
    t = np.arange(len(stem)) / RATE
    assert np.sum(stem[(t < a - 1e-3) | (t > b + 1e-3)] ** 2) <= 1e-4 * np.sum(stem ** 2)  # a sample may round across the seam


class Info:
  taxonomy = PROCEDURAL


def test_tempo_and_pitch_have_the_right_size(run, one):
  out = run('tempo(0.8)', one)
  assert out['audio'].shape == (20000, 1) and out['stems'].shape == (0, 20000, 1)
  np.testing.assert_allclose([out['onset'], out['offset']], [[0.25, 1.25], [0.875, 2.0]], rtol=1e-6)
  np.testing.assert_array_equal(out['low_hz'], one['low_hz'])
  out = run('pitch_shift(12)', one, graph=False)
  assert out['audio'].shape == (16000, 1) and np.isnan(out['azimuth']).all()
  np.testing.assert_allclose([out['low_hz'], out['high_hz']], [[1800], [2200]], rtol=1e-6)  # 4400 Hz cannot be heard
  assert out['species'] == one['species'][:1]
  np.testing.assert_array_equal(out['onset'], one['onset'][:1])
  cut = run('pitch_shift(9)', one, graph=False)  # 3700 to 4036 Hz: up to half the sample rate
  np.testing.assert_allclose(cut['high_hz'][1], 4000)


@pytest.mark.parametrize('text, message', [
    ('tempo(0)', 'factors from 0.25 to 4'), ('tempo((0.5, 9))', 'factors'), ('pitch_shift((-30, 0))', 'expected -24 to 24'),
    ('time_shift("far")', "seconds is 'far'")])
def test_refusals(text, message):
  with pytest.raises(ValueError, match=message):
    registry.build([text], Info)
