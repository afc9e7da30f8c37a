"""Delays and gains of two microphones against geometry, delays of a spectrum against a shifted sine."""

import numpy as np
import pytest

from data_pipeline import microphone_pair


def test_far_sources_are_plane_waves():
  for azimuth in (-90, -30, 0, 45, 90):
    (left, right), gains = microphone_pair.arrivals(azimuth, None, 0.2)
    assert np.isclose(right - left, -0.2 * np.sin(np.radians(azimuth)) / microphone_pair.SOUND_SPEED)
    np.testing.assert_array_equal(gains, 1)
    near, close = microphone_pair.arrivals(azimuth, 1e5, 0.2)
    np.testing.assert_allclose(near, (left, right), atol=1e-9)
    np.testing.assert_allclose(close, 1, atol=1e-5)


def test_near_sources_follow_their_distances():
  delays, gains = microphone_pair.arrivals(-90, 1.0, 0.5)  # on the axis, 0.75 m from the left one, 1.25 m from the right one
  np.testing.assert_allclose(delays, np.array([-0.25, 0.25]) / microphone_pair.SOUND_SPEED)
  np.testing.assert_allclose(gains, (1 / 0.75, 1 / 1.25))
  with pytest.raises(ValueError, match='between microphones'):
    microphone_pair.arrivals(0, 0.1, 0.2)


def test_a_baffle_divides_its_decibels():
  _, gains = microphone_pair.arrivals(90, None, 0.2, 6.0)
  assert np.isclose(20 * np.log10(gains[1] / gains[0]), 6.0) and np.isclose(gains[0] * gains[1], 1)


def test_a_delay_by_a_part_of_a_sample():
  n, k, shift = 1024, 37, 3.4  # a sine of whole periods is delayed exactly
  t = np.arange(n)
  spectrum = np.fft.rfft(np.sin(2 * np.pi * k * t / n)) * microphone_pair.delays(np.fft.rfftfreq(n, 1 / 8000), [shift / 8000])[0]
  np.testing.assert_allclose(np.fft.irfft(spectrum, n), np.sin(2 * np.pi * k * (t - shift) / n), atol=1e-5)
