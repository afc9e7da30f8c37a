import dataclasses
import json

import hypothesis
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from sgm.audio import spectrogram
from sgm.audio.spectrogram import Frontend

TINY = Frontend(sample_rate=16000, n_fft=1024, hop=320, bands=64, low_hz=150, high_hz=8000, scale='mel', db_range=(-90, 0))


def birdlike(rng, samples, sample_rate):
  """A swept trill over coloured noise, peak near 0.5: (samples,)."""
  t = np.arange(samples) / sample_rate
  hz = sample_rate * (0.2 + 0.1 * np.sin(2 * np.pi * rng.uniform(2, 9) * t))
  trill = np.sin(2 * np.pi * np.cumsum(hz) / sample_rate) * (np.sin(2 * np.pi * 7 * t) > 0)
  return (0.5 * trill + 0.01 * np.cumsum(rng.normal(size=samples)) / 10 + 0.01 * rng.normal(size=samples)).astype(np.float32)


def librosa_stft(x, frontend):
  padded = np.pad(x.astype(np.float64), frontend.padding, 'reflect')
  return librosa.stft(padded, n_fft=frontend.n_fft, hop_length=frontend.hop, center=False).T  # (T, K)


@hypothesis.settings(max_examples=6, deadline=None)
@hypothesis.given(
    st.sampled_from([16000, 22050, 32000]), st.sampled_from([256, 510, 1024]), st.floats(0.1, 0.5), st.integers(4, 48),
    st.floats(0, 500), st.floats(0.6, 1), st.sampled_from(spectrogram.SCALES), st.integers(0, 99))
def test_power_equals_librosa(sample_rate, n_fft, overlap, bands, low_hz, top, scale, seed):
  hop = max(2, int(n_fft * overlap) // 2 * 2)
  frontend = Frontend(sample_rate, n_fft, hop, bands, low_hz, top * sample_rate / 2, scale, (-80, 0))
  x = birdlike(np.random.default_rng(seed), 24 * hop, sample_rate)
  reference = librosa_stft(x, frontend)
  spectrum, power, S = jax.jit(lambda x: (frontend.stft(x), frontend.power(x), frontend(x)))(x[:, None])
  np.testing.assert_allclose(spectrum[..., 0], reference, atol=3e-6 * np.abs(reference).max())
  bank = spectrogram.filter_bank(frontend)
  power, expected = np.asarray(power)[..., 0], np.abs(reference)**2 @ bank.T.astype(np.float64)
  assert power.shape == (24, bands)
  above = expected > 1e-8
  assert above.mean() > 0.3
  np.testing.assert_allclose(power[above], expected[above], rtol=1e-4)
  np.testing.assert_allclose(S[..., 0], np.clip(1 + 10 * np.log10(expected + 1e-20) / 80, 0, 1), atol=1e-5)


@pytest.mark.parametrize('sample_rate,n_fft,bands,low_hz', [(16000, 1024, 64, 150), (32000, 2048, 128, 150), (22050, 512, 20, 0)])
def test_mel_filters_are_librosas_up_to_the_calibration(sample_rate, n_fft, bands, low_hz):
  frontend = Frontend(sample_rate, n_fft, n_fft // 4, bands, low_hz, sample_rate / 2, 'mel', (-80, 0))
  ours = spectrogram.filter_bank(frontend)
  theirs = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=bands, fmin=low_hz, fmax=sample_rate / 2, norm=None)
  factor = (ours * theirs).sum(1, keepdims=True) / (theirs**2).sum(1, keepdims=True)
  np.testing.assert_allclose(ours, factor * theirs, atol=1e-5 * ours.max())
  np.testing.assert_allclose(frontend.band_hz, librosa.mel_frequencies(bands + 2, fmin=low_hz, fmax=sample_rate / 2)[1:-1])
  width = factor[:, 0] * (n_fft / 4)**2  # 1 / 1.5 where triangles are wide, up to 1 where they are as narrow as a bin
  assert np.all((width > 0.66) & (width < 1.01)) and abs(width[-1] - 1 / 1.5) < 0.02


@pytest.mark.parametrize('scale', spectrogram.SCALES)
def test_a_sine_reads_its_level(scale):
  frontend = dataclasses.replace(TINY, scale=scale)
  n = np.arange(6400)
  for band, amplitude in ((2, 1.0), (20, 0.1), (40, 0.5), (61, 0.01)):
    x = amplitude * np.sin(2 * np.pi * frontend.band_hz[band] * n / 16000 + band)
    db = 10 * np.log10(np.asarray(frontend.power(x[:, None]))[2:-2, :, 0])        # (T - 4, F) away from the borders
    np.testing.assert_allclose(db[:, band], 20 * np.log10(amplitude), atol=0.02)
    assert np.all(np.delete(db, [band - 1, band, band + 1], 1) < 20 * np.log10(amplitude) - 8)
    S = frontend(x[:, None])[5, band, 0]
    assert float(frontend.db(S)) == pytest.approx(20 * np.log10(amplitude), abs=0.02)
  bin_sine = 0.25 * np.cos(2 * np.pi * 100 * n / 1024)
  assert float(jnp.abs(frontend.stft(bin_sine[:, None]))[10, 100, 0]) == pytest.approx(0.25 * 1024 / 4, rel=1e-4)


def test_linear_bands_are_equally_spaced_and_reach_nyquist():
  frontend = dataclasses.replace(TINY, scale='linear', low_hz=0)
  assert np.ptp(np.diff(frontend.band_hz)) < 1e-9
  assert np.ptp(np.diff(frontend.band_edges_hz)) < 1e-9
  assert spectrogram.filter_bank(frontend)[-1, 510] > 0
  inside = (frontend.band_edges_hz[:-1] < frontend.band_hz) & (frontend.band_hz < frontend.band_edges_hz[1:])
  assert inside.all() and frontend.band_edges_hz.shape == (65,)


@pytest.mark.parametrize('scale', spectrogram.SCALES)
def test_bands_narrower_than_a_bin_interpolate_and_none_is_empty(scale):
  frontend = Frontend(16000, 256, 64, 128, 0, 8000, scale, (-80, 0))
  bank = spectrogram.filter_bank(frontend)
  assert np.all(np.isfinite(bank)) and bank.sum(1).min() > 0
  x = np.random.default_rng(0).normal(size=(1280, 1))
  assert float(frontend.power(x).min()) > 0


def test_geometry():
  assert TINY.frames(40960) == 128
  x = np.random.default_rng(0).normal(size=(2, 3, 3200, 2)).astype(np.float32)
  S = TINY(x)
  assert S.shape == (2, 3, 10, 64, 2) and S.dtype == jnp.float32
  np.testing.assert_allclose(S[1, 2, :, :, 1], TINY(x[1, 2, :, 1:])[..., 0], atol=1e-5)
  assert TINY.stft(x[0]).shape == (3, 10, 513, 2)
  click = np.zeros((6400, 1))
  click[7 * 320 + 160] = 1  # the middle of frame 7
  power = np.asarray(TINY.power(click)).sum((1, 2))
  assert power.argmax() == 7 and power[6] == pytest.approx(power[8], rel=1e-4)
  assert TINY.time_s(7) == (7 * 320 + 160) / 16000


def test_compress_and_expand_are_inverses_inside_the_range():
  lo, hi = TINY.db_range
  S = np.linspace(0, 1, 101)
  np.testing.assert_allclose(TINY.compress(TINY.expand(S)), S, atol=1e-5)
  power = 10 ** (np.linspace(lo, hi, 50) / 10)
  np.testing.assert_allclose(TINY.expand(TINY.compress(power)), power, rtol=2e-4)
  np.testing.assert_array_equal(TINY.compress(jnp.array([0.0, 1e-12, 3.0])), [0, 0, 1])
  assert float(jax.grad(lambda p: TINY.compress(p).sum())(jnp.zeros(2))[0]) == 0  # silence has no NaN gradient


def test_quantise():
  np.testing.assert_array_equal(spectrogram.quantise(jnp.array([-1, 0, 0.24, 0.26, 1, 2]), 3), [0, 0, 0, 1, 2, 2])
  levels = jnp.arange(32)
  np.testing.assert_array_equal(spectrogram.quantise(levels / 31, 32), levels)
  with pytest.raises(ValueError, match='2 or more'):
    spectrogram.quantise(jnp.zeros(1), 1)


@pytest.mark.parametrize('scale', spectrogram.SCALES)
def test_to_linear_reads_the_same_in_the_bands(scale):
  frontend = dataclasses.replace(TINY, scale=scale)
  S = frontend(np.stack([birdlike(np.random.default_rng(i), 6400, 16000) for i in range(2)], -1))  # (T, F, 2)
  magnitude = frontend.to_linear(S)
  assert magnitude.shape == (20, 513, 2) and float(magnitude.min()) >= 0
  again = frontend.compress(jnp.einsum('tkc,fk->tfc', magnitude**2, spectrogram.filter_bank(frontend)))
  assert float(jnp.abs(again - S).mean()) * 90 < 0.2
  assert float(frontend.to_linear(jnp.zeros((4, 64, 1))).max()) == 0  # the floor is silence
  half = frontend.to_linear(S.at[:, 32:].set(0))
  assert float(half[:, int(frontend.band_hz[33] / 16000 * 1024) + 1:].max()) == 0


def test_it_is_a_static_argument_and_survives_json():
  copy = Frontend(**json.loads(json.dumps(dataclasses.asdict(TINY))))
  assert copy == TINY and hash(copy) == hash(TINY)
  traces = []
  call = jax.jit(lambda x, frontend: traces.append(1) or frontend(x), static_argnums=1)
  x = jnp.ones((3200, 1))
  np.testing.assert_allclose(call(x, TINY), call(x, copy))
  assert len(traces) == 1


@pytest.mark.parametrize('change,words', [
    (dict(sample_rate=0), 'sample_rate'), (dict(n_fft=1023), 'n_fft is 1023.*nearest 1024'),
    (dict(hop=600), 'hop is 600.*nearest 512'), (dict(hop=161), 'hop is 161.*nearest 162'), (dict(low_hz=-1), 'low_hz is -1'),
    (dict(high_hz=9000), 'high_hz is 9000.*nearest 8000'), (dict(low_hz=8000), 'low_hz is 8000.*below high_hz'),
    (dict(bands=0), 'bands is 0'), (dict(bands=600), 'bands is 600.*512'), (dict(scale='bark'), "'bark'.*mel.*linear"),
    (dict(db_range=(0, -80)), r'db_range.*nearest \(-80, 0\)'), (dict(db_range=(-80, -80)), r'db_range.*nearest \(-80, -79.0\)')])
def test_bad_fields_are_named(change, words):
  with pytest.raises(ValueError, match=words):
    dataclasses.replace(TINY, **change)


@pytest.mark.parametrize('samples,nearest', [(40961, 40960), (41119, 40960), (41121, 41280), (320, 640), (0, 640)])
def test_bad_lengths_name_the_nearest(samples, nearest):
  with pytest.raises(ValueError, match=f'clip of {samples} samples.*hop = 320, nearest {nearest}$'):
    TINY(jnp.zeros((samples, 1)))
  assert jax.eval_shape(TINY, jnp.zeros((nearest, 1))).shape == (nearest // 320, 64, 1)
