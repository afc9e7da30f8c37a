"""A finished run is everything that is needed: without the data, the autoencoder's folder or the command that made it."""

import csv
import json
import shutil

import jax
import numpy as np
import pytest

from sgm import tasks
from sgm.tasks import restore
from sgm.training import checkpoint
from tests.sgm import small


def batch_of(labels, rows=2):
  rng = np.random.default_rng(0)
  roll = np.zeros((rows, 16, len(labels.taxonomy)), np.float32)
  roll[:, 3:9, 2] = 0.8
  return {'audio': 0.1 * rng.standard_normal((rows, 40960, 1)).astype(np.float32), 'roll': roll,
          'tokens': np.stack([labels.tokenizer.encode(f'a {s.common} singing', 48) for s in labels.taxonomy.species[:rows]])}


@small.unoptimised()
def test_a_moved_run_gives_the_same_outputs(ldm_workdir, autoencoder_workdir, tmp_path):
  run = restore.load(ldm_workdir, expect='latent_diffusion')
  batch = batch_of(run.labels)
  evaluated = jax.jit(run.task.eval)(run.params, run.frozen, jax.random.key(0), batch)

  config = json.loads((ldm_workdir / 'config.json').read_text())
  config['config']['task']['autoencoder'] = '/gone'
  moved = tmp_path / 'elsewhere'
  shutil.copytree(ldm_workdir, moved, ignore=shutil.ignore_patterns('cache'))
  (moved / 'config.json').write_text(json.dumps(config))
  again = restore.load(moved)
  assert again.labels == run.labels and again.fingerprint == run.fingerprint
  for a, b in zip(jax.tree.leaves((run.params, run.frozen)), jax.tree.leaves((again.params, again.frozen)), strict=True):
    np.testing.assert_array_equal(a, b)
  other = jax.jit(again.task.eval)(again.params, again.frozen, jax.random.key(0), batch)
  for name in evaluated:
    np.testing.assert_array_equal(evaluated[name], other[name])

  # The frozen part is the autoencoder's average, and the parameters are the run's own.
  trained = checkpoint.restore_params(autoencoder_workdir)
  for a, b in zip(jax.tree.leaves(trained), jax.tree.leaves(run.frozen['autoencoder']), strict=True):
    np.testing.assert_array_equal(a, b)
  latent = run.task.encode(run.frozen, run.task.frontend(batch['audio']))
  assert latent.shape == (2, 16, 8, 4)


@pytest.mark.parametrize('workdir', ['autoencoder_workdir', 'judge_workdir', 'ldm_workdir'])
def test_every_task_comes_back_as_it_was_configured(workdir, request):
  run = restore.load(request.getfixturevalue(workdir))
  assert tasks.build(run.config, run.labels) == run.task and hash(run.task)
  expected = jax.eval_shape(run.task.init, jax.random.key(0), batch_of(run.labels))
  assert jax.tree.map(np.shape, run.params) == jax.tree.map(np.shape, expected)
  assert len(run.labels.taxonomy) == 12 and len(run.labels.profiles) > 1
  for ranges in run.labels.profiles.values():
    assert set(ranges) == {'seconds', 'low_hz', 'high_hz'}


def test_a_folder_that_is_no_run(tmp_path, judge_workdir):
  with pytest.raises(ValueError, match=f'{tmp_path}: not a work directory of sgm.train'):
    restore.load(tmp_path)
  with pytest.raises(ValueError, match='not a work directory'):
    restore.load(tmp_path / 'nowhere')
  for name in ('config.json', 'labels.json'):
    shutil.copy(judge_workdir / name, tmp_path / name)
  with pytest.raises(ValueError, match=f'no checkpoint in {tmp_path}'):
    restore.load(tmp_path)


def test_another_task_is_refused(judge_workdir):
  with pytest.raises(ValueError, match="holds a run of task 'classification', expected 'latent_diffusion'"):
    restore.load(judge_workdir, expect='latent_diffusion')


def test_all_who_were_heard_are_named_once(tmp_path):
  header = 'path,species,recordist,licence,class,source url\n'
  for name, rows in {'birds': 'a.wav,owl,"Ann, B.",CC BY,by,\n', 'places': 'a.wav,owl,"Ann, B.",CC BY,by,\nb.wav,,"Two\nlines",CC0,cc0,\n'}.items():
    (tmp_path / name).mkdir()
    (tmp_path / name / restore.ATTRIBUTION).write_text(header + rows)
  restore.keep_attribution([tmp_path / 'none'], tmp_path)
  assert not (tmp_path / restore.ATTRIBUTION).exists()
  restore.keep_attribution([tmp_path / 'birds', tmp_path / 'none', tmp_path / 'places'], tmp_path)
  with open(tmp_path / restore.ATTRIBUTION, newline='') as f:
    rows = list(csv.reader(f))
  assert [r[:3] for r in rows] == [['path', 'species', 'recordist'], ['a.wav', 'owl', 'Ann, B.'], ['b.wav', '', 'Two\nlines']]
