"""The syrinx and the species table."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import species, taxonomy, voices

PATTERNS = [(code, kind) for code in species.CODES for kind in ('song', 'call')]


def rendition(code, kind, seed, seconds=None):
  rng = np.random.default_rng(seed)
  pattern, who = species.PATTERNS[code][kind], voices.draw_individual(rng)
  return voices.perform(pattern, who, seconds or voices.usual_seconds(pattern, who, rng), rng)


def audible_hz(controls):
  return controls.hz[controls.amplitude > 0.1]


def test_table_agrees_with_the_taxonomy():
  assert species.CODES == taxonomy.PROCEDURAL.codes
  assert len(species.CODES) >= 12
  assert all(set(kinds) == {'song', 'call'} for kinds in species.PATTERNS.values())
  paired = [code for pair in species.CONFUSABLE for code in pair]
  assert len(species.CONFUSABLE) >= 4 and len(set(paired)) == len(paired) and set(paired) <= set(species.CODES)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PATTERNS), st.integers(0, 10_000), st.floats(0.12, 5.0), st.floats(-0.3, 2.0),
       st.sampled_from([16000, 22050, 32000]))
def test_extent_is_honoured_at_any_length(which, seed, seconds, onset, rate):
  controls = rendition(*which, seed, seconds)
  wave, first = voices.sound(controls, onset, onset + seconds, rate)
  t = (first + np.arange(len(wave))) / rate
  assert t[0] < onset and t[-1] > onset + seconds
  # Outside of the extent the envelope is 30 dB down; the tones' amplitudes bound the wave by it.
  bound = sum(a for _, a in controls.tones) * 10 ** (-30 / 20) * 1.01
  assert np.abs(wave[(t < onset) | (t > onset + seconds)]).max(initial=0) <= bound
  # Just inside, something is heard: a tenth of the soft edge (80 ms at most, per s of stretch) is above the floor.
  near = 0.1 * max(seconds, 0.3)
  peak = np.abs(wave).max()
  assert np.abs(wave[(t >= onset) & (t < onset + near)]).max() > 0.03 * peak
  assert np.abs(wave[(t <= onset + seconds) & (t > onset + seconds - near)]).max() > 0.01 * peak


@pytest.mark.parametrize('code,kind', PATTERNS)
def test_bands_lengths_and_individuals(code, kind):
  low, high = (0.7, 1.9) if kind == 'song' else (0.13, 0.65)
  centres = []
  for seed in range(30):
    controls = rendition(code, kind, seed)
    hz = audible_hz(controls)
    assert 380 < hz.min() and hz.max() < 7990
    assert low < controls.offset - controls.onset < high
    centres.append(np.average(controls.hz, weights=controls.amplitude))
  assert 0.01 < np.std(centres) / np.mean(centres) < 0.08


def test_one_individual_repeats_itself_more_closely_than_two_do():
  rng = np.random.default_rng(0)
  pattern = species.PATTERNS['quiwar']['song']
  birds = [voices.draw_individual(rng) for _ in range(20)]
  centre = np.array([[np.average(c.hz, weights=c.amplitude) for c in (voices.perform(pattern, b, 1.2, rng) for _ in range(5))]
                     for b in birds])
  assert centre.mean(1).std() > 3 * centre.std(1).mean()


@pytest.mark.parametrize('rising,falling', [('gltpip', 'tinpip')])
def test_confusable_sweeps_differ_in_direction_only(rising, falling):
  for seed in range(10):
    up, down = rendition(rising, 'call', seed), rendition(falling, 'call', seed)
    assert np.all(np.diff(audible_hz(up))[2:-2].cumsum()[20:] > 0)
    assert np.all(np.diff(audible_hz(down))[2:-2].cumsum()[20:] < 0)
    assert abs(np.median(audible_hz(up)) / np.median(audible_hz(down)) - 1) < 0.12


def test_syllables_are_slow_enough_for_frames_of_20_ms():
  for kinds in species.PATTERNS.values():
    for pattern in kinds.values():
      if len(pattern.rhythm) > 0 and pattern.count != 1:
        fastest = min(length + gap for length, gap in pattern.rhythm) * min(1.0, pattern.accelerando)
        assert 1 / fastest < 18


@pytest.mark.parametrize('code', ['holowl', 'quiwar', 'lanjay'])
def test_sample_rate_changes_nothing_below_nyquist(code):
  controls = rendition(code, 'song', 3, 1.0)
  spectra = []
  for rate in (16000, 32000):
    wave, _ = voices.sound(controls, 0.1, 1.1, rate)
    hz = np.fft.rfftfreq(4 * rate, 1 / rate)
    power = np.abs(np.fft.rfft(wave, 4 * rate) / rate) ** 2
    spectra.append(np.array([power[(hz >= a) & (hz < a + 100)].sum() for a in range(300, 6000, 100)]))
  a, b = (s / s.sum() for s in spectra)
  assert np.abs(a - b).sum() < 0.03


def test_partials_above_nyquist_are_silent():
  wave, _ = voices.sound(rendition('needti', 'call', 0), 0.1, 0.4, 16000)
  loud = voices.Controls(np.full(2000, 9000.0), np.hanning(2000), ((1.0, 1.0),), 0.1, 0.9)
  assert np.abs(wave).max() > 0.5
  assert np.abs(voices.sound(loud, 0.1, 0.9, 16000)[0]).max() == 0
