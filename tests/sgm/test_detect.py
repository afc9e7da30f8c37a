"""Recordings to tables: of a run of two training steps, since only the plumbing is tested."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from data_pipeline import soundscape
from data_pipeline.formats import audacity, birdnet, jams, raven_combined
from sgm import detect
from sgm.evaluation import detection, detector, windows
from tests.sgm import small
from tools import calibrate

RATE = 16000
QUICK = detection.Settings(ts=(0.8,), noises=2, top=4)


@pytest.fixture(autouse=True, scope='module')
def quick():
  with small.unoptimised(), pytest.MonkeyPatch.context() as patch:
    patch.setattr(detect, 'BATCH', 4)
    patch.setattr(calibrate, 'BATCH', 4)
    patch.setattr(calibrate, 'MASK_CLIPS', 12)
    patch.setattr(calibrate, 'RATES', (0.2,))
    patch.setattr(detector, 'DEFAULT', QUICK)
    yield


@pytest.fixture(scope='module')
def calibrated(ldm_workdir):
  with pytest.raises(ValueError, match='is not calibrated, so a score has no p-value: run python -m tools.calibrate'):
    detector.load(ldm_workdir)
  assert detector.load(ldm_workdir, calibrated=False).calibration is None
  report = calibrate.calibrate(str(ldm_workdir), data='', splits=[], clips=60, seed=0, say=lambda text: None)
  assert report['clips'] == report['checked_on'] == 60 and len(report['short']) == 12
  # An untrained detector knows nothing, and still gives no more false alarms than it is asked for.
  assert report['false_masks']['0.2']['interval'][0] <= 0.25
  return detector.load(ldm_workdir)


@pytest.fixture(scope='module')
def recordings(tmp_path_factory):
  folder = tmp_path_factory.mktemp('recordings')
  clips = [soundscape.generate(1, i, density=(0, 0, 1), max_events=2).audio for i in range(6)]
  soundfile.write(folder / 'long.wav', np.concatenate(clips), RATE)
  soundfile.write(folder / 'stereo.wav', np.concatenate([clips[0], 0 * clips[0]], 1), RATE)
  soundfile.write(folder / 'short.wav', clips[1][:RATE], RATE)
  soundfile.write(folder / 'silent.wav', np.zeros((4 * RATE, 1)), RATE)
  (folder / 'broken.wav').write_text('no sound')
  return folder


OPTIONS = detect.Options(false_alarm_rate=0.2, ood_rate=0.2)


def run(d, folder, out, said=None, options=OPTIONS):
  paths, _ = windows.find([str(folder)])
  return detect.detect(d, paths, out, options, 2, (said if said is not None else []).append)


def test_tables_of_all_files(calibrated, recordings, tmp_path):
  said = []
  summary = run(calibrated, recordings, tmp_path, said)
  assert summary['files'] == 4 and [s['name'].split('/')[-1] for s in summary['skipped']] == ['broken.wav']
  assert summary['shorter_than_a_window'][0].endswith('short.wav') and len(summary['shorter_than_a_window']) == 1
  # 15.36 s in windows of 2.56 s every 1.28 s: 11; the stereo file one for each channel; one each of short; silent 3
  assert summary['windows'] == 11 + 2 + 1 + 3
  taxonomy = calibrated.run.labels.taxonomy
  everything = raven_combined.read(tmp_path / 'all.selections.txt', taxonomy)
  assert sum(map(len, everything.values())) == summary['events'] > 0
  assert not any(name.endswith('silent.wav') for name in everything)  # nothing is found in silence
  for name in ('long', 'stereo', 'short', 'silent'):
    mine = raven_combined.read(tmp_path / f'{name}.selections.txt', taxonomy)
    events = next(iter(mine.values()), ())
    assert len(audacity.read(tmp_path / f'{name}.audacity.txt', taxonomy, (150.0, 8000.0))) == len(events)
    assert len(jams.read(tmp_path / f'{name}.jams', taxonomy, (150.0, 8000.0))) == len(events)
    seconds = soundfile.info(recordings / f'{name}.wav').duration
    assert all(0 <= e.onset < e.offset <= seconds + 1e-6 for e in events)
  assert len(birdnet.read(tmp_path / 'detections.csv', taxonomy)) == summary['events']
  assert len(said) == 5 and sum('times real time' in line for line in said) == 4
  assert sum('skipped: not audio' in line for line in said) == 1


def test_an_interrupted_run_goes_on(calibrated, recordings, tmp_path):
  first = run(calibrated, recordings, tmp_path)
  stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / 'files').iterdir()}
  next(iter(sorted(stamps))).unlink()
  said = []
  assert run(calibrated, recordings, tmp_path, said) == first
  assert said[0] == '4 of 5 files are done already' and len(said) == 2
  assert sum(p.stat().st_mtime_ns == stamps[p] for p in (tmp_path / 'files').iterdir()) == 4
  # Other options are another run.
  said = []
  run(calibrated, recordings, tmp_path, said, dataclasses.replace(OPTIONS, species=('gltpip',)))
  assert 'already' not in said[0]
  found = json.loads((tmp_path / 'summary.json').read_text())['species']
  assert set(found) <= {'gltpip'}


def test_a_window_does_not_depend_on_its_batch(calibrated, recordings, tmp_path):
  together = run(calibrated, recordings, tmp_path / 'a')
  (tmp_path / 'one').mkdir()
  (tmp_path / 'one' / 'long.wav').write_bytes((recordings / 'long.wav').read_bytes())
  run(calibrated, tmp_path / 'one', tmp_path / 'b')
  rows = lambda out: [line.split('\t')[2:12] for line in (out / 'long.selections.txt').read_text().splitlines()]
  assert rows(tmp_path / 'a') == rows(tmp_path / 'b') and together['events']


def test_raw_scores(ldm_workdir, calibrated, recordings, tmp_path):
  d = detector.load(ldm_workdir, calibrated=False)
  summary = run(d, recordings, tmp_path, options=detect.Options(false_alarm_rate=None, min_score=1e9))
  assert summary['events'] == 0 and summary['odd_windows'] == 0
  assert (tmp_path / 'all.selections.txt').read_text().count('\n') == 1  # empty tables are valid ones


def test_windows_must_overlap(calibrated, recordings, tmp_path):
  with pytest.raises(ValueError, match='overlap 0.1: expected 0.125 or more'):
    run(calibrated, recordings, tmp_path, options=dataclasses.replace(OPTIONS, overlap=0.1))
  assert not list(tmp_path.iterdir())


def command(*arguments):
  return subprocess.run([sys.executable, '-m', 'sgm.detect', *map(str, arguments)], capture_output=True, text=True)


def test_flags_without_effect_are_refused(ldm_workdir, recordings, tmp_path):
  done = command('--workdir', ldm_workdir, '--out', tmp_path, '--min_score=1', recordings)
  assert done.returncode == 1 and done.stderr.splitlines()[-1] == 'sgm.detect: --min_score has no effect without --uncalibrated'
  done = command('--workdir', ldm_workdir, '--out', tmp_path, '--uncalibrated', '--false_alarm_rate=0.1', recordings)
  assert done.stderr.splitlines()[-1] == 'sgm.detect: --false_alarm_rate has no effect with --uncalibrated'


def test_species_the_model_does_not_know(ldm_workdir, recordings, tmp_path):
  done = command('--workdir', ldm_workdir, '--out', tmp_path, '--uncalibrated', '--species=Glass pippit', recordings)
  assert done.returncode == 1 and 'nearest: Glass pipit' in done.stderr.splitlines()[-1]
