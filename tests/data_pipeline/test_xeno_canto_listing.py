"""Folders of xeno-canto's recordings: metadata and the sounds beside it, and what a data set takes of them."""

import json

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline import xeno_canto
from data_pipeline.recording import Recording
from tests.data_pipeline.xeno_canto_pages import KEYS, SCALARS, V2, V3, page


@pytest.fixture
def folder(tmp_path):
  folder = tmp_path / 'xc'
  (folder / 'Pipilo maculatus').mkdir(parents=True)
  (folder / 'page.json').write_text(json.dumps(page(V3, V3 | {'id': '7'}, V3 | {'id': 'x'})), encoding='utf-8')
  for name in ('XC254462.mp3', 'XC254462-2.WAV', 'xc999 owl.ogg', 'other.flac', 'notes.txt', '.XC7.mp3'):
    (folder / 'Pipilo maculatus' / name).touch()
  return folder


def test_find(folder):
  records, skips = xeno_canto.find(str(folder))
  assert [(r.id, r.path.name) for r in records] == [('254462', 'XC254462-2.WAV'), ('254462', 'XC254462.mp3')]
  assert {s.name: s.reason for s in skips} == {
      'page.json recording 3': "id: 'x' is no xeno-canto number", 'xeno-canto 7': 'no audio file',
      'Pipilo maculatus/xc999 owl.ogg': 'no xeno-canto metadata of 999',
      'Pipilo maculatus/other.flac': 'no xeno-canto number in its name'}
  recording = records[1].recording(folder)
  assert isinstance(recording, Recording) and recording.name == 'Pipilo maculatus/XC254462.mp3'
  assert (recording.group, recording.vocalisation, recording.scientific) == ('XC254462', 'song', 'Pipilo maculatus')


def test_find_never_leaves_the_folder(folder):
  outside = folder.parent / 'XC7.mp3'
  outside.touch()
  (folder / 'XC7.mp3').symlink_to(outside)
  (folder / 'up').symlink_to(folder.parent)
  loop = folder / 'XC8.mp3'
  loop.symlink_to(loop)
  (folder / 'page2.json').write_text(json.dumps(page(V3 | {'id': '11', 'file-name': '../XC7.mp3'})))
  records, skips = xeno_canto.find(str(folder))
  assert all(r.path.resolve().is_relative_to(folder) for r in records) and {r.id for r in records} == {'254462'}
  assert [s.reason for s in skips if s.name == 'XC7.mp3'] == ['leads out of the folder']


def test_later_metadata_holds(folder):
  (folder / 'page9.json').write_text(json.dumps(page(V3 | {'q': 'D'})))
  (folder / 'ATTRIBUTION.csv').write_text('path,species\n')
  records, skips = xeno_canto.find(str(folder))
  assert {r.quality for r in records} == {'D'} and 'ATTRIBUTION.csv' not in {s.name for s in skips}


def test_folders_of_nothing(tmp_path):
  with pytest.raises(ValueError, match='is no folder'):
    xeno_canto.find(str(tmp_path / 'none'))
  with pytest.raises(ValueError, match='holds no xeno-canto metadata'):
    xeno_canto.find(str(tmp_path))


def test_the_real_clips_carry_their_numbers(real_data):
  names = sorted((real_data / 'phoebe_xc').glob('*.mp3'))
  assert names and all(xeno_canto.number_in(p) for p in names)


def test_listing(folder):
  found = xeno_canto.listing(str(folder))
  assert [r.name for r in found.recordings] == ['Pipilo maculatus/XC254462-2.WAV', 'Pipilo maculatus/XC254462.mp3']
  assert not found.notes and found.skips == tuple(xeno_canto.find(str(folder))[1])
  assert found.recordings[1] == Recording(
      path=folder / 'Pipilo maculatus' / 'XC254462.mp3', name='Pipilo maculatus/XC254462.mp3', common='Spotted Towhee',
      scientific='Pipilo maculatus', vocalisation='song', licence='https://creativecommons.org/licenses/by-sa/4.0/',
      recordist='Åsa Ö', group='XC254462', url='https://xeno-canto.org/254462', background=('Turdus migratorius',),
      types='song, flight call', quality='A', stage='adult', site='Custer, South Dakota, United States',
      started='2015-06-23T07:17')


def test_listing_takes_birds_of_known_species_only(tmp_path):
  rows = [V3 | {'id': '1', 'gen': 'Mystery', 'sp': 'mystery', 'en': 'Identity unknown'},
          V3 | {'id': '2', 'gen': 'Sonus', 'sp': 'naturalis', 'en': 'Soundscape'}, V3 | {'id': '3', 'sp': 'sp.', 'en': ''},
          V3 | {'id': '4', 'grp': 'bats'}, V3 | {'id': '5', 'grp': 'grasshoppers', 'sp': 'sp.'}, V3 | {'id': '6', 'grp': ''},
          V3 | {'id': '7', 'file': 'restricted_species'}, V3 | {'id': '8', 'grp': 'soundscape', 'gen': '', 'en': 'Soundscape'},
          V2 | {'id': '9'}]
  (tmp_path / 'page.json').write_text(json.dumps(page(*rows)))
  for row in rows:
    (tmp_path / f'XC{row["id"]}.mp3').touch()
  found = xeno_canto.listing(str(tmp_path))
  assert [r.group for r in found.recordings] == ['XC6', 'XC9']
  assert {s.name: s.reason for s in found.skips} == {
      'XC1.mp3': 'nobody has identified the species', 'XC2.mp3': 'a soundscape, of no one species',
      'XC3.mp3': 'identified to the genus Pipilo only', 'XC4.mp3': 'of the group bats: only birds are taken',
      'XC5.mp3': 'of the group grasshoppers: only birds are taken', 'XC7.mp3': 'no xeno-canto metadata of 7',
      'XC8.mp3': 'a soundscape, of no one species',
      'page.json recording 7': 'restricted species: xeno-canto withholds the file of XC7'}
  assert list(found.skips) == sorted(found.skips, key=lambda s: s.name)
  assert found.notes == ('1 recording(s) of restricted species are described, and xeno-canto withholds their sound',)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.dictionaries(st.sampled_from(KEYS), SCALARS), min_size=1, max_size=4))
def test_whatever_the_cells_hold_a_sound_is_listed_or_skipped(tmp_path_factory, rows):
  folder = tmp_path_factory.mktemp('xc')
  rows = [V3 | r | {'id': str(i)} for i, r in enumerate(rows, 1)]
  (folder / 'page.json').write_text(json.dumps(page(*rows)))
  for i in range(1, len(rows) + 1):
    (folder / f'XC{i}.mp3').touch()
  found = xeno_canto.listing(str(folder))
  names = {r.name for r in found.recordings} | {s.name for s in found.skips}
  assert names >= {f'XC{i}.mp3' for i in range(1, len(rows) + 1)}
  assert all(r.common or r.scientific for r in found.recordings) and not any(r.continuous for r in found.recordings)


def test_listing_of_folders_of_nothing(tmp_path):
  for name, message in (('none', 'is no folder'), ('.', 'holds no xeno-canto metadata')):
    with pytest.raises(ValueError, match=message):
      xeno_canto.listing(str(tmp_path / name))
