"""Rows before their labels are species: what stands in them, what is put right and what becomes an event."""

import pytest

from data_pipeline.formats import box, tables
from data_pipeline.formats.box import Box
from data_pipeline.scene import Event
from data_pipeline.taxonomy import PROCEDURAL, UnknownSpecies

ROW = tables.Row('x.txt', 3, {'a': 'NA', 'b': '??', 'c': 'tinpip', 'kind': 'Call', 'level': '-12,5', 'none': '?'}, {}, True)


def test_rows():
  assert box.label_of(ROW, ('a', 'b', 'c')) == 'tinpip' and box.label_of(ROW, ('a', 'b')) == '??'
  assert box.label_of(ROW, ('a', 'z')) == ''
  one = box.of_row(ROW, 'tinpip', 0.5, 1.0, (5000.0, 3000.0), 'y.wav', 'kind', 'level')
  assert one == Box('x.txt', 'line 3', 'tinpip', 0.5, 1.0, 3000.0, 5000.0, 'y.wav', 'call', -12.5, 'line 3')
  one = box.of_row(ROW, '', 0.5, 1.0, (5000.0, None), '', 'none', 'none')
  assert one == Box('x.txt', 'line 3', '', 0.5, 1.0, 5000.0)


@pytest.mark.parametrize('label, told', [('?', True), ('????', True), ('Unknown', True), ('', False), ('A?', False)])
def test_nobody_knows(label, told):
  assert box.nobody_knows(label) is told


def test_events():
  """What a box does not say is taken from the arguments; a label may end in the vocalisation."""
  said = Box('x', 'line 1', 'Tin pipit call', 0.5, 1.0, 3000.0, 5000.0, 'y.wav', '', -12.5)
  silent = Box('x', 'line 2', '', 0.5, 1.0)
  assert box.events([said, silent], PROCEDURAL, 'song', -30.0, None, (100.0, 8000.0), 'gltpip') == [
      ('y.wav', Event('tinpip', 'call', 0.5, 1.0, 3000.0, 5000.0, -12.5)),
      ('', Event('gltpip', 'song', 0.5, 1.0, 100.0, 8000.0, -30.0))]
  skips = []
  assert not box.events([silent, Box('x', 'line 3', 'tinpip', 1.0, 1.0)], PROCEDURAL, 'song', -30.0, skips, (100.0, 8000.0))
  assert [str(s).split(':')[0] for s in skips] == ['x, line 2', 'x, line 3']
  with pytest.raises(UnknownSpecies, match='x, line 2: no species'):
    box.events([silent], PROCEDURAL, 'song', -30.0, None, (100.0, 8000.0))
