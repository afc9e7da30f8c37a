"""summary.json from the results of an evaluation: every key there, also where a figure is missing."""

import json

import pytest

from sgm.training import clock
from tools import quickstart_summary

LDM = {'config_fingerprint': 'f00', 'seed': 0, 'versions': {'jax': '1'}}


def estimate(value, n=8):
  return {'value': value, 'ci95': [value - 0.1, value + 0.1], 'n': n}


@pytest.fixture
def results():
  generation = {'chance': 0.25, 'top1': estimate(0.9), 'top1_real': estimate(1.0), 'onset_error_s_median': estimate(0.2),
                'onset_error_s_shuffled': estimate(0.8), 'onset_error_s_real': estimate(0.1),
                'within_class_diversity': {'value': None, 'n': 8}}
  names = ('judge_top1_direct', 'judge_top1_rendered', 'judge_top1_roundtrip', 'log_spectral_distance_db', 'distortion', 'rate')
  return {
      'reconstruction': {name: estimate(0.5) for name in names},
      **{f'generation_{kind}': generation for kind in ('both', 'text', 'roll')},
      'detection': {**{name: estimate(0.8) for name in ('presence_auroc', 'presence_auroc_band_energy', 'presence_auroc_shuffled',
                                                        'top1')}, 'top1_chance': 0.1},
      'samples': {'example_prompt': 'a Glass pipit singing'}, 'cost': {'rows': [], 'parameters': {'ldm': 10}},
  }


@pytest.fixture
def out(tmp_path, monkeypatch):
  monkeypatch.setattr(clock, 'matmul_gflops', lambda: 50.0)
  (tmp_path / 'ldm').mkdir()
  (tmp_path / 'ldm' / 'config.json').write_text(json.dumps(LDM))
  rows = [{'step': k, 'train/loss': 1.0, **({} if k == 1 else {'train/examples_per_s': 10.0 * k})} for k in (1, 2, 3, 40)]
  (tmp_path / 'ldm' / 'metrics.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))
  return tmp_path


def test_recordings_have_no_mask_figures(out, results):
  summary = quickstart_summary.summarise(out, results, {'install': 0.0, 'data': 1.24, 'evaluation': 2.0}, 1.234)
  assert summary == json.loads((out / 'summary.json').read_text())
  assert summary['wall_seconds'] == {'install': 0.0, 'data': 1.2, 'evaluation': 2.0, 'total': 3.2}
  assert summary['detector']['mask_iou_mean'] is None and summary['detector']['presence_auroc_macro'] == 0.8
  assert summary['generation']['within_class_diversity'] is None and summary['generation']['confusable_top1'] is None
  assert summary['throughput'] == {'train_examples_per_s': 30.0, 'train_gflops': None, 'matmul_gflops': 50.0}
  shown = [row['metric'] for row in summary['table']]
  assert not any('mask' in name or 'diversity' in name or 'confusable' in name for name in shown)


def test_mask_figures_and_targets(out, results):
  results['detection'] |= {'mask_iou': estimate(0.5), 'mask_iou_band_energy': estimate(0.4)}
  summary = quickstart_summary.summarise(out, results, {}, 1.0)
  rows = {row['metric']: row for row in summary['table']}
  assert summary['detector']['mask_iou_mean'] == rows['mask IoU']['value'] == 0.5
  assert rows['judge top-1, round trip']['met'] is True
  assert rows['onset error, s (median)']['chance'] == 0.8 and rows['onset error, s (median)']['target'] == '< 0.25 s'
