"""Metadata of xeno-canto: both dialects and all their traps."""

import copy
import json
import pathlib

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline import cells, xeno_canto
from tests.data_pipeline.xeno_canto_pages import KEYS, SCALARS, V2, V3, page, write_csv


def one(**changed):
  return xeno_canto.record(V3 | {k.replace('_', '-'): v for k, v in changed.items()})


def test_the_example_of_the_api():
  r = one()
  assert (r.id, r.name, r.scientific, r.common, r.group) == ('254462', 'XC254462', 'Pipilo maculatus', 'Spotted Towhee', 'birds')
  assert (r.latitude, r.longitude, r.altitude, r.seconds, r.sample_rate) == (43.6571, -103.4143, 1300.0, 253.0, 48000)
  assert (r.types, r.background, r.quality, r.date, r.time) == (
      ('song', 'flight call'), ('Turdus migratorius',), 'A', '2015-06-23', '07:17')
  assert (r.animal_seen, r.playback_used, r.automatic, r.temperature, r.sex) == (True, False, False, None, '')
  assert r.remarks == 'two lines here' and r.recordist == 'Åsa Ö' and r.redacted == () and r.identified and r.path is None


def test_the_old_dialect_is_the_same_record():
  assert xeno_canto.record(V2) == one()


@pytest.mark.parametrize('field, cell, attribute, value', [
    ('length', '1:02:03', 'seconds', 3723.0), ('length', '0:00', 'seconds', 0.0), ('length', '0:75', 'seconds', None),
    ('length', '', 'seconds', None), ('length', '?', 'seconds', None), ('length', 12.5, 'seconds', 12.5),
    ('date', '2012-00-00', 'date', '2012'), ('date', '2012-05-00', 'date', '2012-05'), ('date', '0000-00-00', 'date', ''),
    ('date', 'unknown', 'date', ''), ('time', '?', 'time', ''), ('time', 'dawn', 'time', ''),
    ('time', '5:30 pm', 'time', '17:30'),
    ('time', '12:10 am', 'time', '00:10'), ('time', '25:00', 'time', ''), ('q', 'no score', 'quality', ''),
    ('q', 'b', 'quality', 'B'), ('q', 'F', 'quality', ''), ('also', [''], 'background', ()), ('also', None, 'background', ()),
    ('also', "['Turdus merula', '']", 'background', ('Turdus merula',)), ('type', None, 'types', ()),
    ('type', 'song, , song,?', 'types', ('song',)), ('lat', '91', 'latitude', None), ('lat', 'nan', 'latitude', None),
    ('lon', '?', 'longitude', None), ('alt', '~20 m', 'altitude', 20.0), ('alt', '100-200', 'altitude', None),
    ('alt', '-5', 'altitude', -5.0), ('smp', '44100.0', 'sample_rate', 44100), ('smp', '0', 'sample_rate', None),
    ('file', '//xeno-canto.org/1/download', 'file_url', 'https://xeno-canto.org/1/download'),
    ('file', 'javascript:alert(1)', 'file_url', ''), ('file', 'file:///etc/passwd', 'file_url', ''), ('url', '', 'url',
     'https://xeno-canto.org/254462'), ('url', 'xeno-canto.org/9', 'url', 'https://xeno-canto.org/9'),
    ('rec', None, 'recordist', ''), ('rec', '?', 'recordist', ''), ('temp', '-3', 'temperature', -3.0),
    ('id', 'XC0254462', 'id', '254462'), ('id', 254462, 'id', '254462'), ('sp', '', 'scientific', 'Pipilo'),
    ('gen', 'Mystery', 'identified', False), ('sp', 'sp.', 'identified', False), ('animal-seen', '?', 'animal_seen', None),
])
def test_traps(field, cell, attribute, value):
  assert getattr(xeno_canto.record(V3 | {field: cell}), attribute) == value


@pytest.mark.parametrize('changed, reason', [
    (dict(id=''), 'recording 1: id: .* is no xeno-canto number'), (dict(id='12x'), "id: '12x' is no"),
    (dict(id=None), 'id: nothing is no'), (dict(gen='', en=None), 'XC254462 names no species'),
    (dict(file='restricted_species'), 'restricted species: xeno-canto withholds the file of XC254462'),
    (dict(_meta={'redacted_fields': ['file', 'lat']}), 'restricted species'),
    (dict(also="['Turdus"), r'also: .*is not a list or dict as python'), (dict(also="__import__('os')"), None),
    (dict(also="[__import__('os')]"), 'also: .* is not a list'),
])
def test_rows_that_are_none(changed, reason):
  records, skips = xeno_canto.parse(page(V3 | changed, V3 | {'id': '2'}), 'p.json')
  assert records[-1].id == '2'
  if reason:
    assert len(records) == 1 and len(skips) == 1 and skips[0].name == 'p.json recording 1'
    with pytest.raises(ValueError, match=reason.removeprefix('recording 1: ')):
      raise ValueError(skips[0].reason)
  else:
    assert records[0].background == ("__import__('os')",) and not skips  # text, and never run
  assert xeno_canto.restricted(skips) == bool(reason and 'restricted' in reason)


def test_withheld_places_leave_a_record():
  r = xeno_canto.record(
      V3 | {'_meta': {'redacted_fields': ['lat', 'lon', 'loc']}})
  assert r.redacted == ('lat', 'lon', 'loc') and (r.latitude, r.longitude, r.locality) == (None, None, '')
  assert r.country == 'United States'
  assert xeno_canto.record(V3 | {'_meta': "{'redacted_fields': ['lat']}"}).latitude is None


@pytest.mark.parametrize('error, words', [
    ({'error': {'code': 'missing_parameter', 'message': 'no query specified'}}, 'missing_parameter: no query specified'),
    ({'error': 'client_error', 'message': "Missing or invalid 'key' parameter."}, "client_error: Missing or invalid 'key'"),
    ({'error': True}, r'\(unnamed\)'),
])
def test_errors_of_the_api(tmp_path, error, words):
  with pytest.raises(ValueError, match=f'^here: xeno-canto answered with an error: {words}'):
    xeno_canto.parse(error, 'here')
  (tmp_path / 'e.json').write_text(json.dumps(error))
  with pytest.raises(ValueError, match=f'e.json: xeno-canto answered with an error: {words}'):
    xeno_canto.read(tmp_path / 'e.json')
  _, [skip] = xeno_canto.find(str(tmp_path))
  assert skip.name == 'e.json' and skip.reason.startswith('xeno-canto answered')


def test_shapes_of_json():
  for shape in (page(V3), [page(V3)], [V3], V3):
    assert xeno_canto.parse(shape, 'x') == ([one()], [])
  assert xeno_canto.parse(page(), 'x') == xeno_canto.parse([], 'x') == ([], [])
  for wrong in (None, 3, 'text', {}, {'recordings': None}, {'recordings': {'id': 1}}):
    with pytest.raises(ValueError, match='^x: expected a page'):
      xeno_canto.parse(wrong, 'x')
  assert [s.reason for s in xeno_canto.parse(page(7, None, []), 'x')[1]] == [
      "'7' is no recording", 'nothing is no recording', 'nothing is no recording']


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(SCALARS, st.dictionaries(st.sampled_from(KEYS), SCALARS)), max_size=3), st.booleans())
def test_whatever_the_cells_hold_a_row_is_a_record_or_a_skip(rows, whole):
  if whole:
    rows = [copy.deepcopy(V3) | r if isinstance(r, dict) else r for r in rows]
  records, skips = xeno_canto.parse(page(*rows), 'x')
  assert len(records) + len(skips) == len(rows)
  assert all('\n' not in s.reason and len(s.reason) < 300 for s in skips)
  for r in records:
    assert r.id.isdigit() and r.quality in ('', *xeno_canto.QUALITIES) and (r.file_url[:4] in ('', 'http'))
    hash(r)


@pytest.mark.parametrize('delimiter, mark', [(';', ''), (';', '\ufeff'), (',', '')])
def test_tables(tmp_path, delimiter, mark):
  rows = [V2 | {'also': str(V2['also']), 'sono': str(V3['sono']), 'temp': ''},
          V2 | {'id': '2', 'also': "['Strix", 'rmk': 'a; "b", c'}, V2 | {'id': '3', 'also': '[\'\']', 'rmk': 'a; "b", c'}]
  write_csv(tmp_path / 't.csv', rows, delimiter, mark)
  with open(tmp_path / 't.csv', 'a', encoding='utf-8') as f:
    f.write(delimiter.join(['4', *'x' * 60]) + '\n')
  records, skips = xeno_canto.read(tmp_path / 't.csv')
  assert records[0] == one() and [r.id for r in records] == ['254462', '3']
  assert records[1].background == () and records[1].remarks == 'a; "b", c'
  # The remarks of the first row hold a line break, so its successors stand a line later.
  assert [s.name for s in skips] == ['t.csv row 4', 't.csv row 6']
  assert skips[0].reason.startswith('also: ') and 'cells, the header has' in skips[1].reason


@settings(deadline=None)
@given(rows=st.lists(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=12)), max_size=3))
def test_any_table_is_read(tmp_path_factory, rows):
  path = tmp_path_factory.mktemp('xc') / 't.csv'
  rows = [V2 | {k: v.encode('utf-8', 'ignore').decode() for k, v in r.items()} for r in rows]
  write_csv(path, [dict.fromkeys(KEYS, ''), *rows])
  records, skips = xeno_canto.read(path)
  assert len(records) + len(skips) == len(rows) + 1


@pytest.mark.parametrize('name, content, message', [
    ('x.json', b'{"recordings": [', 'x.json: not JSON'), ('x.json', b'', 'x.json: not JSON'),
    ('x.json', b'\xff\xfe{}', 'x.json: not UTF-8'), ('x.json', b'[' * 100_000, 'x.json: not JSON'),
    ('x.csv', b'', 'x.csv: expected the columns id, gen, sp, found none'),
    ('x.csv', b'file,species\na,b\n', 'x.csv: expected the columns id, gen, sp, found file, species'),
    ('x.csv', b'id;gen;sp\n1;a;"' + b'x' * 200_000, 'x.csv, after line 1: not CSV'),
])
def test_broken_files(tmp_path, name, content, message):
  (tmp_path / name).write_bytes(content)
  with pytest.raises(ValueError, match=message):
    xeno_canto.read(tmp_path / name)


def test_numbers_in_names():
  for name, number in {'XC12.mp3': '12', 'a_XC0123-x.mp3': '123', 'xc 77 - b.ogg': '77', 'AXC5.mp3': '', '123.mp3': '',
                       'XC.mp3': ''}.items():
    assert xeno_canto.number_in(pathlib.Path(name)) == number


def test_long_lists_are_refused():
  with pytest.raises(ValueError, match='is longer than'):
    cells.parsed('[' + ' ' * cells.LONGEST_LIST + ']')
  with pytest.raises(ValueError, match='expected a list, not a dict'):
    cells.names("{'a': 1}")
