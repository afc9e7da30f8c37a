"""The figures and pictures of a finished chain: evaluators run by hand, their results put into evaluation/ and gallery.json."""

from __future__ import annotations

import functools
import json
import math
import pathlib
from typing import Any

import numpy as np

from data_pipeline import prompts as prompts_lib
from data_pipeline import species as species_lib
from sgm import render
from sgm import sample
from sgm.evaluation import bootstrap
from sgm.evaluation import detection
from sgm.evaluation import judge as judge_lib
from sgm.evaluation import label_fidelity
from sgm.evaluation import metrics
from sgm.evaluation import reconstruction
from sgm.tasks import restore
from tools import evaluated_runs
from tools import quickstart_cost

PICTURES = 6
SAMPLES_PER_PROMPT = 2


def example_prompts(labels: restore.Labels) -> list[str]:
  """One prompt for each of eight species at most, in the grammar's words, and one of two birds."""
  names = [f'{prompts_lib.article_of(s.common)} {s.common}' for s in labels.taxonomy.species]
  forms = ('Forest environment, {} singing at the start, lightly noisy environment', '{} calling in the middle, near a river',
           'Quiet environment, {} singing loudly towards the end', 'wind, {} singing throughout')
  prompts = [forms[i % len(forms)].format(name) for i, name in enumerate(names[:7])]
  if len(names) > 1:
    prompts.append(f'Forest environment, {names[0]} singing lightly at the start, near a river, {names[-1]} calling towards the end')
  return prompts


def evaluate(out: pathlib.Path, *, limit: int, seed: int) -> dict[str, Any]:
  """Runs reconstruction, label fidelity (three conditions), detection and the cost comparison; writes samples and gallery.

  Each part's small results are kept in OUT/evaluation/<part>.json, and computed again only for other models or arguments.
  """
  folder = out / 'evaluation'
  folder.mkdir(exist_ok=True)
  splits = evaluated_runs.splits(str(out / 'data'))
  key = {'limit': limit, 'seed': seed, **{name: restore.fingerprint(out / name) for name in ('autoencoder', 'judge', 'ldm')}}
  clips = {'both': limit, 'text': max(1, limit // 2), 'roll': max(1, limit // 2)}  # the ablations need no interval as narrow
  parts = {
      'reconstruction': lambda: _reconstruction(out, limit),
      **{f'generation_{kind}': functools.partial(_generation, out, splits, clips[kind], kind, seed) for kind in label_fidelity.CONDITIONS},
      'detection': lambda: _detection(out, splits.mixtures, limit, seed),
      'samples': lambda: _samples(out, seed),
      'cost': lambda: quickstart_cost.compare(out),
  }
  results = {}
  for name, part in parts.items():
    path = folder / f'{name}.json'
    if not path.exists() or json.loads(path.read_text()).get('key') != key:
      result = {'key': key, **part()}
      partial = path.with_suffix('.tmp')
      partial.write_text(json.dumps(result, indent=1, allow_nan=False))
      partial.rename(path)
    results[name] = json.loads(path.read_text())
    print(f'    {name} done', flush=True)
  gallery = [entry for result in results.values() for entry in result.get('gallery', [])]
  (out / 'gallery.json').write_text(json.dumps(gallery, indent=1))
  return results


def _number(x: float) -> float | None:
  """A finite number as JSON holds it, else None: a class without clips has no figure."""
  return float(x) if math.isfinite(x) else None


def _interval(ci95: tuple[float, float]) -> list[float] | None:
  return [float(x) for x in ci95] if all(map(math.isfinite, ci95)) else None


def _estimate(e: bootstrap.Estimate) -> dict[str, Any]:
  return {'value': _number(e.value), 'ci95': _interval(e.ci95), 'n': int(e.n)}


def _mean(values: np.ndarray) -> dict[str, Any]:
  return _estimate(bootstrap.bootstrap(np.mean, np.asarray(values, np.float64)))


def _macro(m: metrics.Macro) -> dict[str, Any]:
  return {'value': _number(m.value), 'ci95': _interval(m.ci95), 'n': int(m.n), 'per_class': [_number(x) for x in m.per_class]}


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
  run, context = evaluated_runs.open_run(out / 'autoencoder')
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


def _generation(out: pathlib.Path, splits: evaluated_runs.Splits, limit: int, kind: str, seed: int) -> dict[str, Any]:
  run, context = evaluated_runs.open_run(out / 'ldm')
  e = label_fidelity.LabelFidelity(context, split=splits.single, every=1, limit=limit, batch_size=32, judge=str(out / 'judge'),
                                   condition=kind, repeats=max(1, limit // splits.scenes), seed=seed)
  sums = e.run(run.params, run.frozen)
  d = e.details
  taxonomy = run.labels.taxonomy
  hit = d['choice'] == d['species']
  result = {
      'top1': _estimate(metrics.top1_accuracy(np.eye(len(taxonomy) + 1)[d['choice']], d['species'], groups=d['scene'])),
      'top1_real': _mean(d['real_choice'] == d['species']),
      'onset_error_s_median': _estimate(metrics.median(d['error'], groups=d['scene'])),
      'onset_error_s_shuffled': _estimate(metrics.median(d['error_shuffled'], groups=d['scene'])),
      'onset_error_s_real': _estimate(metrics.median(d['real_error'], groups=d['scene'])),
      'within_class_diversity': {'value': _number(sums['diversity'][0]), 'n': len(hit)},
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
  run, context = evaluated_runs.open_run(out / 'ldm')
  e = detection.Detection(context, split=split, every=1, limit=limit, batch_size=16, fit_split='train', fit_limit=2000,
                          threshold_split='val', threshold_limit=limit // 2, floor_db=-75.0, seed=seed, search={})
  e.run(run.params, run.frozen)
  d, taxonomy = e.details, run.labels.taxonomy
  result: dict[str, Any] = {
      'presence_auroc': _macro(metrics.macro_auroc(d['scores'], d['presence'], interval=True)),
      'presence_auroc_band_energy': _macro(metrics.macro_auroc(d['band_scores'], d['presence'], interval=True)),
      'presence_auroc_shuffled': _macro(metrics.macro_auroc(d['scores'], d['shuffled'], interval=True)),
      'top1': _mean(d['top1']), 'top1_chance': float(d['presence'].mean()),
  }
  pairs = [tuple(map(taxonomy.index, p)) for p in species_lib.CONFUSABLE if set(p) <= set(taxonomy.codes)]
  if pairs:
    for name, scores in (('pair_auroc', d['scores']), ('pair_auroc_band_energy', d['band_scores'])):
      result[name] = _estimate(bootstrap.bootstrap(
          lambda some, there: detection.pair_auroc(some, there, pairs), scores, d['presence']))
  if 'iou' in d:
    result['mask_iou'], result['mask_iou_band_energy'] = _mean(d['iou']), _mean(d['band_iou'])
  gallery = []
  for i in range(min(PICTURES, len(d['audio']))):
    there = np.flatnonzero(d['presence'][i])
    sound = np.repeat(d['spectrogram'][i:i + 1], len(there), 0)
    found = detection.predicted_masks(d['maps'][i, there], sound, d['thresholds'][there])
    names = [taxonomy.species[k].common for k in there]
    kinds = [('detector', dict(zip(names, found)))]
    if 'masks' in d and d['masks'][i].any():
      kinds.insert(0, ('true', dict(zip(names, d['masks'][i, there]))))
    for kind, masks in kinds:
      title = {'true': 'true mask, from the stems', 'detector': 'mask of the diffusion model'}[kind]
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
