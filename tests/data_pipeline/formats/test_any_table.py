"""Tables of any maker: what they hold stays as it is to the letter."""

import csv
import io

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline.formats import any_table

BIRDNET = ('Start (s),End (s),Scientific name,Common name,Confidence,File,lat\r\n'
           '0.0,3.0,Tyto alba,"Owl, Barn",0.91,C:\\rec\\a b.wav,1\r\n\r\n'
           '3.0,6.0,Strix aluco,Tawny Owl,0.5,C:\\rec\\a b.wav\r\n')
RAVEN = ('Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\t'
         'File Offset (s)\tBegin Path\n'
         '1\tSpectrogram 1\t1\t100.5\t101.5\t4000.0\t2000.0\tx "y\t0.5\ta.wav\n'
         '2\tWaveform 1\t1\t100.5\t101.5\t\t\tx\t0.5\ta.wav')
WORDS = st.text(st.characters(exclude_categories=('Cs', 'Cc')), max_size=9)


def test_birdnet(tmp_path):
  (tmp_path / 'x.csv').write_bytes(b'\xef\xbb\xbf' + BIRDNET.encode())
  table = any_table.read(tmp_path / 'x.csv')
  assert [(s.onset, s.offset, s.species, s.file, s.low_hz) for s in table.spans] == [
      (0, 3, 'Tyto alba', 'C:\\rec\\a b.wav', None), (3, 6, 'Strix aluco', 'C:\\rec\\a b.wav', None)]
  table.write(tmp_path / 'y.csv', ('New', 'Two'), [('1', 'a,b'), ('2', '')])
  lines = (tmp_path / 'y.csv').read_bytes().decode().split('\r\n')
  assert lines == ['\ufeff' + BIRDNET.split('\r\n')[0] + ',New,Two', BIRDNET.split('\r\n')[1] + ',1,"a,b"', '',
                   BIRDNET.split('\r\n')[3] + ',,2,', '']  # the second row is a field short


def test_raven(tmp_path):
  (tmp_path / 'x.txt').write_text(RAVEN)
  table = any_table.read(tmp_path / 'x.txt')
  first = table.spans[0]
  assert (first.onset, first.offset, first.low_hz, first.high_hz, first.file) == (0.5, 1.5, 2000, 4000, 'a.wav')
  assert len(table.spans) == 2 and table.spans[1].low_hz is None
  table.write(tmp_path / 'y.txt', ('New',), [('1',), ('2',)])
  expected = RAVEN.replace('Begin Path\n', 'Begin Path\tNew\n').replace('a.wav\n', 'a.wav\t1\n') + '\t2'
  assert (tmp_path / 'y.txt').read_text() == expected


@pytest.mark.parametrize('text, onset, offset, low', [
    ('sound.files,selec,start,end,bottom.freq,top.freq\na.wav,1,0.5,1.5,2.1,8\n', 0.5, 1.5, 2100),
    ('onset_s;offset_s;label\n0,5;1,5;x\n', 0.5, 1.5, None),
    ('filename\tonset\toffset\tevent_label\na.wav\t0.5\t1.5\tx\n', 0.5, 1.5, None),
    ('Filename,Start Time (s),End Time (s),Low Freq (Hz),High Freq (Hz),Species eBird Code\na.flac,0.5,1.5,2100,4000,x\n',
     0.5, 1.5, 2100)])
def test_other_makers(tmp_path, text, onset, offset, low):
  (tmp_path / 'x').write_text(text)
  s, = any_table.read(tmp_path / 'x').spans
  assert (s.onset, s.offset, s.low_hz) == (onset, offset, low)


LABELS = '0.5\t1.500000\tx "y\n\\\t2100.0\t4000.0\n\n2\t3\tTawny owl song\r\n\\\t-1\t-1\n4.25\t5\n'


@pytest.mark.parametrize('start', ['', '\ufeff', '\n'])
def test_a_label_track_becomes_a_table_that_says_the_same(tmp_path, start):
  (tmp_path / 'x.txt').write_bytes((start + LABELS).encode())
  table = any_table.read(tmp_path / 'x.txt')
  said = lambda spans: [(s.onset, s.offset, s.low_hz, s.high_hz, s.species, s.file) for s in spans]
  assert said(table.spans) == [(0.5, 1.5, 2100, 4000, 'x "y', ''), (2, 3, None, None, 'Tawny owl song', ''),
                               (4.25, 5, None, None, '', '')]
  table.write(tmp_path / 'y.txt', ('Side',), [('left',), ('right',), ('',)])
  again = any_table.read(tmp_path / 'y.txt')
  assert said(again.spans) == said(table.spans) and again.header == (*any_table.LABEL_COLUMNS, 'Side')
  assert (tmp_path / 'y.txt').read_text().splitlines()[1] == '0.5\t1.5\t2100.0\t4000.0\tx "y\tleft'


@pytest.mark.parametrize('text, message', [
    ('0\t1\tx\n\\\t1\t2\n3\t3\tpoint\n', 'line 3: from 3 to 3 s: expected 0 <= onset < offset'),
    ('0\t1\tx\n\\\t1\n', 'line 2: .* is not a spectral line'), ('0\t1\tx\nhello\n', 'line 2: .* is not a label'),
    ('-1\t1\tx\n', 'line 1: -1.0 s is before the start')])
def test_label_tracks_that_are_refused(tmp_path, text, message):
  (tmp_path / 'x.txt').write_text(text)
  with pytest.raises(ValueError, match=message):
    any_table.read(tmp_path / 'x.txt')


def test_named_columns(tmp_path):
  (tmp_path / 'x.csv').write_text('From,To,Bird\n1,2,x\n')
  s, = any_table.read(tmp_path / 'x.csv', {'onset': 'From', 'offset': 'to', 'species': 'Bird'}).spans
  assert (s.onset, s.offset, s.species) == (1, 2, 'x')


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 9), WORDS), max_size=5), st.sampled_from(['\n', '\r\n']))
def test_nothing_is_lost(tmp_path_factory, rows, end):
  folder = tmp_path_factory.getbasetemp()
  text = io.StringIO(newline='')
  writer = csv.writer(text, lineterminator=end)
  writer.writerows([('start', 'end', 'anything'), *((f'{a!r}', f'{a + d!r}', f'{words}\n"') for a, d, words in rows)])
  (folder / 'any.csv').write_bytes(text.getvalue().encode())
  table = any_table.read(folder / 'any.csv')
  assert ''.join(table.records) == text.getvalue() and len(table.spans) == len(rows)
  table.write(folder / 'more.csv', ('more',), [(str(i),) for i in range(len(rows))])
  fields = lambda name: list(csv.reader(io.StringIO((folder / name).read_bytes().decode(), newline='')))
  assert [r[:-1] for r in fields('more.csv')] == fields('any.csv')


@pytest.mark.parametrize('text, message', [
    ('', 'no columns of onset and offset; it has '), ('a,b\n1,2\n', r"it has \['a', 'b'\]"),
    ('start,end\n1,x\n', "line 2, column 'end': 'x' is not a number"),
    ('start,end\n1,1\n', 'line 2: from 1 to 1 s: expected 0 <= onset < offset'), ('start,end\n-1,1\n', 'from -1'),
    ('start,end\n1,2,3\n', '3 fields: expected 2'),
    ('start,end\n\n1,2\nnan,3\n', "line 4, column 'start': 'nan'"),
    ('Begin Time (s)\tEnd Time (s)\tBegin File\n1\t2\ta\n3\t4\tb\n', 'rows of 2 files without File Offset')])
def test_refusals(tmp_path, text, message):
  (tmp_path / 'x').write_text(text)
  with pytest.raises(ValueError, match=message) as error:
    any_table.read(tmp_path / 'x')
  assert str(error.value).startswith(str(tmp_path / 'x'))


def test_refused_names(tmp_path):
  (tmp_path / 'x').write_text('start,end,Bird\n1,2,x\n')
  with pytest.raises(ValueError, match="no column 'brid' for species; the nearest is 'bird'"):
    any_table.read(tmp_path / 'x', {'species': 'Brid'})
  with pytest.raises(ValueError, match="'kind': expected one of onset, offset"):
    any_table.read(tmp_path / 'x', {'kind': 'Bird'})
  with pytest.raises(ValueError, match="has a column 'bird' already"):
    any_table.read(tmp_path / 'x').write(tmp_path / 'y', ('bird',), [('1',)])
  (tmp_path / 'x').write_bytes(b'start,end\n1,2\xff\n')
  with pytest.raises(ValueError, match='not UTF-8'):
    any_table.read(tmp_path / 'x')
