"""The phase vocoder against librosa's in double precision (in single that is some 1e-3 off)."""

import librosa
import numpy as np
import pytest

from data_pipeline.time_stretch import time_stretch


@pytest.mark.parametrize('samples, rate, size', [(16000, 0.93, 512), (16000, 1.07, 512), (40001, 0.5, 1024), (700, 1.3, 512),
                                                 (16, 1.1, 16), (9000, 3.7, 256), (5000, 1.0, 256)])
def test_equals_librosa(samples, rate, size):
  t = np.arange(samples) / 16000
  x = 0.5 * np.sin(2 * np.pi * (3000 * t + 200 * np.sin(9 * t))) + 0.1 * np.random.default_rng(0).standard_normal(samples)
  x = x.astype(np.float32)
  expected = librosa.effects.time_stretch(x.astype(np.float64), rate=rate, n_fft=size)
  made = time_stretch(x, rate, size)
  assert made.shape == expected.shape and made.dtype == np.float32
  np.testing.assert_allclose(made, expected, atol=2e-5)


def test_silence_stays_silent():
  assert not time_stretch(np.zeros(4000, np.float32), 0.8, 512).any()
