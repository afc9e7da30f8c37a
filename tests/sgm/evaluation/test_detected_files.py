"""Results of files: named without clashes, found again, and tables that hold what was heard."""

import dataclasses
import pathlib

import pytest

from data_pipeline.taxonomy import PROCEDURAL
from sgm.evaluation import detected_files, localisation
from sgm.evaluation.windows import End


def test_names_of_files_do_not_clash():
  paths = [pathlib.Path(p) for p in ('/a/x.wav', '/a/x.flac', '/a/deep/y.wav')]
  assert detected_files.names_of(paths) == {paths[0]: 'x.wav', paths[1]: 'x.flac', paths[2]: 'deep/y'}
  assert detected_files.names_of(paths[:1]) == {paths[0]: 'x'}


def heard():
  building = detected_files.Building(localisation.Rules(), 2.0)
  box = localisation.Box(1.5, 2.0, 1000.0, 2000.0, 0.8, 0.01)
  building.window(1, 0.0, 2.0, 1.0, False, {'gltpip': [box]})
  building.window(2, 0.0, 2.0, 1.0, True, {})
  building.window(1, 1.0, 3.0, 2.0, False, {'gltpip': [localisation.Box(0.5, 1.2, 1000.0, 2000.0, 0.9, 0.02)]})
  building.window(2, 1.0, 3.0, 2.0, False, {'tinpip': [localisation.Box(0.1, 0.4, 500.0, 900.0, 0.7, 0.03)]})
  return building.finish(End(pathlib.Path('/a/x.wav'), 3.0, 2, ''))


def test_windows_become_events():
  result = heard()
  assert (result.windows, result.odd, result.short, result.skip) == (4, 1, False, '')
  events = [(e.species, e.channel, round(e.onset, 2), round(e.offset, 2), e.confidence, e.p_value) for e in result.events]
  assert events == [('tinpip', 2, 1.1, 1.4, 0.7, 0.03), ('gltpip', 1, 1.5, 2.2, 0.9, 0.01)]


def test_results_are_found_again(tmp_path):
  result = dataclasses.replace(heard(), name='deep/x', key='k')
  detected_files.save(tmp_path, result)
  assert detected_files.load(tmp_path, 'deep/x', 'k') == result
  assert detected_files.load(tmp_path, 'deep/x', 'other') is None and detected_files.load(tmp_path, 'y', 'k') is None


def test_summary(tmp_path):
  good = dataclasses.replace(heard(), name='x', key='k')
  bad = dataclasses.replace(good, path='/a/bad.wav', windows=0, events=(), seconds=0.0, skip='not audio')
  detected_files.write_tables(tmp_path, good, PROCEDURAL)
  summary = detected_files.write_all(tmp_path, [good, bad], PROCEDURAL, lambda rate: ({'most': 2 * rate}, 'some'))
  assert summary['files'] == 1 and summary['events'] == 2 and summary['hours'] == pytest.approx(3 / 3600)
  assert summary['most'] == pytest.approx(2 * 4 * 3600 / 3) and summary['false_alarms'] == 'some'
  assert summary['events_per_hour'] == pytest.approx(2 * 3600 / 3) and summary['with_several_channels'] == 1
  assert summary['skipped'] == [{'name': '/a/bad.wav', 'reason': 'not audio'}] and summary['odd_windows'] == 1
  assert {p.name for p in tmp_path.iterdir()} == {
      'x.selections.txt', 'x.audacity.txt', 'x.jams', 'all.selections.txt', 'detections.csv', 'summary.json'}
