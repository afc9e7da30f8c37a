"""Streams against the whole file at once: over rates, blocks and channels, at damaged places, on real recordings."""

import csv
import re
import struct
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

from data_pipeline import decoding, mp3, stream

RATE = 16000
RNG = np.random.default_rng(0)
SOUND = (0.2 * RNG.standard_normal((10 * RATE, 2))).astype(np.float32)
RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000, 250000, 384000]


def write(path, audio=SOUND, rate=RATE, **options):
  soundfile.write(path, audio, rate, **options)
  return path


def joined(path, *arguments, **options):
  return np.concatenate(list(stream.blocks(path, *arguments, **options)))


def until_error(windows):
  """(windows before the error, its message); fails where there is none."""
  before = []
  with pytest.raises(stream.BadRecording) as raised:
    for w in windows:
      before.append(w)
  return before, str(raised.value)


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


def put(path, at, data):
  content = bytearray(path.read_bytes())
  content[at:at + len(data)] = data
  path.write_bytes(content)
  return path


def cut(path, share):
  path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
  return path


def renamed(path, suffix):
  return path.rename(path.with_suffix(suffix))


def made(path, content):
  path.write_bytes(content)
  return path


@pytest.mark.parametrize('make, reason', [
    (lambda p: p / 'x.wav', 'missing'),
    (lambda p: p, 'not a file'),
    (lambda p: made(p / 'x.wav', b''), 'empty file'),
    (lambda p: write(p / 'x.wav', SOUND[:0]), 'holds no samples'),
    (lambda p: made(p / 'x.wav', write(p / 'x.wav').read_bytes()[:44]), 'holds no samples|truncated: its header promises more'),
    (lambda p: made(p / 'x.mp3', b'ID3\x04\x00\x00\x00\x00\x0f\x7f' + bytes(2047)), 'not audio, or damaged'),
    (lambda p: write(p / 'x.flac', SOUND[:0]), 'empty file|holds no samples|its header states no length'),
    (lambda p: made(p / 'x.mp3', b'this is text, not sound\n' * 50), 'not audio'),
    (lambda p: made(p / 'x.wav', b'this is text, not sound\n' * 50), 'not audio'),
    (lambda p: made(p / 'x.wav', RNG.bytes(5000)), 'not audio|wrong extension'),
    (lambda p: cut(write(p / 'x.flac'), 1e-4), 'not audio, or damaged'),
    (lambda p: cut(write(p / 'x.ogg'), 1e-3), 'not audio, or damaged'),
    (lambda p: cut(write(p / 'x.mp3'), 1e-3), 'not audio, or damaged'),
    (lambda p: renamed(write(p / 'x.wav'), '.mp3'), 'wrong extension: it holds WAV'),
    (lambda p: renamed(write(p / 'x.mp3'), '.wav'), 'wrong extension: it holds MP3'),
    (lambda p: renamed(write(p / 'x.flac'), '.ogg'), 'wrong extension: it holds FLAC'),
    (lambda p: renamed(write(p / 'x.wav'), '.aiff'), 'wrong extension: not one of .wav, .flac, .mp3, .ogg'),
    (lambda p: put(write(p / 'x.flac'), 21, b'\xf0' + bytes(4)), 'its header states no length'),
    (lambda p: put(write(p / 'x.wav'), 40, bytes(4)), r'\d+ bytes that are no chunk follow the length its header states')])
def test_files_that_cannot_be_used(tmp_path, make, reason):
  path = make(tmp_path)
  for call in (lambda: stream.info(path), lambda: list(stream.windows(path, RATE, 1000, 1000))):
    with pytest.raises(stream.BadRecording, match=f'^{path}: ({reason})'):
      call()


def holes(path, value=np.nan):
  audio = SOUND.copy()
  audio[5 * RATE, 1] = value
  return write(path, audio, subtype='FLOAT')


@pytest.mark.parametrize('make, reason, least', [
    (lambda p: holes(p / 'x.wav'), 'holds NaN or infinite samples, the first after 5.00 of 10.00 s', 5),
    (lambda p: holes(p / 'x.wav', -np.inf), 'holds NaN or infinite samples, the first after 5.00 of 10.00 s', 5),
    (lambda p: cut(write(p / 'x.wav'), 0.5), 'truncated: its header promises more samples', 4.99),
    (lambda p: put(write(p / 'x.wav'), 40, struct.pack('<I', 2 ** 31)), 'truncated: its header promises more', 10),
    (lambda p: put(write(p / 'x.wav'), 40, b'\xff' * 4), 'truncated: its header promises more', 10),
    (lambda p: put(write(p / 'x.wav'), 40, struct.pack('<I', 64000)), r'\d+ bytes that are no chunk follow', 1),
    (lambda p: cut(write(p / 'x.flac'), 0.5), 'damaged or cut off after .* of 10.00 s', 3.9),
    (lambda p: put(write(p / 'x.flac'), 300000, RNG.bytes(3000)), 'damaged or cut off after', 3.9),
    (lambda p: put(write(p / 'x.flac'), 22, struct.pack('>I', 50000)), 'its header is short of the file', 3.1),
    (lambda p: put(write(p / 'x.flac'), 22, struct.pack('>I', 500000)), 'damaged or cut off after .* of 31.25 s', 8.9),
    (lambda p: cut(write(p / 'x.ogg'), 0.5), 'truncated: its last page is missing', 3.9),
    (lambda p: cut(write(p / 'x.mp3'), 0.5), r'truncated: \d+ of 280 frames are there', 4.8),
    (lambda p: put(write(p / 'x.mp3'), 40000, bytes(4000)), 'damaged or cut off after', 3.9)])
def test_what_can_be_read_comes_before_the_error(tmp_path, make, reason, least):
  path = make(tmp_path)
  intact, _ = soundfile.read(write(tmp_path / f'intact{path.suffix}'), dtype='float32')
  for rate, whole in ((RATE, intact), (8000, soxr.resample(intact, RATE, 8000))):
    windows, message = until_error(stream.windows(path, rate, 4000, 3000))
    assert message.startswith(f'{path}: ') and re.search(reason, message)
    assert [w.start for w in windows] == [3000 * i for i in range(len(windows))]
    end = windows[-1].start + windows[-1].valid
    assert end >= least * rate and len(windows) == stream.count(end, 4000, 3000)
    for w in windows:
      good = max(0, min(w.valid, end - w.start - 600))  # at its new end the file is no longer the same
      np.testing.assert_allclose(w.samples[:good], whole[w.start:w.start + good], atol=1e-3)


def test_pages_that_an_ogg_lost(tmp_path):
  path = put(write(tmp_path / 'x.ogg'), 40000, RNG.bytes(3000))
  _, message = until_error(stream.windows(path, RATE, 4000, 4000))
  assert 'truncated or damaged: 9.' in message


def xing(path):
  content = path.read_bytes()
  return max(content.find(b'Xing'), content.find(b'Info'))


def test_the_length_that_an_mp3_states_is_not_believed(tmp_path):
  quiet_then_loud = np.concatenate([SOUND * 0.0005, SOUND])  # frames at the start are small
  path = write(tmp_path / 'x.mp3', quiet_then_loud, bitrate_mode='VARIABLE')
  intact, _ = soundfile.read(path, dtype='float32')
  content = path.read_bytes()
  lying = put(write(tmp_path / 'lying.mp3', quiet_then_loud, bitrate_mode='VARIABLE'), xing(path) + 8, struct.pack('>I', 50))
  assert soundfile.info(lying).frames < len(intact) / 5
  np.testing.assert_allclose(joined(lying, 1.0), intact, atol=1e-6)

  walked = mp3.walk(path)
  bare = made(tmp_path / 'bare.mp3', content[content.find(content[:2], walked.count_at):])  # without the frame that counts
  assert soundfile.info(bare).frames < 0.9 * len(intact)
  sound = joined(bare, 1.0)
  assert len(sound) == stream.info(bare).frames == walked.frames * walked.frame_samples
  assert mp3.walk(bare).stated is None and mp3.walk(bare).frames == walked.frames
  offset = max(range(len(sound) - len(intact) + 1), key=lambda k: sound[k + 200000:k + 201000, 0] @ intact[200000:201000, 0])
  np.testing.assert_allclose(sound[offset + 5000:offset + len(intact) - 5000], intact[5000:-5000], atol=1e-3)

  tag = b'ID3\x04\x00\x00\x00\x00\x0f\x7f' + b'\xff\xfb\x90\x00' * 511 + bytes(3)  # a picture that looks like frames
  twice = made(tmp_path / 'twice.mp3', tag + content + tag + content + b'TAG' + bytes(125))
  assert len(joined(twice, 1.0)) == stream.info(twice).frames > 2 * len(intact)


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
