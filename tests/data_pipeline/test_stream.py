"""Streams against the whole file at once: over rates, blocks and channels, on real recordings."""

import csv
import subprocess
import sys
import tracemalloc
from unittest import mock

import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest
import soundfile
import soxr

from data_pipeline import decoding, stream
from tests.data_pipeline.sounds import RATE, RNG, SOUND, joined, write

RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000, 250000, 384000]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('stream')


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(st.sampled_from(RATES), st.sampled_from([None, 8000, 16000, 44100, 48000, 96000]), st.integers(1, 5),
                  st.integers(1, 20000), st.integers(100, 5000), st.floats(0.3, 1), st.sampled_from([37, 1000, 16384]))
def test_windows_are_the_whole_file(folder, stored, asked, channels, frames, window, share, read):
  audio = RNG.standard_normal((frames if read > 37 else min(frames, 3000), channels)).astype(np.float32)
  path = write(folder / 'x.wav', audio, stored, subtype='FLOAT')
  whole = audio if asked in (None, stored) else soxr.resample(audio, stored, asked)  # (N, C)
  hop = round(share * window)
  with mock.patch.object(decoding, 'READ', read):
    known, windows = stream.info(path), list(stream.windows(path, asked, window, hop))
  assert (known.sample_rate, known.channels, known.frames) == (stored, channels, len(audio))
  assert known.frames_at(asked) == len(whole)
  assert len(windows) == stream.count(len(whole), window, hop)
  assert [w.start for w in windows] == [hop * i for i in range(len(windows))]
  for w in windows:
    assert w.samples.shape == (window, channels) and w.samples.dtype == np.float32
    assert w.valid == min(window, len(whole) - w.start) > 0
    np.testing.assert_allclose(w.samples[:w.valid], whole[w.start:w.start + w.valid], atol=1e-4)
    assert not w.samples[w.valid:].any()
  assert not windows or windows[-1].start + windows[-1].valid == len(whole)
  assert all(w.valid == window for w in windows[:-1])


@hypothesis.given(st.integers(0, 500), st.integers(1, 100), st.integers(1, 100))
def test_count_is_the_fewest_that_cover(frames, window, hop):
  hop = min(window, hop)
  n = stream.count(frames, window, hop)
  assert n == 0 if not frames else (n - 1) * hop + window >= frames and (n == 1 or (n - 2) * hop + window < frames)


@pytest.mark.parametrize('stored', RATES)
@pytest.mark.parametrize('suffix', ['.wav', '.flac'])
def test_a_click_stays_where_it_was(tmp_path, stored, suffix):
  clicks = np.zeros(5 * stored, np.float32)
  clicks[[stored, 3 * stored, 4 * stored]] = 0.9
  path = write(tmp_path / f'x{suffix}', clicks, stored)
  heard = np.zeros(5 * RATE)
  for w in stream.windows(path, RATE, 3000, 2000):
    heard[w.start:w.start + w.valid] = w.samples[:w.valid, 0]
  for second in (1, 3, 4):
    assert np.abs(heard[second * RATE - 8000:second * RATE + 8000]).argmax() == 8000


def test_windows_are_their_own_memory(tmp_path):
  path = write(tmp_path / 'x.wav')
  first, second = (w.samples for _, w in zip(range(2), stream.windows(path, None, 1000, 500)))
  first[:] = 7
  assert np.abs(second).max() < 7


def test_channels(tmp_path):
  audio = np.stack([np.full(4000, v, np.float32) for v in (0.25, 0.5, -0.125)], axis=1)
  path = write(tmp_path / 'x.wav', audio, subtype='FLOAT')
  np.testing.assert_array_equal(joined(path, 0.1), audio)
  np.testing.assert_allclose(joined(path, 0.1, channels=1), audio.mean(1, keepdims=True), atol=1e-7)
  for k in range(3):
    np.testing.assert_array_equal(joined(path, 0.1, channel=k), audio[:, k:k + 1])
  np.testing.assert_allclose(joined(path, 0.1, 8000, channel=2), soxr.resample(audio[:, 2:], RATE, 8000), atol=1e-6)
  with pytest.raises(stream.BadRecording, match=r'x.wav: has 3 channel\(s\), channel 3 was asked'):
    joined(path, 0.1, channel=3)
  with pytest.raises(ValueError, match='channels is 1 and channel 0'):
    stream.windows(path, None, 10, 10, channels=1, channel=0)


@pytest.mark.parametrize('call, message', [
    (lambda p: stream.windows(p, RATE, 100, 200), 'hop is 200 and window 100'),
    (lambda p: stream.windows(p, RATE, 100, 0), 'hop is 0'),
    (lambda p: stream.windows(p, 0, 100, 100), 'sample_rate is 0'),
    (lambda p: stream.windows(p, RATE, 100, 100, channels=2), 'channels is 2'),
    (lambda p: stream.windows(p, RATE, 100, 100, channel=-1), 'channel -1'),
    (lambda p: stream.blocks(p, 1e-9, RATE), 'less than one sample'),
    (lambda p: stream.count(10, 1, 2), 'hop is 2')])
def test_arguments_that_do_not_fit_are_refused_at_once(tmp_path, call, message):
  with pytest.raises(ValueError, match=message):
    call(tmp_path / 'none.wav')


@pytest.mark.parametrize('suffix, options', [
    ('.wav', {}), ('.wav', {'subtype': 'PCM_24'}), ('.wav', {'format': 'RF64'}), ('.wav', {'format': 'WAVEX'}), ('.WAV', {}),
    ('.flac', {}), ('.ogg', {}), ('.mp3', {'bitrate_mode': 'VARIABLE'}), ('.mp3', {'bitrate_mode': 'CONSTANT'})])
def test_formats(tmp_path, suffix, options):
  options = {'format': suffix[1:].upper()} | options
  path = write(tmp_path / f'ä b{suffix}', **options)
  whole, _ = soundfile.read(path, dtype='float32')
  assert len(whole) == len(SOUND) == stream.info(path).frames and stream.info(path).seconds == 10
  np.testing.assert_allclose(joined(path, 0.7), whole, atol=1e-6)
  np.testing.assert_allclose(joined(path, 0.7, 44100), soxr.resample(whole, RATE, 44100), atol=1e-4)


@pytest.mark.parametrize('suffix, options', [
    ('.wav', {}), ('.wav', {'subtype': 'FLOAT'}), ('.flac', {}), ('.ogg', {}), ('.mp3', {})])
def test_a_clipped_recording_is_read_as_it_is(tmp_path, suffix, options):
  """It is no broken file, and nobody can tell what was cut off: no error, nothing scaled, nothing cut again."""
  path = write(tmp_path / f'x{suffix}', np.clip(20 * SOUND, -1, 1), **options)
  whole, _ = soundfile.read(path, dtype='float32')
  sound = joined(path, 0.7)
  np.testing.assert_allclose(sound, whole, atol=1e-6)
  assert (np.abs(sound) > 0.9).mean() > 0.3
  if suffix in ('.ogg', '.mp3'):
    assert np.abs(sound).max() > 1  # what a lossy encoder makes of the corners


def test_what_passes_full_scale_in_a_float_file_stays(tmp_path):
  path = write(tmp_path / 'x.wav', 20 * SOUND, subtype='FLOAT')
  np.testing.assert_array_equal(joined(path, 0.7), 20 * SOUND)


def test_memory_does_not_grow_with_the_file(tmp_path):
  minute = np.tile(SOUND, (6, 1))
  peaks = []
  for minutes in (1, 10):
    path = tmp_path / f'{minutes}.wav'
    with soundfile.SoundFile(path, 'w', RATE, 2) as f:
      for _ in range(minutes):
        f.write(minute)
    for rate in (RATE, 22050):
      tracemalloc.start()
      frames = sum(w.valid for w in stream.windows(path, rate, 3 * rate, 3 * rate))
      peaks.append(tracemalloc.get_traced_memory()[1])
      tracemalloc.stop()
      assert frames == minutes * 60 * rate
  for one, ten in zip(peaks[:2], peaks[2:]):
    assert one < 8 * 2 ** 20 and ten < 1.05 * one


def test_real_recordings(real_data):
  with open(real_data / 'manifest.csv', encoding='utf-8', newline='') as f:
    rows = sorted((r for r in csv.DictReader(f) if (real_data / r['path']).is_file()), key=lambda r: float(r['seconds'] or 0))
  kinds = {}
  for row in rows:  # the shortest few of each kind
    kinds.setdefault((row['path'].rsplit('.', 1)[1], row['sample_rate'], row['channels']), []).append(real_data / row['path'])
  assert {k[0] for k in kinds} >= {'mp3', 'wav', 'ogg'} and len({k[1] for k in kinds}) > 5
  for path in (p for paths in kinds.values() for p in paths[:2]):
    whole, rate = soundfile.read(path, dtype='float32', always_2d=True)
    known = stream.info(path)
    assert (known.sample_rate, known.channels, known.frames) == (rate, whole.shape[1], len(whole)), path
    np.testing.assert_allclose(joined(path, 0.9), whole, atol=1e-6, err_msg=str(path))
    expected = whole if rate == RATE else soxr.resample(whole, rate, RATE)
    windows = list(stream.windows(path, RATE, 8000, 5000))
    assert len(windows) == stream.count(known.frames_at(RATE), 8000, 5000)
    for w in windows:
      np.testing.assert_allclose(w.samples[:w.valid], expected[w.start:w.start + w.valid], atol=1e-4, err_msg=str(path))


def test_imports_nothing_heavy():
  code = ("import sys; from data_pipeline import stream; "
          "print({'tensorflow', 'jax', 'pandas', 'librosa', 'scipy'} & {m.split('.')[0] for m in sys.modules})")
  assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == 'set()'


@pytest.mark.parametrize('suffix', ['.wav', '.ogg', '.mp3'])
def test_excerpts_are_parts_of_the_whole(tmp_path, suffix):
  path = write(tmp_path / f'x{suffix}', np.tile(SOUND, (4, 1)))  # 40 s, so over several blocks
  whole = joined(path, 1.0)
  spans = [(12.5, 31.0), (-1.0, 2.0), (0.5, 1.0), (20.0, 20.5), (39.0, 45.0), (50.0, 51.0)]
  got = dict(stream.excerpts(path, spans))
  assert set(got) == set(range(len(spans)))
  for i, (start, end) in enumerate(spans):
    np.testing.assert_array_equal(got[i], whole[max(0, round(start * RATE)):round(end * RATE)])
  assert list(stream.excerpts(path, [])) == []


def test_excerpts_end_at_the_first_damage(tmp_path):
  audio = np.tile(SOUND, (2, 1))
  audio[15 * RATE] = np.nan
  path = write(tmp_path / 'x.wav', audio, subtype='FLOAT')
  got = dict(stream.excerpts(path, [(1.0, 2.0), (14.0, 16.0), (17.0, 18.0)]))
  assert [len(got[i]) for i in range(3)] == [RATE, RATE, 0]
