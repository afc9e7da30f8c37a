import os

import pytest

from data_pipeline.formats import audacity
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import PROCEDURAL, UnknownSpecies

BAND = (100.0, 8000.0)
EVENTS = (Event('lebfin', 'song', 0.25, 1.5, 2400.0, 2600.0, -30.0), Event('gltpip', 'call', 2.0, 2.25, 3000.0, 5000.0, -30.0))


def test_text_as_audacity_writes_it(tmp_path):
  path = tmp_path / 'labels.audacity.txt'
  audacity.write(path, Scene(EVENTS[::-1], '', '', '', 3.0), PROCEDURAL)
  assert path.read_text() == ('0.250000\t1.500000\tLesser bell finch song\n\\\t2400.000000\t2600.000000\n'
                              '2.000000\t2.250000\tGlass pipit call\n\\\t3000.000000\t5000.000000\n')
  assert audacity.read(path, PROCEDURAL, BAND, level_db=-30.0) == EVENTS
  assert os.listdir(tmp_path) == ['labels.audacity.txt']


def test_empty(tmp_path):
  audacity.write(tmp_path / 'x.txt', (), PROCEDURAL)
  assert audacity.read(tmp_path / 'x.txt', PROCEDURAL, BAND) == ()


def test_labels_of_people(tmp_path):
  """BOM, CRLF, no spectral line, a code, a fourth column (confidence), undefined and swapped frequencies."""
  path = tmp_path / 'x.txt'
  text = '\ufeff0\t1\tgltpip\r\n1\t2\tTIN PIPIT Call\t0.93\r\n\\\t-1\t5000\r\n2\t3\tEmber dove\r\n\\\t700\t500\r\n'
  path.write_bytes(text.encode())
  with pytest.warns(UserWarning, match='line 5: low frequency 700'):
    back = audacity.read(path, PROCEDURAL, BAND, vocalisation='song', level_db=-20.0)
  assert back == (Event('gltpip', 'song', 0.0, 1.0, 100.0, 8000.0, -20.0), Event('tinpip', 'call', 1.0, 2.0, 100.0, 5000.0, -20.0),
                  Event('embdov', 'song', 2.0, 3.0, 500.0, 700.0, -20.0))


@pytest.mark.parametrize('text, kind, message', [
    ('0\t1\n', ValueError, 'line 1: .*is not a label'),
    ('0\t1\t\n', ValueError, 'line 1: .*is not a label'),
    ('x\t1\tgltpip\n', ValueError, "line 1: 'x' is not a number"),
    ('\\\t1\t2\n', ValueError, 'line 1: .*not a spectral line'),
    ('1\t1\tgltpip\n', ValueError, 'line 1: .*not after onset'),
    ('0\t1\tgltpip\n\n0\t1\tGlas pipit\n', UnknownSpecies, "line 3: .*'Glas pipit'.*Glass pipit"),
])
def test_bad_labels(tmp_path, text, kind, message):
  (tmp_path / 'bad.txt').write_text(text)
  with pytest.raises(kind, match=f'bad.txt, {message}'):
    audacity.read(tmp_path / 'bad.txt', PROCEDURAL, BAND)


def test_boxes_of_one_bird(tmp_path):
  """Without names, as people mark a single bird; frequencies that nobody gave are not made up; negative times are bad rows."""
  path = tmp_path / 'x.txt'
  path.write_text('0\t1\t\n1\t2\n\\\t-1\t500\n-1\t2\tA\n')
  skips = []
  boxes = audacity.boxes(path, skips, labelled=False)
  assert [(b.label, b.onset, b.low_hz, b.high_hz, b.place) for b in boxes] == [
      ('', 0.0, None, None, 'line 1'), ('', 1.0, None, 500.0, 'line 2')]
  assert [s.message for s in skips] == [f'{path}, line 4: -1.0 s is before the start: expected 0 or more']
