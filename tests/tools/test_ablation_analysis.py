"""The answer of an invented sweep: differences, verdicts, controls, costs, and what stands in their way."""

import json

import numpy as np
import pytest

from tests.tools import sweeps
from tools import ablation_analysis, ablation_results
from tools import ablation_statistics as stats


def answer_of(tmp_path, **kw):
  return ablation_analysis.analyse(ablation_results.load(sweeps.write(tmp_path, **kw)))


def row_of(rows, arm, matching, against='scalar'):
  (row,) = [r for r in rows if (r['arm'], r['matching'], r['against']) == (arm, matching, against)]
  return row


def test_verdicts_of_a_sweep(tmp_path):
  answer = answer_of(tmp_path)
  words = {(r['arm'], r['matching']): r['verdict'] for r in answer['verdicts']}
  assert words['volume', 'parameters'] == words['volume', 'flops'] == 'better'
  assert words['volume_filled', 'parameters'] == 'worse'
  assert words['scalar_softmax', 'parameters'] == 'equivalent' and len(words) == 8
  assert not answer['missing'] and not answer['problems'] and answer['commits'] == [40 * 'c']
  assert json.loads(json.dumps(answer, allow_nan=False))['plan'] == sweeps.plan(sweeps.planned())

  fidelity = lambda arm, m: {run['seed']: run['metrics']['label_fidelity']['value'] for run in answer['runs']
                             if run['arm'] == arm and m in run['matchings']}
  volume, scalar = fidelity('volume', 'parameters'), fidelity('scalar', 'parameters')
  table = answer['metrics']['parameters']['label_fidelity']
  found = table['arms']['volume']
  expected = stats.estimate([volume[seed] - scalar[seed] for seed in range(6)])
  assert found['difference']['over_seeds'] == {'mean': expected.mean, 'ci95': expected.ci95, 'p': expected.p, 'n': 6}
  halves = [np.mean([volume[s] - scalar[s] for s in range(half, 6, 2)]) for half in (0, 1)]
  assert found['difference']['over_clusters']['ci95'] == pytest.approx(stats.estimate(halves).ci95)
  assert (found['mean'], found['n']) == (pytest.approx(np.mean(list(volume.values()))), 6)
  assert table['anchor'] == 'chance 0.083, real clips 0.980' and table['arms']['scalar']['difference'] is None
  assert row_of(answer['verdicts'], 'volume', 'flops')['difference']['seeds'] == (0, 1, 2)  # the reference has six, these three


def test_shared_luck_of_seeds_does_not_hide_a_difference(tmp_path):
  found = answer_of(tmp_path, noise=0.001)['metrics']['parameters']['label_fidelity']['arms']['volume']
  width = lambda ci95: ci95[1] - ci95[0]
  assert width(found['difference']['over_seeds']['ci95']) < 0.1 * width(found['ci95'])


def test_noise_shows_nothing(tmp_path):
  rows = answer_of(tmp_path, noise=0.3)['verdicts']
  assert sum(r['verdict'] == 'no difference shown' and 'worse to' in r['grounds'] for r in rows) >= 6
  assert all('as a hint only' in r['grounds'] for r in rows if r['verdict'] in ('better', 'worse'))  # one in 20 by chance


def test_controls(tmp_path):
  controls = answer_of(tmp_path)['controls']
  assert [(r['against'], r['matching']) for r in controls] == [
      ('scalar_softmax', 'parameters'), ('levels', 'parameters'), ('volume_permuted', 'parameters'), ('levels', 'flops')]
  assert {r['verdict'] for r in controls} == {'better'}
  assert controls[2]['meaning'] == 'Amplitude locality adds something beyond a volume with shuffled levels.'
  assert '3 paired seeds' in controls[2]['grounds'] and 'for 4 comparisons' in controls[2]['grounds']


def test_autoencoders_count_once(tmp_path):
  table = answer_of(tmp_path)['metrics']['parameters']['distortion']
  assert table['per'] == 'autoencoder' and table['arms']['volume']['n'] == 2
  assert table['arms']['volume']['difference']['over_seeds']['n'] == 2
  assert table['arms']['volume']['difference']['over_clusters'] is None


def test_a_floor_is_an_anchor_and_no_metric(tmp_path):
  tables = answer_of(tmp_path)['metrics']['parameters']
  assert tables['overlap_single_expectation']['anchor'] == 'real against real 0.012' and 'overlap_single_floor' not in tables
  assert list(tables)[0] == 'label_fidelity'


def test_arms_with_too_few_seeds_are_refused_and_the_rest_goes_on(tmp_path):
  late = {('volume', s) for s in range(1, 6)} | {('levels', 0)}
  answer = answer_of(tmp_path, finished=lambda run: (run['arm'], run['seed']) not in late)
  row = row_of(answer['verdicts'], 'volume', 'parameters')
  assert row['verdict'] is None and row['difference'] is None
  assert row['grounds'] == 'Fewer than two seeds in both at matched parameters: volume has 0, scalar has 0, 1, 2, 3, 4, 5.'
  assert row_of(answer['verdicts'], 'levels', 'parameters')['difference']['seeds'] == (1, 2, 3, 4, 5)
  cell = answer['metrics']['parameters']['label_fidelity']['arms']['volume']
  assert cell['n'] == 1 and cell['ci95'] is None and 'Fewer than two' in cell['refused']
  assert {(run['arm'], run['seed']) for run in answer['missing']} == late
  judged = [r for r in answer['verdicts'] if r['verdict']]
  assert all(r['holm'] == pytest.approx(h) for r, h in zip(
      judged, stats.holm([r['difference']['over_seeds']['p'] for r in judged])))


@pytest.mark.parametrize('finished', [lambda run: run['seed'] == 0, lambda run: run['arm'] == 'scalar', lambda run: False,
                                      lambda run: (run['seed'] % 2 == 0) == (run['arm'] == 'scalar')])
def test_fewer_than_two_seeds_are_refused(tmp_path, finished):
  with pytest.raises(ValueError, match=r'a report needs label_fidelity of two seeds of scalar and of another arm: '
                     r'Fewer than two seeds .*volume has .*planned runs are not finished'):
    answer_of(tmp_path, finished=finished)


def test_unknown_metrics_are_described_without_a_direction(tmp_path):
  out = sweeps.write(tmp_path)
  for path in (out / 'runs').glob('*/results.json'):
    record = json.loads(path.read_text())
    record['metrics']['loudness_error_db'] = {'value': record['seed'] + 1.0}
    path.write_text(json.dumps(record))
  table = ablation_analysis.analyse(ablation_results.load(out))['metrics']['parameters']['loudness_error_db']
  assert (table['title'], table['higher_is_better'], table['per']) == ('loudness error db', None, 'seed')


def test_what_should_be_equal_and_is_not(tmp_path):
  out = sweeps.write(tmp_path)
  for seed in range(6):
    path = out / 'runs' / f'volume-parameters-s{seed}' / 'results.json'
    record = json.loads(path.read_text())
    record['cost'] |= {'parameters': 400_000, 'latent_scalars': 2048}
    path.write_text(json.dumps({**record, 'examples': 1, 'commit': 40 * 'd'}))
  answer = ablation_analysis.analyse(ablation_results.load(out))
  said = ' | '.join(answer['problems'])
  for text in ('differ in their examples: ', 'differ in their latent scalars: 1024, 2048', 'differ in their commits',
               'volume, diffusion: 1.33 times the parameters of scalar'):
    assert text in said, text
  costs = answer['costs']['parameters']
  assert costs['volume']['diffusion']['matched'] is False and costs['volume']['autoencoder']['matched'] is True
  assert costs['volume']['diffusion']['parameters_ratio'] == pytest.approx(4 / 3)
  assert answer['costs']['flops']['volume']['diffusion']['matched'] is True  # of FLOPs, with half the parameters
