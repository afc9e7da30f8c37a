"""The figures and pictures of a finished chain: evaluators run by hand, their results put into summary.json and gallery.json."""

from __future__ import annotations

import functools
import json
import pathlib
from typing import Any

import jax
import numpy as np

from data_pipeline import pipeline
from data_pipeline import species as species_lib
from sgm import render
from sgm import sample
from sgm.evaluation import bootstrap
from sgm.evaluation import detection
from sgm.evaluation import evaluator as evaluator_lib
from sgm.evaluation import judge as judge_lib
from sgm.evaluation import label_fidelity
from sgm.evaluation import metrics
from sgm.evaluation import reconstruction
from sgm.tasks import restore
from sgm.training import clock
from sgm.training import metrics as metrics_file
from tools import quickstart_cost

PICTURES = 6
SAMPLES_PER_PROMPT = 2
DETECTOR = dict(ts=(0.75, 0.85, 0.9), noises=6, top=16)


def _context(workdir: pathlib.Path) -> tuple[restore.Run, evaluator_lib.Context]:
  run = restore.load(workdir)
  batches = functools.partial(pipeline.eval_batches, run.config.data.dir)
  return run, evaluator_lib.Context(run.config, run.task, run.labels, batches)


def example_prompts(labels: restore.Labels) -> list[str]:
  """One prompt for each of eight species at most, in the grammar's words, and one of two birds."""
  names = [s.common for s in labels.taxonomy.species]
  forms = ('Forest environment, a {} singing at the start, lightly noisy environment', 'a {} calling in the middle, near a river',
           'Quiet environment, a {} singing loudly towards the end', 'wind, a {} singing throughout')
  prompts = [forms[i % len(forms)].format(name) for i, name in enumerate(names[:7])]
  if len(names) > 1:
    prompts.append(f'Forest environment, a {names[0]} singing lightly at the start, near a river, a {names[-1]} calling towards the end')
  return prompts


def evaluate(out: pathlib.Path, *, limit: int, seed: int) -> dict[str, Any]:
  """Runs reconstruction, label fidelity (three conditions), detection and the cost comparison; writes samples and gallery.

  Each part's small results are kept in OUT/evaluation/<part>.json and are not computed again.
  """
  folder = out / 'evaluation'
  folder.mkdir(exist_ok=True)
  splits = pipeline.open_dataset(str(out / 'data')).splits
  single = 'single' if 'single' in splits else 'test'
  mixtures = 'pairs' if 'pairs' in splits else 'test'
  parts = {
      'reconstruction': lambda: _reconstruction(out, limit),
      **{f'generation_{kind}': functools.partial(_generation, out, single, limit, kind, seed) for kind in label_fidelity.CONDITIONS},
      'detection': lambda: _detection(out, mixtures, limit, seed),
      'samples': lambda: _samples(out, seed),
      'cost': lambda: quickstart_cost.compare(out),
  }
  results = {}
  for name, part in parts.items():
    path = folder / f'{name}.json'
    if not path.exists():
      result = part()
      partial = path.with_suffix('.tmp')
      partial.write_text(json.dumps(result, indent=1))
      partial.rename(path)
    results[name] = json.loads(path.read_text())
    print(f'    {name} done', flush=True)
  gallery = [entry for result in results.values() for entry in result.get('gallery', [])]
  (out / 'gallery.json').write_text(json.dumps(gallery, indent=1))
  return results


def _estimate(e: bootstrap.Estimate) -> dict[str, Any]:
  return {'value': float(e.value), 'ci95': [float(x) for x in e.ci95], 'n': int(e.n)}


def _mean(values: np.ndarray) -> dict[str, Any]:
  return _estimate(bootstrap.bootstrap(np.mean, np.asarray(values, np.float64)))


def _macro(m: metrics.Macro) -> dict[str, Any]:
  return {'value': float(m.value), 'ci95': [float(x) for x in m.ci95], 'n': int(m.n), 'per_class': [float(x) for x in m.per_class]}


def _grid(run: restore.Run) -> render.Grid:
  frontend = run.task.frontend
  return render.Grid(run.config.clip.seconds, tuple(frontend.band_hz), frontend.db_range)


def _media(out: pathlib.Path, name: str, picture: bytes, audio: np.ndarray | None, rate: int) -> dict[str, Any]:
  folder = out / 'evaluation' / 'media'
  folder.mkdir(parents=True, exist_ok=True)
  (folder / f'{name}.png').write_bytes(picture)
  if audio is not None:
    (folder / f'{name}.wav').write_bytes(render.encode_wav(audio, rate)[0])
  return {'image': f'evaluation/media/{name}.png', 'audio': None if audio is None else f'evaluation/media/{name}.wav'}


def _reconstruction(out: pathlib.Path, limit: int) -> dict[str, Any]:
  run, context = _context(out / 'autoencoder')
  e = reconstruction.Reconstruction(context, split='test', every=1, limit=limit, batch_size=64, judge=str(out / 'judge'))
  e.run(run.params, run.frozen)
  d = e.details
  names = ('distortion', 'rate', 'log_spectral_distance_db', 'judge_top1_direct', 'judge_top1_rendered', 'judge_top1_roundtrip')
  result: dict[str, Any] = {name: _mean(d[name]) for name in names}
  gallery, rate = [], run.task.frontend.sample_rate
  birds = [i for i in range(len(d['label'])) if d['label'][i, :-1].any()][:PICTURES // 2]
  for i in birds:
    who = ', '.join(s.common for s, there in zip(run.labels.taxonomy.species, d['label'][i]) if there)
    for kind, s in (('direct', d['spectrogram']), ('rendered', d['spectrogram']), ('roundtrip', d['reconstruction'])):
      title = {'direct': 'original', 'rendered': 'spectrogram, Griffin-Lim', 'roundtrip': 'autoencoder, Griffin-Lim'}[kind]
      picture = render.spectrogram_figure(s[i, ..., 0], _grid(run), title=title)
      gallery.append({'section': 'reconstruction', 'group': f'reconstruction {i}', 'title': title, 'caption': who,
                      **_media(out, f'reconstruction_{i}_{kind}', picture, d[f'audio_{kind}'][i], rate)})
  return {**result, 'gallery': gallery}


def _generation(out: pathlib.Path, split: str, limit: int, kind: str, seed: int) -> dict[str, Any]:
  run, context = _context(out / 'ldm')
  e = label_fidelity.LabelFidelity(context, split=split, every=1, limit=limit, batch_size=32, judge=str(out / 'judge'),
                                   condition=kind, seed=seed)
  sums = e.run(run.params, run.frozen)
  d = e.details
  taxonomy = run.labels.taxonomy
  hit = d['choice'] == d['species']
  result = {
      'top1': _estimate(metrics.top1_accuracy(np.eye(len(taxonomy) + 1)[d['choice']], d['species'])),
      'top1_real': _mean(d['real_choice'] == d['species']),
      'onset_error_s_median': _estimate(metrics.median(d['error'])),
      'onset_error_s_shuffled': _estimate(metrics.median(d['error_shuffled'])),
      'onset_error_s_real': _estimate(metrics.median(d['real_error'])),
      'within_class_diversity': {'value': sums['diversity'][0], 'n': len(hit)},
      'per_species': {s.common: float(hit[d['species'] == i].mean()) for i, s in enumerate(taxonomy.species) if (d['species'] == i).any()},
      'chance': 1.0 / len(taxonomy),
  }
  pairs = [p for p in species_lib.CONFUSABLE if set(p) <= set(taxonomy.codes)]
  if pairs:
    rows = np.isin(d['species'], [taxonomy.index(code) for pair in pairs for code in pair])
    result['top1_confusable'] = _mean(hit[rows])
    result['top1_real_confusable'] = _mean((d['real_choice'] == d['species'])[rows])
  return result


def _detection(out: pathlib.Path, split: str, limit: int, seed: int) -> dict[str, Any]:
  run, context = _context(out / 'ldm')
  e = detection.Detection(context, split=split, every=1, limit=limit, batch_size=16, fit_split='train', fit_limit=2000,
                          threshold_split='val', floor_db=-75.0, seed=seed, **DETECTOR)
  e.run(run.params, run.frozen)
  d, taxonomy = e.details, run.labels.taxonomy
  result: dict[str, Any] = {
      'presence_auroc': _macro(metrics.macro_auroc(d['scores'], d['presence'], interval=True)),
      'presence_auroc_band_energy': _macro(metrics.macro_auroc(d['band_scores'], d['presence'], interval=True)),
      'presence_auroc_shuffled': _macro(metrics.macro_auroc(d['scores'], d['shuffled'], interval=True)),
      'top1': _mean(d['top1']), 'top1_chance': float(d['presence'].mean()),
  }
  pairs = [p for p in species_lib.CONFUSABLE if set(p) <= set(taxonomy.codes)]
  if pairs:
    columns = [taxonomy.index(code) for pair in pairs for code in pair]
    for name, scores in (('presence_auroc_confusable', d['scores']), ('presence_auroc_band_energy_confusable', d['band_scores'])):
      result[name] = _macro(metrics.macro_auroc(scores[:, columns], d['presence'][:, columns], interval=True))
  if 'iou' in d:
    result['mask_iou'], result['mask_iou_band_energy'] = _mean(d['iou']), _mean(d['band_iou'])
  gallery = []
  for i in range(min(PICTURES, len(d['audio']))):
    there = np.flatnonzero(d['presence'][i])
    shape = d['spectrogram'].shape[1:]
    found = detection.predicted_masks(d['maps'][i, there], shape, float(d['fraction']))
    names = [taxonomy.species[k].common for k in there]
    kinds = [('detector', dict(zip(names, found)))]
    if d['masks'][i].any():
      kinds.insert(0, ('true', dict(zip(names, d['masks'][i, there]))))
    for kind, masks in kinds:
      title = {'true': 'true mask, from the stems', 'detector': 'mask of the denoising gain'}[kind]
      picture = render.spectrogram_figure(d['spectrogram'][i], _grid(run), title=title, masks=masks)
      gallery.append({'section': 'detector', 'group': f'detector {i}', 'title': title, 'caption': ', '.join(names),
                      **_media(out, f'detector_{i}_{kind}', picture, d['audio'][i], run.task.frontend.sample_rate)})
  return {**result, 'gallery': gallery}


def _samples(out: pathlib.Path, seed: int) -> dict[str, Any]:
  """Clips from written prompts, and what the judge hears in each (stored apart from the labels)."""
  run = restore.load(out / 'ldm', expect='latent_diffusion')
  requests = sample.plan(run, example_prompts(run.labels), SAMPLES_PER_PROMPT, seed)
  s, audio = sample.generate(run, requests, seed, 'both')
  heard = judge_lib.Judge(str(out / 'judge')).hear(audio)['probability']
  codes = (*run.labels.taxonomy.codes, 'none')
  checks = [{'heard': codes[int(p.argmax())], 'probability': float(p.max())} for p in heard]
  paths = sample.write(run, requests, s, audio, out / 'samples', seed=seed, kind='both', checks=checks)
  gallery = []
  for request, path, check in zip(requests, paths, checks):
    asked = {e.species for e in request.scene.events}
    verdict = 'heard as asked' if check['heard'] in asked else f"heard as {check['heard']}"
    where = path.relative_to(out)
    gallery.append({'section': 'generated', 'title': request.prompt, 'caption': f'the judge: {verdict}',
                    'audio': f'{where}/audio.wav', 'image': f'{where}/spectrogram.png'})
  return {'example_prompt': requests[0].prompt, 'gallery': gallery}


def summarise(out: pathlib.Path, results: dict[str, Any], seconds: dict[str, float], peak_gib: float) -> dict[str, Any]:
  """summary.json of a chain; returns its content."""
  r, both, text, found = (results[k] for k in ('reconstruction', 'generation_both', 'generation_text', 'detection'))
  roll = results['generation_roll']
  record = json.loads((out / 'ldm' / 'config.json').read_text())
  last = metrics_file.last_metrics(out / 'ldm')
  value = lambda d, key: d[key]['value'] if key in d else None
  rows = []

  def row(group, metric, source, key, chance=None, target=None, met=None, note=''):
    if key in source:
      e = source[key]
      rows.append({'group': group, 'metric': metric, 'value': e['value'], 'ci95': e.get('ci95'), 'n': e.get('n'),
                   'chance': chance, 'target': target, 'note': note, **({} if met is None else {'met': bool(met)})})

  direct, roundtrip = value(r, 'judge_top1_direct'), value(r, 'judge_top1_roundtrip')
  row('autoencoder', 'judge top-1, clips as they are', r, 'judge_top1_direct')
  row('autoencoder', 'judge top-1, through Griffin-Lim', r, 'judge_top1_rendered')
  row('autoencoder', 'judge top-1, round trip', r, 'judge_top1_roundtrip', target='within 0.03 of direct', met=direct - roundtrip <= 0.03)
  row('autoencoder', 'log-spectral distance, dB', r, 'log_spectral_distance_db')
  row('autoencoder', 'distortion, nats per cell', r, 'distortion')
  row('autoencoder', 'rate, nats per cell', r, 'rate')
  chance = both['chance']
  row('generation', 'label fidelity, text and roll', both, 'top1', chance, '>= 0.85', value(both, 'top1') >= 0.85)
  row('generation', 'label fidelity, confusable pairs', both, 'top1_confusable', chance)
  row('generation', 'label fidelity, text only', text, 'top1', chance)
  row('generation', 'label fidelity, roll only', roll, 'top1', chance)
  row('generation', 'judge top-1, real clips', both, 'top1_real', chance)
  row('generation', 'onset error, s (median)', both, 'onset_error_s_median', value(both, 'onset_error_s_shuffled'), '< 0.25',
      value(both, 'onset_error_s_median') < 0.25, 'chance: onsets of other clips')
  row('generation', 'onset error, s, text only', text, 'onset_error_s_median', value(text, 'onset_error_s_shuffled'))
  row('generation', 'onset error, s, real clips', both, 'onset_error_s_real')
  row('generation', 'within-class diversity (1 = real)', both, 'within_class_diversity')
  row('detector', 'presence AUROC, macro', found, 'presence_auroc', 0.5, '>= 0.95', value(found, 'presence_auroc') >= 0.95)
  row('detector', 'presence AUROC, band energy', found, 'presence_auroc_band_energy', 0.5)
  row('detector', 'presence AUROC, confusable', found, 'presence_auroc_confusable', 0.5)
  row('detector', 'presence AUROC, confusable, band energy', found, 'presence_auroc_band_energy_confusable', 0.5)
  row('detector', 'presence AUROC, shuffled labels', found, 'presence_auroc_shuffled', 0.5)
  row('detector', 'top-1', found, 'top1', found['top1_chance'])
  if 'mask_iou' in found:
    row('detector', 'mask IoU', found, 'mask_iou', None, '>= 0.45', value(found, 'mask_iou') >= 0.45)
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
              'presence_auroc', 'presence_auroc_band_energy', 'presence_auroc_confusable', 'presence_auroc_band_energy_confusable',
              'presence_auroc_shuffled', 'top1')},
          'mask_iou_mean': value(found, 'mask_iou'), 'mask_iou_band_energy': value(found, 'mask_iou_band_energy')},
      'throughput': {
          'train_examples_per_s': last['train/examples_per_s'], 'train_gflops': last['train/gflops'],
          'matmul_gflops': clock.matmul_gflops()},
      'latent_against_pixel': results['cost']['rows'],
      'parameters': results['cost']['parameters'],
      'example_prompt': results['samples']['example_prompt'],
      'config_fingerprint': record['config_fingerprint'], 'seed': record['seed'], 'versions': record['versions'],
      'table': rows,
  }
  partial = out / 'summary.json.tmp'
  partial.write_text(json.dumps(summary, indent=1))
  partial.rename(out / 'summary.json')
  return summary
