"""Folders of recordings: what is found, and how files that cannot be used are told apart."""

import numpy as np
import pytest
import soundfile

from data_pipeline import sources

RATE = 16000
RNG = np.random.default_rng(0)
SOUND = (0.2 * RNG.standard_normal((RATE, 2))).astype(np.float32)


def write(path, audio=SOUND, **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  soundfile.write(path, audio, RATE, **options)
  return path


def one(path, **known):
  known = dict(common='A', scientific='', vocalisation='song', licence='', recordist='', group='g') | known
  return sources.Recording(path, path.name, **known)


def test_species_folders(tmp_path):
  write(tmp_path / 'Great Tit' / 'XC123456 - song.wav')
  write(tmp_path / 'Great Tit' / 'deep' / 'XC123456-2.FLAC', format='FLAC')
  write(tmp_path / 'Turdus_merula' / 'ä b.ogg')
  write(tmp_path / 'stray.wav')
  (tmp_path / 'Great Tit' / 'notes.txt').write_text('x')
  (tmp_path / 'Great Tit' / '.hidden').write_text('x')
  found, skips = sources.find(str(tmp_path))
  assert [(r.name, r.common, r.group, r.vocalisation) for r in found] == [
      ('Great Tit/XC123456 - song.wav', 'Great Tit', 'XC123456', 'song'),
      ('Great Tit/deep/XC123456-2.FLAC', 'Great Tit', 'XC123456', 'song'),
      ('Turdus_merula/ä b.ogg', 'Turdus merula', 'ä b', 'song')]
  assert {s.name: s.reason for s in skips} == {
      'Great Tit/notes.txt': 'not one of .wav, .flac, .mp3, .ogg', 'stray.wav': 'lies in no species folder'}
  taxonomy, code_of = sources.taxonomy_of(found)
  assert taxonomy.codes == ('eurbla', 'gretit1') and (taxonomy.name, taxonomy.year) == ('eBird', 2024)
  assert [code_of[r] for r in found] == ['gretit1', 'gretit1', 'eurbla']


@pytest.mark.parametrize('mark, delimiter', [('', ','), ('\ufeff', ';')])
def test_manifest_in_the_folder_or_its_parent(tmp_path, mark, delimiter):
  rows = [['path', 'species_common', 'species_scientific', 'type', 'licence', 'group', 'seconds'],
          ['a/1.wav', 'Myrtle Warbler', 'Setophaga coronata', 'distance call', 'CC0', 'G1', '1.0'],
          ['a/2.wav', 'Grey Ghost', '', 'song, call', '', '', ''], ['a/3.wav', '', '', '', '', '', ''],
          ['b/4.wav', 'House Sparrow', '', '', '', '', 'unknown'], ['', 'x', '', '', '', '', '']]
  (tmp_path / 'a').mkdir()
  (tmp_path / 'manifest.csv').write_text(
      mark + '\n'.join(delimiter.join(f'"{v}"' for v in r) for r in rows), encoding='utf-8')
  found, skips = sources.find(str(tmp_path))
  assert [r.name for r in found] == ['a/1.wav', 'a/2.wav', 'b/4.wav']
  assert [s.reason for s in skips] == ['the manifest names no species', 'names no path']
  found, skips = sources.find(str(tmp_path / 'a'))
  assert [(r.name, r.vocalisation, r.group, r.seconds) for r in found] == [
      ('a/1.wav', 'call', 'G1', 1.0), ('a/2.wav', 'song', '2', None)]
  taxonomy, _ = sources.taxonomy_of(found)  # a name eBird does not know stays as it is
  assert [(s.code, s.common) for s in taxonomy.species] == [
      ('greyghost', 'Grey Ghost'), ('yerwar', 'Yellow-rumped Warbler')]
  assert (taxonomy.name, taxonomy.year) == ('as given', None)


def test_unusable_folders(tmp_path):
  with pytest.raises(ValueError, match='is no folder'):
    sources.find(str(tmp_path / 'none'))
  with pytest.raises(ValueError, match='holds neither recordings'):
    sources.find(str(tmp_path))
  (tmp_path / 'manifest.csv').write_text('file,species\na,b\n')
  with pytest.raises(ValueError, match='expected the columns path and species_common.*found file, species'):
    sources.find(str(tmp_path))


@pytest.mark.parametrize('suffix', ['.wav', '.flac', '.ogg', '.mp3'])
def test_read_resamples_and_averages(tmp_path, suffix):
  recording = one(write(tmp_path / f'x{suffix}'))
  mono, stereo = sources.read(recording, 8000, 1), sources.read(recording, RATE, 2)
  assert mono.shape == (8000, 1) and stereo.shape == (RATE, 2) and mono.dtype == np.float32
  if suffix in ('.wav', '.flac'):
    np.testing.assert_allclose(stereo, SOUND, atol=1e-4)
  with pytest.raises(sources.BadRecording, match='has 2 channel.*3 were asked'):
    sources.read(recording, RATE, 3)


def test_only_what_passes_full_scale_is_scaled(tmp_path):
  loud = sources.read(one(write(tmp_path / 'loud.wav', SOUND * 20, subtype='FLOAT')), RATE, 2)
  assert np.abs(loud).max() == 1.0
  quiet = sources.read(one(write(tmp_path / 'quiet.wav', SOUND * 0.01, subtype='FLOAT')), RATE, 2)
  np.testing.assert_allclose(quiet, SOUND * 0.01, atol=1e-7)


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
    files[f'truncated|not audio{suffix}'] = path
  return {reason: one(path) for reason, path in files.items()}


def test_bad_files_are_told_apart(bad_files):
  for reason, recording in bad_files.items():
    with pytest.raises(sources.BadRecording, match=f'^({reason.removesuffix(".wav").removesuffix(".flac")})'):
      sources.read(recording, RATE, 1)


def test_a_file_shorter_than_its_manifest_says(tmp_path):
  recording = one(write(tmp_path / 'x.ogg'), seconds=6.0)
  with pytest.raises(sources.BadRecording, match=r'truncated: 1.00 of 6 s'):
    sources.read(recording, RATE, 1)


def test_the_real_recordings_all_decode(real_data):
  found, skips = sources.find(str(real_data / 'phoebe_xc'))
  assert len(found) == 60 and not skips
  taxonomy, _ = sources.taxonomy_of(found)
  assert len(taxonomy) == 10 and taxonomy.name == 'eBird'
  found, skips = sources.find(str(real_data))
  quick = [r for r in found if r.seconds and r.seconds < 15]
  for recording in quick[::3]:
    assert len(sources.read(recording, RATE, 1))
