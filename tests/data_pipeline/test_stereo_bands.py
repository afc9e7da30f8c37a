import dataclasses

import numpy as np
import pytest
from scipy import fft, signal
import soundfile

from data_pipeline import stereo, stereo_bands

RATE = 16000
RNG = np.random.default_rng(0)
LEFT, OTHER, NOISE, MORE = RNG.standard_normal((4, 4 * RATE)) * 0.05
WIND = signal.lfilter([0.4], [1, -0.9], LEFT)  # white noise is the worst that can be coded


def bands(left, right):
  size = fft.next_fast_len(2 * len(left), real=True)
  return stereo_bands.compare(fft.rfft(np.stack([left, right]), size), size, RATE, 300)


def late(x, samples):
  return fft.irfft(fft.rfft(x) * np.exp(-2j * np.pi * fft.rfftfreq(len(x)) * samples), len(x))


@pytest.mark.parametrize('gain, samples', [(0.5, 0.0), (-0.5, 0.0), (2.0, 40.3)])
def test_a_copy_in_noise_has_one_gain_and_one_delay(gain, samples):
  found = bands(LEFT + 0.2 * NOISE, gain * late(LEFT, samples) + 0.2 * abs(gain) * MORE)  # -14 dB in each
  assert found.lag == pytest.approx(samples, abs=0.05) and found.sign == np.sign(gain)
  assert np.allclose(found.gain_db, 20 * np.log10(abs(gain)), atol=0.35) and np.all(abs(found.phase_deg) < 2)
  assert np.all((found.residual_db > -15) & (found.residual_db < -9)) and stereo_bands.copied([found])


def test_another_gain_or_phase_at_each_frequency_is_no_copy():
  louder_above = signal.lfilter([1, -0.4], 1, LEFT)
  assert not stereo_bands.copied([bands(LEFT, louder_above)])
  echo = LEFT + 0.3 * np.roll(LEFT, 30)
  assert not stereo_bands.copied([bands(LEFT, echo)])
  assert not stereo_bands.copied([bands(LEFT, OTHER)])


def test_a_gain_that_moves_is_no_copy():
  one, two = bands(LEFT, LEFT), bands(LEFT, 1.5 * LEFT)
  assert stereo_bands.copied([one]) and stereo_bands.copied([two]) and not stereo_bands.copied([one, two])


@pytest.mark.parametrize('suffix', ['mp3', 'ogg'])
@pytest.mark.parametrize('right, kind', [
    (WIND, 'dual mono'), (0.4 * WIND, 'scaled'), (-WIND, 'inverted'), (late(WIND, 100.3), 'delayed'),
    (0.5 * WIND + 0.5 * OTHER, 'true')])
def test_kinds_of_coded_files(tmp_path, right, kind, suffix):
  soundfile.write(tmp_path / f'x.{suffix}', np.stack([WIND, right], axis=1), RATE)
  told = stereo.classify(tmp_path / f'x.{suffix}')
  assert told.kind == kind
  if kind == 'delayed':
    assert told.lag_us == pytest.approx(100.3 / RATE * 1e6, abs=2)


def test_the_lag_told_is_that_of_the_bands_where_the_whole_hides_it(monkeypatch):
  hidden = np.stack([WIND, late(WIND, 40.0)], axis=1) + 0.02 * RNG.standard_normal((len(WIND), 2))
  compare = stereo.compare
  monkeypatch.setattr(stereo, 'compare', lambda *a: dataclasses.replace(compare(*a), lag=0.0))
  told = stereo.of_blocks([hidden], RATE, coded=True)
  assert told.kind == 'delayed' and told.lag_us == pytest.approx(40 / RATE * 1e6, abs=5)
