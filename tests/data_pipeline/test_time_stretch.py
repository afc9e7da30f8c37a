"""The phase vocoder: steady tones stay what they are, and syllables after each other keep more than with librosa's."""

import librosa
import numpy as np
import pytest

from data_pipeline.time_stretch import time_stretch

RATE, SIZE = 16000, 512


def tone(hz, samples):
  return (np.sin(2 * np.pi * hz * np.arange(samples) / RATE) * np.hanning(samples) ** 0.25).astype(np.float32)


def librosas(x, rate, size=SIZE):
  return librosa.effects.time_stretch(x.astype(np.float64), rate=rate, n_fft=size)


@pytest.mark.parametrize('samples, rate, size', [(16000, 0.93, 512), (16000, 1.07, 512), (40001, 0.5, 1024), (700, 1.3, 512),
                                                 (16, 1.1, 16), (9000, 3.7, 256), (5000, 1.0, 256)])
def test_length_and_type(samples, rate, size):
  x = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
  made = time_stretch(x, rate, size)
  assert made.shape == librosas(x, rate, size).shape and made.dtype == np.float32 and np.isfinite(made).all()


def test_nothing_changes_at_rate_1():
  x = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
  np.testing.assert_allclose(time_stretch(x, 1.0, SIZE), x, atol=1e-5)


@pytest.mark.parametrize('rate', [0.7, 0.95, 1.06, 1.8])
def test_a_steady_tone_stays_one(rate):
  hz = 2345
  made = time_stretch(np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32), rate, SIZE)[SIZE:-2 * SIZE]
  angle = 2 * np.pi * hz * np.arange(len(made)) / RATE
  parts = np.stack([np.sin(angle), np.cos(angle)])
  fitted = np.linalg.lstsq(parts.T, made, rcond=None)[0]
  assert np.hypot(*fitted) == pytest.approx(1, abs=0.01) and np.std(made - fitted @ parts) < 0.01


@pytest.mark.parametrize('rate', [0.85, 0.94, 1.05, 1.15])
@pytest.mark.parametrize('hz', [(900, 2310), (3127, 3301), (5011, 1450)])
def test_a_tone_after_another_keeps_its_level(hz, rate):
  x = np.zeros(RATE, np.float32)
  for start, f in zip((2000, 8000), hz):
    x[start:start + 5000] = tone(f, 5000)
  made = time_stretch(x, rate, SIZE)
  for start in (2000, 8000):
    heard = np.mean(made[round(start / rate):round((start + 5000) / rate)] ** 2) / np.mean(x[start:start + 5000] ** 2)
    assert abs(10 * np.log10(heard)) < 0.1


def test_closer_than_librosa_to_the_spectrum_of_a_song():
  rng, parts = np.random.default_rng(1), []
  for _ in range(12):
    n = int(rng.integers(800, 2400))
    hz = np.linspace(*rng.uniform(2000, 6000, 2), n)
    parts += [np.sin(2 * np.pi * np.cumsum(hz) / RATE) * np.hanning(n), np.zeros(int(rng.integers(200, 900)))]
  x = (np.concatenate(parts) + 1e-3 * rng.standard_normal(sum(map(len, parts)))).astype(np.float32)
  magnitudes = lambda y, starts: np.abs(np.fft.rfft(np.stack([y[s:s + SIZE] for s in starts]) * np.hanning(SIZE)))
  for rate in (0.9, 1.08):
    starts = np.arange(0, int(min(len(x) / rate, len(x)) * 0.98 - SIZE), 64)
    there = np.round((starts + SIZE / 2) * rate - SIZE / 2).astype(int)
    starts, there = starts[there >= 0], there[there >= 0]
    asked = magnitudes(x, there)
    error = lambda y: 20 * np.log10(np.linalg.norm(magnitudes(y, starts) - asked) / np.linalg.norm(asked))
    assert error(time_stretch(x, rate, SIZE)) < min(error(librosas(x, rate)) - 1.5, -6.5)


def test_silence_stays_silent():
  assert not time_stretch(np.zeros(4000, np.float32), 0.8, 512).any()
