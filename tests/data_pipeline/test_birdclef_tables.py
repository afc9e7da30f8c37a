"""Tables of BirdCLEF 2021 and 2022, and the sounds they list."""

import csv
import json

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline import birdclef_tables

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
