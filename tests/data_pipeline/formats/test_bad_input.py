"""One list of what other people's files hold, for all readers of labels: a bad row is one line of error, the rest goes on."""

import re
import time
import warnings

from hypothesis import given, strategies as st
import pytest

from data_pipeline.formats import coco
from data_pipeline.taxonomy import PROCEDURAL
from tests.data_pipeline.formats import bad_input, strategies
from tests.data_pipeline.formats.bad_input import FORMATS, NOTHING, TABLES, things

# Of sound files and birds' people: other letters, blanks, quotes, both delimiters.
NAMES = st.text(st.sampled_from('åß鳥 b.,;"'), min_size=1, max_size=9).filter(lambda s: s == s.strip())
each = lambda formats: pytest.mark.parametrize('one', formats, ids=lambda f: f.name)


def put(folder, text):
  (folder / 'x.txt').write_bytes(text.encode())
  return folder / 'x.txt'


def read(one, path, skips, **options):
  with warnings.catch_warnings():
    warnings.filterwarnings('ignore', '.*swapped them back')
    return things(one.read(path, skips, **options))


def check_one_skip(one, path, skips, i, **options):
  """One line for row i, which starts with file and row; without `skips` the same is raised."""
  [bad] = skips
  assert bad.where == f'{path}, {one.place(i)}' and str(bad).startswith(bad.where) and str(bad).isprintable(), bad
  with pytest.raises(ValueError, match=re.escape(str(bad))):
    read(one, path, None, **options)


@each(TABLES)
@strategies.RELAXED
@given(data=st.data(), bom=st.booleans(), end=st.sampled_from(['\n', '\r\n', '\r']), blanks=st.booleans(), quoted=st.booleans(),
       name=NAMES)
def test_what_programs_make_of_a_table(tmp_path_factory, one, data, bom, end, blanks, quoted, name):
  """BOM, `,` or `;`, any line ends, blanks around fields, quotes, non-ASCII names, more columns, any order, blank rows."""
  rows = [one.row(i) for i in range(3)]
  if one.file:
    rows[1] = rows[1] | {one.file: name}
  plain = put(tmp_path_factory.mktemp('t'), one.content(rows if one.delimiters == '\t' or not one.file else [rows[0], rows[2]]))
  delimiter = data.draw(st.sampled_from(one.delimiters))
  order = data.draw(st.permutations([*one.columns, 'Observer', '']))

  def field(text):
    if delimiter != '\t' and (quoted or any(sign in text for sign in ',;"')):
      return '"' + text.replace('"', '""') + '"'
    return f' {text} ' if blanks else text
  lines = [{c: c for c in order}, *(row | {'Observer': 'ñ ñ', '': ''} for row in rows)]
  text = (end * 2).join(delimiter.join(field(str(line[c])) for c in order) for line in lines) + end
  path, skips = put(tmp_path_factory.mktemp('t'), '\ufeff' * bom + text), []
  found, known = things(one.read(path, skips)), things(one.read(plain, None))
  assert not skips and len(found) == 3 and set(known) <= set(found)
  assert not one.file or any(name in (key, getattr(value, 'path', '')) for key, value in found)


@each(FORMATS)
def test_empty(tmp_path, one):
  assert read(one, put(tmp_path, one.content([])), None) == []
  if one in TABLES:
    header = one.content([])
    assert read(one, put(tmp_path, f'{header}\n \n{one.delimiters[0] * (len(one.columns) - 1)}\n'), None) == []
  for nothing in ('', '\ufeff', '\n'):
    with pytest.raises(ValueError, match='x.txt'):
      one.read(put(tmp_path, nothing), [])


@each(TABLES)
def test_missing_columns(tmp_path, one):
  for column in one.columns:
    text = one.content([one.row(0)]).split('\n')
    at = one.columns.index(column)
    lines = [one.delimiters[0].join(v for i, v in enumerate(line.split(one.delimiters[0])) if i != at) for line in text]
    path = put(tmp_path, '\n'.join(lines))
    if column in one.optional:
      assert len(read(one, path, None)) == 1
      continue
    for skips in (None, []):
      with pytest.raises(ValueError, match='x.txt: .*no column') as error:
        one.read(path, skips)
      assert repr(column) in str(error.value).split('; it has')[0] or 'no columns of low and high frequency' in str(error.value)


def refused(one):
  """(column, value) pairs that no row may have: times that mean nothing, lie before the start or are swapped, no species."""
  onset, *offset = one.times or (None,)
  if onset:
    yield from ((time_, nothing) for time_ in one.times for nothing in (*NOTHING, 'inf', '1e999', '-1', '1:30'))
  yield from ((column, -5) for column in offset)  # before the onset, or a negative length
  if one.species:
    yield from ((one.species, nothing) for nothing in NOTHING + ('Glas pipit', 'Tyto alba'))
  if one.name == 'birdclef 2022':
    yield from (('row_id', f'x_{bird}_10') for bird in NOTHING if bird)
    yield from (('row_id', f'x_gltpip_{end}') for end in (*NOTHING, '-5', '0', '7'))
    yield from (('target', target) for target in (*NOTHING, '2', '-1', 'yes'))
  if one.delimiters and one.file not in one.optional:
    yield one.file, ''


@each(FORMATS)
def test_rows_that_mean_nothing(tmp_path, one):
  good = [one.row(i) for i in (0, 2)]
  known = read(one, put(tmp_path, one.content(good)), None)
  for column, value in ((c, v) for c, v in refused(one) if c):
    path, skips = put(tmp_path, one.content([good[0], one.row(1) | {column: value}, good[1]])), []
    assert read(one, path, skips) == known, (column, value)
    check_one_skip(one, path, skips, 1)


@each([f for f in FORMATS if not f.delimiters])
def test_values_of_another_kind(tmp_path, one):
  """What JSON can hold and a table cannot. XML holds text alone."""
  good = [one.row(i) for i in (0, 2)]
  known = read(one, put(tmp_path, one.content(good)), None)
  values = ([], {}, [1], {'a': 1}, float('nan'), float('inf')) + ((None,) if one.name != 'sonic visualiser' else ())
  for column in one.times + (one.species,) * (one.name == 'jams'):
    for value in values:
      path, skips = put(tmp_path, one.content([good[0], one.row(1) | {column: value}, good[1]])), []
      assert read(one, path, skips) == known, (column, value)
      check_one_skip(one, path, skips, 1)


CELLS = st.one_of(st.sampled_from([*NOTHING, '-3', '0', '7.5', '1e400', '"', "'", '99999', 'gltpip song', '../x', '\0', '1,5']),
                  st.text(st.characters(exclude_categories=['Cs', 'Cc', 'Zl', 'Zp']), max_size=8), st.integers(-9, 9))


@each(FORMATS)
@strategies.RELAXED
@given(data=st.data())
def test_whatever_the_cells_hold_a_row_is_read_or_skipped(tmp_path_factory, one, data):
  change = data.draw(st.dictionaries(st.sampled_from(one.columns), CELLS, max_size=3))
  if one in TABLES:  # a delimiter or an open quote in a cell is another file, not another cell
    change = {k: re.sub(r'[,;"\t]', '_', str(v)) for k, v in change.items()}
  folder, good = tmp_path_factory.mktemp('t'), [one.row(i) for i in (0, 2)]
  known = read(one, put(folder, one.content(good)), None)
  path, skips = put(folder, one.content([good[0], one.row(1) | change, good[1]])), []
  try:
    found = read(one, path, skips)
  except ValueError as error:  # of the whole file: two rows of one name, characters that are no XML
    assert str(error).startswith(str(path)) and (one.file in change or one.text), error
    return
  if skips and skips[0].where.endswith(one.place(1)):
    assert found == known
    check_one_skip(one, path, skips, 1)
  else:
    assert len(found) + len(skips) in (2, 3) and known[0] in found  # desed: a file name alone says that nothing is heard


@each(TABLES)
@strategies.RELAXED
@given(text=st.text(st.sampled_from('a0.,;"\n\r\t -é\0\ufeff'), max_size=60))
def test_garbage_is_a_value_error_or_skipped(tmp_path_factory, one, text):
  path, skips = put(tmp_path_factory.mktemp('t'), one.content([one.row(0)]) + text), []
  try:
    assert read(one, path, skips)[0] == read(one, put(tmp_path_factory.mktemp('t'), one.content([one.row(0)])), None)[0]
  except ValueError as error:
    assert str(error).startswith(str(path))


@each([f for f in FORMATS if f.folder])
def test_sound_files_that_are_not_in_the_folder(tmp_path, one):
  folder = tmp_path / 'data'
  folder.mkdir()
  (tmp_path / 'out.wav').touch()
  (folder / 'link.wav').symlink_to(tmp_path / 'out.wav')
  (folder / 'sub').mkdir()
  for name in ('0.wav', '1.wav', '2.wav', 'sub/å b.wav'):
    (folder / name).touch()
  good = [one.row(i) for i in (0, 2)]
  known = read(one, put(tmp_path, one.content(good)), None)
  places = {'../out.wav': 'leads out', 'sub/../../out.wav': 'leads out', str(tmp_path / 'out.wav'): 'leads out',
            'link.wav': 'leads out', '/etc/passwd': 'leads out', 'a\0.wav': 'is no path', 'none.wav': 'is no file in',
            'sub': 'is no file in', 'a' * 300 + '.wav': 'is no file in'}
  for name, reason in places.items():
    path, skips = put(tmp_path, one.content([good[0], one.row(1) | {one.file: name}, good[1]])), []
    assert read(one, path, skips, folder=folder) == known
    assert reason in str(skips[0]) and repr(name) in str(skips[0])
    assert skips[0].where == (f'{path}, images 2' if one.name == 'coco' else f'{path}, {one.place(1)}') and len(skips) == 1
    with pytest.raises(ValueError, match=re.escape(str(skips[0]))):
      read(one, path, None, folder=folder)
    assert len(read(one, path, None)) == 3  # nobody asked
  for name in ('1.wav', 'sub/å b.wav', str(folder / '1.wav')):
    path = put(tmp_path, one.content([good[0], one.row(1) | {one.file: name}, good[1]]))
    assert len(read(one, path, None, folder=folder)) == 3


@each([f for f in FORMATS if f.name in ('jams', 'coco')])
def test_events_after_the_end_that_the_file_itself_states(tmp_path, one):
  """Tables that do not state it are held against the sound by whoever opens that."""
  good = [one.row(i) for i in (0, 2)]
  known = read(one, put(tmp_path, one.content(good)), None)
  path, skips = put(tmp_path, one.content([good[0], one.row(1) | {one.times[0]: 1e6}, good[1]])), []
  assert read(one, path, skips) == known
  check_one_skip(one, path, skips, 1)
  assert 'begins at 1e+06 s, after the end of the file (1e+06 s)' in str(skips[0])


@each(FORMATS)
def test_100000_rows(tmp_path, one):
  """A few seconds, with a bad row among them."""
  rows = [one.row(i) for i in range(100_000)]
  column, value = next((c, v) for c, v in refused(one) if c)
  rows[70_000] = rows[70_000] | {column: value}
  path, skips = put(tmp_path, one.content(rows)), []
  start = time.process_time()
  assert len(one.read(path, skips)) in (99_999, 100_000) and len(skips) == 1
  assert skips[0].where.endswith(one.place(70_000))
  assert time.process_time() - start < 30


def test_a_whole_number_of_thousands_of_digits(tmp_path):
  with pytest.raises(ValueError, match='x.txt: holds a number that is too long'):
    coco.read(put(tmp_path, '[' + '9' * 5000 + ']'), PROCEDURAL)
