"""Stereo features against closed forms: a pure delay turns the phase by 2 pi f delay in every band."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import fft

from sgm.audio import stereo
from sgm.audio.spectrogram import Frontend

FRONTEND = Frontend(16000, 1024, 320, 64, 150.0, 8000.0, 'linear', (-90.0, -10.0))
SAMPLES = 64 * 320


def delayed(x, seconds):
  """Right channel later by any time, exactly."""
  return fft.irfft(fft.rfft(x) * np.exp(-2j * np.pi * fft.rfftfreq(len(x), 1 / 16000) * seconds), len(x))


def features(left, right):
  return np.asarray(jax.jit(stereo.features, static_argnums=1)(np.stack([left, right], -1).astype(np.float32), FRONTEND))


def test_a_pure_delay():
  x, delay = 0.1 * np.random.default_rng(0).standard_normal(SAMPLES), 200e-6
  made = features(x, delayed(x, delay))[2:-2]  # (T, F, 4)
  angle = 2 * np.pi * FRONTEND.band_hz * delay
  # A band is 125 Hz wide and a delay is a small part of a frame: both cost a few degrees in single cells.
  error = np.angle(np.mean((made[..., 2] + 1j * made[..., 3]) * np.exp(-1j * angle), axis=0))
  assert np.abs(error[1:-1]).max() < 0.03
  assert np.abs(np.angle((made[..., 2] + 1j * made[..., 3]) * np.exp(-1j * angle))[:, 1:-1]).mean() < 0.05
  np.testing.assert_allclose(np.hypot(made[..., 2], made[..., 3]), 1, atol=1e-5)


def test_levels_are_the_front_end_s_and_gains_turn_nothing():
  x = 0.1 * np.random.default_rng(1).standard_normal(SAMPLES)
  made = features(x, 0.5 * x)
  expected = np.asarray(FRONTEND(jnp.asarray(np.stack([x, 0.5 * x], -1), jnp.float32)))
  np.testing.assert_allclose(made[..., :2], expected, atol=1e-6)
  np.testing.assert_allclose(made[..., 0] - made[..., 1], 20 * np.log10(2) / 80, atol=1e-4)
  np.testing.assert_allclose(made[..., 2:], np.broadcast_to((1.0, 0.0), made[..., 2:].shape), atol=1e-3)
  np.testing.assert_allclose(features(x, -x)[..., 2], -1, atol=1e-5)


def test_swapped_channels():
  left, right = 0.1 * np.random.default_rng(2).standard_normal((2, SAMPLES))
  np.testing.assert_allclose(features(right, left), features(left, right)[..., [1, 0, 2, 3]] * (1, 1, 1, -1), atol=1e-5)


def test_silence_has_no_direction_and_no_nan():
  x = 0.1 * np.random.default_rng(3).standard_normal(SAMPLES)
  assert not features(x, 0 * x)[..., 1:].any()
  audio = jnp.zeros((2, SAMPLES, 2)).at[0, :, 0].set(x)  # (B, N, 2)
  assert jax.eval_shape(lambda a: stereo.features(a, FRONTEND), audio).shape == (2, 64, 64, len(stereo.CHANNELS))
  assert jnp.isfinite(jax.grad(lambda a: stereo.features(a, FRONTEND).sum())(audio)).all()
  with pytest.raises(ValueError, match=r'expected \(..., N, 2\)'):
    stereo.features(audio[..., :1], FRONTEND)
