"""The loop on a toy task: exact resume, interruptions, NaN, evaluators, and what a second start finds."""

from __future__ import annotations

import json
import os
import signal
import types

import jax
import numpy as np
import pytest

from data_pipeline import pipeline
from data_pipeline.taxonomy import PROCEDURAL
from data_pipeline.tokenizer import Tokenizer
from sgm import evaluation
from sgm import process
from sgm import tasks
from sgm import train as train_lib
from sgm.training import checkpoint
from sgm.training import metrics
from sgm.training import sharding
from sgm.training import workdir as workdir_lib
from tests.sgm.training import toy


def single():
  return sharding.make_mesh(1, 1, jax.devices()[:1])


def fit(workdir, *, batches=toy.batches, evaluators=None, mesh=None, **changes):
  workdir.mkdir(exist_ok=True)
  mesh = mesh or single()
  frozen = sharding.place_weights(mesh, {'scale': np.float32(2.0)})
  return train_lib.fit(toy.config(**changes), str(workdir), mesh, toy.Regression(0.1), frozen, batches, evaluators or {})


def interrupted_at(step):
  """Batches that bring a SIGTERM along when the one of `step` is fetched."""
  def batches(start):
    for k, batch in enumerate(toy.batches(start), start + 1):
      if k == step:
        os.kill(os.getpid(), signal.SIGTERM)
      yield batch
  return batches


def weights(workdir):
  return [np.asarray(x) for ema in (True, False) for x in jax.tree.leaves(checkpoint.restore_params(workdir, ema=ema))]


def losses(workdir):
  return [(row['step'], row['train/loss']) for row in metrics.read_metrics(workdir) if 'train/loss' in row]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """An uninterrupted run of 4 steps with an evaluator every 2: (work directory, what fit returned, the evaluator)."""
  workdir = tmp_path_factory.mktemp('runs') / 'whole'
  evaluator = toy.SquaredError(toy.Regression(0.0), every=2)
  return workdir, fit(workdir, evaluators={'val': evaluator}), evaluator


def test_record(whole):
  workdir, last, evaluator = whole
  rows = metrics.read_metrics(workdir)
  assert [row['step'] for row in rows] == [1, 2, 2, 3, 4, 4] and evaluator.runs == 2
  assert {'train/loss', 'train/squared_error', 'train/grad_norm', 'train/learning_rate', 'train/seconds'} <= set(rows[0])
  assert set(rows[2]) == {'step', 'val/mse', 'val/nothing'} and rows[2]['val/nothing'] is None
  assert {'train/examples_per_s', 'train/gflops'} <= set(last) and last['step'] == 4
  assert rows[0]['train/learning_rate'] == pytest.approx(1e-2)
  assert list((workdir / 'tensorboard').iterdir())


def test_four_steps_equal_two_and_two_bit_for_bit(whole, tmp_path):
  workdir = tmp_path / 'run'
  with pytest.raises(train_lib.Interrupted, match=f'SIGTERM: stopped after step 2 of 4.*--workdir {workdir} continues'):
    fit(workdir, batches=interrupted_at(2))
  assert checkpoint.latest_step(workdir) == 2 and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
  fit(workdir)
  for a, b in zip(weights(workdir), weights(whole[0]), strict=True):
    np.testing.assert_array_equal(a, b)
  assert losses(workdir) == losses(whole[0])


def test_stop_between_checkpoints_saves_one_and_eight_devices_continue(whole, tmp_path):
  workdir = tmp_path / 'run'
  with pytest.raises(train_lib.Interrupted):
    fit(workdir, batches=interrupted_at(1))
  assert checkpoint.latest_step(workdir) == 1
  fit(workdir, mesh=sharding.make_mesh(2, 4, jax.devices()[:8]))
  for a, b in zip(weights(workdir), weights(whole[0]), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
  np.testing.assert_allclose(losses(workdir), losses(whole[0]), atol=1e-5)


def test_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path):
  def broken(start):
    for k, batch in enumerate(toy.batches(start), start + 1):
      yield {**batch, 'y': batch['y'] * np.nan} if k == 3 else batch

  with pytest.raises(FloatingPointError, match='not finite at step 3: loss nan.*last good checkpoint is of step 2 in'):
    fit(tmp_path, batches=broken, log_every=4)
  assert checkpoint.latest_step(tmp_path) == 2
  assert all(np.isfinite(x).all() for x in weights(tmp_path))


def test_failing_evaluator_is_named_and_gets_its_turn_later(tmp_path):
  class Failing(toy.SquaredError):
    def run(self, params, frozen):
      raise KeyError('label')

  with pytest.raises(RuntimeError, match="evaluator 'val' failed at step 2: KeyError: 'label'"):
    fit(tmp_path, evaluators={'val': Failing(None, 2)})
  fixed = toy.SquaredError(toy.Regression(0.0), '50%')
  fit(tmp_path, evaluators={'val': fixed})
  assert [row['step'] for row in metrics.read_metrics(tmp_path) if 'val/mse' in row] == [2, 4] and fixed.runs == 2


def test_batch_that_devices_do_not_divide(tmp_path):
  with pytest.raises(ValueError, match='batch_size 16 is no multiple of 1 devices x accumulate=3'):
    fit(tmp_path, accumulate=3)


@pytest.fixture
def project(monkeypatch):
  """Everything `train` puts together, made of toys; counts what it asks for."""
  task = toy.Regression(0.1)
  counts = types.SimpleNamespace(frozen=0, start=[])

  def restore_frozen(batches):
    counts.frozen += 1
    return toy.Regression.restore_frozen(task, batches)

  def train_batches(directory, split, ops, batch_size, seed, start, process_index, process_count):
    assert ops == ['pad(8)'] and (process_index, process_count) == (0, 1)
    counts.start.append(start)
    return toy.batches(start)

  task.restore_frozen = restore_frozen
  info = types.SimpleNamespace(
      fingerprint='abc', taxonomy=PROCEDURAL, tokenizer=Tokenizer(['a', 'bird']), splits={'train': 64}, profiles={})
  monkeypatch.setattr(pipeline, 'open_dataset', lambda directory: info)
  monkeypatch.setattr(pipeline, 'train_batches', train_batches)
  monkeypatch.setattr(tasks, 'build', lambda config, info: task)
  monkeypatch.setattr(evaluation, 'build', lambda config, task, info, batches: {'val': toy.SquaredError(task, 4)})
  counts.config = toy.config()
  counts.config.mesh.data = 8
  counts.config.clip = dict(samples=8)
  counts.config.data = dict(dir='toy', split='train', ops=('pad({clip.samples})',), cache=0)
  return counts


def test_train_puts_a_complete_work_directory_together(project, tmp_path):
  workdir = tmp_path / 'a' / 'run'
  last = train_lib.train(project.config, str(workdir))
  assert last['step'] == 4 and last['val/mse'] > 0
  assert {p.name for p in workdir.iterdir()} >= {
      'config.json', 'metrics.jsonl', 'checkpoints', 'frozen', 'tensorboard', 'labels.json'}
  assert json.loads((workdir / 'config.json').read_text())['data_fingerprint'] == 'abc'

  project.config.log_every = 2
  again = train_lib.train(project.config, str(workdir))  # finished: nothing changes, the frozen weights are its own
  assert again == last and project.frozen == 1 and project.start == [0, 0, 4]

  project.config.batch_size = 32
  with pytest.raises(workdir_lib.WorkdirError, match='batch_size: 16 there, 32 here'):
    train_lib.train(project.config, str(workdir))


def test_all_who_were_heard_are_thanked(project, monkeypatch, tmp_path):
  for name in ('birds', 'places', 'autoencoder'):
    (tmp_path / name).mkdir()
    (tmp_path / name / 'ATTRIBUTION.csv').write_text(f'path,recordist\n{name}.wav,Ann\n')
  project.config.data.dir = str(tmp_path / 'birds')
  project.config.task = dict(autoencoder=str(tmp_path / 'autoencoder'))
  monkeypatch.setattr(train_lib.registry, 'data_sets', lambda ops: {'pad(8)': [tmp_path / 'places']}[ops[0]])
  train_lib.train(project.config, str(tmp_path / 'run'))
  assert (tmp_path / 'run' / 'ATTRIBUTION.csv').read_text().splitlines() == [
      'path,recordist', 'birds.wav,Ann', 'places.wav,Ann', 'autoencoder.wav,Ann']


@pytest.mark.parametrize('examples, passes', [(1, 1), (64, 1), (65, 2), (1000, 3)])
def test_a_cache_makes_the_passes_that_its_examples_take(project, monkeypatch, tmp_path, examples, passes):
  monkeypatch.setattr(train_lib.cache, 'build', lambda task, frozen, passes, batches, size, directory, key, rng: (passes, size))
  project.config.data.cache = examples
  project.config.total_steps = 12  # of 16: 192 examples are seen
  config, info = project.config, pipeline.open_dataset('toy')
  config.frontend = {}
  assert train_lib._cached(None, {}, config, info, ['pad(8)'], tmp_path) == (passes, 64)


def test_unwritable_work_directory_is_refused_before_any_work(monkeypatch, tmp_path):
  (tmp_path / 'file').write_text('')
  monkeypatch.setattr(pipeline, 'open_dataset', lambda directory: pytest.fail('worked'))
  options = types.SimpleNamespace(config=toy.config(), workdir=str(tmp_path / 'file' / 'run'))
  monkeypatch.setattr(train_lib.flags, 'FLAGS', options)
  monkeypatch.setattr(process, 'enable_compilation_cache', lambda: None)
  with pytest.raises(SystemExit, match='^sgm.train: cannot write to .*file/run'):
    train_lib.main(['train'])
