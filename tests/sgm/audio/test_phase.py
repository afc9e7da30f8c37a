import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import soundfile
import soxr

from sgm.audio import phase
from sgm.audio.spectrogram import Frontend

SMALL = Frontend(sample_rate=16000, n_fft=512, hop=160, bands=40, low_hz=150, high_hz=8000, scale='mel', db_range=(-90, 0))


def chirps(samples, channels=1, seed=0):
  """Broken sweeps with a little noise: (samples, channels)."""
  rng = np.random.default_rng(seed)
  n = np.arange(samples)[:, None]
  sweep = np.sin(2 * np.pi * (rng.uniform(500, 2000, channels) * n + 0.08 * n**2) / 16000) * (np.sin(n / 500) > 0)
  return (0.3 * sweep + 0.003 * rng.normal(size=(samples, channels))).astype(np.float32)


@pytest.mark.parametrize('n_fft,hop', [(512, 160), (512, 256), (1024, 320), (510, 100)])
def test_istft_inverts_stft(n_fft, hop):
  frontend = Frontend(16000, n_fft, hop, 40, 150, 8000, 'mel', (-90, 0))
  x = np.stack([chirps(30 * hop, 2, seed) for seed in range(2)])                 # (2, N, 2)
  y = phase.istft(frontend.stft(x), frontend)
  assert y.shape == x.shape
  np.testing.assert_allclose(y, x, atol=1e-5)  # borders included


class GivenPhase(np.random.RandomState):
  """Hands librosa the phase that we start from."""

  def __init__(self, radians):
    super().__init__(0)
    self.radians = radians

  def random(self, size=None, dtype=None):
    assert size == self.radians.shape
    return self.radians / (2 * np.pi) % 1


@pytest.mark.parametrize('momentum', [0.0, 0.99])
@pytest.mark.parametrize('n_fft,hop', [(512, 160), (1024, 320)])
def test_griffin_lim_converges_as_librosas(n_fft, hop, momentum):
  frontend = Frontend(16000, n_fft, hop, 40, 150, 8000, 'mel', (-90, 0))
  x = chirps(50 * hop)
  x[:n_fft] = x[-n_fft:] = 0  # where the borders are silent, reflection and librosa's longer signal are the same
  magnitude = np.abs(frontend.stft(x))[None]                                     # (1, T, K, 1)
  start = np.random.default_rng(1).uniform(0, 2 * np.pi, magnitude.shape)
  ours = phase.griffin_lim(magnitude, frontend, start, 32, momentum)
  theirs = librosa.griffinlim(
      magnitude[0, :, :, 0].T, n_iter=32, hop_length=hop, n_fft=n_fft, center=False, momentum=momentum,
      random_state=GivenPhase(start[0, :, :, 0].T))[frontend.padding:][:len(x)]

  def convergence(y):
    return np.linalg.norm(np.abs(frontend.stft(y)) - magnitude) / np.linalg.norm(magnitude)

  assert convergence(ours) == pytest.approx(convergence(theirs[None, :, None]), rel=0.01)
  assert convergence(ours) < (0.1 if momentum else 0.2)


def test_rows_depend_on_their_own_key_only_and_channels_stay_related():
  x = chirps(4800)
  S = jnp.stack([SMALL(y) for y in (np.repeat(x, 2, 1), x * [1, 0.25], chirps(4800, 2, seed=1))])  # (3, T, F, 2)
  keys = jax.random.split(jax.random.key(3), 3)
  batch = phase.audio_from_spectrogram(S, SMALL, keys, 8)
  assert batch.shape == (3, 4800, 2)
  np.testing.assert_allclose(batch[1:2], phase.audio_from_spectrogram(S[1:2], SMALL, keys[1:2], 8), atol=1e-4)
  other = phase.audio_from_spectrogram(S, SMALL, keys.at[0].set(jax.random.key(4)), 8)
  np.testing.assert_array_equal(batch[1:], other[1:])
  assert float(jnp.abs(batch[0] - other[0]).max()) > 0.01
  np.testing.assert_array_equal(batch[0, :, 0], batch[0, :, 1])
  left, right = np.std(batch[1], 0)
  assert 20 * np.log10(right / left) == pytest.approx(-12.04, abs=0.5)


def test_the_round_trip_keeps_the_spectrogram():
  frontend = Frontend(16000, 512, 160, 64, 150, 8000, 'linear', (-90, 0))
  S = jnp.stack([frontend(chirps(4800, seed=seed)) for seed in range(2)])
  y = phase.audio_from_spectrogram(S, frontend, jax.random.split(jax.random.key(0), 2))
  distance = jnp.sqrt(((frontend(y) - S) ** 2).mean(2)).mean() * 90
  assert float(distance) < 2  # dB


def test_the_round_trip_of_recordings(real_data):
  clips = []
  for name in ('XC143244', 'XC150351'):
    x, rate = soundfile.read(real_data / 'phoebe_xc' / f'{name}.mp3', dtype='float32', always_2d=True)
    x = soxr.resample(x[:, :1], rate, 16000)[8000:8000 + 40960]
    clips.append(x * (0.1 / x.std()))
  frontend = Frontend(16000, 1024, 320, 64, 150, 8000, 'mel', (-90, 0))
  S = frontend(np.clip(np.stack(clips), -1, 1))
  y = phase.audio_from_spectrogram(S, frontend, jax.random.split(jax.random.key(0), 2))
  assert float(jnp.sqrt(((frontend(y) - S) ** 2).mean(2)).mean() * 90) < 1.1     # dB


def test_the_floor_is_silent():
  S = jnp.zeros((2, 30, 40, 1)).at[1, 14:16, 10:12].set(0.9)
  y = phase.audio_from_spectrogram(S, SMALL, jax.random.split(jax.random.key(0), 2), 16)[..., 0]
  assert float(jnp.abs(y[0]).max()) == 0
  assert float(jnp.abs(y[1, :1600]).max()) < 1e-3 < 0.05 < float(jnp.abs(y[1]).max())
