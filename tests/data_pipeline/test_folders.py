"""Folders of recordings: what is found in them, by folder names or a manifest."""

import pytest

from data_pipeline import folders, recorded_species


def write(path):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.touch()


def test_species_folders(tmp_path):
  write(tmp_path / 'Great Tit' / 'XC123456 - song.wav')
  write(tmp_path / 'Great Tit' / 'deep' / 'XC123456-2.FLAC')
  write(tmp_path / 'Turdus_merula' / 'ä b.ogg')
  write(tmp_path / 'stray.wav')
  (tmp_path / 'Great Tit' / 'notes.txt').write_text('x')
  (tmp_path / 'Great Tit' / '.hidden').write_text('x')
  listing = folders.find(str(tmp_path))
  assert [(r.name, r.common, r.group, r.vocalisation) for r in listing.recordings] == [
      ('Great Tit/XC123456 - song.wav', 'Great Tit', 'XC123456', 'song'),
      ('Great Tit/deep/XC123456-2.FLAC', 'Great Tit', 'XC123456', 'song'),
      ('Turdus_merula/ä b.ogg', 'Turdus merula', 'ä b', 'song')]
  assert {s.name: s.reason for s in listing.skips} == {
      'Great Tit/notes.txt': 'not one of .wav, .flac, .mp3, .ogg', 'stray.wav': 'lies in no species folder'}
  species = recorded_species.of(listing.recordings, 2024)
  taxonomy = species.taxonomy
  assert taxonomy.codes == ('eurbla', 'gretit1') and (taxonomy.name, taxonomy.year) == ('eBird', 2024)
  assert [species.code_of[r.species] for r in listing.recordings] == ['gretit1', 'gretit1', 'eurbla']


@pytest.mark.parametrize('mark, delimiter', [('', ','), ('\ufeff', ';')])
def test_manifest_in_the_folder_or_its_parent(tmp_path, mark, delimiter):
  rows = [['path', 'species_common', 'species_scientific', 'type', 'licence', 'group', 'seconds'],
          ['a/1.wav', 'Myrtle Warbler', 'Setophaga coronata', 'distance call', 'CC0', 'G1', '1.0'],
          ['a/2.wav', 'Grey Ghost', '', 'song, call', '', '', ''], ['a/3.wav', '', '', '', '', '', ''],
          ['b/4.wav', 'House Sparrow', '', '', '', '', 'unknown'], ['', 'x', '', '', '', '', '']]
  (tmp_path / 'a').mkdir()
  (tmp_path / 'manifest.csv').write_text(
      mark + '\n'.join(delimiter.join(f'"{v}"' for v in r) for r in rows), encoding='utf-8')
  listing = folders.find(str(tmp_path))
  assert [r.name for r in listing.recordings] == ['a/1.wav', 'a/2.wav', 'b/4.wav']
  assert [s.reason for s in listing.skips] == ['the manifest names no species', 'names no path']
  listing = folders.find(str(tmp_path / 'a'))
  assert [(r.name, r.vocalisation, r.group, r.seconds) for r in listing.recordings] == [
      ('a/1.wav', 'call', 'G1', 1.0), ('a/2.wav', 'song', '2', None)]
  taxonomy = recorded_species.of(listing.recordings, 2024).taxonomy  # a name eBird does not know stays as it is
  assert [(s.code, s.common) for s in taxonomy.species] == [
      ('greyghost', 'Grey Ghost'), ('yerwar', 'Yellow-rumped Warbler')]
  assert (taxonomy.name, taxonomy.year) == ('as given', None)


def test_unusable_folders(tmp_path):
  with pytest.raises(ValueError, match='is no folder'):
    folders.find(str(tmp_path / 'none'))
  with pytest.raises(ValueError, match='holds neither recordings'):
    folders.find(str(tmp_path))
  (tmp_path / 'manifest.csv').write_text('file,species\na,b\n')
  with pytest.raises(ValueError, match='expected the columns path and species_common.*found file, species'):
    folders.find(str(tmp_path))


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path):
  (tmp_path / 'in').mkdir()
  write(tmp_path / 'other' / 'x.wav')
  (tmp_path / 'in' / 'link.wav').symlink_to(tmp_path / 'other' / 'x.wav')
  rows = ['path,species_common', '../other/x.wav,Great Tit', f'{tmp_path}/other/x.wav,Great Tit', 'link.wav,Great Tit',
          'a.wav,Great Tit', 'b.wav,Great Tit,more']
  (tmp_path / 'in' / 'manifest.csv').write_text('\n'.join(rows))
  listing = folders.find(str(tmp_path / 'in'))
  assert [r.name for r in listing.recordings] == ['a.wav']
  assert [s.name for s in listing.skips] == [f'manifest.csv row {n}' for n in (2, 3, 4, 6)]
  assert all('leads out of the folder' in s.reason for s in listing.skips[:3])
