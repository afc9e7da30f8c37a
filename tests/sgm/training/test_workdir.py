from __future__ import annotations

import json
import os

from hypothesis import given
from hypothesis import strategies as st
import jax
import pytest

from sgm.training import workdir

CONFIG = {
    'seed': 3, 'total_steps': 10, 'log_every': 5, 'model': {'width': 32, 'mults': (1, 2)}, 'evals': {},
    'checkpoint': {'keep': 2}}


def changed(**changes):
  config = json.loads(json.dumps(CONFIG))
  for key, value in changes.items():
    *path, last = key.split('__')
    target = config
    for part in path:
      target = target[part]
    target[last] = value
  return config


def test_start_writes_what_is_needed_to_repeat(tmp_path):
  record = workdir.start(tmp_path / 'a' / 'b', CONFIG, 'abc')
  assert record == {**workdir.read(tmp_path / 'a' / 'b')} | {'config': record['config']}
  assert record['seed'] == 3 and record['data_fingerprint'] == 'abc' and len(record['config_fingerprint']) == 16
  assert record['versions']['jax'] == jax.__version__
  assert set(record['versions']) >= {'python', 'flax', 'optax', 'numpy', 'sgm'}
  assert not list((tmp_path / 'a' / 'b').glob('*.tmp'))


def test_same_configuration_continues(tmp_path):
  first = workdir.start(tmp_path, CONFIG, 'abc')
  (tmp_path / 'checkpoints' / '5').mkdir(parents=True)
  assert workdir.start(tmp_path, changed(log_every=1, checkpoint__keep=9), 'abc') == first


def test_other_configuration_is_refused_with_every_key(tmp_path):
  workdir.start(tmp_path, changed(total_steps=7), 'abc')
  workdir.start(tmp_path, CONFIG, 'abc')  # nothing was trained yet: a start that failed may be corrected
  (tmp_path / 'frozen').mkdir()
  other = changed(total_steps=20, model__width=64, model__depth=1, evals={'loss': {'every': 1}})
  with pytest.raises(workdir.WorkdirError) as error:
    workdir.start(tmp_path, other, 'xyz')
  for part in ('total_steps: 10 there, 20 here', 'model.width: 32 there, 64 here', 'model.depth: absent there, 1 here',
               'evals.loss.every: absent there, 1 here', 'data fingerprint: abc there, xyz here'):
    assert part in str(error.value)
  assert 'mults' not in str(error.value) and '\n' not in str(error.value)


def test_unwritable_is_refused(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(workdir.WorkdirError, match='cannot write to .*file'):
    workdir.check_writable(tmp_path / 'file')
  if os.geteuid() != 0:  # root may write anywhere
    (tmp_path / 'locked').mkdir(mode=0o500)
    with pytest.raises(workdir.WorkdirError, match='cannot write to .*locked: Permission denied'):
      workdir.check_writable(tmp_path / 'locked')


@pytest.mark.parametrize('content', ['', '[]', '{"config": {}}', '{"conf'])
def test_damaged_record(tmp_path, content):
  with pytest.raises(workdir.WorkdirError, match='no config.json in it'):
    workdir.read(tmp_path)
  (tmp_path / 'config.json').write_text(content)
  with pytest.raises(workdir.WorkdirError, match='is damaged'):
    workdir.read(tmp_path)


@pytest.mark.parametrize('every, total, expected', [
    ('10%', 200, 20), ('10', 200, 10), ('100%', 7, 7), ('2.5%', 1000, 25), ('1%', 4, 1), (3, 10, 3)])
def test_steps(every, total, expected):
  assert workdir.steps(every, total) == expected


@pytest.mark.parametrize('every', ['0%', '101%', 'x%', '1.5', 0, -1, 2.5, True, None])
def test_bad_steps(every):
  with pytest.raises(ValueError, match='expected a number of steps'):
    workdir.steps(every, 100)


@given(st.integers(1, 50), st.integers(1, 300))
def test_due_at_every_multiple_and_at_the_end(every, total):
  got = [k for k in range(1, total + 1) if workdir.due(k, every, total)]
  assert got == sorted({*range(every, total + 1, every), total})


def test_fingerprint_knows_order_from_content():
  assert workdir.config_fingerprint({'a': 1, 'b': 2}) == workdir.config_fingerprint({'b': 2, 'a': 1})
  assert workdir.config_fingerprint({'a': 1}) != workdir.config_fingerprint({'a': 2})
