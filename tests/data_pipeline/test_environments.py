"""Background textures."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import environments, scene


def db(x):
  return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(scene.ENVIRONMENTS), st.sampled_from(scene.NEARS + ('',)), st.floats(-62, -34),
       st.floats(0.5, 6.0), st.sampled_from([16000, 22050, 32000, 48000]), st.sampled_from([1, 2]), st.integers(0, 10_000))
def test_level_shape_and_determinism(environment, near, level, seconds, rate, channels, seed):
  samples = int(seconds * rate)
  make = lambda: environments.background(environment, near, level, samples, rate, channels, np.random.default_rng(seed))
  out = make()
  assert out.shape == (samples, channels) and out.dtype == np.float32
  assert np.isfinite(out).all()
  assert abs(db(out) - level) < 0.01
  np.testing.assert_array_equal(out, make())


def band_share(name, low, high, n=12, rate=16000):
  total = inside = 0.0
  for seed in range(n):
    x = environments.TEXTURES[name](2 * rate, rate, 1, np.random.default_rng(seed))[:, 0]
    power, hz = np.abs(np.fft.rfft(x)) ** 2, np.fft.rfftfreq(len(x), 1 / rate)
    total, inside = total + power.sum() / power.sum(), inside + power[(hz >= low) & (hz < high)].sum() / power.sum()
  return inside / total


@pytest.mark.parametrize('name,low,high,share', [
    ('forest', 30, 1500, 0.8), ('wind', 20, 500, 0.8), ('rain', 1000, 8000, 0.7), ('insects', 3500, 8000, 0.7),
    ('river', 200, 4000, 0.8), ('road', 20, 700, 0.9)])
def test_each_texture_has_its_band(name, low, high, share):
  assert band_share(name, low, high) > share


def test_wind_gusts_and_insects_do_not_drift():
  def spread(name, low):
    out = []
    for seed in range(12):
      x = environments.TEXTURES[name](16000 * 4, 16000, 1, np.random.default_rng(seed))[:, 0]
      out.append(np.std([db(part) for part in np.array_split(x, 16)]))
    return np.median(out)
  assert spread('wind', 0) > 2 * spread('rain', 0)


def test_channels_are_diffuse():
  x = environments.background('rain', 'road', -40, 64000, 16000, 2, np.random.default_rng(0))
  assert abs(np.corrcoef(x.T)[0, 1]) < 0.5


def test_every_noise_word_has_a_level():
  assert tuple(environments.NOISE_DB) == scene.NOISES
  assert set(environments.TEXTURES) == set(scene.ENVIRONMENTS + scene.NEARS)
