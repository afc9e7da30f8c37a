"""summary.json of a finished chain: the figures of its evaluation, with their chance levels, intervals and targets."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np

from sgm.training import clock
from sgm.training import metrics as metrics_file


def _median(values: list[float]) -> float | None:
  return float(np.median(values)) if values else None


def summarise(out: pathlib.Path, results: dict[str, Any], seconds: dict[str, float], peak_gib: float) -> dict[str, Any]:
  """summary.json of a chain; returns its content."""
  r, both, text, found = (results[k] for k in ('reconstruction', 'generation_both', 'generation_text', 'detection'))
  roll = results['generation_roll']
  record = json.loads((out / 'ldm' / 'config.json').read_text())
  steps = metrics_file.read_metrics(out / 'ldm')
  value = lambda d, key: d[key]['value'] if key in d else None
  typical = lambda name: _median([row[name] for row in steps if name in row])  # windows vary with the machine's load
  rows = []

  def row(group, metric, source, key, chance=None, target=None, met=None, note=''):
    if value(source, key) is not None:
      e = {'ci95': None, **source[key]}
      rows.append({'group': group, 'metric': metric, 'value': e['value'], 'ci95': e['ci95'], 'n': e['n'],
                   'chance': chance, 'target': target, 'note': note, **({} if met is None else {'met': bool(met)})})

  direct, roundtrip = value(r, 'judge_top1_direct'), value(r, 'judge_top1_roundtrip')
  row('autoencoder', 'judge top-1, clips as they are', r, 'judge_top1_direct')
  row('autoencoder', 'judge top-1, through Griffin-Lim', r, 'judge_top1_rendered')
  row('autoencoder', 'judge top-1, round trip', r, 'judge_top1_roundtrip', target='within 0.03 of direct', met=direct - roundtrip <= 0.03)
  row('autoencoder', 'log-spectral distance, dB', r, 'log_spectral_distance_db')
  row('autoencoder', 'distortion, nats per cell', r, 'distortion')
  row('autoencoder', 'rate, nats per cell', r, 'rate')
  chance = both['chance']
  row('generation', 'label fidelity, text and roll', both, 'top1', chance, '>= 0.85')
  row('generation', 'label fidelity, confusable pairs', both, 'top1_confusable', chance)
  row('generation', 'label fidelity, text only', text, 'top1', chance)
  row('generation', 'label fidelity, roll only', roll, 'top1', chance)
  row('generation', 'judge top-1, real clips', both, 'top1_real', chance)
  row('generation', 'onset error, s (median)', both, 'onset_error_s_median', value(both, 'onset_error_s_shuffled'), '< 0.25 s',
      note='chance: onsets of other clips')
  row('generation', 'onset error, s, text only', text, 'onset_error_s_median', value(text, 'onset_error_s_shuffled'))
  row('generation', 'onset error, s, real clips', both, 'onset_error_s_real')
  row('generation', 'within-class diversity (1 = real)', both, 'within_class_diversity')
  row('detector', 'presence AUROC, macro', found, 'presence_auroc', 0.5, '>= 0.95')
  row('detector', 'presence AUROC, band energy', found, 'presence_auroc_band_energy', 0.5)
  row('detector', 'which of a confusable pair, AUROC', found, 'pair_auroc', 0.5)
  row('detector', 'which of a confusable pair, band energy', found, 'pair_auroc_band_energy', 0.5)
  row('detector', 'presence AUROC, shuffled labels', found, 'presence_auroc_shuffled', 0.5)
  row('detector', 'top-1', found, 'top1', found['top1_chance'])
  row('detector', 'mask IoU', found, 'mask_iou', None, '>= 0.45')
  row('detector', 'mask IoU, band energy', found, 'mask_iou_band_energy')

  summary = {
      'wall_seconds': {**{k: round(v, 1) for k, v in seconds.items()}, 'total': round(sum(seconds.values()), 1)},
      'peak_memory_gib': round(peak_gib, 2),
      'autoencoder': {
          'judge_top1_direct': direct, 'judge_top1_rendered': value(r, 'judge_top1_rendered'), 'judge_top1_roundtrip': roundtrip,
          'log_spectral_distance_db': value(r, 'log_spectral_distance_db'), 'distortion_nats_per_cell': value(r, 'distortion'),
          'rate_nats_per_cell': value(r, 'rate')},
      'generation': {
          'label_fidelity_top1': value(both, 'top1'), 'chance': chance, 'n': both['top1']['n'], 'ci95': both['top1']['ci95'],
          'text_only_top1': value(text, 'top1'), 'roll_only_top1': value(roll, 'top1'),
          'confusable_top1': value(both, 'top1_confusable'),
          **{key: value(both, key) for key in ('within_class_diversity', 'onset_error_s_median', 'onset_error_s_shuffled',
                                               'onset_error_s_real')}},
      'detector': {
          **{f'{key}_macro' if key == 'presence_auroc' else key: value(found, key) for key in (
              'presence_auroc', 'presence_auroc_band_energy', 'pair_auroc', 'pair_auroc_band_energy',
              'presence_auroc_shuffled', 'top1')},
          'mask_iou_mean': value(found, 'mask_iou'), 'mask_iou_band_energy': value(found, 'mask_iou_band_energy')},
      'throughput': {
          'train_examples_per_s': typical('train/examples_per_s'), 'train_gflops': typical('train/gflops'),
          'matmul_gflops': clock.matmul_gflops()},
      'latent_against_pixel': results['cost']['rows'],
      'parameters': results['cost']['parameters'],
      'example_prompt': results['samples']['example_prompt'],
      'config_fingerprint': record['config_fingerprint'], 'seed': record['seed'], 'versions': record['versions'],
      'table': rows,
  }
  partial = out / 'summary.json.tmp'
  partial.write_text(json.dumps(summary, indent=1, allow_nan=False))
  partial.rename(out / 'summary.json')
  return summary
