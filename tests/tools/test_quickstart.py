"""The whole chain, as a user starts it: on real recordings for two minutes, and (slow) on the built-in birds."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPECIES = ('Black Phoebe', 'Chestnut-backed Chickadee', 'Dark-eyed Junco', 'White-crowned Sparrow')
REQUIRED = {  # of summary.json
    'wall_seconds': 'install data autoencoder diffusion evaluation total',
    'autoencoder': 'judge_top1_direct judge_top1_roundtrip log_spectral_distance_db distortion_nats_per_cell rate_nats_per_cell',
    'generation': 'label_fidelity_top1 chance n ci95 text_only_top1 within_class_diversity onset_error_s_median '
                  'onset_error_s_shuffled onset_error_s_real',
    'detector': 'presence_auroc_macro presence_auroc_band_energy presence_auroc_shuffled top1 mask_iou_mean mask_iou_band_energy',
    'throughput': 'train_examples_per_s train_gflops matmul_gflops',
}


def quickstart(*arguments, **environment):
  return subprocess.run([sys.executable, '-m', 'tools.quickstart', *map(str, arguments)], cwd=ROOT, capture_output=True,
                        text=True, env={**os.environ, **environment})


def metrics(out, stage):
  return [json.loads(line) for line in (out / stage / 'metrics.jsonl').read_text().splitlines()]


def curve(out, stage, name):
  return [row[name] for row in metrics(out, stage) if name in row]


def check_outputs(out, clips):
  """Everything a chain leaves behind; returns its summary."""
  summary = json.loads((out / 'summary.json').read_text())
  for part, keys in REQUIRED.items():
    assert not set(keys.split()) - set(summary[part]), part
  assert summary['example_prompt'] and summary['config_fingerprint']
  assert all(row['value'] is not None for row in summary['table'])
  page = (out / 'report.html').read_text()
  assert summary['config_fingerprint'] in page and 'data:audio/wav' in page and 'cannot be read' not in page
  *folders, attribution = sorted((out / 'samples').iterdir(), key=lambda p: (p.is_file(), p.name))
  assert len(folders) == clips and attribution.name == 'ATTRIBUTION.csv'  # whom to thank for the training data goes along
  for folder in folders:
    assert {p.name for p in folder.iterdir()} == {
        'audio.wav', 'spectrogram.png', 'labels.selections.txt', 'labels.audacity.txt', 'scene.json'}
    assert {'heard', 'probability'} == set(json.loads((folder / 'scene.json').read_text())['provenance']['label_check'])
  return summary


@pytest.fixture(scope='module')
def recordings(tmp_path_factory, real_data):
  """A folder of four species' recordings with a manifest of its own."""
  folder = tmp_path_factory.mktemp('recordings')
  with open(real_data / 'manifest.csv', newline='') as f:
    rows = [r for r in csv.DictReader(f) if r['source'] == 'phoebe_xc' and r['species_common'] in SPECIES]
  assert {r['species_common'] for r in rows} == set(SPECIES)
  for row in rows:
    shutil.copy(real_data / row['path'], folder)
    row['path'] = pathlib.Path(row['path']).name
  with open(folder / 'manifest.csv', 'w', newline='') as f:
    writer = csv.DictWriter(f, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
  return folder


def test_real_recordings(recordings, tmp_path):
  out = tmp_path / 'out'
  flags = ('--out', out, '--source', 'recordings', '--dir', recordings, '--level=-26', '--judge_groups', 'train',
           '--autoencoder_steps', 60, '--judge_steps', 60, '--ldm_steps', 55, '--limit', 8)
  environment = dict(JAX_COMPILATION_CACHE_DIR=str(tmp_path / 'jax'), JAX_DISABLE_MOST_OPTIMIZATIONS='1', XLA_FLAGS='')
  done = quickstart(*flags, **environment)
  assert done.returncode == 0, done.stderr[-3000:]

  stages = ('autoencoder', 'judge', 'ldm')
  for stage in stages:
    loss = curve(out, stage, 'train/loss')
    assert loss[-1] < 0.85 * loss[0], (stage, loss)
  assert curve(out, 'judge', 'train/top1')[-1] > 0.5  # chance 0.2: four species and 'none'

  splits = json.loads((out / 'data' / 'dataset.json').read_text())['splits']
  summary = check_outputs(out, clips=10)
  assert summary['detector']['mask_iou_mean'] is None  # recordings have no stems, so no true masks
  assert summary['generation']['chance'] == 0.25 and summary['generation']['n'] == splits['test']
  assert 0 < summary['autoencoder']['log_spectral_distance_db'] < 20
  page = (out / 'report.html').read_text()
  assert all(name in page for name in SPECIES)

  # Once more: nothing is trained or evaluated again.
  before = {stage: metrics(out, stage) for stage in stages}
  made = {p: p.stat().st_mtime_ns for p in (out / 'evaluation').iterdir() if p.suffix == '.json'}
  began = time.monotonic()
  done = quickstart(*flags, **environment)
  assert done.returncode == 0, done.stderr[-3000:]
  assert time.monotonic() - began < 0.5 * summary['wall_seconds']['total']
  assert {stage: metrics(out, stage) for stage in stages} == before
  assert made and {p: p.stat().st_mtime_ns for p in made} == made


@pytest.mark.slow
def test_built_in_birds(tmp_path):
  """Less than half of the quickstart's training: enough to hear the birds that were asked for."""
  out = tmp_path / 'out'
  done = quickstart('--out', out, '--clips', 3000, '--autoencoder_steps', 400, '--judge_steps', 300, '--ldm_steps', 500,
                    '--limit', 96, JAX_COMPILATION_CACHE_DIR=str(tmp_path / 'jax'), XLA_FLAGS='')
  assert done.returncode == 0, done.stderr[-3000:]
  summary = check_outputs(out, clips=16)
  generation, detector = summary['generation'], summary['detector']
  assert summary['autoencoder']['judge_top1_direct'] > 0.7
  assert generation['label_fidelity_top1'] > 4 * generation['chance']
  assert generation['onset_error_s_median'] < generation['onset_error_s_shuffled']
  assert detector['presence_auroc_macro'] > 0.6 and abs(detector['presence_auroc_shuffled'] - 0.5) < 0.15
  assert detector['mask_iou_mean'] > 0


def test_refusals_before_any_work(tmp_path):
  (tmp_path / 'file').touch()
  done = quickstart('--out', tmp_path / 'file' / 'out')
  assert done.returncode == 1 and done.stderr.splitlines() == [f'quickstart: cannot write to {tmp_path}/file/out: Not a directory']
  done = quickstart('--out', tmp_path / 'out', '--source', 'recordings')
  assert done.returncode == 1 and done.stderr.splitlines() == [
      'quickstart: --source recordings needs --dir, the folder of recordings']
