"""The entry point: reuse, refusals before any work, nothing half made left behind."""

import csv
import fcntl
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from data_pipeline import pipeline
from tools import build_dataset
from tools.build_dataset import Options

RATE = 16000
SMALL = dict(sizes=dict(train=6, val=3), clip_seconds=1.0, sample_rate=RATE)


@pytest.fixture
def said():
  return []


def test_procedural_is_built_once(tmp_path, said):
  out = tmp_path / 'deep' / 'birds'
  made = build_dataset.build(Options('procedural', str(out), **SMALL), said.append)
  assert made == json.loads((out / 'dataset.json').read_text())
  assert sorted(os.listdir(out)) == ['dataset.json', 'procedural'] and os.listdir(out.parent) == ['birds']
  assert made['splits'] == dict(train=6, val=3) and made['licences'] == {'CC0-1.0': 9}
  assert pipeline.open_dataset(str(out)).fingerprint == made['fingerprint']
  stamp = (out / 'dataset.json').stat().st_mtime_ns
  assert build_dataset.build(Options('procedural', str(out), workers=2, **SMALL), said.append) == made
  assert 'finished already' in said[-1] and (out / 'dataset.json').stat().st_mtime_ns == stamp
  with pytest.raises(ValueError, match='seed 0 there, 1 asked; sizes.val 3 there, absent asked'):
    build_dataset.build(Options('procedural', str(out), seed=1, **dict(SMALL, sizes=dict(train=6))))


def test_refusals_before_any_work(tmp_path):
  (tmp_path / 'full').mkdir()
  (tmp_path / 'full' / 'x').touch()
  with pytest.raises(ValueError, match='not empty and holds no dataset.json'):
    build_dataset.build(Options('procedural', str(tmp_path / 'full')))
  with pytest.raises(ValueError, match='is a file'):
    build_dataset.build(Options('procedural', str(tmp_path / 'full' / 'x')))
  with pytest.raises(OSError, match='cannot write .*y: '):
    build_dataset.build(Options('procedural', str(tmp_path / 'full' / 'x' / 'y')))
  with pytest.raises(ValueError, match="split 'trian': expected one of"):
    build_dataset.build(Options('procedural', str(tmp_path / 'o'), sizes=dict(trian=3)))
  with pytest.raises(ValueError, match='needs --dir'):
    build_dataset.build(Options('recordings', str(tmp_path / 'o')))
  with pytest.raises(ValueError, match='--sizes belongs to'):
    build_dataset.build(Options('recordings', str(tmp_path / 'o'), sizes=dict(train=3), directory='.'))
  assert sorted(os.listdir(tmp_path)) == ['full']


def test_a_killed_run_leaves_nothing_in_the_way(tmp_path, said):
  partial = tmp_path / '.birds.partial'
  (partial / 'procedural').mkdir(parents=True)
  (partial / 'procedural' / 'half').touch()
  build_dataset.build(Options('procedural', str(tmp_path / 'birds'), **SMALL), said.append)
  assert os.listdir(tmp_path) == ['birds']


def test_two_runs_do_not_mix(tmp_path):
  (tmp_path / '.birds.partial').mkdir()
  holder = os.open(tmp_path / '.birds.partial', os.O_RDONLY)
  fcntl.flock(holder, fcntl.LOCK_EX)
  with pytest.raises(BlockingIOError, match='another run is building'):
    build_dataset.build(Options('procedural', str(tmp_path / 'birds'), **SMALL))
  os.close(holder)
  assert (tmp_path / '.birds.partial').is_dir()  # the other run's work


def sing(path, hz):
  t = np.arange(3 * RATE) / RATE
  x = 0.001 * np.random.default_rng(int(hz)).standard_normal(len(t)) + 0.1 * np.sin(2 * np.pi * hz * t) * (np.abs(t - 1.5) < 0.3)
  path.parent.mkdir(parents=True, exist_ok=True)
  soundfile.write(path, x, RATE)


def test_recordings_with_a_manifest(tmp_path, said):
  rows = []
  for species in ('House Sparrow', 'Great Tit'):
    for i in range(4):
      sing(tmp_path / 'in' / f'{species[0]}{i}.wav', 1500 + 100 * i)
      rows.append([f'{species[0]}{i}.wav', species, 'CC BY-NC-ND 4.0' if i else 'CC0', 'Ann, Bob', f'{species[0]}{i}'])
  rows.append(['gone.wav', 'Great Tit', 'CC0', 'Ann', 'gone'])
  with open(tmp_path / 'in' / 'manifest.csv', 'w', newline='') as f:
    csv.writer(f).writerows([['path', 'species_common', 'licence', 'recordist', 'group'], *rows])
  options = Options('recordings', str(tmp_path / 'out'), directory=str(tmp_path / 'in'), clip_seconds=1.0, sample_rate=RATE)
  made = build_dataset.build(options, said.append)
  assert made['skipped'] == [{'name': 'gone.wav', 'reason': 'missing'}]
  assert any('1 files skipped' in line for line in said) and '  gone.wav: missing' in said
  assert made['no_derivatives'] == 6 and made['licences'] == {'CC BY-NC-ND 4.0': 6, 'CC0': 2}
  assert any('6 recordings are under licences that allow no derivatives' in line for line in said)
  with open(tmp_path / 'out' / 'ATTRIBUTION.csv', newline='') as f:
    attribution = list(csv.DictReader(f))
  assert len(attribution) == 8 and attribution[0] == dict(
      path='G0.wav', species='Great Tit', recordist='Ann, Bob', licence='CC0', **{'class': 'pd', 'source url': ''})
  assert sum(made['splits'].values()) == sum(sum(c.values()) for c in made['clips'].values())
  batch = next(pipeline.train_batches(str(tmp_path / 'out'), 'train', ['decode', 'random_crop(12000)', 'prompt', 'label', 'roll(8)',
                                                                       'keep("audio", "tokens", "label", "roll")'], 4, 0))
  assert batch['audio'].shape == (4, 12000, 1)
  assert 'finished already' not in ' '.join(said)
  build_dataset.build(options, said.append)
  assert 'finished already' in said[-1]
  sing(tmp_path / 'in' / 'H0.wav', 2500)  # other sound under the same name is another data set
  with pytest.raises(ValueError, match='holds another data set: files '):
    build_dataset.build(options)


def run(*arguments):
  return subprocess.run([sys.executable, '-m', 'tools.build_dataset', *arguments], capture_output=True, text=True)


def test_command_line_ends_with_one_clear_line(tmp_path):
  (tmp_path / 'in' / 'Great Tit').mkdir(parents=True)
  (tmp_path / 'in' / 'Great Tit' / 'a.wav').write_text('no sound')
  done = run('--source', 'recordings', '--dir', str(tmp_path / 'in'), '--out', str(tmp_path / 'out'))
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert done.stderr.splitlines()[-1].startswith('build_dataset: ') and 'none of 1 files can be used' in done.stderr
  assert not (tmp_path / 'out').exists() and os.listdir(tmp_path) == ['in']
  done = run('--source', 'procedural', '--out', str(tmp_path / 'out'), '--sizes', 'train')
  assert done.returncode == 1 and done.stderr.splitlines()[-1] == (
      'build_dataset: --sizes train: expected such as train=6000,val=256')


def test_real_recordings(tmp_path, real_data, said):
  options = Options('recordings', str(tmp_path / 'out'), directory=str(real_data / 'phoebe_xc'), workers=2)
  made = build_dataset.build(options, said.append)
  assert len(made['taxonomy']['species']) == 10 and not made['skipped'] and not made['judge_shares_train']
  for counts in made['clips'].values():
    assert all(n > 0 for n in counts.values())
  [batch] = pipeline.eval_batches(str(tmp_path / 'out'), 'test', ['decode', 'center_crop(40960)', 'level(-20)', 'prompt', 'label',
                                                                  'keep("audio", "label", "text")'], 64, limit=64)
  assert set(batch['label'].argmax(1)[batch['mask'] > 0]) == set(range(10))
