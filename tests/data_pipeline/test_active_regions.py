"""Active regions on sounds whose truth is known."""

import numpy as np
import pytest
import soundfile
import soxr
from scipy import signal

from data_pipeline import active_regions

RATE = 16000


def recording(events, seconds=6.0, noise=1e-3, seed=0):
  """White noise with (onset, offset, Hz, amplitude) tones: (N, 1)."""
  rng = np.random.default_rng(seed)
  t = np.arange(int(seconds * RATE)) / RATE
  x = noise * rng.standard_normal(len(t))
  for onset, offset, hz, amplitude in events:
    inside = (t >= onset) & (t < offset)
    x[inside] += amplitude * np.sin(2 * np.pi * hz * t[inside])
  return x[:, None].astype(np.float32)


def test_finds_tones_with_their_extent_and_level():
  truth = [(1.0, 1.5, 3000.0, 0.1), (2.5, 2.7, 5000.0, 0.05), (5.6, 6.0, 2000.0, 0.1)]
  found = active_regions.find(recording(truth), RATE)
  assert len(found) == 3
  for region, (onset, offset, hz, amplitude) in zip(found, truth):
    assert abs(region.onset - onset) < 0.04 and abs(region.offset - offset) < 0.04
    assert hz - 150 < region.low_hz < hz < region.high_hz < hz + 150
    assert abs(region.level_db - 20 * np.log10(amplitude / np.sqrt(2))) < 1.5  # its RMS, not its peak


@pytest.mark.parametrize('seed', range(5))
def test_noise_alone_is_no_event(seed):
  assert active_regions.find(recording([], noise=0.1, seed=seed), RATE) == []


def test_syllables_merge_and_faint_echoes_go():
  syllables = [(1 + 0.15 * i, 1.08 + 0.15 * i, 4000.0, 0.2) for i in range(6)]
  [song] = active_regions.find(recording(syllables + [(4.0, 4.3, 3000.0, 0.012)]), RATE)
  assert abs(song.onset - 1.0) < 0.04 and abs(song.offset - 1.83) < 0.04


def test_a_tone_that_never_stops_is_background():
  found = active_regions.find(recording([(0.0, 6.0, 2500.0, 0.05), (3.0, 3.4, 5000.0, 0.1)]), RATE)
  assert [round(r.onset, 1) for r in found] == [3.0]


@pytest.mark.parametrize('audio', [np.zeros((RATE, 1)), np.zeros((0, 1)), np.ones((100, 2)) * 0.1])
def test_degenerate_sound(audio):
  for region in active_regions.find(audio.astype(np.float32), RATE):
    assert 0 <= region.onset < region.offset <= len(audio) / RATE


def test_muted_stretches_do_not_make_hiss_an_event():
  x = recording([(3.0, 3.5, 4000.0, 0.1)], noise=1e-3)
  x[:RATE] = 0
  assert all(r.onset >= 0.9 for r in active_regions.find(x, RATE))


def test_hoots_are_found_with_their_extent():
  truth = [(1.0, 1.4, 250.0, 0.05), (3.0, 3.3, 350.0, 0.03), (4.5, 4.9, 180.0, 0.05)]
  found = active_regions.find(recording(truth), RATE)
  assert len(found) == 3
  for region, (onset, offset, hz, _) in zip(found, truth):
    assert abs(region.onset - onset) < 0.05 and abs(region.offset - offset) < 0.05
    assert hz - 100 < region.low_hz < hz < region.high_hz < hz + 100


@pytest.mark.parametrize('seed', range(5))
def test_gusts_are_no_hoots_and_do_not_lower_a_song(seed):
  rng = np.random.default_rng(seed)
  x = recording([(3.0, 3.4, 4000.0, 0.1)], seed=seed)
  rumble = signal.sosfilt(signal.butter(4, 80, fs=RATE, output='sos'), rng.standard_normal(len(x)))
  gusts = np.sin(np.pi * np.arange(len(x)) / RATE / 1.5) ** 4  # one of them at the time of the song
  found = active_regions.find((x[:, 0] + 2 * rumble * gusts)[:, None].astype(np.float32), RATE)
  assert any(abs(r.onset - 3.0) < 0.05 and 3800 < r.low_hz for r in found)
  assert len(found) <= 2


def test_real_recordings_have_regions_where_birds_sing(real_data):
  paths = sorted((real_data / 'phoebe_xc').glob('*.mp3'))[::6]
  for path in paths:
    audio, rate = soundfile.read(path, dtype='float32', always_2d=True)
    found = active_regions.find(soxr.resample(audio, rate, RATE), RATE)
    assert found and all(r.low_hz > 300 and r.high_hz < 8000 for r in found)
    assert 0.05 < sum(r.offset - r.onset for r in found) < 5.9
