"""Sound ops: every one eagerly and inside tf.data, and the events kept in step with the sound."""

import numpy as np
import pytest
import soxr

from data_pipeline.lufs import integrated
from data_pipeline.ops_audio import EVENT_KEYS
from data_pipeline.scene import Event, Scene

RATE = 8000


@pytest.fixture
def rng():
  return np.random.default_rng(0)


def scene_of_one(onset, offset, duration=2.0):
  return Scene((Event('gltpip', 'song', onset, offset, 1000.0, 2000.0, -20.0),), '', '', '', duration)


def test_decode(run, random_scene, features_of, make_info, rng):
  one = features_of(random_scene(rng, 2.0, 2), rng, channels=2, decoded=False)
  stereo = run('decode(channels=2)', one, info=make_info(channels=2))
  np.testing.assert_array_equal(stereo['audio'], (one['audio'] / 32767).astype(np.float32))
  assert stereo['audio'].dtype == np.float32 and np.abs(stereo['audio']).max() <= 1
  mono = run('decode', one, info=make_info(channels=2))
  np.testing.assert_allclose(mono['audio'][:, 0], one['audio'].mean(1) / 32767, atol=1e-7)
  assert mono['stems'].shape == (2, 16000, 1)


@pytest.mark.parametrize('stems', [True, False])
@pytest.mark.parametrize('rate', [4000, 12000])
def test_resample(run, random_scene, features_of, rng, stems, rate):
  one = features_of(random_scene(rng, 2.0, 2), rng, channels=2, stems=stems)
  out = run(f'resample({rate})', one)
  assert out['audio'].shape == (2 * rate, 2) and out['sample_rate'] == rate
  np.testing.assert_allclose(out['audio'][:, 1], soxr.resample(one['audio'][:, 1], RATE, rate), atol=1e-6)
  assert out['stems'].shape == (2 if stems else 0, 2 * rate, 2)
  if stems:
    np.testing.assert_allclose(out['stems'][1, :, 0], soxr.resample(one['stems'][1, :, 0], RATE, rate), atol=1e-6)
  np.testing.assert_array_equal(out['onset'], one['onset'])


def test_random_crop_follows_scene_crop(run, random_scene, features_of, rng):
  starts = set()
  for seed in range(30):
    scene = random_scene(rng, 2.0)
    one = features_of(scene, rng)
    one['audio'][:, 0] = np.arange(16000)  # the sound tells where it was cut
    out = run('random_crop(6000)', one, seed, graph=seed < 3)
    start = int(out['audio'][0, 0])
    starts.add(start)
    np.testing.assert_array_equal(out['audio'][:, 0], np.arange(start, start + 6000))
    cropped = scene.crop(start / RATE, 0.75)
    kept = [e for e in cropped.events if e.offset - e.onset >= 0.05]
    assert len(kept) == len(out['species']) == len(out['stems'])
    for key in ('onset', 'offset', 'low_hz', 'high_hz', 'level_db'):
      np.testing.assert_allclose(out[key], [getattr(e, key) for e in kept], atol=1e-6)
  assert len(starts) > 25 and max(starts) <= 10000


def test_crop_takes_the_stems_along(run, features_of, rng):
  one = features_of(Scene(scene_of_one(0.0, 0.2).events + scene_of_one(1.0, 1.5).events, '', '', '', 2.0), rng)
  out = run('center_crop(8000)', one)
  np.testing.assert_array_equal(out['stems'], one['stems'][1:, 4000:12000])
  np.testing.assert_allclose([out['onset'], out['offset']], [[0.5], [1.0]])


@pytest.mark.parametrize('onset, offset, stays', [
    (0.1, 0.54, False), (0.1, 0.56, True),    # cut: 40 ms and 60 ms are left
    (1.47, 1.9, False), (0.6, 0.63, True),    # a short event that is not cut stays
    (0.0, 0.5, False), (1.5, 2.0, False)])
def test_what_a_crop_leaves_of_an_event(run, features_of, rng, onset, offset, stays):
  out = run('center_crop(8000)', features_of(scene_of_one(onset, offset), rng))
  assert len(out['species']) == stays
  assert {len(out[k]) for k in EVENT_KEYS} == {int(stays)}


@pytest.mark.parametrize('op', ['random_crop(20000)', 'center_crop(20000)', 'pad(20000)', 'random_crop(16000)'])
def test_short_clips_are_followed_by_zeros(run, random_scene, features_of, rng, op):
  one = features_of(random_scene(rng, 2.0, 3), rng)
  out = run(op, one)
  np.testing.assert_array_equal(out['audio'][:16000], one['audio'])
  assert not out['audio'][16000:].any() and out['stems'].shape[1] == len(out['audio'])
  np.testing.assert_allclose(out['onset'], one['onset'])


def test_pad_refuses_a_longer_clip(run, random_scene, features_of, rng):
  with pytest.raises(Exception, match='the clip is longer; crop it first'):
    run('pad(100)', features_of(random_scene(rng, 2.0), rng))


@pytest.mark.parametrize('op', ['gain((-12, 6))', 'gain(db=(-12, 6))'])
def test_gain(run, random_scene, features_of, rng, op):
  one = features_of(random_scene(rng, 1.0, 2), rng)
  changes = []
  for seed in range(20):
    out = run(op, one, seed, graph=seed < 2)
    change = out['level_db'] - one['level_db']
    np.testing.assert_allclose(out['audio'], one['audio'] * 10 ** (change[0] / 20), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(out['stems'], one['stems'] * 10 ** (change[0] / 20), rtol=1e-4, atol=1e-7)
    changes.append(change[0])
  assert -12.01 <= min(changes) < -6 < 0 < max(changes) <= 6.01


def test_level(run, random_scene, features_of, rng):
  one = features_of(random_scene(rng, 1.0, 2), rng)
  out = run('level(-20)', one)
  np.testing.assert_allclose(20 * np.log10(np.sqrt(np.mean(out['audio'] ** 2))), -20, atol=1e-3)
  before = 20 * np.log10(np.sqrt(np.mean(one['audio'] ** 2)))
  np.testing.assert_allclose(out['level_db'] - one['level_db'], -20 - before, atol=1e-3)
  one['audio'] *= 1e-4
  faint = run('level(-20)', one)
  np.testing.assert_allclose(faint['audio'], one['audio'] * 100, rtol=1e-4)  # 40 dB and no more
  one['audio'] *= 0
  silent = run('level(-20)', one)
  assert not silent['audio'].any()
  np.testing.assert_array_equal(silent['level_db'], one['level_db'])


def test_gaussian_noise(run, random_scene, features_of, rng):
  one = features_of(random_scene(rng, 2.0, 1), rng)
  ratios = []
  for seed in range(10):
    out = run('gaussian_noise(snr_db=(10, 30))', one, seed, graph=seed < 2)
    noise = out['audio'] - one['audio']
    ratios.append(10 * np.log10(np.mean(one['audio'] ** 2) / np.mean(noise ** 2)))
    np.testing.assert_array_equal(out['stems'], one['stems'])
  assert 9.5 < min(ratios) < 18 < 22 < max(ratios) < 30.5
  one['audio'] *= 0
  assert not run('gaussian_noise(10)', one)['audio'].any()


def test_loudness(run, random_scene, features_of, rng):
  one = features_of(random_scene(rng, 2.0, 2), rng)
  out = run('loudness(-30)', one)
  assert integrated(out['audio'], RATE) == pytest.approx(-30, abs=0.01)
  change = -30 - integrated(one['audio'], RATE)
  np.testing.assert_allclose(out['level_db'] - one['level_db'], change, atol=0.01)
  np.testing.assert_allclose(out['stems'], one['stems'] * 10 ** (change / 20), rtol=1e-3, atol=1e-7)
  drawn = [integrated(run('loudness((-40, -20))', one, seed, graph=False)['audio'], RATE) for seed in range(8)]
  assert -40.01 < min(drawn) < -33 < -27 < max(drawn) < -19.99
  one['audio'] *= 1e-2
  np.testing.assert_allclose(run('loudness(-5)', one, graph=False)['audio'], one['audio'] * 100, rtol=1e-4)  # 40 dB and no more
  one['audio'] *= 1e-3
  np.testing.assert_array_equal(run('loudness(-5)', one, graph=False)['audio'], one['audio'])  # too faint for any loudness


def test_channel_swap(run, random_scene, features_of, rng):
  one = features_of(random_scene(rng, 1.0, 2), rng, channels=2)
  one['azimuth'] = np.array([-30.0, np.nan], np.float32)
  out = run('channel_swap', one)
  for key in ('audio', 'stems'):
    np.testing.assert_array_equal(out[key], one[key][..., ::-1])
  np.testing.assert_array_equal(out['azimuth'], [30.0, np.nan])
  with pytest.raises(ValueError, match='expected 2 channels, got 1'):
    run('channel_swap', features_of(random_scene(rng, 1.0, 2), rng))


def test_p_is_the_share_of_clips(run, random_scene, features_of, rng):
  one = features_of(random_scene(rng, 0.5, 2), rng, channels=2)
  swapped = []
  for seed in range(60):
    out = run('channel_swap(p=0.3)', one, seed, graph=seed < 2)
    assert np.array_equal(out['audio'], one['audio']) or np.array_equal(out['audio'], one['audio'][:, ::-1])
    swapped.append(np.array_equal(out['audio'], one['audio'][:, ::-1]))
  assert 8 <= sum(swapped) <= 30  # binomial: 5e-4 outside
  always, half = (run(f'gain((-9, 9){p})', one, 5, graph=False)['audio'] for p in ('', ', p=0.99'))
  np.testing.assert_array_equal(always, half)  # the same draw
