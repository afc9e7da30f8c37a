"""Loops without clicks, layers at their level, and where a recording ends in frequency."""

import numpy as np
import pytest
from scipy import signal

from data_pipeline import mixing_backgrounds as backgrounds
from data_pipeline.mixing_pools import BUILT_IN, Source
from tests.data_pipeline import sources_to_mix
from tests.data_pipeline.sources_to_mix import RATE

RNG = np.random.default_rng(0)


def test_a_loop_keeps_power_and_clicks_nowhere():
  slow = signal.lfilter(*signal.butter(2, 0.01), RNG.standard_normal((8000, 1)), axis=0).astype(np.float32)
  out = backgrounds.loop(slow, 40000, 1600, 123)
  assert out.shape == (40000, 1)
  np.testing.assert_array_equal(out[:6400], out[6400:12800])  # a period: the length less the crossfade
  steps = np.abs(np.diff(slow[:, 0])).max()
  assert np.abs(np.diff(out[:, 0])).max() < 1.5 * steps
  cut = np.tile(slow, (2, 1))
  assert np.abs(np.diff(cut[7900:8100, 0])).max() > 3 * steps  # what a loop without a crossfade does here
  white = RNG.standard_normal((16000, 1)).astype(np.float32)
  looped = backgrounds.loop(white, 12800, 3200, 0)
  assert abs(10 * np.log10(np.mean(looped[:3200] ** 2) / np.mean(looped[3200:] ** 2))) < 0.3


@pytest.mark.parametrize('frames, channels, wanted, looped, spread', [
    (20000, 1, 1, True, False), (90000, 1, 1, False, False), (90000, 1, 2, True, True), (20000, 1, 2, True, True),
    (90000, 2, 2, False, False), (90000, 2, 1, False, False), (64000, 1, 2, True, True), (64010, 1, 2, True, True),
    (100000, 1, 2, False, True), (128000, 1, 2, False, True)])
def test_a_layer_has_its_length_and_level(tmp_path, frames, channels, wanted, looped, spread):
  source = sources_to_mix.stored(tmp_path, 'x', 0.1 * RNG.standard_normal((frames, channels)), environment='rain')
  made = backgrounds.layer(source, 64000, RATE, wanted, 0.1, -30.0, np.random.default_rng(1))
  assert made.audio.shape == (64000, wanted) and made.audio.dtype == np.float32
  assert (made.looped, made.spread, made.environment) == (looped, spread, 'rain')
  assert abs(10 * np.log10(np.mean(made.audio ** 2)) + 30) < 0.01
  if wanted == 2:  # no copy of one channel in the other
    left, right = made.audio.T / np.linalg.norm(made.audio, axis=0)[:, None]
    lags = signal.correlate(left, right, 'same')[32000 - RATE // 50:32000 + RATE // 50]
    assert np.abs(lags).max() < 0.3, 'the same sound 20 ms apart at most'


def test_silence_is_no_background(tmp_path):
  source = sources_to_mix.stored(tmp_path, 'x', np.zeros((90000, 1)))
  assert backgrounds.layer(source, 64000, RATE, 1, 0.1, -30.0, np.random.default_rng(0)) is None


def test_built_in_textures_say_what_they_are():
  made = backgrounds.layer(Source(BUILT_IN, BUILT_IN, 0, 0, None), RATE, RATE, 2, 0.1, -30.0, np.random.default_rng(0))
  assert made.audio.shape == (RATE, 2) and made.environment


def test_where_a_recording_ends():
  white = 0.05 * RNG.standard_normal((4 * RATE, 1))
  rounded = lambda x: np.rint(x * 32767).astype(np.int16) / np.float32(32767)
  assert backgrounds.top_hz(rounded(white), RATE) == np.inf
  low = signal.sosfiltfilt(signal.ellip(12, 0.1, 120, 3000, fs=RATE, output='sos'), white, axis=0)
  assert 2900 < backgrounds.top_hz(rounded(low), RATE) < 3300
  assert backgrounds.top_hz(np.zeros((10, 1), np.float32), RATE) == np.inf  # too short to tell
