"""Reading and writing tables, through the reader of one format; what all readers share is in test_bad_input."""

import time

import pytest

from data_pipeline.formats import birdnet, perch, tables
from data_pipeline.scene import Event
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy, UnknownSpecies

HEADER = ','.join(perch.COLUMNS) + '\n'
EVENT = Event('gltpip', 'song', 0.5, 1.5, 2000.0, 4000.0, -30.0)


def put(tmp_path, text):
  (tmp_path / 'x.csv').write_bytes(text.encode())
  return tmp_path / 'x.csv'


def test_decimal_comma_where_semicolons_part_the_columns(tmp_path):
  path = put(tmp_path, HEADER.replace(',', ';') + 'a.wav;0,5;1,5;2000;4000,0;gltpip\n')
  assert perch.read(path, PROCEDURAL) == {'a.wav': (EVENT,)}


@pytest.mark.parametrize('text, message', [
    ('', "not a table of annotated soundscapes: no column 'Filename'; it has \\[\\]"),
    ('Filename;Start Time (s)\n', "no column 'End Time \\(s\\)'; it has \\['Filename', 'Start Time \\(s\\)'\\]"),
    (HEADER.replace('\n', ',filename\n'), "column 'filename' stands there twice"),
    (HEADER + 'a.wav,0,1,2,3,gltpip\n"b.wav,0,1,2,3,gltpip\n', 'line 3: .*is a quote left open'),
])
def test_broken_files_raise_with_skips_too(tmp_path, text, message):
  for skips in (None, []):
    with pytest.raises(ValueError, match=f'x.csv.*{message}'):
      perch.read(put(tmp_path, text), PROCEDURAL, skips=skips)


BAD = [
    ('a.wav,x,1,2,3,gltpip', ValueError, "column 'Start Time \\(s\\)': 'x' is not a number"),
    ('a.wav,,1,2,3,gltpip', ValueError, "column 'Start Time \\(s\\)': '' is not a number"),
    ('a.wav,0,inf,2,3,gltpip', ValueError, "'inf' is not a number"),
    ('a.wav,-1,1,2,3,gltpip', ValueError, "column 'Start Time \\(s\\)': -1.0 s is before the start"),
    ('a.wav,2,1,2,3,gltpip', ValueError, 'offset 1.0 s is not after onset 2.0 s'),
    ('a.wav,0,1,3,3,gltpip', ValueError, 'not above low_hz'),
    ('a.wav,0,1', ValueError, "column 'Low Freq \\(Hz\\)': '' is not a number"),
    ('a, b.wav,0,1,2,3,gltpip', ValueError, '7 fields: expected 6'),
    (',0,1,2,3,gltpip', ValueError, 'Filename is empty'),
    ('a.wav,0,1,2,3,Glas pipit', UnknownSpecies, "'Glas pipit'.*Glass pipit"),
    *((f'a.wav,0,1,2,3,{nothing}', UnknownSpecies, 'no species') for nothing in ('', '?', '????', 'unknown', 'None', 'NA', 'n/a', '-')),
]


@pytest.mark.parametrize('row, kind, message', BAD)
def test_bad_row(tmp_path, row, kind, message):
  path = put(tmp_path, f'{HEADER}a.wav,0.5,1.5,2000,4000,gltpip\n{row}\nb.wav,0.5,1.5,2000,4000,gltpip\n')
  with pytest.raises(kind, match=f'x.csv, line 3[:,] .*{message}'):
    perch.read(path, PROCEDURAL)
  skips = []
  assert perch.read(path, PROCEDURAL, skips=skips) == {'a.wav': (EVENT,), 'b.wav': (EVENT,)}
  [bad] = skips
  assert bad.where == f'{path}, line 3' and str(bad).startswith(bad.where) and '\n' not in str(bad)


def test_a_field_over_two_lines_does_not_shift_line_numbers(tmp_path):
  text = HEADER.replace('\n', ',Note\n') + '"a.wav",0.5,1.5,2000,4000,gltpip,"two\nlines"\na.wav,x,1,2,3,gltpip,\n'
  with pytest.raises(ValueError, match='line 4, column'):
    perch.read(put(tmp_path, text), PROCEDURAL)


@pytest.mark.parametrize('name', ['a\nb', 'a\tb', ' a', 'a\r'])
def test_writing_refuses_what_would_not_come_back(tmp_path, name):
  for write in (lambda: perch.write(tmp_path / 'y.csv', {name: [EVENT]}, PROCEDURAL),
                lambda: tables.write(tmp_path / 'y.tsv', ['a'], [[name]], '\t')):
    with pytest.raises(ValueError, match='y\\.'):
      write()
  assert not list(tmp_path.iterdir())


def test_100000_rows_of_one_unknown_bird(tmp_path):
  """The nearest names are sought once: among all birds that takes a second."""
  rows = ''.join(f'{i / 10},{i / 10 + 3},Vitranthus ascendens,Glass pipit,0.9,"a, {i % 7}.wav"\n' for i in range(100_000))
  path = put(tmp_path, ','.join(birdnet.COLUMNS) + '\n' + rows)
  many = Taxonomy.from_rows([(f'code{i}', f'Common bird {i}', f'Avis numerus {i}') for i in range(3000)], 'many')
  start, skips = time.process_time(), []
  assert birdnet.read(path, many, skips) == () and len(skips) == 100_000
  assert time.process_time() - start < 20
