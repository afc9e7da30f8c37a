"""Labelled soundscapes of BirdCLEF 2021: windows become events, and every file and row is listed or skipped."""

import itertools

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline import birdclef_soundscapes, birdclef_tables
from data_pipeline.formats import birdclef
from data_pipeline.formats.birdclef import Window
from data_pipeline.recording import Recording
from data_pipeline.scene import Event
from data_pipeline.taxonomy import edition

HEADER = 'row_id,site,audio_id,seconds,birds\n'
CODES = ('acafly', 'amegfi', 'norcar')


def event(species, onset, offset):
  return Event(species, 'song', onset, offset, 150.0, 15_000.0, -30.0)


@pytest.fixture
def folder(tmp_path):
  (tmp_path / 'train_soundscapes').mkdir()
  return tmp_path


def fill(folder, rows, names, header=HEADER):
  (folder / 'train_soundscape_labels.csv').write_text(header + ''.join(f'{row}\n' for row in rows), encoding='utf-8')
  for name in names:
    (folder / 'train_soundscapes' / name).touch()


def read(folder):
  return birdclef_soundscapes.read(folder, edition(2021))


def test_windows_become_events(folder):
  fill(folder, ['7019_COR_5,COR,7019,5,nocall', '7019_COR_10,COR,7019,10,norcar acafly', '7019_COR_15,COR,7019,15,norcar',
                '7019_COR_20,COR,7019,20,acafly', '7019_SSW_5,SSW,7019,5,nocall'],
       ['7019_COR_20190904.ogg', '7019_SSW_20190931.ogg'])
  recordings, skips, notes = read(folder)
  name = 'train_soundscapes/7019_COR_20190904.ogg'
  assert recordings[0] == Recording(
      path=folder / name, name=name, group='COR 20190904', continuous=True, split='soundscape', site='COR',
      started='2019-09-04', events=(event('acafly', 5, 10), event('norcar', 5, 15), event('acafly', 15, 20)))
  # A date that does not exist (the 31st of September) is an unknown day; silence is what somebody heard, not a lack of labels.
  assert recordings[1].events == () and recordings[1].site == 'SSW' and recordings[1].started == ''
  assert not skips and len(notes) == 1 and 'not measured' in notes[0] and '150 to 15000 Hz' in notes[0]


def test_rows_and_files_that_are_none(folder):
  fill(folder, ['1_COR_5,COR,1,5,acafly', '1_COR_10,COR,2,10,acafly', '1_COR_15,COR,1,15,acafly xxxxxx',
                '1_COR_7,COR,1,7,acafly', '1_COR_20,COR,1,20,nocall acafly', '1_COR_25,COR,1,25,',
                '2_SSW_5,SSW,2,5,acafly', '2_SSW_10,SSW,2,10,nocall',
                '1_COR_30,COR,1,30,acafly,too,many'],
       ['1_COR_20190904.ogg', '1_COR_20190905.ogg', '3_COR_20190904.ogg', 'COR_20190904.ogg', 'notes.txt'])
  (folder.parent / 'out.ogg').touch()
  (folder / 'train_soundscapes' / '9_COR_20190904.ogg').symlink_to(folder.parent / 'out.ogg')
  [r], skips, notes = read(folder)
  assert r.events == (event('acafly', 0, 5),)
  reasons = {s.name: s.reason for s in skips}
  assert reasons.pop('train_soundscape_labels.csv row 4').startswith("unknown species 'xxxxxx'")
  assert reasons.pop('train_soundscape_labels.csv row 5').startswith("end time '7'")
  assert reasons.pop('train_soundscape_labels.csv row 3').startswith("row_id '1_COR_10': expected ")
  assert reasons == {
      'train_soundscape_labels.csv row 6': "birds 'nocall acafly': expected codes, or nocall alone",
      'train_soundscape_labels.csv row 7': "birds '': expected codes, or nocall alone",
      'train_soundscape_labels.csv row 10': '7 fields: expected 5, as many as the header has',
      '2_SSW': 'no sound in train_soundscapes/ of its 2 labelled windows',
      'train_soundscapes/1_COR_20190905.ogg': 'the labels of 1_COR went to train_soundscapes/1_COR_20190904.ogg',
      'train_soundscapes/3_COR_20190904.ogg': 'no labels in train_soundscape_labels.csv',
      'train_soundscapes/9_COR_20190904.ogg': 'leads out of the folder',
      'train_soundscapes/COR_20190904.ogg': 'its name is not {audio_id}_{site}_{date}'}
  assert '6 rows of train_soundscape_labels.csv could not be read' in notes[1]


@pytest.mark.parametrize('header', [
    '\ufeff' + HEADER, HEADER.replace(',', ';'), HEADER.replace('row_id,site', ' site,row_id ')])
def test_other_ways_to_write_the_table(folder, header):
  row = {'row_id': '1_COR_5', 'site': 'COR', 'audio_id': '1', 'seconds': '5', 'birds': 'acafly'}
  delimiter = ';' if ';' in header else ','
  columns = [c.strip(' \ufeff\n') for c in header.split(delimiter)]
  fill(folder, [delimiter.join(row[c] for c in columns), ''], ['1_COR_20190904.ogg'], header)
  [r], skips, _ = read(folder)
  assert r.events == (event('acafly', 0, 5),) and not skips


def test_tables_that_are_none(folder):
  assert read(folder)[2] == ['no soundscapes: train_soundscape_labels.csv and train_soundscapes/ are not both there']
  fill(folder, [], ['1_COR_20190904.ogg'])
  assert [(s.name, s.reason) for s in read(folder)[1]] == [
      ('train_soundscapes/1_COR_20190904.ogg', 'no labels in train_soundscape_labels.csv')]
  for content, message in ((b'', 'no column'), (b'row_id,site\n', "no column 'audio_id'"), (b'\xff\xfe', 'not UTF-8')):
    (folder / 'train_soundscape_labels.csv').write_bytes(content)
    with pytest.raises(ValueError, match=f'train_soundscape_labels.csv: .*{message}'):
      read(folder)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.sets(st.sampled_from(CODES))), max_size=12))
def test_events_fill_the_windows_that_they_came_from(rows):
  windows = [Window('1', 'COR', 5 * w, tuple(species)) for w, species in rows]
  events = birdclef_soundscapes.events_of(windows)
  heard = {(w, s) for w, species in rows for s in species}
  assert {(w, e.species) for e in events for w in range(1, 13) if e.onset <= 5 * (w - 1) and 5 * w <= e.offset} == heard
  assert sum(e.offset - e.onset for e in events) == 5 * len(heard)
  assert list(events) == sorted(events, key=lambda e: (e.onset, e.species))
  for a, b in itertools.permutations(events, 2):
    assert a.species != b.species or a.offset < b.onset or b.offset < a.onset


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.sampled_from(CODES), unique=True), min_size=1, max_size=8))
def test_what_is_written_is_read_again(tmp_path_factory, heard):
  folder = tmp_path_factory.mktemp('b')
  (folder / 'train_soundscapes').mkdir()
  (folder / 'train_soundscapes' / '42_COR_20190904.ogg').touch()
  windows = [Window('42', 'COR', 5 * i, tuple(species)) for i, species in enumerate(heard, 1)]
  birdclef.write_soundscapes(folder / 'train_soundscape_labels.csv', windows, edition(2021))
  [r], skips, _ = read(folder)
  assert not skips
  back = birdclef.windows(r.events, '42', 'COR', 5.0 * len(heard), CODES)
  assert [set(w.species) for w in back] == [set(species) for species in heard]


def test_they_are_part_of_the_listing(folder):
  fill(folder, ['1_COR_5,COR,1,5,acafly', 'x,COR,1,10,acafly'], ['1_COR_20190904.ogg'])
  columns = ','.join(birdclef_tables.COLUMNS)
  (folder / 'train_metadata.csv').write_text(f'{columns}\nacafly,[],[],Empidonax virescens,Acadian Flycatcher,A,CC0,XC1.ogg\n')
  (folder / 'train_short_audio' / 'acafly').mkdir(parents=True)
  (folder / 'train_short_audio' / 'acafly' / 'XC1.ogg').touch()
  found = birdclef_tables.listing(str(folder), 2021)
  assert [r.name for r in found.recordings] == ['train_short_audio/acafly/XC1.ogg', 'train_soundscapes/1_COR_20190904.ogg']
  assert [s.name for s in found.skips] == ['train_soundscape_labels.csv row 3'] and len(found.notes) == 2
