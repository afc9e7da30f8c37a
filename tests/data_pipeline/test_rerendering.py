import itertools

import numpy as np
import pytest
import scipy.stats

from data_pipeline import rerendering
from data_pipeline import sampling
from data_pipeline.scene import Event, Scene

GEOMETRY = dict(duration=2.56, sample_rate=16000)


def scene(*levels, noise='quiet'):
  return Scene(tuple(Event('gltpip', 'song', 0.3, 1.5, 2000, 4000, level) for level in levels), 'forest', noise, '', 2.56)


def rms_db(x):
  return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)))


def test_what_the_condition_says_stays_and_the_rest_is_drawn():
  [given] = itertools.islice(rerendering.two_birds(0, **GEOMETRY), 1)
  clips = list(rerendering.renderings(given, 3, 7, gain_db=(-6, 3), sample_rate=16000))
  for clip in clips:
    told = [(e.species, e.vocalisation, e.onset, e.offset) for e in clip.scene.events]
    assert told == [(e.species, e.vocalisation, e.onset, e.offset) for e in given.events]
    assert (clip.scene.environment, clip.scene.noise, clip.scene.near) == (given.environment, given.noise, given.near)
    for e, stem in zip(given.events, clip.stems):
      inside = stem[round(e.onset * 16000):round(e.offset * 16000)]
      assert rms_db(inside) == pytest.approx(e.level_db, abs=0.01)
  assert np.abs(clips[0].audio - clips[1].audio).max() > 0.01
  assert clips[0].scene.events[0].low_hz != clips[1].scene.events[0].low_hz  # another individual
  [again] = itertools.islice(rerendering.renderings(given, 3, 7, gain_db=(-6, 3), sample_rate=16000), 1)
  np.testing.assert_array_equal(again.audio, clips[0].audio)
  [other] = rerendering.renderings(given, 1, 8, gain_db=(-6, 3), sample_rate=16000)
  assert np.abs(other.audio - clips[0].audio).max() > 0.01


def test_scenes_of_two_whole_birds_that_overlap():
  for drawn in itertools.islice(rerendering.two_birds(3, **GEOMETRY), 5):
    a, b = drawn.events
    assert a.species != b.species and min(a.offset, b.offset) > max(a.onset, b.onset)
    assert all(0 < e.onset < e.offset < 2.56 for e in drawn.events)


def test_a_gain_is_as_likely_as_the_levels_before_it():
  gains = np.linspace(-6, 3, 10)
  usual = scipy.stats.norm(-28, 5.5)
  expected = usual.pdf(-24 - gains) * usual.pdf(-32 - gains)
  weights = rerendering.gain_weights(scene(-24, -32), gains)
  np.testing.assert_allclose(weights / weights.sum(), expected / expected.sum())
  # A bird is never louder than the range of levels, nor fainter than the background allows.
  loud = rerendering.gain_weights(scene(-14.5), gains)
  assert (loud > 0).tolist() == (-14.5 - gains <= sampling.LEVEL_RANGE_DB[1]).tolist()
  faint = rerendering.gain_weights(scene(-34, noise='noisy'), gains)
  assert (faint > 0).tolist() == (-34 - gains >= -36).tolist()


def test_the_background_follows_the_gain():
  """Drawn levels and gains together, as the training data have them, against the gains of one level."""
  rng = np.random.default_rng(0)
  levels = np.array([sampling.draw_level(-58.0, rng) for _ in range(200_000)])
  gains = rng.uniform(-6, 3, len(levels))
  near = np.abs(levels + gains + 20) < 0.25
  assert near.sum() > 1000
  weights = rerendering.gain_weights(scene(-20), grid := np.linspace(-6, 3, 200))
  assert np.average(grid, weights=weights) == pytest.approx(gains[near].mean(), abs=0.15)


def test_levels_that_do_not_occur():
  with pytest.raises(ValueError, match=r'levels of \[-3.0\] dB do not occur in a quiet place'):
    next(rerendering.renderings(scene(-3.0), 1, 0, gain_db=(-6, 3), sample_rate=16000))
