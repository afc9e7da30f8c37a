"""Directions of sounds whose delay is known exactly; positive = the left microphone is earlier."""

import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import direction
from tools.benchmark_stereo import RATE, diffuse, noisy, placed, song, tone

WIDE = (500.0, 7600.0)
WIDEST_US = 640.0


def heard(x, seconds, **changes):
  return direction.estimate(direction.correlate(x, RATE, (1, 1 + seconds), WIDE, **{'max_delay_us': WIDEST_US, **changes}))


def delay_of(azimuth):
  return -math.sin(math.radians(azimuth)) * 0.2 / 343.2 * 1e6


@settings(max_examples=15, deadline=None)
@given(st.floats(-75, 75), st.integers(0, 1000), st.sampled_from(direction.WEIGHTINGS))
def test_a_delay_is_found_to_a_part_of_a_sample(azimuth, seed, weighting):
  rng = np.random.default_rng(seed)
  y = song(rng)
  x = noisy(placed(y, azimuth), rng.standard_normal((len(y) + 2 * RATE, 2)), 1.2)
  e = heard(x, 1.2, weighting=weighting)
  assert e.delay_us == pytest.approx(delay_of(azimuth), abs=4) and not e.ambiguous  # 62.5 us are a sample
  assert e.confidence > 0.8 and abs(e.level_db) < 0.5


def test_the_left_microphone_is_earlier_and_louder():
  x = placed(song(np.random.default_rng(0)), -40) * (1, 0.5)
  e = heard(x, 1.2)
  assert e.delay_us > 300 and e.level_db == pytest.approx(6.02, abs=0.15) and e.coherence == pytest.approx(1, abs=0.01)
  swapped = heard(x[:, ::-1], 1.2)
  assert swapped.delay_us == pytest.approx(-e.delay_us, abs=0.01) and swapped.level_db == pytest.approx(-e.level_db)


def test_a_gain_moves_no_delay_and_time_moves_nothing():
  x = placed(song(np.random.default_rng(1)), 25)
  e, panned = heard(x, 1.2), heard(x * (1, 3), 1.2)
  assert panned.delay_us == pytest.approx(e.delay_us) and panned.level_db == pytest.approx(e.level_db - 9.54, abs=0.01)
  later = direction.estimate(direction.correlate(np.pad(x, ((128 * 40, 0), (0, 0))), RATE, (1.32, 2.52), WIDE, WIDEST_US))
  assert later.delay_us == pytest.approx(e.delay_us, abs=0.5)


def test_a_steady_tone_is_ambiguous():
  rng = np.random.default_rng(2)
  for _ in range(10):
    y = tone(rng)
    x = noisy(placed(y, rng.uniform(-60, 60)), rng.standard_normal((len(y) + 2 * RATE, 2)), len(y) / RATE)
    e = heard(x, len(y) / RATE)
    assert e.ambiguous and e.confidence < 0.75
  low = np.sin(2 * np.pi * 400 / RATE * np.arange(RATE)) * np.hanning(RATE)
  e = direction.estimate(direction.correlate(placed(low, -30), RATE, (1, 2), (200, 600), WIDEST_US))
  assert e.delay_us == pytest.approx(delay_of(-30), abs=5) and not e.ambiguous  # its period is longer than any delay


@pytest.mark.parametrize('make', [lambda rng, n: rng.standard_normal((n, 2)), diffuse, lambda rng, n: np.zeros((n, 2))])
def test_noise_has_no_direction(make):
  e = heard(make(np.random.default_rng(3), 3 * RATE), 1.0)
  assert e.ambiguous


def test_the_error_is_told():
  rng, off = np.random.default_rng(4), []
  for _ in range(12):
    y, azimuth = song(rng), rng.uniform(-50, 50)
    x = placed(y, azimuth)
    e = heard(noisy(x, 3 * rng.standard_normal(x.shape), 1.2), 1.2)
    off.append((e.delay_us - delay_of(azimuth)) / e.error_us)
  assert 0.3 < np.sqrt(np.mean(np.square(off))) < 3
  assert math.isnan(direction.estimate(direction.correlate(x, RATE, (1.5, 1.501), WIDE, WIDEST_US)).error_us)


def test_two_birds_one_after_the_other():
  rng = np.random.default_rng(5)
  x = placed(song(rng), -30) + np.roll(placed(song(rng), 30), round(1.2 * RATE), axis=0)[:3 * RATE + round(0.2 * RATE)]
  both = direction.correlate(np.pad(x, ((0, RATE), (0, 0))), RATE, (1, 3.4), WIDE, WIDEST_US)
  delays = [e.delay_us for e in direction.pieces(both, 0.6)]
  assert np.allclose(delays[0], delay_of(-30), atol=8) and np.allclose(delays[-1], delay_of(30), atol=8)


def test_refusals():
  x = np.zeros((RATE, 2))
  for changes, message in (
      ({'weighting': 'scot'}, "weighting is 'scot': expected one of phat, band"), ({'max_delay_us': 0}, 'max_delay_us is 0'),
      ({'samples': x[:, :1]}, r'samples are \(16000, 1\): expected \(N, 2\)'), ({'span': (2, 1)}, 'an end after the start'),
      ({'band': (9000, 9500)}, 'band 9000 to 9500 Hz holds no frequency of a sound of 16000 Hz')):
    with pytest.raises(ValueError, match=message):
      direction.correlate(**{'samples': x, 'sample_rate': RATE, 'span': (0, 1), 'band': WIDE, 'max_delay_us': 600, **changes})
