"""Recordings to tables: of a run of two training steps, since only the plumbing is tested."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys

from absl import flags
import jax
import numpy as np
import pytest
import soundfile

from data_pipeline import soundscape
from data_pipeline.formats import audacity, birdnet, jams, raven_combined
from sgm import detect
from sgm.evaluation import detector, hearing, search, windows
from tests.sgm import small
from tools import calibrate

RATE = 16000
QUICK = search.Settings(ts=(0.8,))


@pytest.fixture(autouse=True, scope='module')
def quick():
  with small.unoptimised(), pytest.MonkeyPatch.context() as patch:
    patch.setattr(hearing, 'BATCH', 4)
    patch.setattr(hearing, 'PAIRS', 8)
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
  assert report['clips'] == report['checks']['held out']['clips'] == 60 and len(report['short']) == 12
  # An untrained detector knows nothing, and still gives no more false alarms than it is asked for.
  assert report['checks']['held out']['false_masks']['0.2']['interval'][0] <= 0.25
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


def run(d, folder, out, said=None, options=OPTIONS, pictures=0):
  paths, _ = windows.find([str(folder)])
  return detect.detect(d, paths, out, options, 2, pictures, (said if said is not None else []).append)


@pytest.fixture(scope='module')
def heard(calibrated, recordings, tmp_path_factory):
  """Folder, summary and said lines of a run over all of them."""
  out, said = tmp_path_factory.mktemp('heard'), []
  return out, run(calibrated, recordings, out, said), said


def test_tables_of_all_files(calibrated, recordings, heard):
  out, summary, said = heard
  assert summary['files'] == 4 and [s['name'].split('/')[-1] for s in summary['skipped']] == ['broken.wav']
  assert summary['shorter_than_a_window'][0].endswith('short.wav') and len(summary['shorter_than_a_window']) == 1
  # 15.36 s in windows of 2.56 s every 1.28 s: 11; the stereo file one for each channel; one each of short; silent 3
  assert summary['windows'] == 11 + 2 + 1 + 3
  taxonomy = calibrated.run.labels.taxonomy
  everything = raven_combined.read(out / 'all.selections.txt', taxonomy)
  assert sum(map(len, everything.values())) == summary['events'] > 0
  assert not any(name.endswith('silent.wav') for name in everything)  # nothing is found in silence
  for name in ('long', 'stereo', 'short', 'silent'):
    mine = raven_combined.read(out / f'{name}.selections.txt', taxonomy)
    events = next(iter(mine.values()), ())
    assert len(audacity.read(out / f'{name}.audacity.txt', taxonomy, (150.0, 8000.0))) == len(events)
    assert len(jams.read(out / f'{name}.jams', taxonomy, (150.0, 8000.0))) == len(events)
    seconds = soundfile.info(recordings / f'{name}.wav').duration
    assert all(0 <= e.onset < e.offset <= seconds + 1e-6 for e in events)
  assert len(birdnet.read(out / 'detections.csv', taxonomy)) == summary['events']
  assert not list(out.glob('broken*'))  # an empty table would say that nothing was heard
  assert said[0] == '1 of 5 files have several channels, the model hears one: each channel is heard by itself (--channel=all)'
  assert sum(bool(re.fullmatch('0:0[1-9] of 0:22 heard', line)) for line in said) == 1  # after the first batch
  assert sum('skipped: not audio' in line for line in said) == 1 and said[-1].startswith('5 of 5 files: ')
  # What the rate asked for can do is said beside what was found: 0.2 of the windows, for each species.
  assert summary['false_alarms_per_hour_at_most'] == pytest.approx(0.2 * 12 * 17 / summary['hours'])
  assert summary['events_per_hour'] == pytest.approx(summary['events'] / summary['hours'])
  assert summary['false_alarms'].startswith('at 0.2 per window and absent species up to ')


def test_an_interrupted_run_goes_on(calibrated, recordings, heard, tmp_path):
  first = heard[1]
  shutil.copytree(heard[0], tmp_path, dirs_exist_ok=True)
  stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / 'files').iterdir()}
  next(iter(sorted(stamps))).unlink()
  said = []
  assert run(calibrated, recordings, tmp_path, said) == first
  assert said[0] == '4 of 5 files are done already' and said[-1].startswith('5 of 5 files: ')
  assert sum(p.stat().st_mtime_ns == stamps[p] for p in (tmp_path / 'files').iterdir()) == 4
  # Other options are another run.
  said = []
  run(calibrated, recordings, tmp_path, said, dataclasses.replace(OPTIONS, species=('gltpip',)))
  assert 'already' not in said[0]
  found = json.loads((tmp_path / 'summary.json').read_text())['species']
  assert set(found) <= {'gltpip'}


def test_a_window_does_not_depend_on_its_batch(calibrated, recordings, heard, tmp_path):
  (tmp_path / 'one').mkdir()
  (tmp_path / 'one' / 'long.wav').write_bytes((recordings / 'long.wav').read_bytes())
  run(calibrated, tmp_path / 'one', tmp_path / 'b')
  rows = lambda out: [line.split('\t')[2:12] for line in (out / 'long.selections.txt').read_text().splitlines()]
  assert rows(heard[0]) == rows(tmp_path / 'b') and heard[1]['events']


def test_an_accelerator_hears_the_same(calibrated, recordings, ldm_workdir, monkeypatch):
  sound = soundfile.read(recordings / 'long.wav', dtype='float32')[0][:6 * calibrated.samples].reshape(6, -1, 1)
  monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
  monkeypatch.setattr(detector, 'BATCH', 4)
  batched = detector.load(ldm_workdir)
  one, other = vars(calibrated.hear(sound)), vars(batched.hear(sound))
  for name, value in one.items():
    assert len(value) == 6 and value.std(0).max() > 0
    if name != 'ood':
      np.testing.assert_allclose(value, other[name], rtol=0, atol=1e-5)
  # The density is narrow: features one float apart are 1e-4 nats apart in it. So the surprise is held to its own features.
  for heard, d in ((one, calibrated), (other, batched)):
    np.testing.assert_array_equal(heard['ood'], d.calibration.surprise(heard['features']))
  np.testing.assert_allclose(one['ood'], other['ood'], rtol=1e-4)


def test_raw_scores(ldm_workdir, calibrated, recordings, tmp_path):
  d = detector.load(ldm_workdir, calibrated=False)
  summary = run(d, recordings, tmp_path, options=detect.Options(false_alarm_rate=None, min_score=1e9))
  assert summary['events'] == 0 and summary['odd_windows'] == 0
  assert (tmp_path / 'all.selections.txt').read_text().count('\n') == 1  # empty tables are valid ones


def test_false_discovery_rate(calibrated, recordings, tmp_path):
  # 60 clips reach p-values of 1/50 or so: q / 12 has to be above.
  with pytest.raises(ValueError, match='present: q = 0.1 over 12 species, so a p-value of 0.00833'):
    run(calibrated, recordings, tmp_path, options=dataclasses.replace(OPTIONS, false_alarm_rate=None, fdr=0.1))
  wide = run(calibrated, recordings, tmp_path / 'a', options=dataclasses.replace(OPTIONS, false_alarm_rate=0.4))
  some = run(calibrated, recordings, tmp_path / 'b', options=dataclasses.replace(OPTIONS, false_alarm_rate=None, fdr=0.4))
  assert some['events'] < wide['events'] and 'a share of 0.4 at most' in some['false_alarms']
  assert some['windows_per_hour_with_false_alarms_without_birds_at_most'] == pytest.approx(0.4 * 17 / some['hours'])


def test_a_page_of_the_surest_events(calibrated, recordings, heard, tmp_path):
  shutil.copytree(heard[0], tmp_path, dirs_exist_ok=True)
  said = []
  summary = run(calibrated, recordings, tmp_path, said, pictures=2)  # of what is done already
  assert said[0] == '5 of 5 files are done already' and summary == heard[1]
  page = (tmp_path / 'index.html').read_text()
  assert all(f'<h2 id="{code}">' in page for code in summary['species'])
  shown = sum(min(n, 2) for n in summary['species'].values())
  files = sorted(p.name for p in (tmp_path / 'pictures').iterdir())
  assert len(files) == 2 * shown and page.count('<audio') == shown and all(f'src="pictures/{name}"' in page for name in files)
  run(calibrated, recordings, tmp_path, pictures=1)  # in the place of the first ones
  assert len(list((tmp_path / 'pictures').iterdir())) == 2 * len(summary['species'])
  run(calibrated, recordings, tmp_path)
  assert not list((tmp_path / 'pictures').iterdir())
  assert (tmp_path / 'index.html').read_text() == (heard[0] / 'index.html').read_text() != page


def test_windows_must_overlap(calibrated, recordings, tmp_path):
  with pytest.raises(ValueError, match='overlap 0.1: expected 0.125 or more'):
    run(calibrated, recordings, tmp_path, options=dataclasses.replace(OPTIONS, overlap=0.1))
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('arguments, message', [
    (['--min_score=1'], '--min_score has no effect without --uncalibrated'),
    (['--uncalibrated', '--fdr=0.1'], '--fdr has no effect with --uncalibrated'),
    (['--uncalibrated', '--false_alarm_rate=0.1'], '--false_alarm_rate has no effect with --uncalibrated'),
    (['--fdr=0.1', '--false_alarm_rate=0.01'], '--fdr and --false_alarm_rate promise different things: give one of them')])
def test_flags_that_contradict_are_refused(arguments, message):
  f = flags.FlagValues()
  flags.DEFINE_bool('uncalibrated', False, '', flag_values=f)
  for name in ('false_alarm_rate', 'fdr', 'ood_rate', 'min_score'):
    flags.DEFINE_float(name, 0.0, '', flag_values=f)
  f(['detect', *arguments])
  with pytest.raises(ValueError, match=message):
    detect._check_flags(f)


def test_species_the_model_does_not_know(ldm_workdir, recordings, tmp_path):
  command = [sys.executable, '-m', 'sgm.detect', '--workdir', str(ldm_workdir), '--out', str(tmp_path), '--uncalibrated',
             '--species=Glass pippit', str(recordings)]
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 1 and 'nearest: Glass pipit' in done.stderr.splitlines()[-1]
