import jax
import numpy as np
import pytest

from sgm.audio import masks
from sgm.audio.spectrogram import Frontend

FRONTEND = Frontend(sample_rate=16000, n_fft=512, hop=160, bands=40, low_hz=0, high_hz=8000, scale='linear', db_range=(-80, 0))
SAMPLES = 8000  # 50 frames


def tone(hz, amplitude, onset, offset, channels=1):
  """A tone in [onset, offset) seconds: (SAMPLES, channels)."""
  t = np.arange(SAMPLES) / 16000
  return np.repeat((amplitude * np.sin(2 * np.pi * hz * t) * ((t >= onset) & (t < offset)))[:, None], channels, 1)


def audible(stems, background=0.0, floor_db=-60.0):
  stems = np.stack(stems)
  return np.asarray(masks.audible_masks(stems[None], (stems.sum(0) + background)[None], FRONTEND, floor_db))[0]


def box(mask):
  return [float(side) for side in masks.extent(mask, FRONTEND)]


def test_tones_in_different_bands_get_their_own_boxes():
  low, high = audible([tone(1500, 0.5, 0.1, 0.2), tone(5000, 0.1, 0.15, 0.4)])
  assert low.shape == (50, 40) and low.dtype == bool
  window = 512 / 16000 / 2  # energy leaks by up to half a window before onset and after offset
  for mask, onset, offset, hz in ((low, 0.1, 0.2, 1500), (high, 0.15, 0.4, 5000)):
    box_onset, box_offset, box_low, box_high = box(mask)
    assert onset - window - 0.01 <= box_onset <= onset and offset <= box_offset <= offset + window + 0.01
    centre = mask[int((onset + offset) / 2 * 100)]                               # (F,) in its middle, away from clicks
    assert centre[np.abs(FRONTEND.band_hz - hz).argmin()]
    assert np.abs(FRONTEND.band_hz[centre] - hz).max() < 400
    assert box_low < hz < box_high


def test_the_louder_of_two_in_one_band_wins():
  loud, soft = audible([tone(2000, 0.4, 0.1, 0.3), tone(2010, 0.1, 0.2, 0.4)])
  band = np.abs(FRONTEND.band_hz - 2000).argmin()
  assert loud[12:28, band].all() and not soft[21:28, band].any()
  assert not loud[32:, band].any() and soft[32:38, band].all()
  assert not (loud & soft)[:, band].any()


def test_half_of_the_mix_is_the_border():
  noise = np.random.default_rng(0).normal(size=(SAMPLES, 1)) * 0.05
  stem = np.random.default_rng(1).normal(size=(SAMPLES, 1)) * 0.05
  stems = np.stack([stem, 0 * stem])
  power = lambda x: np.asarray(FRONTEND.power(x))[..., 0]
  mask = audible(stems, noise)
  ratio = power(stem) / power(stem + noise)
  np.testing.assert_array_equal(mask[0][np.abs(ratio - 0.5) > 1e-3], (ratio >= 0.5)[np.abs(ratio - 0.5) > 1e-3])
  assert 0.3 < mask[0].mean() < 0.8


def test_below_the_floor_silence_and_padding_are_empty():
  quiet, padding = audible([tone(3000, 1e-4, 0.1, 0.4), np.zeros((SAMPLES, 1))])
  assert not quiet.any() and not padding.any()
  heard, _ = audible([tone(3000, 1e-4, 0.1, 0.4), np.zeros((SAMPLES, 1))], floor_db=-100)
  assert heard.any()
  silent = audible([np.zeros((SAMPLES, 1))], floor_db=-200)
  assert not silent.any() and np.isnan(box(silent[0])).all()


def test_a_bird_masked_by_noise_is_not_audible():
  noise = np.random.default_rng(0).normal(size=(SAMPLES, 1)) * 0.3
  buried, = audible([tone(3000, 0.003, 0.1, 0.4)], noise)
  assert buried.mean() < 0.002


def test_channels_are_averaged():
  stem = tone(3000, 0.2, 0.1, 0.4, channels=2)
  np.testing.assert_array_equal(audible([stem]), audible([stem[:, :1]]))
  stem[:, 1] = 0  # to one side
  other = np.zeros_like(stem)
  other[:, 1] = tone(3000, 0.1, 0.1, 0.4)[:, 0]
  left, right = audible([stem, other])
  band = np.abs(FRONTEND.band_hz - 3000).argmin()
  assert left[12:38, band].all() and not right[12:38, band].any()


def test_extent_of_given_cells():
  mask = np.zeros((2, 3, 50, 40), bool)
  mask[0, 1, 10, 5] = mask[0, 1, 19, 8] = True
  mask[1, 2] = True
  onset, offset, low, high = jax.jit(masks.extent, static_argnums=1)(mask, FRONTEND)
  assert onset.shape == (2, 3) and np.isnan(onset).sum() == np.isnan(high).sum() == 4
  edges = FRONTEND.band_edges_hz
  np.testing.assert_allclose([onset[0, 1], offset[0, 1], low[0, 1], high[0, 1]], [0.1, 0.2, edges[5], edges[9]], rtol=1e-6)
  np.testing.assert_allclose([onset[1, 2], offset[1, 2], low[1, 2], high[1, 2]], [0, 0.5, edges[0], edges[-1]], rtol=1e-6)


def test_shapes_that_do_not_belong_together_are_named():
  with pytest.raises(ValueError, match=r'stems are \(1, 2, 8000, 1\), audio is \(1, 8000, 2\)'):
    masks.audible_masks(np.zeros((1, 2, 8000, 1)), np.zeros((1, 8000, 2)), FRONTEND, -60.0)
