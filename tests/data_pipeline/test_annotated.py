"""Folders of recordings with annotation tables: what comes back of our own, of broken and of real ones."""

import shutil
import time
from xml.sax import saxutils

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from data_pipeline import annotated, annotated_events, annotated_labels
from data_pipeline.formats import annotations, audacity, raven, raven_combined, sonic_visualiser
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import edition
from tests.data_pipeline.annotated_folders import KHZ, OWL, RAVEN, TIT, events_of, put, raven_row, reasons, without

BIRDS = edition(2024)


def test_round_trip_of_raven(tmp_path):
  put(tmp_path, 'sites/å b.wav')
  raven.write(tmp_path / 'sites' / 'å b.Table.1.selections.txt', [OWL, TIT], BIRDS)
  put(tmp_path, 'c.flac')
  raven.write(tmp_path / 'c.tsv', [TIT], BIRDS, begin_path='c.flac')
  put(tmp_path, 'empty.MP3')
  raven.write(tmp_path / 'empty.BirdNET.selection.table.txt', (), BIRDS)
  put(tmp_path, 'nobody.wav')
  put(tmp_path, 'README.txt', 'Recorded at dawn.\n')
  found = annotated.find(str(tmp_path), 'raven')
  assert events_of(found) == {'c.flac': (TIT,), 'empty.MP3': (), 'sites/å b.wav': (TIT, OWL)}
  assert [(r.path, r.common, r.group) for r in found.recordings][2] == (tmp_path / 'sites/å b.wav', '', 'å b')
  assert sorted(reasons(found)) == ['README.txt', 'nobody.wav'] and not found.notes
  assert 'not a Raven selection table' in reasons(found)['README.txt'] and 'no table has' in reasons(found)['nobody.wav']


def test_round_trip_of_a_combined_table(tmp_path):
  for name in ('day 1/a.wav', 'day 2/b.wav', 'day 2/c.wav'):
    put(tmp_path, name)
  scene = lambda *events: Scene(events, '', '', '', 10.0)
  raven_combined.write(tmp_path / 'all.selections.txt', {
      'day 1/a.wav': scene(TIT), 'day 2/c.wav': scene(), 'day 2/b.wav': scene(OWL, TIT)}, BIRDS)
  found = annotated.find(str(tmp_path), 'raven')
  assert events_of(found) == {'day 1/a.wav': (TIT,), 'day 2/b.wav': (TIT, OWL)}
  assert list(reasons(found)) == ['day 2/c.wav']  # nobody can tell whether it was listened to


def test_round_trip_of_audacity(tmp_path):
  put(tmp_path, 'x.wav')
  audacity.write(tmp_path / 'x.audacity.txt', [TIT, OWL], BIRDS)
  put(tmp_path, 'y.ogg')
  put(tmp_path, 'labels/y.txt', '\ufeff0.5\t1.25\tTURDUS_MERULA Song\r\n2\t2\tGreat Tit\r\n-1\t1\tGreat Tit\r\n')
  put(tmp_path, 'empty.wav')
  put(tmp_path, 'empty.txt')
  found = annotated.find(str(tmp_path), 'audacity')
  low, high = annotated_events.BAND_HZ
  assert events_of(found) == {'empty.wav': (), 'x.wav': (without(TIT), without(OWL)),
                              'y.ogg': (without(TIT, species='eurbla', low_hz=low, high_hz=high),)}
  assert reasons(found) == {'labels/y.txt line 2': 'Event of gretit1: offset 2.0 s is not after onset 2.0 s',
                            'labels/y.txt line 3': '-1.0 s is before the start: expected 0 or more'}
  assert found.notes == ('1 events have no frequencies in their tables: 150 to 15000 Hz was taken',
                         '3 events have no level in their tables: -30 dB was taken')


def test_round_trip_of_annotations(tmp_path):
  for name in ('seq/a.wav', 'seq/b.wav', 'box.wav', 'khz.wav', 'layer.wav'):
    put(tmp_path, name)
  annotations.write_sequences(tmp_path / 'seq' / 'labels.csv', {'a.wav': [TIT], 'b.wav': [OWL]}, BIRDS)
  annotations.write_boxes(tmp_path / 'box.csv', [TIT], BIRDS)
  annotations.write_khz(tmp_path / 'selec_table.csv', {'khz.wav': [TIT, OWL]}, BIRDS)
  sonic_visualiser.write(tmp_path / 'layer.svl', [OWL], BIRDS, 48000)
  found = annotated.find(str(tmp_path), 'annotations')
  low, high = annotated_events.BAND_HZ
  assert events_of(found) == {
      'box.wav': (without(TIT),), 'khz.wav': (TIT, OWL), 'layer.wav': (without(OWL),),
      'seq/a.wav': (without(TIT, low_hz=low, high_hz=high),),
      'seq/b.wav': (without(OWL, low_hz=low, high_hz=high, vocalisation='song'),)}
  assert not found.skips


def test_missing_sounds_and_tables(tmp_path):
  put(tmp_path, 'a.wav')
  put(tmp_path, 'bad.wav')
  put(tmp_path, 'early.wav')
  put(tmp_path, 'worse.wav')
  put(tmp_path, 'gone.txt', '0\t1\tGreat Tit\n')
  put(tmp_path, 'gone2.txt')
  put(tmp_path, 'bad.txt', '1\t0\tGreat Tit\n')
  put(tmp_path, 'early.txt', '-1\t0\tGreat Tit\n')
  (tmp_path / 'worse.txt').write_bytes(b'\xff\xfe0\t1')
  (tmp_path / 'dangling.txt').symlink_to('nowhere.txt')
  found = annotated.find(str(tmp_path), 'audacity')
  assert not found.recordings and reasons(found) == {
      'a.wav': 'no table has a row of it, or its name (an empty table says that nothing is heard)',
      'bad.txt line 1': 'Event of gretit1: offset 0.0 s is not after onset 1.0 s',
      'bad.wav': 'none of its 1 rows can be used: see its table', 'dangling.txt': 'No such file or directory',
      'early.txt line 1': '-1.0 s is before the start: expected 0 or more',
      'early.wav': 'nothing of its table can be used: see there',
      'gone.txt line 1': 'names no sound file, and no sound has its name, in its folder or above',
      'gone2.txt': 'has no rows, and no sound has its name, in its folder or above',
      'worse.txt': 'not UTF-8 text (invalid start byte at byte 0)', 'worse.wav': 'nothing of its table can be used: see there'}
  assert [s.name for s in found.skips] == sorted(s.name for s in found.skips)


def test_swapped_frequencies_become_a_note(tmp_path, recwarn):
  for name in 'abc':
    put(tmp_path, f'{name}.wav')
  put(tmp_path, 'a.txt', f'{RAVEN}\tSpecies\n' + raven_row(0.5, 1.25, 'gretit1', low=5000, high=3000) * 2)
  put(tmp_path, 'b.txt', '0.5\t1.25\tgretit1\n\\\t5000\t3000\n')
  put(tmp_path, 'c.csv', 'start,end,bottom.freq,top.freq,species\n0.5,1.25,5,3,gretit1\n')
  for kind, table, n in (('raven', 'a.txt', 2), ('audacity', 'b.txt', 1), ('annotations', 'c.csv', 1)):
    found = annotated.find(str(tmp_path), kind)
    [r] = found.recordings
    assert r.events == (without(TIT),)
    assert f"{n} rows had low above high frequency and were put right: '{table}' ({n})" in found.notes
  assert not recwarn.list


def test_combined_tables_without_file_offset(tmp_path):
  for name in 'ab':
    put(tmp_path, f'{name}.wav')
  header = f'{RAVEN}\tBegin File\tFile Offset (s)\tSpecies\n'
  put(tmp_path, 't.txt', header + raven_row(0, 1, 'a.wav', 0, 'gretit1') + raven_row(9, 10, 'b.wav', '', 'gretit1'))
  put(tmp_path, 'u.txt', header + raven_row(0, 1, 'a.wav', '', 'gretit1') + raven_row(9, 10, 'b.wav', '', 'gretit1'))
  found = annotated.find(str(tmp_path), 'raven')
  assert [(r.name, len(r.events)) for r in found.recordings] == [('a.wav', 1)]
  assert reasons(found)['t.txt line 3'] == 'File Offset (s) is empty'
  assert 'rows of 2 files without File Offset (s)' in reasons(found)['u.txt']


def test_what_is_no_folder_of_annotations(tmp_path):
  with pytest.raises(ValueError, match="unknown kind of annotations 'csv': expected one of raven, audacity, annotations"):
    annotated.find(str(tmp_path), 'csv')
  with pytest.raises(ValueError, match='is no folder'):
    annotated.find(str(tmp_path / 'x'), 'raven')
  put(tmp_path, 'x.wav')
  put(tmp_path, 'manifest.csv', 'path\nx.wav\n')
  with pytest.raises(ValueError, match=r'holds no annotation tables \(\*.csv, \*.svl\)'):
    annotated.find(str(tmp_path), 'annotations')
  put(tmp_path, 'manifest.csv', 'file\nx.wav\n')
  put(tmp_path, 'x.csv')
  with pytest.raises(ValueError, match='manifest.csv: expected the columns path, found file'):
    annotated.find(str(tmp_path), 'annotations')


CELLS = st.one_of(st.text(max_size=6), st.sampled_from([
    '', '0', '1', '1.5', '-1', 'nan', '1e400', '\\', 'x.wav', '../x.wav', '/x', 'C:\\y\\x.wav', '\0', 'gretit1',
    'Great Tit call', '?', 'A']))
HEADERS = st.sampled_from([
    f'{RAVEN}\tSpecies\tBegin Path\tFile Offset (s)', RAVEN, 'start,end,low_hz,high_hz,label,filename', KHZ.strip(), '',
    'label'])
LAYER = ('<sv><data><model subtype="box" units="Hz" sampleRate={} dataset="1"/><dataset id="1"><point frame={} value={} '
         'duration={} extent={} label={} /></dataset></data></sv>')
TEXTS = st.one_of(st.text(max_size=60), st.lists(CELLS, min_size=6, max_size=6).map(
    lambda cells: LAYER.format(*map(saxutils.quoteattr, cells))), st.builds(
    lambda header, rows, parted: '\n'.join([header] + [parted.join(r) for r in rows]), HEADERS,
    st.lists(st.lists(CELLS, max_size=9), max_size=4), st.sampled_from('\t,;" ')))


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(annotated.KINDS)), TEXTS, st.binary(max_size=3), st.booleans(), st.booleans())
def test_any_text_makes_events_or_skips(tmp_path_factory, monkeypatch, kind, text, mark, listed, svl):
  monkeypatch.setattr(annotated_labels, 'NEAREST', 0)
  folder = tmp_path_factory.mktemp('any')
  put(folder, 'x.wav')
  if listed:
    put(folder, 'manifest.csv', 'path,species_common\nx.wav,Great Tit\n')
  suffix = {'raven': '.txt', 'audacity': '.txt', 'annotations': '.svl' if svl else '.csv'}[kind]
  (folder / f'x{suffix}').write_bytes(mark + text.encode('utf-8', 'surrogatepass'))
  found = annotated.find(str(folder), kind)
  assert found.recordings or found.skips
  for skip in found.skips:
    assert 0 < len(skip.reason) <= 1000 and skip.reason.isprintable() and str(folder) not in skip.reason + skip.name
  for r in found.recordings:
    assert {e.species for e in r.events} <= set(BIRDS.codes) and all(0 <= e.onset < e.offset for e in r.events)
  shutil.rmtree(folder)


def test_a_hundred_thousand_rows(tmp_path):
  sounds = [f'site {i % 9}/{i}.wav' for i in range(500)]
  for name in sounds:
    put(tmp_path, name)
  codes = BIRDS.codes[:300] + ('nobody',)
  put(tmp_path, 'all.txt', f'{RAVEN}\tBegin Path\tFile Offset (s)\tSpecies Code\n' + ''.join(
      raven_row(i, i + 1, f'/mnt/x/{sounds[i % 500]}', i // 500, codes[i % 301]) for i in range(100_000)))
  start = time.process_time()
  found = annotated.find(str(tmp_path), 'raven')
  assert time.process_time() - start < 30  # 4.5 s were measured
  assert len(found.recordings) == 500 and sum(len(r.events) for r in found.recordings) + len(found.skips) == 100_000


def test_a_spinetail(real_data):
  """Audacity's boxes with labels of its author, who says in the manifest which bird it is."""
  found = annotated.find(str(real_data / 'maad'), 'audacity')
  [r] = found.recordings
  assert (r.name, r.common, r.group, len(r.events)) == ('maad/spinetail.wav', 'Red-faced Spinetail', 'maad:spinetail', 18)
  assert {e.species for e in r.events} == {'refspi1'} and r.licence.startswith('BSD')
  assert r.events[0] == Event('refspi1', 'song', 0.101385, 0.36752, 6441.064453, 12296.577148, annotated_events.LEVEL_DB)
  assert len(found.skips) == 12 and all(s.name.startswith('maad/S4A03895') for s in found.skips)
  assert "'SP' (14), 'CRER' (4)" in found.notes[0]
  found = annotated.find(str(real_data / 'maad'), 'audacity', labels={'crer': 'Cranioleuca erythrops', 'SP': ''})
  assert [round(e.onset, 1) for e in found.recordings[0].events] == [0.5, 5.2, 11.3, 16.4]


@pytest.mark.parametrize('folder, counts, skipped', [
    ('r_naturesounds', {'Phae.long1.wav': 3, 'Phae.long2.wav': 2, 'Phae.long3.wav': 3, 'Phae.long4.wav': 3}, ['Cryp.soui.wav']),
    ('r_ohun', {'lbh1.wav': 10, 'lbh2.wav': 9}, []),
])
def test_hermits(real_data, folder, counts, skipped):
  """R's tables: kHz, rows in no order, and no species but that of the manifest."""
  found = annotated.find(str(real_data / folder), 'annotations')
  assert {r.name: len(r.events) for r in found.recordings} == {f'{folder}/{name}': n for name, n in counts.items()}
  assert [s.name for s in found.skips] == [f'{folder}/{name}' for name in skipped]
  for r in found.recordings:
    assert {e.species for e in r.events} == {'lobher'} and list(r.events) == sorted(r.events, key=lambda e: e.onset)
    assert all(1800 < e.low_hz < 3100 and 8400 < e.high_hz < 10300 and 0.1 < e.offset - e.onset < 0.2 for e in r.events)
    assert all(e.offset < r.seconds for e in r.events)
