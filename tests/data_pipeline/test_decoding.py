"""What is wrong with a file is told in one way, once all that can be read of it was delivered."""

import re
import struct

import numpy as np
import pytest
import soundfile
import soxr

from data_pipeline import mp3, stream
from tests.data_pipeline.sounds import RATE, RNG, SOUND, cut, joined, made, put, renamed, until_error, write


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


def test_a_long_tag_before_an_mp3_is_passed_over(tmp_path):
  plain = write(tmp_path / 'x.mp3')
  size = 1 << 17  # libsndfile itself gives up far earlier when it is not told the name
  tag = b'ID3\x03\x00\x00' + bytes((size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127)) + bytes(size)
  tagged = made(tmp_path / 'tagged.mp3', tag + plain.read_bytes())
  np.testing.assert_array_equal(joined(tagged, 1.0), joined(plain, 1.0))


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
