"""Tables of BirdCLEF 2021 and 2022, and the sounds they list. The labelled soundscapes: test_birdclef_soundscapes."""

import csv
import json

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline import birdclef_tables
from data_pipeline.recording import Recording

ROW_2021 = {
    'primary_label': 'acafly', 'secondary_labels': "['amegfi']", 'type': "['begging call', 'Call']", 'latitude': '35.3860',
    'longitude': '-84.1250', 'scientific_name': 'Empidonax virescens', 'common_name': 'Acadian Flycatcher',
    'author': 'Mike Nelson',
    'date': '2012-08-12', 'filename': 'XC109605.ogg', 'license': 'Creative Commons Attribution-NonCommercial-ShareAlike 3.0',
    'rating': '2.5', 'time': '09:30', 'url': 'https://www.xeno-canto.org/109605'}
ROW_2022 = {
    'primary_label': 'afrsil1', 'secondary_labels': '[]', 'type': "['call', 'flight call']", 'latitude': '12.391',
    'longitude': '',
    'scientific_name': 'Euodice cantans', 'common_name': 'African Silverbill', 'author': 'Bram Piot',
    'license': 'Creative Commons Attribution-NonCommercial-ShareAlike 4.0', 'rating': '0.0', 'time': '08:00',
    'url': '//www.xeno-canto.org/125458', 'filename': 'afrsil1/XC125458.ogg'}


def write(folder, rows, name='train_metadata.csv'):
  folder.mkdir(parents=True, exist_ok=True)
  with open(folder / name, 'w', encoding='utf-8', newline='') as f:
    writer = csv.DictWriter(f, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
  return folder / name


def touch(path):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.touch()
  return path


def test_2021(tmp_path):
  write(tmp_path, [ROW_2021, ROW_2021 | {'filename': 'XC2.ogg'}])
  path = touch(tmp_path / 'train_short_audio' / 'acafly' / 'XC109605.ogg')
  [r], skips = birdclef_tables.find(str(tmp_path))
  assert (r.code, r.background, r.types, r.rating) == ('acafly', ('amegfi',), ('begging call', 'call'), 2.5)
  assert (r.latitude, r.longitude, r.date, r.time, r.group) == (35.386, -84.125, '2012-08-12', '09:30', 'XC109605')
  assert r.path == path and [(s.name, s.reason) for s in skips] == [
      ('XC2.ogg', 'no audio file in train_short_audio or train_audio')]
  recording = r.recording(tmp_path)
  assert (recording.name, recording.vocalisation, recording.recordist) == (
      'train_short_audio/acafly/XC109605.ogg', 'call', 'Mike Nelson')


def test_2022_and_later(tmp_path):
  write(tmp_path, [ROW_2022], 'train.csv')
  path = touch(tmp_path / 'train_audio' / 'afrsil1' / 'XC125458.ogg')
  [r], skips = birdclef_tables.find(str(tmp_path))
  assert r.path == path and not skips and (r.rating, r.longitude, r.background, r.date) == (None, None, (), '')
  assert r.url == 'https://www.xeno-canto.org/125458'
  later = {k: v for k, v in ROW_2022.items() if k != 'time'} | {
      'primary_label': '1139490', 'class_name': 'Insecta', 'inat_taxon_id': '1139490', 'secondary_labels': "['']",
      'filename': '1139490/CSA36385.ogg', 'license': 'cc-by-nc-sa 4.0', 'collection': 'CSA'}
  r = birdclef_tables.record(later)
  assert (r.code, r.group, r.time, r.background) == ('1139490', 'CSA36385', '', ())


@pytest.mark.parametrize('changed, reason', [
    ({'primary_label': ''}, "primary_label: '' is no species code"), ({'primary_label': '../x'}, 'is no species code'),
    ({'filename': ''}, 'filename is empty'), ({'type': "['call"}, 'type: .* is not a list'),
    ({'secondary_labels': '[__import__("os")]'}, 'secondary_labels: .* is not a list'),
])
def test_bad_rows(tmp_path, changed, reason):
  records, [skip] = birdclef_tables.read(write(tmp_path, [ROW_2022 | changed, ROW_2022]))
  assert len(records) == 1 and skip.name == 'train_metadata.csv row 2'
  with pytest.raises(ValueError, match=reason):
    raise ValueError(skip.reason)


def test_names_that_leave_the_folder(tmp_path):
  folder, outside = tmp_path / 'b', touch(tmp_path / 'x.ogg')
  names = ['../../x.ogg', str(outside), '..\\x.ogg', 'link.ogg', 'a' * 400, 'afrsil1/XC125458.ogg', 'XC125458.ogg']
  write(folder, [ROW_2022 | {'filename': n} for n in names])
  touch(folder / 'train_audio' / 'afrsil1' / 'XC125458.ogg')
  (folder / 'train_audio' / 'afrsil1' / 'link.ogg').symlink_to(outside)
  records, skips = birdclef_tables.find(str(folder))
  assert [r.file_name for r in records] == ['afrsil1/XC125458.ogg']
  assert {s.name: s.reason for s in skips} == dict.fromkeys(names[:4], 'leads out of the folder') | {
      'a' * 400: 'no audio file in train_short_audio or train_audio', 'XC125458.ogg': 'is listed twice'}


def test_folders_without_a_table(tmp_path):
  with pytest.raises(ValueError, match='is no folder'):
    birdclef_tables.find(str(tmp_path / 'none'))
  with pytest.raises(ValueError, match='expected one of train_metadata.csv, train.csv'):
    birdclef_tables.find(str(tmp_path))
  write(tmp_path, [{'primary_label': 'a', 'filename': 'b'}])
  with pytest.raises(ValueError, match='train_metadata.csv: expected the columns primary_label, .*found primary_label, filename'):
    birdclef_tables.find(str(tmp_path))


def test_listing_of_2021(tmp_path):
  write(tmp_path, [ROW_2021, ROW_2021 | {'filename': 'XC2.ogg'}, ROW_2021 | {'primary_label': ''}])
  path = touch(tmp_path / 'train_short_audio' / 'acafly' / 'XC109605.ogg')
  touch(tmp_path / 'train_audio' / 'acafly' / 'XC2.ogg')  # of another year, so none of these
  found = birdclef_tables.listing(str(tmp_path), 2021)
  assert found.recordings == (Recording(
      path=path, name='train_short_audio/acafly/XC109605.ogg', code='acafly', common='Acadian Flycatcher',
      scientific='Empidonax virescens', vocalisation='call', recordist='Mike Nelson', group='XC109605',
      licence='Creative Commons Attribution-NonCommercial-ShareAlike 3.0', url='https://www.xeno-canto.org/109605',
      background=('amegfi',), types='begging call, call', quality='2.5', started='2012-08-12T09:30'),)
  assert [(s.name, s.reason) for s in found.skips] == [
      ('XC2.ogg', 'no audio file in train_short_audio'), ('train_metadata.csv row 4', "primary_label: '' is no species code")]
  assert found.notes == ('no soundscapes: train_soundscape_labels.csv and train_soundscapes/ are not both there',)
  assert not found.extra


@pytest.fixture
def folder_2022(tmp_path):
  write(tmp_path, [ROW_2022])
  touch(tmp_path / 'train_audio' / 'afrsil1' / 'XC125458.ogg')
  (tmp_path / 'scored_birds.json').write_text('["akiapo", "afrsil1"]')
  (tmp_path / 'test.csv').write_text('\ufeffrow_id;file_id;bird;end_time\nsoundscape_1_akiapo_5;soundscape_1;akiapo;5\n'
                                     'soundscape_1_akiapo_10;soundscape_1;akiapo;10\n', encoding='utf-8')
  return tmp_path


def test_listing_of_2022(folder_2022):
  touch(folder_2022 / 'test_soundscapes' / 'soundscape_1.ogg')
  found = birdclef_tables.listing(str(folder_2022), 2022)
  [r] = found.recordings
  assert (r.name, r.code, r.quality, r.started, r.background, r.continuous, r.split) == (
      'train_audio/afrsil1/XC125458.ogg', 'afrsil1', '', 'T08:00', (), False, '')
  assert found.extra == {'scored_birds': ['akiapo', 'afrsil1']} and not found.skips
  assert found.notes == ('test.csv asks for 2 rows of 1 files, which have no labels here',)
  (folder_2022 / 'scored_birds.json').unlink()
  (folder_2022 / 'test.csv').unlink()
  found = birdclef_tables.listing(str(folder_2022), 2022)
  assert not found.extra and found.notes == (
      'scored_birds.json is not there: which birds the competition scored is not known',)


def test_scored_birds_that_are_labels_of_the_table_only(folder_2022):
  write(folder_2022, [ROW_2022, ROW_2022 | {'primary_label': 'rocpig1'}])
  (folder_2022 / 'scored_birds.json').write_text('["rocpig1"]')
  assert birdclef_tables.listing(str(folder_2022), 2022).extra == {'scored_birds': ['rocpig1']}


@pytest.mark.parametrize('file, content, message', [
    ('scored_birds.json', '["akiapo", "afrsil"]',
     "scored_birds.json: 'afrsil' is neither a primary_label of train_metadata.csv "
     'nor a code of eBird 2021; nearest: afrsil1'), ('scored_birds.json', '{}', 'scored_birds.json: expected a list'),
    ('scored_birds.json', '["Akiapolaau"]', "'Akiapolaau' is neither"),
    ('test.csv', 'row_id,file_id,bird\n', "test.csv: not the test table of BirdCLEF 2022: no column 'end_time'"),
    ('test.csv', 'row_id,file_id,bird,end_time\ns_akiapo_5,s,akiapo,10\n',
     "test.csv, line 2: row_id 's_akiapo_5': expected 's_akiapo_10'"),
    ('test.csv', 'row_id,file_id,bird,end_time\n_akiapo_5,,akiapo,5\n', 'line 2: row_id'),
    ('test.csv', 'row_id,file_id,bird,end_time\ns_akiapo_7,s,akiapo,7\n', "line 2: end_time '7': expected 5, 10, ... s"),
    ('test.csv', 'row_id,file_id,bird,end_time\ns_akiapo_0,s,akiapo,0\n', "line 2: end_time '0'"),
    ('test.csv', 'row_id,file_id,bird,end_time\ns_akiapu_5,s,akiapu,5\n', "line 2: 'akiapu' is neither"),
    ('test.csv', 'row_id,file_id,bird,end_time\n' + 's_akiapo_5,s,akiapo,5\n' * 2,
     "line 3: row_id 's_akiapo_5' stands there twice"),
])
def test_files_of_2022_that_are_none(folder_2022, file, content, message):
  (folder_2022 / file).write_text(content)
  with pytest.raises(ValueError) as error:
    birdclef_tables.listing(str(folder_2022), 2022)
  assert message in str(error.value)


def test_folders_of_the_other_year(tmp_path):
  (tmp_path / 'train_audio').mkdir()
  with pytest.raises(ValueError, match='expected train_short_audio/ of BirdCLEF 2021 in it; train_audio/ is that of the source '
                                       'birdclef2022'):
    birdclef_tables.listing(str(tmp_path), 2021)
  with pytest.raises(ValueError, match='expected train_metadata.csv of BirdCLEF 2022 beside train_audio/'):
    birdclef_tables.listing(str(tmp_path), 2022)
  (tmp_path / 'train_audio').rename(tmp_path / 'train_short_audio')
  with pytest.raises(ValueError, match='expected train_audio/ of BirdCLEF 2022 .*birdclef2021'):
    birdclef_tables.listing(str(tmp_path), 2022)
  (tmp_path / 'train_short_audio').rmdir()
  with pytest.raises(ValueError, match='expected train_audio/ of BirdCLEF 2022 in it$'):
    birdclef_tables.listing(str(tmp_path), 2022)
  with pytest.raises(ValueError, match='is no folder'):
    birdclef_tables.listing(str(tmp_path / 'none'), 2021)
  with pytest.raises(ValueError, match='BirdCLEF 2023: expected one of 2021, 2022'):
    birdclef_tables.listing(str(tmp_path), 2023)


CELLS = st.one_of(st.text(max_size=20), st.sampled_from(
    ['[', "['a'", '{}', '[' * 300, '?', 'nan', '0', "{'a': 1}", '../x', '-1e999']))


@settings(deadline=None)
@given(rows=st.lists(st.dictionaries(st.sampled_from(sorted(ROW_2021)), CELLS), max_size=3))
def test_whatever_the_cells_hold_a_row_is_a_record_or_a_skip(tmp_path_factory, rows):
  folder = tmp_path_factory.mktemp('b')
  rows = [ROW_2021 | {k: v.encode('utf-8', 'ignore').decode() for k, v in r.items()} for r in rows]
  records, skips = birdclef_tables.read(write(folder, [ROW_2021, *rows]))
  assert len(records) + len(skips) == len(rows) + 1
  found, skips = birdclef_tables.find(str(folder))
  assert not found and len(skips) == len(rows) + 1


def test_scored_birds(tmp_path):
  path = tmp_path / 'scored_birds.json'
  path.write_text('["akiapo", "aniani"]')
  assert birdclef_tables.scored_birds(path) == ('akiapo', 'aniani')
  for content, message in ((json.dumps({'a': 1}), 'expected a list'), ('[]', 'expected a list'), ('["a", 1]', 'expected a list'),
                           ('["a", "a"]', 'a listed twice'), ('["a"', 'not JSON')):
    path.write_text(content)
    with pytest.raises(ValueError, match=f'scored_birds.json: {message}'):
      birdclef_tables.scored_birds(path)
