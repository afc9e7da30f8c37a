"""A classifier with stereo features learns the side that a bird sings from; levels of one channel hold nothing of it."""

import jax
import numpy as np
import optax
import pytest
from scipy import fft

from data_pipeline import microphone_pair
from sgm.audio.spectrogram import Frontend
from sgm.models.classifier import Classifier
from sgm.tasks.classification import Classification

RATE, SAMPLES, STEPS = 16000, 16 * 256, 40
FRONTEND = Frontend(RATE, 512, 256, 16, 500.0, 8000.0, 'linear', (-90.0, -10.0))


def batch(seed, channels, size=32):
  """Sweeps from 30 to 75 degrees on either side of microphones 4 cm apart, in noise; label: left, right, none."""
  rng, t = np.random.default_rng(seed), np.arange(SAMPLES) / RATE
  audio, side = np.zeros((size, SAMPLES, 2), np.float32), rng.integers(0, 2, size)
  for x, right in zip(audio, side):
    song = 0.1 * np.sin(2 * np.pi * (rng.uniform(1500, 3500) * t + rng.uniform(-1500, 1500) * t ** 2))
    seconds, _ = microphone_pair.arrivals((1 if right else -1) * rng.uniform(30, 75), None, 0.04)
    turned = fft.rfft(song) * microphone_pair.delays(fft.rfftfreq(SAMPLES, 1 / RATE), seconds)
    x[:] = fft.irfft(turned, SAMPLES).T + 0.003 * rng.standard_normal((SAMPLES, 2))
  label = np.eye(3, dtype=np.float32)[side]
  return {'audio': audio if channels == 2 else audio.mean(-1, keepdims=True), 'label': label,
          'activity': np.repeat(label[:, None, :2], 4, axis=1)}


def made(stereo):
  model = Classifier(classes=2, width=8, mults=(1,), time_patch=4, patch=4, dropout=0.0)
  return Classification(FRONTEND, model, frame_weight=1.0, time_mask=0.1, band_mask=0.1, shift=0.1, stereo=stereo)


@pytest.mark.parametrize('stereo', [True, False])
def test_the_side_of_a_bird(stereo):
  task, optimizer, channels = made(stereo), optax.adam(5e-3), 2 if stereo else 1

  @jax.jit
  def step(params, state, rng, b):
    grads = jax.grad(lambda p: task.loss(p, {}, rng, b)[0])(params)
    updates, state = optimizer.update(grads, state)
    return optax.apply_updates(params, updates), state

  params = jax.jit(task.init)(jax.random.key(0), batch(0, channels))
  state = optimizer.init(params)
  for i in range(STEPS):
    params, state = step(params, state, jax.random.key(i), batch(i, channels))
  right = np.asarray(jax.jit(task.eval)(params, {}, jax.random.key(0), batch(1000, channels, 128))['top1']).mean()
  assert right > 0.9 if stereo else right < 0.65  # 128 tosses of a coin: 0.5, standard deviation 0.044


def test_gains_and_masks_change_no_phase_into_another():
  task, b = made(True), batch(0, 2, 8)
  s = jax.jit(task.planes)(b['audio'])
  augmented = jax.jit(task._augment)(jax.random.key(0), s)
  assert s.shape == (8, 16, 16, 4) and float(s.min()) >= 0 and float(s.max()) <= 1
  phases, before = np.asarray(augmented[..., 2:]), np.asarray(s[..., 2:])
  assert np.all((phases == before) | (phases == 0.5)) and not np.allclose(augmented[..., :2], s[..., :2])
  np.testing.assert_allclose(task.precompute({}, None, b)['spectrogram'], s, atol=1e-3)
  with pytest.raises(ValueError, match='this classifier hears two channels, expected the planes left, right, cosine, sine'):
    task.hear({}, FRONTEND(b['audio']))
