"""Cells of other people's tables; the readers that use them have the rest of the traps."""

from hypothesis import given, strategies as st
import pytest

from data_pipeline import cells

NOTHING = [None, True, [], {}, float('nan'), float('inf'), 10 ** 5000, '', ' ', '?', '????', '-', 'unknown', 'UNKNOWN',
           ' None ', 'null', 'NA', 'n/a', 'nan', 'not  known', 'no score', '\t', '\0']


@pytest.mark.parametrize('cell', NOTHING, ids=lambda cell: str(type(cell).__name__))
def test_what_says_that_nothing_is_known(cell):
  assert cells.text(cell) == cells.address(cell) == cells.date(cell) == cells.clock(cell) == ''
  assert cells.number(cell) is cells.whole(cell, 0, 9) is cells.length(cell) is cells.altitude(cell) is None
  assert cell is True or cells.yes(cell) is None


@pytest.mark.parametrize('cell, text', [
    (' Åsa  Ö\r\nB ', 'Åsa Ö B'), ('what?', 'what?'), ('? ?', '? ?'), (3, '3'), (0.5, '0.5'),
    ('Nan', ''), ('Nana', 'Nana')])
def test_text(cell, text):
  assert cells.text(cell) == text


@given(st.text())
def test_text_is_one_line_and_stays(cell):
  line = cells.text(cell)
  assert line.isprintable() and line == line.strip() and cells.text(line) == line


@pytest.mark.parametrize('cell, date', [
    ('2012-00-00', '2012'), ('2012-05-00', '2012-05'), ('0000-00-00', ''), ('2012-13-01', '2012'), ('2012/5/6', '2012-05-06'),
    ('2012-05-32', '2012-05'), ('dawn', '')])
def test_dates_that_are_known_in_part(cell, date):
  assert cells.date(cell) == date


@pytest.mark.parametrize('date, time, written', [
    ('2015-06-23', '07:17', '2015-06-23T07:17'), ('2015-06-23', '', '2015-06-23'), ('2015-06', '07:17', '2015-06'),
    ('2015', '', '2015'), ('', '07:17', 'T07:17'), ('', '', ''), ('2015-02-30', '07:17', '2015-02'),
])
def test_when_it_was_recorded(date, time, written):
  assert cells.moment(date, time) == written
