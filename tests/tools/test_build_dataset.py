"""The entry point: reuse, refusals before any work, nothing half made left behind."""

import csv
import dataclasses
import fcntl
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from data_pipeline import decoded, pipeline
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
  assert sorted(os.listdir(out)) == ['ATTRIBUTION.csv', 'dataset.json', 'procedural'] and os.listdir(out.parent) == ['birds']
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
  with pytest.raises(ValueError, match='--plausibility belongs to'):
    build_dataset.build(Options('recordings', str(tmp_path / 'o'), plausibility='plausible', directory='.'))
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
  options = Options('recordings', str(tmp_path / 'out'), directory=str(tmp_path / 'in'), clip_seconds=1.0, sample_rate=RATE,
                    keep_no_derivatives=True)
  made = build_dataset.build(options, said.append)
  assert made['skipped'] == [{'name': 'gone.wav', 'reason': 'missing'}]
  assert any('1 files or rows skipped' in line for line in said) and '  gone.wav: missing' in said
  assert made['no_derivatives'] == 6 and made['licences'] == {'CC BY-NC-ND 4.0': 6, 'CC0': 2}
  assert '8 recordings: commercial use not permitted (6 nc); derivatives not permitted (6 nd)' in made['terms'] == said[-1][7:]
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


def test_what_forbids_derivatives_is_refused(tmp_path, said):
  rows = ['path,species_common,licence']
  for i in range(6):
    sing(tmp_path / 'in' / f'{i}.wav', 1500 + 100 * i)
    rows.append(f'{i}.wav,Great Tit,{"CC BY-ND 4.0" if i < 3 else "CC BY 4.0"}')
  (tmp_path / 'in' / 'manifest.csv').write_text('\n'.join(rows))
  options = Options('recordings', str(tmp_path / 'out'), directory=str(tmp_path / 'in'), clip_seconds=1.0, sample_rate=RATE)
  made = build_dataset.build(options, said.append)
  assert made['skipped'] == [{'name': f'{i}.wav', 'reason': 'its licence (CC BY-ND 4.0) forbids derivatives'} for i in range(3)]
  assert made['no_derivatives'] == 0 and 'derivatives permitted' in made['terms']
  with open(tmp_path / 'out' / 'recordings.csv', newline='') as f:
    table = list(csv.DictReader(f))
  assert [(r['name'], r['codes'], r['class'], r['seconds']) for r in table] == [(f'{i}.wav', 'gretit1', 'by', '3.000') for i in (3, 4, 5)]
  assert {r['split'] for r in table} == {'train', 'val', 'test'}
  # The judge shares the one recording of train.
  assert sum(int(r['clips']) for r in table) == sum(made['splits'].values())
  with pytest.raises(ValueError, match='3 files or rows were skipped, and --strict allows none'):
    build_dataset.build(dataclasses.replace(options, out=str(tmp_path / 'strict'), strict=True), said.append)
  assert sorted(os.listdir(tmp_path)) == ['in', 'out']


def test_an_interrupted_build_goes_on_with_what_it_had_decoded(tmp_path, said, monkeypatch):
  for i in range(4):
    sing(tmp_path / 'in' / 'Great Tit' / f'{i}.wav', 1500 + 100 * i)
  options = Options('recordings', str(tmp_path / 'out'), directory=str(tmp_path / 'in'), clip_seconds=1.0, sample_rate=RATE)
  decode, seen = decoded._write, []

  def stopped(recording, *rest):
    seen.append(recording.name)
    if len(seen) == 3:
      raise KeyboardInterrupt
    return decode(recording, *rest)
  monkeypatch.setattr(decoded, '_write', stopped)
  with pytest.raises(KeyboardInterrupt):
    build_dataset.build(options, said.append)
  assert not (tmp_path / 'out').exists() and (tmp_path / '.out.partial' / 'decoded').is_dir()
  first = len(list((tmp_path / '.out.partial' / 'decoded').glob('*.json')))
  seen[:] = ['', '', '']
  build_dataset.build(options, said.append)
  assert len(seen) - 3 == 4 - first and first >= 2
  assert sorted(os.listdir(tmp_path)) == ['in', 'out'] and not (tmp_path / 'out' / 'decoded').exists()


def test_species_by_any_name(tmp_path, said):
  for species in ('House Sparrow', 'Great Tit', 'Turdus merula'):
    for i in range(3):
      sing(tmp_path / 'in' / species / f'{species[0]}{i}.wav', 1500 + 100 * i)
  options = Options('recordings', str(tmp_path / 'out'), directory=str(tmp_path / 'in'), clip_seconds=1.0, sample_rate=RATE,
                    species=('Parus major', 'eurbla'))
  made = build_dataset.build(options, said.append)
  assert [s['code'] for s in made['taxonomy']['species']] == ['eurbla', 'gretit1']
  with pytest.raises(ValueError, match="unknown species 'Great Tot'.*nearest: Great Tit"):
    build_dataset.build(dataclasses.replace(options, species=('Great Tot',)), said.append)


def xeno_canto(folder):
  rows = [{'id': str(i), 'gen': 'Parus', 'sp': 'major', 'en': 'Great Tit', 'rec': 'Ann', 'lic': '//creativecommons.org/licenses/by/4.0/', 'q': 'A', 'type': 'song', 'sex': 'male', 'also': ['Turdus merula'], 'file': '', 'date': '2012-00-00'} for i in range(1001, 1005)]
  for i in range(1001, 1004):
    sing(folder / f'XC{i}.wav', 2000)
  (folder / 'page.json').write_text(json.dumps({'numRecordings': '4', 'recordings': rows}))


def raven(folder):
  head = 'Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n'
  for i in range(4):
    sing(folder / f'{i}.wav', 2000)
    rows = ['1\tSpectrogram 1\t1\t1.2\t1.8\t1800\t2200\tgretit1\n', '2\tSpectrogram 1\t1\t9\t10\t1800\t2200\tgretit1\n']
    (folder / f'{i}.Table.1.selections.txt').write_text(head + ''.join(rows))


def freesound(folder):
  for i in range(4):
    sing(folder / f'{i + 1}__ann__stream.wav', 500)
    (folder / f'{i + 1}.json').write_text(json.dumps(
        {'id': i + 1, 'name': 'Stream', 'tags': ['stream', 'forest'], 'license': 'http://creativecommons.org/publicdomain/zero/1.0/',
         'username': 'ann'}))


def woodland(folder):
  for i in range(4):
    sing(folder / 'north' / f'2019052{i}_043000.WAV', 500)


@pytest.mark.parametrize('make, species, skipped, first', [
    (xeno_canto, ['gretit1'], ['no audio file'], dict(
        quality='A', sex='male', background='Turdus merula', started='2012', licence='https://creativecommons.org/licenses/by/4.0/')),
    (raven, ['gretit1'], ['begins after the end of the file (3.00 s)'] * 4, dict(codes='gretit1', seconds='3.000')),
    (freesound, [], [], dict(environment='forest', near='river', recordist='ann', clips='3')),
    (woodland, [], [], dict(site='north', started='2019-05-20T04:30:00', clips='3'))])
def test_other_sources(tmp_path, said, make, species, skipped, first):
  (tmp_path / 'in').mkdir()
  make(tmp_path / 'in')
  options = Options(make.__name__, str(tmp_path / 'out'), directory=str(tmp_path / 'in'), clip_seconds=1.0, sample_rate=RATE)
  made = build_dataset.build(options, said.append)
  assert [s['code'] for s in made['taxonomy']['species']] == species
  assert [s['reason'] for s in made['skipped']] == skipped
  with open(tmp_path / 'out' / 'recordings.csv', newline='', encoding='utf-8') as f:
    assert first.items() <= next(csv.DictReader(f)).items()
  assert (tmp_path / 'out' / 'ATTRIBUTION.csv').is_file()
  batch = next(pipeline.train_batches(str(tmp_path / 'out'), 'train', ['decode', 'random_crop(12000)', 'prompt', 'label', 'roll(8)',
                                                                       'keep("audio", "tokens", "label", "roll")'], 2, 0))
  assert batch['audio'].shape == (2, 12000, 1) and batch['label'].shape == (2, len(species) + 1)


def run(*arguments):
  return subprocess.run([sys.executable, '-m', 'tools.build_dataset', *arguments], capture_output=True, text=True)


def test_command_line_ends_with_one_clear_line(tmp_path):
  (tmp_path / 'in' / 'Great Tit').mkdir(parents=True)
  (tmp_path / 'in' / 'Great Tit' / 'a.wav').write_text('no sound')
  done = run('--source', 'recordings', '--dir', str(tmp_path / 'in'), '--out', str(tmp_path / 'out'))
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert done.stderr.splitlines()[-1].startswith('build_dataset: ') and 'none of 1 files can be used' in done.stderr
  assert not (tmp_path / 'out').exists() and os.listdir(tmp_path) == ['in']
  done = run('--source', 'xenocanto', '--dir', str(tmp_path), '--out', str(tmp_path / 'out'))
  assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(
      "build_dataset: unknown source 'xenocanto'; known: procedural, recordings, xeno_canto, birdclef2021")
  sing(tmp_path / 'in' / 'Great Tit' / 'b.wav', 2000)
  done = run('--source', 'recordings', '--dir', str(tmp_path / 'in'), '--dry_run')
  assert done.returncode == 0 and 'Great Tit (gretit1)' in done.stdout and '1 recording: ' in done.stdout
  assert 'Great Tit/a.wav: not audio' in done.stdout and os.listdir(tmp_path) == ['in']
  assert run('--source', 'recordings', '--dir', str(tmp_path / 'in'), '--dry_run', '--strict').returncode == 1
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
