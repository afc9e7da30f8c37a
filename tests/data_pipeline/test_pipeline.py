"""Batches: a function of (seed, k) only, however they are reached, and each example once in evaluation."""

import itertools
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import pipeline, registry
from data_pipeline.description import project
from data_pipeline.ops_label import scene_of
from data_pipeline.prompts import parse
from tools import build_dataset

RATE = 16000
TRAIN, VAL = 21, 10
OPS = ('decode', 'random_crop(4000)', 'gain((-6, 6))', 'gaussian_noise((10, 30))', 'prompt', 'roll(16)', 'activity(16)',
       'label', 'pad_events(3)', 'keep("audio", "tokens", "text", "roll", "activity", "label", "id", "event_species")')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  out = str(tmp_path_factory.mktemp('data') / 'birds')
  build_dataset.build(build_dataset.Options('procedural', out, sizes=dict(train=TRAIN, val=VAL), clip_seconds=1.0,
                                            sample_rate=RATE), say=lambda text: None)
  return out


def same(a, b):
  assert a.keys() == b.keys()
  for key in a:
    np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def take(batches, n):
  return list(itertools.islice(batches, n))


def test_shapes_and_types(data):
  info = pipeline.open_dataset(data)
  assert (info.sample_rate, info.channels, info.clip_seconds) == (RATE, 1, 1.0)
  assert dict(info.splits) == dict(train=TRAIN, val=VAL)
  [batch] = take(pipeline.train_batches(data, 'train', OPS, 4, 0), 1)
  shapes = {k: (v.shape, v.dtype) for k, v in batch.items()}
  s = len(info.taxonomy)
  assert shapes['audio'] == ((4, 4000, 1), np.float32) and shapes['roll'] == ((4, 16, s), np.float32)
  assert shapes['tokens'] == ((4, 48), np.int32) and shapes['label'] == ((4, s + 1), np.float32)
  assert shapes['event_species'] == ((4, 3), np.int32)
  for text in batch['text']:
    parse(text.decode(), info.taxonomy)
  assert np.all((batch['activity'].sum(1) > 0) <= (batch['label'][:, :-1] > 0))


@pytest.mark.parametrize('k', [0, 1, 5, 11])  # 21 examples, batches of 4: beyond the second epoch
def test_starting_at_k_equals_skipping_k(data, k):
  all_of_them = take(pipeline.train_batches(data, 'train', OPS, 4, 3), k + 2)
  for skipped, started in zip(all_of_them[k:], take(pipeline.train_batches(data, 'train', OPS, 4, 3, start=k), 2)):
    same(skipped, started)


def test_epochs_are_whole_and_differ(data):
  batches = take(pipeline.train_batches(data, 'train', OPS, 7, 0), 6)  # 42 = 2 epochs
  ids = np.concatenate([b['id'] for b in batches])
  assert set(ids[:TRAIN]) == set(ids[TRAIN:]) and len(set(ids)) == TRAIN
  assert (ids[:TRAIN] != ids[TRAIN:]).any()
  where = [int(np.flatnonzero(ids[half] == ids[0])[0]) for half in (slice(0, TRAIN), slice(TRAIN, None))]
  audio = np.concatenate([b['audio'] for b in batches])
  assert not np.array_equal(audio[where[0]], audio[TRAIN + where[1]])  # augmented anew
  other = np.concatenate([b['id'] for b in take(pipeline.train_batches(data, 'train', OPS, 7, 1), 3)])
  assert (other != ids[:TRAIN]).any()


@pytest.mark.parametrize('count', [2, 4])
def test_processes_share_a_batch(data, count):
  whole = take(pipeline.train_batches(data, 'train', OPS, 8, 5, start=1), 3)
  parts = [take(pipeline.train_batches(data, 'train', OPS, 8, 5, 1, p, count), 3) for p in range(count)]
  for k, batch in enumerate(whole):
    for p in range(count):
      same({n: v[p::count] for n, v in batch.items()}, parts[p][k])


@pytest.mark.parametrize('batch_size', [VAL - 1, VAL, VAL + 1, 4])
def test_evaluation_sees_each_example_once(data, batch_size):
  batches = list(pipeline.eval_batches(data, 'val', OPS, batch_size))
  assert len(batches) == -(-VAL // batch_size)
  merged = {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}
  assert merged['mask'].sum() == VAL and merged['mask'].dtype == np.float32
  real = {k: v[merged['mask'] > 0] for k, v in merged.items()}
  assert len(set(real['id'])) == VAL
  [alone] = pipeline.eval_batches(data, 'val', OPS, VAL)  # example i does not depend on the batch size
  same(real, alone)


def test_evaluation_is_limited_and_shared(data):
  [limited] = pipeline.eval_batches(data, 'val', OPS, 8, limit=5)
  [alone] = pipeline.eval_batches(data, 'val', OPS, VAL)
  assert limited['mask'].tolist() == [1] * 5 + [0] * 3
  same({k: v[:5] for k, v in limited.items()}, {k: v[:5] for k, v in alone.items()})
  parts = [list(pipeline.eval_batches(data, 'val', OPS, 8, process_index=p, process_count=2)) for p in range(2)]
  whole = list(pipeline.eval_batches(data, 'val', OPS, 8))
  for k, batch in enumerate(whole):
    for p in range(2):
      same({n: v[p::2] for n, v in batch.items()}, parts[p][k])


def test_passes_draw_anew(data):
  every = list(pipeline.eval_batches(data, 'val', OPS, 8, seed=5, passes=3))
  alone = [b for k in range(3) for b in pipeline.eval_batches(data, 'val', OPS, 8, seed=5 + (k << 32))]
  assert len(every) == len(alone) == 3 * -(-VAL // 8)
  for a, b in zip(every, alone):
    same(a, b)
  assert not np.array_equal(every[0]['audio'], every[len(every) // 3]['audio'])


def test_prompt_describes_the_crop(data):
  ops = ('decode', 'center_crop(4000)', 'prompt')
  info = pipeline.open_dataset(data)
  records = pipeline.Records(info, 'val')
  for i in range(len(records)):
    features = dict(records.features.deserialize_example(records[i]), sample_rate=tf.constant(RATE))
    out = {k: v.numpy() for k, v in pipeline.apply(registry.build(ops, info), features, tf.constant([1, i])).items()}
    assert parse(out['text'].decode(), info.taxonomy) == project(scene_of(out, info.taxonomy.codes))


def test_stems_add_up_to_the_events(data):
  ops = ('decode', 'center_crop(16000)', 'gain(-6)', 'pad_events(4)', 'keep("audio", "stems", "event_species")')
  [batch] = pipeline.eval_batches(data, 'val', ops, VAL)
  assert batch['stems'].shape == (VAL, 4, 16000, 1) and np.isfinite(batch['stems']).all()
  there = np.abs(batch['stems']).max((2, 3)) > 0
  np.testing.assert_array_equal(there, batch['event_species'] >= 0)
  [train] = take(pipeline.train_batches(data, 'train', ops, TRAIN, 0), 1)
  np.testing.assert_array_equal(np.isnan(train['stems']).all((2, 3)), train['event_species'] >= 0)  # not stored


def test_profiles_lie_around_the_events(data):
  info = pipeline.open_dataset(data)
  assert info.profiles
  for (code, vocalisation), ranges in info.profiles.items():
    assert code in info.taxonomy.codes and vocalisation in ('song', 'call')
    assert 0 < ranges['seconds'][0] <= ranges['seconds'][1] <= 1.0
    assert 0 < ranges['low_hz'][0] < ranges['high_hz'][1] <= RATE / 2 + 1


def test_refusals(data, tmp_path):
  with pytest.raises(FileNotFoundError, match='dataset.json does not exist'):
    pipeline.open_dataset(str(tmp_path))
  with pytest.raises(ValueError, match="no split 'trian'; known: train, val"):
    pipeline.train_batches(data, 'trian', OPS, 4, 0)
  with pytest.raises(ValueError, match="unknown op 'crop'"):
    pipeline.train_batches(data, 'train', ['crop(3)'], 4, 0)
  with pytest.raises(ValueError, match='differs in length between examples'):
    pipeline.train_batches(data, 'train', ['decode', 'random_crop(100)'], 4, 0)
  with pytest.raises(ValueError, match='does not divide among 3 processes'):
    pipeline.train_batches(data, 'train', OPS, 4, 0, 0, 0, 3)


def arrays(n=10, k=3):
  return {'z': np.arange(n * k * 2).reshape(n, k, 2), 'label': np.repeat(np.arange(n)[:, None], k, 1)}


def test_array_batches(tmp_path):
  plain = arrays()
  np.save(tmp_path / 'z.npy', plain['z'])
  mapped = dict(plain, z=np.load(tmp_path / 'z.npy', mmap_mode='r'))
  batches = take(pipeline.array_batches(plain, 4, seed=2), 10)  # 40 = 4 epochs
  for a, b in zip(batches[3:], take(pipeline.array_batches(mapped, 4, seed=2, start=3), 7)):
    same(a, b)
  labels = np.concatenate([b['label'] for b in batches]).reshape(4, 10)
  assert all(sorted(epoch) == list(range(10)) for epoch in labels.tolist())
  assert len({tuple(epoch) for epoch in labels.tolist()}) == 4
  z = np.concatenate([b['z'] for b in batches])
  index, variant = z[:, 0] // 6, z[:, 0] % 6 // 2
  np.testing.assert_array_equal(index, labels.ravel())  # arrays stay together
  assert set(variant) == {0, 1, 2}
  assert any(len(set(variant[index == i])) > 1 for i in range(10))  # a new draw each epoch
  for p in range(2):
    for whole, part in zip(batches, take(pipeline.array_batches(plain, 4, 2, 0, p, 2), 4)):
      same({k: v[p::2] for k, v in whole.items()}, part)


def test_array_batches_refuses_and_passes_on_errors():
  with pytest.raises(ValueError, match=r'expected one \(N, K\)'):
    pipeline.array_batches(dict(arrays(), label=np.zeros((9, 3))), 4, 0)

  class Broken(np.ndarray):
    def __getitem__(self, index):
      raise OSError('the disk went away')
  with pytest.raises(OSError, match='the disk went away'):
    next(pipeline.array_batches({'z': np.zeros((4, 1, 2)).view(Broken)}, 2, 0))


def test_a_truncated_file_is_named(data, tmp_path):
  copy = pathlib.Path(shutil.copytree(data, tmp_path / 'copy'))
  [path] = copy.rglob('*-val.tfrecord-*')
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(ValueError, match=r'val.tfrecord.* is truncated'):
    pipeline.Records(pipeline.open_dataset(str(copy)), 'val')


def test_a_process_ends_while_batches_are_being_read(data):
  """Threads of tf that call python made the exit hang, three times in five."""
  program = (f'from data_pipeline import pipeline\nbatches = pipeline.train_batches({data!r}, "train", {OPS!r}, 4, 0)\n'
             'next(batches)\nprint("read")')
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, timeout=120,
                        cwd=pathlib.Path(__file__).resolve().parents[2])
  assert (done.returncode, done.stdout) == (0, 'read\n'), done.stderr
