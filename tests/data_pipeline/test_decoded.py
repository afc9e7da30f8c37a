"""Recordings decoded to disk: what is kept of them, what is found again, and how files that cannot be used are told apart."""

import numpy as np
import pytest
import soundfile

from data_pipeline import decoded, folders
from data_pipeline.decoding import BadRecording
from data_pipeline.recording import Recording

RATE = 16000
RNG = np.random.default_rng(0)
SOUND = (0.2 * RNG.standard_normal((RATE, 2))).astype(np.float32)


def write(path, audio=SOUND, **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  soundfile.write(path, audio, RATE, **options)
  return path


def one(path, **known):
  return Recording(path, path.name, **known)


def read(recording, folder, rate, channels):
  sound = decoded.decode(recording, folder, rate, channels, regions=False)
  return sound.read(0, sound.frames).astype(np.float32) / 32767


@pytest.mark.parametrize('suffix', ['.wav', '.flac', '.ogg', '.mp3'])
def test_read_resamples_and_averages(tmp_path, suffix):
  recording = one(write(tmp_path / f'x{suffix}'))
  mono, stereo = read(recording, tmp_path, 8000, 1), read(recording, tmp_path, RATE, 2)
  assert mono.shape == (8000, 1) and stereo.shape == (RATE, 2) and mono.dtype == np.float32
  if suffix in ('.wav', '.flac'):
    np.testing.assert_allclose(stereo, SOUND, atol=1e-4)
  with pytest.raises(BadRecording, match='has 2 channel.*3 were asked'):
    read(recording, tmp_path, RATE, 3)


def test_only_what_passes_full_scale_is_scaled(tmp_path):
  loud = read(one(write(tmp_path / 'loud.wav', SOUND * 20, subtype='FLOAT')), tmp_path, RATE, 2)
  assert np.abs(loud).max() == 1.0
  quiet = read(one(write(tmp_path / 'quiet.wav', SOUND * 0.01, subtype='FLOAT')), tmp_path, RATE, 2)
  np.testing.assert_allclose(quiet, SOUND * 0.01, atol=2e-5)


@pytest.fixture
def bad_files(tmp_path):
  """reason -> Recording, one for each way a file can be bad."""
  tmp_path = tmp_path / 'Bad Bird'
  (tmp_path / 'x').mkdir(parents=True)
  holes = SOUND.copy()
  holes[100] = np.nan
  opposite = np.concatenate([SOUND[:, :1], -SOUND[:, :1]], axis=1)
  files = {'missing': tmp_path / 'missing.wav', 'empty file': tmp_path / 'empty.wav', 'not audio': tmp_path / 'text.mp3',
           'holds NaN': write(tmp_path / 'nan.wav', holes, subtype='FLOAT'),
           'silent': write(tmp_path / 'silent.wav', SOUND * 0),
           'silent once': write(tmp_path / 'opposite.wav', opposite),
           'holds no samples': write(tmp_path / 'none.wav', SOUND[:0])}
  files['empty file'].touch()
  files['not audio'].write_bytes(b'this is text, not sound\n' * 50)
  for suffix in ('.wav', '.flac'):
    path = write(tmp_path / f'cut{suffix}')
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    files[f'truncated|damaged{suffix}'] = path
  return {reason: one(path) for reason, path in files.items()}


def test_bad_files_are_told_apart(bad_files, tmp_path):
  for reason, recording in bad_files.items():
    with pytest.raises(BadRecording, match=f'^({reason.removesuffix(".wav").removesuffix(".flac")})'):
      read(recording, tmp_path, RATE, 1)
    with pytest.raises(BadRecording, match=f'^({reason.removesuffix(".wav").removesuffix(".flac")})'):
      read(recording, tmp_path, RATE, 1)  # remembered
  assert not list(tmp_path.glob('*.int16'))


def test_a_file_shorter_than_its_manifest_says(tmp_path):
  recording = one(write(tmp_path / 'x.ogg'), seconds=6.0)
  with pytest.raises(BadRecording, match=r'truncated: 1.00 of 6 s'):
    read(recording, tmp_path, RATE, 1)


def test_what_is_decoded_is_found_again(tmp_path, monkeypatch):
  recording = one(write(tmp_path / 'x.wav'))
  first = decoded.decode(recording, tmp_path, RATE, 1, regions=True)
  monkeypatch.setattr(decoded, '_write', None)
  assert decoded.decode(recording, tmp_path, RATE, 1, regions=True) == first
  write(tmp_path / 'x.wav', SOUND[:-1])  # changed: not the same sound any more
  with pytest.raises(TypeError):
    decoded.decode(recording, tmp_path, RATE, 1, regions=True)


def test_a_decode_that_was_cut_short_is_begun_again(tmp_path):
  recording = one(write(tmp_path / 'x.wav'))
  first = decoded.decode(recording, tmp_path, RATE, 1, regions=False)
  want = first.read(0, first.frames)
  [facts] = tmp_path.glob('*.json')
  facts.unlink()
  first.path.write_bytes(b'half')
  again = decoded.decode(recording, tmp_path, RATE, 1, regions=False)
  np.testing.assert_array_equal(again.read(0, again.frames), want)
  assert len(again.read(again.frames - 10, 100)) == 10 and len(again.read(again.frames + 5, 100)) == 0


def test_regions_of_long_recordings_are_those_of_the_whole(tmp_path, monkeypatch):
  rate, rng = 8000, np.random.default_rng(1)
  t = np.arange(60 * rate) / rate
  x = 0.001 * rng.standard_normal(len(t))
  for onset in np.arange(0.7, 59, 2.3):  # some across the borders of blocks
    x += 0.1 * np.sin(2 * np.pi * 2000 * t) * ((t >= onset) & (t < onset + 0.6))
  soundfile.write(tmp_path / 'x.wav', x, rate)
  whole = decoded.decode(one(tmp_path / 'x.wav'), tmp_path, rate, 1, regions=True)
  assert len(whole.regions) == 26
  (tmp_path / 'y').mkdir()
  monkeypatch.setattr(decoded, 'REGION_BLOCK_SECONDS', 15.0)
  pieces = decoded.decode(one(tmp_path / 'x.wav'), tmp_path / 'y', rate, 1, regions=True)
  spans = lambda sound: [(r.onset, r.offset) for r in sound.regions]
  np.testing.assert_allclose(spans(pieces), spans(whole), atol=0.021)


def test_the_real_recordings_all_decode(tmp_path, real_data):
  listing = folders.find(str(real_data / 'phoebe_xc'))
  assert len(listing.recordings) == 60 and not listing.skips
  quick = [r for r in folders.find(str(real_data)).recordings if r.seconds and r.seconds < 15]
  for recording in quick[::3]:
    sound = decoded.decode(recording, tmp_path, RATE, 1, regions=False)
    assert sound.frames and abs(sound.seconds - recording.seconds) < 0.06 + 0.1 * recording.seconds
