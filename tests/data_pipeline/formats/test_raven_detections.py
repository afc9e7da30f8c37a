"""Tables of detections open as Raven tables do: our own reader finds every box in its file."""

from data_pipeline.formats import raven_combined, raven_detections, tables
from data_pipeline.taxonomy import PROCEDURAL
from sgm.evaluation.localisation import DetectedEvent


def test_boxes_of_several_files(tmp_path):
  first = (DetectedEvent('gltpip', 1.0, 2.0, 1000.0, 2000.0, 0.9, 0.001, 2, 1),
           DetectedEvent('tinpip', 0.5, 0.75, 500.0, 900.0, 0.4, None, 1, 1))
  sounds = [raven_detections.Sound('a.wav', 10.0, first), raven_detections.Sound('b.wav', 5.0, ()),
            raven_detections.Sound('c ü.wav', 20.0, (DetectedEvent('gltpip', 3.0, 4.0, 1e3, 2e3, 1.0, 0.01, 1, 1),))]
  raven_detections.write(tmp_path / 'x.txt', sounds, PROCEDURAL)
  found = raven_combined.read(tmp_path / 'x.txt', PROCEDURAL)
  assert {name: [(e.species, e.onset, e.offset, e.low_hz, e.high_hz) for e in events] for name, events in found.items()} == {
      'a.wav': [('tinpip', 0.5, 0.75, 500.0, 900.0), ('gltpip', 1.0, 2.0, 1000.0, 2000.0)],
      'c ü.wav': [('gltpip', 3.0, 4.0, 1000.0, 2000.0)]}
  rows = tables.read(tmp_path / 'x.txt', raven_detections.COLUMNS, delimiters='\t').rows
  assert [(r.raw('Channel'), r.raw('Confidence'), r.raw('P Value'), r.raw('Begin Time (s)')) for r in rows] == [
      ('1', '0.400000', '', '0.500000'), ('2', '0.900000', '0.001', '1.000000'), ('1', '1.000000', '0.01', '18.000000')]


def test_nothing_heard_is_a_table_of_its_header(tmp_path):
  raven_detections.write(tmp_path / 'x.txt', [raven_detections.Sound('a.wav', 1.0, ())], PROCEDURAL)
  assert (tmp_path / 'x.txt').read_text() == '\t'.join(raven_detections.COLUMNS) + '\n'
