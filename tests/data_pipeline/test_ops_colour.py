"""Distortion and band limits: closed forms, and labels that follow."""

import numpy as np
import pytest

from data_pipeline import registry
from tests.data_pipeline import tones

RATE = tones.RATE


@pytest.fixture
def one(features_of):
  rows = ((0.2, 0.7, 500.0), (0.9, 1.3, 1500.0), (1.5, 1.9, 3000.0))
  one = tones.sound(features_of(tones.scene_of(rows), np.random.default_rng(0)))
  one['stems'][0] *= 0.1  # a faint one: it is distorted less
  one['level_db'][0] -= 20
  one['audio'] = one['stems'].sum(0)
  return one


def rms(x):
  return np.sqrt(np.mean(np.square(x, dtype=np.float64)))


@pytest.mark.parametrize('drive', [-40.0, 0.0, 12.0, 30.0])
def test_tanh_distortion(run, one, drive):
  out = run(f'tanh_distortion({drive})', one, graph=drive > 20)
  expected = np.tanh(one['audio'].astype(np.float64) * 10 ** (drive / 20) / np.abs(one['audio']).max())
  np.testing.assert_allclose(out['audio'], expected * rms(one['audio']) / rms(expected), atol=2e-6)
  np.testing.assert_allclose(out['stems'].sum(0), out['audio'], atol=1e-6)
  for i, (a, b) in enumerate(zip(one['onset'], one['offset'])):
    part = out['audio'][round(a * RATE):round(b * RATE)]
    assert out['level_db'][i] == pytest.approx(20 * np.log10(rms(part)), abs=0.02)
  rise = out['level_db'][0] - one['level_db'][0]  # against the loud ones the faint one gains
  assert rise == pytest.approx(0, abs=0.01) if drive < -30 else rise > 0.5


def test_tanh_distortion_leaves_silence_and_draws(run, one):
  assert not run('tanh_distortion((0, 20))', {**one, 'audio': 0 * one['audio']}, graph=False)['audio'].any()
  peaks = {float(np.abs(run('tanh_distortion((0, 20))', one, seed, graph=False)['audio']).max()) for seed in range(5)}
  assert len(peaks) == 5


def test_band_limit(run, one):
  out = run('band_limit(900, 2000)', one)
  assert out['species'].tolist() == one['species'][1:2].tolist() and tones.share_labelled(out) > 0.98
  inside = slice(7400, 10200)  # not the edges of the tone, which are in all frequencies
  np.testing.assert_allclose(out['stems'][0][inside], one['stems'][1][inside], atol=2e-3)
  assert tones.level_in(out, 0) == pytest.approx(tones.level_in(one, 1), abs=0.05)
  assert rms(out['audio'][2000:5200]) < 1e-3 * rms(one['audio'])  # the tone at 500 Hz, and its label
  assert 20 * np.log10(rms(out['audio'][12400:14800]) / rms(one['audio'][12400:14800])) < -50


def test_band_limit_without_edges_changes_nothing(run, one):
  out = run('band_limit(0, 4000)', one, graph=False)
  np.testing.assert_allclose(out['audio'], one['audio'], atol=1e-6)
  np.testing.assert_array_equal(out['low_hz'], one['low_hz'])


@pytest.mark.parametrize('low, band', [(1450, (1450, 1600)), (1499, (1499, 1600)), (1510, None)])
def test_bands_are_cut_and_half_of_one_is_no_bird(run, one, low, band):
  out = run(f'band_limit({low}, 2000)', one, graph=False)
  assert list(zip(out['low_hz'], out['high_hz'])) == ([band] if band else [])
  assert len(out['stems']) == len(out['species'])


def test_odd_lengths_and_draws(run, one):
  odd = {**one, 'audio': one['audio'][:-1], 'stems': one['stems'][:, :-1]}
  edges = set()
  for seed in range(6):
    out = run('band_limit((100, 900), (2500, 3900))', odd, seed, graph=seed < 1)
    assert out['audio'].shape == (15999, 1)
    edges.add(float(out['high_hz'].max()))
  assert len(edges) > 1


@pytest.mark.parametrize('text', ['band_limit(900, 800)', 'band_limit((100, 900), (800, 2000))', 'band_limit(-1, 800)'])
def test_refusals(text, make_info):
  with pytest.raises(ValueError, match='expected 0 <= low_hz < high_hz'):
    registry.build([text], make_info())
