"""A whistle in noise: kept, its ends found, the noise gone."""

import numpy as np

from data_pipeline import mixing_cleaning as cleaning

RATE = 16000


def test_a_whistle_comes_out_of_its_noise():
  rng = np.random.default_rng(0)
  t = np.arange(5 * RATE) / RATE
  noise = 0.01 * rng.standard_normal(len(t))
  sung = (t > 2.2) & (t < 3.0)
  whistle = 0.1 * np.sin(2 * np.pi * 3000 * t) * sung
  samples, onset, offset = cleaning.extract((noise + whistle).astype(np.float32), RATE, 2.0, 3.2, 2500, 3500)
  pad = round(cleaning.PAD_SECONDS * RATE)
  assert len(samples) == round((offset - onset) * RATE) + 2 * pad
  assert abs(onset - 2.2) < 0.03 and abs(offset - 3.0) < 0.03
  first = round(onset * RATE) - pad
  clean = whistle[first:first + len(samples)]
  kept = np.dot(samples, clean) / np.dot(clean, clean)
  assert 0.97 < kept < 1.01
  residual = 10 * np.log10(np.mean((samples - kept * clean) ** 2) / np.mean(noise ** 2))
  assert residual < -8  # dB: the band and the subtraction
  assert abs(samples[0]) < 1e-3 and abs(samples[-1]) < 1e-3


def test_nothing_stands_out():
  noise = (0.01 * np.random.default_rng(0).standard_normal(5 * RATE)).astype(np.float32)
  assert cleaning.extract(np.zeros(5 * RATE, np.float32), RATE, 2.0, 3.0, 2000, 3000) is None
  assert cleaning.extract(noise, RATE, 2.0, 2.01, 2000, 3000) is None  # too short


def test_fades():
  faded = cleaning.faded(np.ones(100, np.float32), 10)
  assert faded[0] < 0.01 and faded[10:90].min() == 1
  np.testing.assert_allclose(faded, faded[::-1])
