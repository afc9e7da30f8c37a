"""Loudness against the figures of ITU-R BS.1770-4 and the test signals of EBU Tech 3341 (2016)."""

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline.lufs import integrated, k_filter

RATE = 16000


def tone(*parts, rate=RATE, channels=2, hz=1000.0):
  """(seconds, peak dBFS) parts of a sine, the same in all channels."""
  amplitude = np.concatenate([np.full(round(s * rate), 10 ** (db / 20)) for s, db in parts])
  x = amplitude * np.sin(2 * np.pi * hz * np.arange(len(amplitude)) / rate)
  return np.repeat(x[:, None], channels, 1)


def test_filter_is_the_one_of_the_recommendation():
  shelf = (1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585)
  cut = (1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621)
  np.testing.assert_allclose(k_filter(48000), (shelf, cut), atol=1e-12, rtol=0)


def test_full_scale_sine_in_one_channel():
  assert integrated(tone((5, 0.0), rate=48000, channels=1, hz=997.0), 48000) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize('parts, expected', [
    (((20, -23),), -23), (((20, -33),), -33),
    (((10, -36), (60, -23), (10, -36)), -23),                                # the relative gate
    (((10, -72), (10, -36), (60, -23), (10, -36), (10, -72)), -23),          # both gates
    (((20, -26), (20.1, -20), (20, -26)), -23)])
def test_signals_of_the_ebu(parts, expected):
  assert integrated(tone(*parts), RATE) == pytest.approx(expected, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([16000, 22050, 32000, 44100]), st.floats(-40, 20), st.integers(0, 99))
def test_properties(rate, db, seed):
  x = 0.1 * np.random.default_rng(seed).standard_normal((rate, 1))
  loudness = integrated(x, rate)
  assert integrated(x * 10 ** (db / 20), rate) == pytest.approx(loudness + db, abs=1e-6)  # the gates move along above -70
  assert integrated(np.repeat(x, 2, 1), rate) == pytest.approx(loudness + 3.01, abs=0.01)
  assert integrated(tone((1, -20), rate=rate), rate) == pytest.approx(-20, abs=0.1)


def test_without_loudness():
  assert integrated(np.zeros((RATE, 1)), RATE) == integrated(np.zeros((0, 2)), RATE) == -np.inf
  assert integrated(tone((3, -90)), RATE) == -np.inf
  short = tone((0.1, -20), hz=1000)
  assert integrated(short, RATE) == pytest.approx(-20, abs=0.3)  # one block
