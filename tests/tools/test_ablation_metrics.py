"""What one run's results.json holds, with evaluators and networks of straw; and the renderings that overlap tests share."""

import json
import types

import ml_collections
import numpy as np
import pytest

from data_pipeline import taxonomy
from sgm.audio import spectrogram
from sgm.evaluation import overlap
from tools import ablation_metrics
from tools import evaluated_runs
from tools import overlap_reference
from tools import quickstart_cost

CODEC = {'name': 'autoencoder', 'levels': 5}
SPECIES = 4


def evaluator(sums, details, asked):
  """A class of evaluators that give `sums` and note what they were built with."""
  class Stub:
    def __init__(self, context, **settings):
      asked.append(settings)
      self.details = details

    def run(self, params, frozen):
      return sums(asked[-1]) if callable(sums) else sums
  return Stub


@pytest.fixture
def straw(tmp_path, monkeypatch):
  """Work directories, runs and evaluators; `asked` has the settings of each evaluator that was built."""
  record = lambda fingerprint, **config: {'config': config, 'config_fingerprint': fingerprint, 'data_fingerprint': 'd',
                                          'git_commit': 'c', 'versions': {'jax': '1'}}
  folders = {}
  for name, content in (('ae', record('a', model=CODEC)), ('judge', record('j')), ('ldm', record('l', codec=CODEC))):
    folders[name] = tmp_path / name
    folders[name].mkdir()
    (folders[name] / 'config.json').write_text(json.dumps(content))
    rows = [{'step': k, 'train/seconds': 5.0 * k, 'train/examples_per_s': rate} for k, rate in ((1, 4.0), (2, 9.0), (3, 6.0))]
    rows.append({'step': 3, 'loss/mse': 1.0})
    (folders[name] / 'metrics.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))

  config = ml_collections.ConfigDict(dict(
      total_steps=30, batch_size=2, codec=CODEC, data=dict(dir='here', ops=['gain(db=(-6, 3))']),
      clip=dict(frames=16, seconds=2.56, prepare=['level(-26)']), frontend=dict(bands=8)))
  code = types.SimpleNamespace(channels=1, latent_shape=lambda shape: (1, 2, 1, 3))
  run = types.SimpleNamespace(
      config=config, frozen={}, params={'a': np.zeros((2, 3), np.float32), 'b': np.zeros(4, np.float16)},
      labels=types.SimpleNamespace(taxonomy=taxonomy.Taxonomy(taxonomy.PROCEDURAL.species[:SPECIES], 'few', None)),
      task=types.SimpleNamespace(model=code, autoencoder=code))
  monkeypatch.setattr(evaluated_runs, 'open_run', lambda workdir, expect: (run, None))
  monkeypatch.setattr(evaluated_runs, 'splits', lambda directory: evaluated_runs.Splits('single', 5, 'pairs'))
  monkeypatch.setattr(quickstart_cost, 'flops_per_example', lambda task, frozen, features: 3e6)

  asked = {name: [] for name in ('reconstruction', 'loss', 'fidelity', 'detection')}
  each = np.arange(4.0)
  details = dict.fromkeys(('distortion', 'rate', 'nats', 'log_spectral_distance_db'), each) | {'judge_top1_roundtrip': each > 0}
  heard = lambda settings: {
      'top1': (0.75 * settings['limit'], settings['limit']), 'top1_real': (settings['limit'], settings['limit']),
      'onset_error_s': (0.1, 1.0), 'onset_error_s_shuffled': (0.6, 1.0), 'onset_error_s_real': (0.05, 1.0),
      'diversity': (np.nan, 1.0)}
  spotted = {'presence': np.zeros((7, SPECIES)), 'iou': np.array([0.5, 1.0])}
  patched = (
      ('reconstruction', 'reconstruction', 'Reconstruction', {}, details),
      ('loss', 'validation', 'Loss', {'mse': (3.0, 6.0)}, {}),
      ('fidelity', 'label_fidelity', 'LabelFidelity', heard, {}),
      ('detection', 'detection', 'Detection', {'presence_auroc': (0.9, 1.0)}, spotted))
  for name, module, kind, sums, found in patched:
    monkeypatch.setattr(getattr(ablation_metrics, module), kind, evaluator(sums, found, asked[name]))
  where = {name: str(folders[name]) for name in folders}
  return types.SimpleNamespace(
      run=run, asked=asked, spotted=spotted, folders=folders,
      results=lambda limit=40, say=print: ablation_metrics.results(where['ldm'], where['ae'], where['judge'], limit, say))


def test_results_of_a_run(straw):
  said = []
  found = straw.results(say=said.append)
  metrics = {name: entry['value'] for name, entry in found['metrics'].items()}
  assert metrics == {
      'distortion': 1.5, 'rate': 1.5, 'nats': 1.5, 'log_spectral_distance_db': 1.5, 'judge_roundtrip': 0.75,
      'mse': 0.5, 'label_fidelity': 0.75, 'label_fidelity_text': 0.75, 'onset_error_s': 0.1,  # no diversity: nan
      'detector_auroc': 0.9, 'detector_mask_iou': 0.75}
  assert found['metrics']['label_fidelity'] == {'value': 0.75, 'n': 40, 'chance': 0.25, 'real': 1.0}
  assert found['metrics']['label_fidelity_text']['n'] == 20 and found['metrics']['detector_auroc']['n'] == 7
  cost = {'parameters': 10, 'bytes': 32, 'mflop_per_example': 3.0, 'latent_scalars': 6, 'examples_per_s': 6.0}
  assert found['cost'] == {**cost, 'autoencoder': cost}
  assert (found['examples'], found['seconds'], found['commit'], found['versions']) == (60, 15.0, 'c', {'jax': '1'})
  assert said[0] == 'no overlap test: the data are stereo, or brought to a level before they are heard'


def test_evaluations_follow_the_limit_and_share_their_seed(straw):
  straw.results(limit=40)
  both, text = straw.asked['fidelity']
  assert (both['condition'], both['limit'], both['repeats']) == ('both', 40, 8)
  assert (text['condition'], text['limit'], text['repeats']) == ('text', 20, 4)
  [spotting] = straw.asked['detection']
  assert (spotting['split'], spotting['limit']) == ('pairs', 20)
  assert (spotting['threshold_split'], spotting['threshold_limit']) == ('val', 10)
  assert both['seed'] == text['seed'] == spotting['seed'] == ablation_metrics.SEED


def test_no_stems_no_masks(straw):
  del straw.spotted['iou']
  assert 'detector_mask_iou' not in straw.results()['metrics']


def test_the_autoencoder_is_measured_once(straw):
  first = straw.results()
  assert straw.results() == first and len(straw.asked['reconstruction']) == 1
  straw.results(limit=80)
  assert len(straw.asked['reconstruction']) == 2
  record = json.loads((straw.folders['judge'] / 'config.json').read_text())
  (straw.folders['judge'] / 'config.json').write_text(json.dumps({**record, 'config_fingerprint': 'another'}))
  straw.results(limit=80)
  assert len(straw.asked['reconstruction']) == 3


def test_peak_memory_where_the_loop_noted_it(straw):
  with (straw.folders['ldm'] / 'metrics.jsonl').open('a') as f:
    f.writelines(json.dumps({'step': 40, 'train/peak_memory_mb': mb}) + '\n' for mb in (700.0, 720.0))
  cost = straw.results()['cost']
  assert cost['peak_memory_mb'] == 720 and 'peak_memory_mb' not in cost['autoencoder']


def test_an_autoencoder_of_another_run_is_refused(straw):
  record = json.loads((straw.folders['ae'] / 'config.json').read_text())
  record['config']['model'] = {**CODEC, 'levels': 16}
  (straw.folders['ae'] / 'config.json').write_text(json.dumps(record))
  with pytest.raises(ValueError, match='stands on another autoencoder'):
    straw.results()


def test_overlap_metrics(monkeypatch):
  """A model that draws what the renderings hold is at the floor; one that draws their mean is not, where they differ."""
  rng = np.random.default_rng(0)
  s = np.full((2, 60, 8, 8), 0.5, np.float32)
  s[:, :, :4] = rng.choice([0.25, 1.0], (2, 60, 4, 8))  # two modes where birds overlap
  kinds = {kind: np.zeros((2, 8, 8), bool) for kind in overlap.KINDS}
  kinds['overlap'][:, :4] = kinds['single'][0, 4:6] = kinds['background'][:, 6:] = True
  reference = overlap_reference.Reference(('a', 'b'), s, kinds)
  run = types.SimpleNamespace(task=None, params=None, frozen=None, config=ml_collections.ConfigDict({'codec': CODEC}))
  drawn = {'sample': s[:, rng.permutation(60)[:20]], 'expectation': np.broadcast_to(s.mean(1, keepdims=True), (2, 20, 8, 8))}
  monkeypatch.setattr(ablation_metrics.sample, 'condition_of', lambda run, requests, kind: [r.scene for r in requests])
  monkeypatch.setattr(overlap, 'generated', lambda task, params, frozen, condition, count, seed: drawn)
  found = ablation_metrics.overlap_metrics(run, reference, 20)
  assert set(found) == {f'overlap_{kind}_{how}' for kind in overlap.KINDS for how in ('floor', 'expectation', 'sample')}
  value = {name.removeprefix('overlap_'): entry['value'] for name, entry in found.items()}
  assert value['overlap_expectation'] > 0.1 > 0.02 > max(abs(value['overlap_sample']), abs(value['overlap_floor']))
  assert value['single_floor'] == value['single_sample'] == value['background_expectation'] == 0
  assert (found['overlap_overlap_sample']['n'], found['overlap_single_sample']['n']) == (64, 16)


@pytest.fixture
def few(monkeypatch):
  for name, value in dict(SCENES=1, RENDERINGS=12, PROBES=6, CELLS=1).items():
    monkeypatch.setattr(overlap_reference, name, value)


def birds(ops=('random_crop({clip.samples})', 'gain(db=(-6, 3))'), prepare=('decode(channels=1)',), codes=taxonomy.PROCEDURAL):
  frontend = spectrogram.Frontend(
      sample_rate=16000, n_fft=1024, hop=512, bands=16, low_hz=150.0, high_hz=8000.0, db_range=(-90.0, -10.0), scale='mel')
  config = dict(data=dict(ops=list(ops)), clip=dict(seconds=2.56, samples=40960, prepare=list(prepare)))
  return types.SimpleNamespace(
      config=ml_collections.ConfigDict(config), labels=types.SimpleNamespace(taxonomy=codes),
      task=types.SimpleNamespace(frontend=frontend, autoencoder=types.SimpleNamespace(channels=1)))


def test_renderings_are_made_once(few, tmp_path, monkeypatch):
  made = overlap_reference.reference(birds(), tmp_path)
  assert made.s.shape == (1, 12, 80, 16) and 0 <= made.s.min() < made.s.max() <= 1
  assert set(made.kinds) == set(overlap.KINDS) and made.kinds['overlap'].any() and made.kinds['background'].any()
  [event, _] = made.scenes[0].events
  assert made.scenes[0].events[0].species != made.scenes[0].events[1].species and event.onset > 0
  # Cells of a bird are louder than the same band's cells without one.
  single, background = made.kinds['single'][0], made.kinds['background'][0]
  band = single.any(0) & background.any(0)
  loud = lambda cells: np.nanmean(np.where(cells, made.s[0].mean(0), np.nan)[:, band], 0)
  assert (loud(single) > loud(background)).all()
  kept = overlap_reference._make
  monkeypatch.setattr(overlap_reference, '_make', None)
  again = overlap_reference.reference(birds(), tmp_path)
  np.testing.assert_array_equal(again.s, made.s)
  assert again.scenes == made.scenes
  monkeypatch.setattr(overlap_reference, '_make', kept)
  louder = overlap_reference.reference(birds(ops=('gain(3)',)), tmp_path)
  assert len(list(tmp_path.iterdir())) == 2 and np.abs(louder.s - made.s).max() > 0.05


@pytest.mark.parametrize('ops, expected', [
    (('random_crop({clip.samples})', 'gain(db=(-6, 3))'), (-6, 3)), (('gain((-1, 2))',), (-1, 2)), (('gain(3)',), (3, 3)),
    (('prompt',), (0, 0))])
def test_the_gain_of_the_training_data(ops, expected):
  assert overlap_reference._gain_db(birds(ops).config) == expected


def test_what_cannot_be_sounded_anew():
  assert overlap_reference.obstacle(birds()) is None
  assert 'level' in overlap_reference.obstacle(birds(prepare=('decode(channels=1)', 'level(-26)')))
  eider = taxonomy.Species('comeid', 'Common eider', 'Somateria mollissima')
  assert 'not comeid' in overlap_reference.obstacle(birds(codes=taxonomy.Taxonomy((eider,), 'eBird', 2021)))
