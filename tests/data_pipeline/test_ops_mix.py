"""Two clips in one: sound, events and targets of both; and batches that still are functions of (seed, k) only."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import pipeline, registry
from data_pipeline.ops_label import scene_of
from data_pipeline.taxonomy import PROCEDURAL
from tests.data_pipeline import tones
from tools import build_dataset

RATE = tones.RATE
ROWS = ((0.2, 0.7, 500.0), (1.0, 1.6, 1300.0)), ((0.1, 0.5, 2100.0), (0.8, 1.9, 2900.0))
TRAIN, VAL = 12, 9
MIXED = ('decode', 'random_crop(6000)', 'mixup(0.8, p=0.6)', 'mix_background((0, 10))', 'label', 'keep("audio", "label", "id")')


@pytest.fixture
def pair(features_of):
  rng = np.random.default_rng(0)
  a, b = (tones.sound(features_of(tones.scene_of(rows), rng)) for rows in ROWS)
  b['species'] = b['species'] + 2
  return [dict(x, environment=e, noise=n, near=r) for x, e, n, r in
          ((a, 'forest', 'noisy', ''), (b, 'rain', 'noisy', 'river'))]


def mix(text, one, other, seed=0, before=()):
  """The result of one op on two clips, through which the ops `before` went."""
  class Stub:
    def __init__(self, names):
      self.names = names

    def any(self):
      return lambda seed: {k: tf.convert_to_tensor(v) for k, v in other.items()}

    def without_events(self, data):
      return self.any()

  class Info:
    taxonomy = PROCEDURAL
  op = registry.build([text], Info, Stub)[0]
  out = op({k: tf.convert_to_tensor(v) for k, v in one.items()}, tf.constant([seed, 3]))
  return {k: v.numpy() for k, v in out.items()}


def weight(out, one):
  """The share of a clip in a mixture, from the level of its first event."""
  i = list(out['species']).index(one['species'][0])
  return 10 ** ((out['level_db'][i] - one['level_db'][0]) / 20)


def test_mixup_adds_sounds_and_unites_events(pair):
  weights = []
  for seed in range(12):
    out = mix('mixup(2.0)', *pair, seed)
    w = [weight(out, x) for x in pair]
    assert sum(w) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(out['audio'], w[0] * pair[0]['audio'] + w[1] * pair[1]['audio'], atol=1e-5)
    np.testing.assert_allclose(out['stems'].sum(0), out['audio'], atol=1e-5)
    assert list(out['onset']) == sorted(out['onset']) and sorted(out['species']) == [0, 1, 2, 3]
    assert tones.share_labelled(out) > 0.98
    for i in range(4):
      assert tones.level_in(out, i) == pytest.approx(out['level_db'][i], abs=0.3)
    weights.append(w[0])
  assert min(weights) < 0.4 < 0.6 < max(weights)
  assert (out['environment'], out['noise'], out['near']) == (b'', b'noisy', b'river')


def test_events_that_are_not_heard_are_not_labelled(pair):
  counts = set()
  for seed in range(30):
    out = mix('mixup(0.05)', *pair, seed)  # nearly always all of the one or of the other
    counts.add(len(out['species']))
    assert len(out['species']) == len(out['stems'])
    level = 20 * np.log10(np.abs(out['audio'][900:1500]).max() + 1e-9)  # here the second clip alone sounds
    assert (2 in out['species']) == (level > 20 * np.log10(np.sqrt(2) * 0.1) - 30)
  assert counts == {2, 4} or counts == {2}


def test_targets_made_before_are_averaged(pair, run):
  one, other = (run('roll(8)', run('label', x, graph=False), graph=False) for x in pair)
  out = mix('mixup(1.0)', one, other)
  w = weight(out, pair[0])
  for key in ('label', 'roll'):
    np.testing.assert_allclose(out[key], w * one[key] + (1 - w) * other[key], atol=1e-4)
  union = run('label', {k: v for k, v in out.items() if k not in ('label', 'roll')}, graph=False)['label']
  np.testing.assert_array_equal(union[:4], 1)


def test_stems_of_one_clip_only_are_left_out(pair):
  bare = {**pair[1], 'stems': pair[1]['stems'][:0]}
  out = mix('mixup(2.0)', pair[0], bare)
  assert out['stems'].shape == (0, 16000, 1) and len(out['species']) == 4


def test_mix_background(pair):
  noise = {**pair[1], 'audio': np.random.default_rng(1).standard_normal((16000, 1)).astype(np.float32)}
  ratios = []
  for seed in range(8):
    out = mix('mix_background((-5, 15))', pair[0], noise, seed)
    added = out['audio'] - pair[0]['audio']
    ratios.append(10 * np.log10(np.mean(pair[0]['audio'] ** 2) / np.mean(added ** 2)))
    np.testing.assert_allclose(np.corrcoef(added[:, 0], noise['audio'][:, 0])[0, 1], 1, atol=1e-5)
    np.testing.assert_array_equal(out['stems'], pair[0]['stems'])
    np.testing.assert_array_equal(out['onset'], pair[0]['onset'])
  assert -5.01 < min(ratios) < 2 < 8 < max(ratios) < 15.01
  assert (out['environment'], out['noise'], out['near']) == (b'', b'', b'river')
  silent = {**pair[0], 'audio': 0 * pair[0]['audio']}
  assert not mix('mix_background(0)', silent, noise)['audio'].any()


def test_refusals_of_single_ops(pair, make_info):
  with pytest.raises(ValueError, match="feature 'tokens' of two clips cannot be mixed; put mixup before"):
    mix('mixup', {**pair[0], 'tokens': np.zeros(3)}, pair[1])
  with pytest.raises(ValueError, match=r'mixup: clips of shapes \(16000, 1\) and \(9, 1\).*crop them'):
    mix('mixup', pair[0], {**pair[1], 'audio': pair[1]['audio'][:9]})
  with pytest.raises(ValueError, match='mixes clips of a data set, and there is none here'):
    registry.build(['mixup'], make_info())
  for text in ('mixup(0)', 'mixup("a")', 'mixup(p=0)', 'mixup(p=2)', 'mix_background((5, 0))'):
    with pytest.raises(ValueError, match='expected'):
      mix(text, *pair)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  out = str(tmp_path_factory.mktemp('data') / 'birds')
  sizes = dict(train=TRAIN, val=VAL)
  build_dataset.build(build_dataset.Options('procedural', out, sizes=sizes, clip_seconds=0.5, sample_rate=16000, seed=5),
                      say=lambda text: None)
  return out


def same(a, b):
  for key in a:
    np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def test_batches_are_functions_of_seed_and_number(data):
  everything = list(itertools.islice(pipeline.train_batches(data, 'train', MIXED, 4, 3), 6))
  resumed = list(itertools.islice(pipeline.train_batches(data, 'train', MIXED, 4, 3, 4, 1, 2), 2))
  for whole, part in zip(everything[4:], resumed):
    same({k: v[1::2] for k, v in whole.items()}, part)
  first = {i: x for i, x in zip(everything[0]['id'], everything[0]['audio'])}
  again = {i: x for b in everything[3:6] for i, x in zip(b['id'], b['audio'])}
  assert all(not np.array_equal(first[i], again[i]) for i in first)  # another partner in the next epoch


def test_an_example_of_an_evaluation_does_not_depend_on_the_batch(data):
  [whole] = pipeline.eval_batches(data, 'val', MIXED[:3] + MIXED[4:], VAL)
  parts = list(pipeline.eval_batches(data, 'val', MIXED[:3] + MIXED[4:], 4))
  same({k: v for k, v in whole.items() if k != 'mask'}, {k: np.concatenate([p[k] for p in parts])[:VAL] for k in whole})


def test_what_is_mixed_in_comes_from_the_split(data):
  """p = 1: each clip is w x1 + (1 - w) x2 of two clips of the split, and the labels are of both."""
  plain = ('decode', 'center_crop(8000)')
  [clips] = pipeline.eval_batches(data, 'val', (*plain, 'label', 'keep("audio", "label")'), VAL)
  [mixed] = pipeline.eval_batches(data, 'val', (*plain, 'mixup(5.0)', 'label', 'keep("audio", "label")'), VAL)
  basis = clips['audio'][..., 0].T.astype(np.float64)  # (N, VAL)
  for i in range(VAL):
    w, residual, *_ = np.linalg.lstsq(basis, mixed['audio'][i, :, 0].astype(np.float64))
    assert residual[0] < 1e-6 * np.sum(mixed['audio'][i] ** 2) and w.sum() == pytest.approx(1, abs=1e-3)
    heard = np.flatnonzero(w > 0.05)
    assert i in heard and len(heard) <= 2
    np.testing.assert_array_equal(mixed['label'][i, :-1], clips['label'][heard, :-1].max(0))


def test_backgrounds_are_clips_without_birds(data):
  info = pipeline.open_dataset(data)
  records = pipeline.Records(info, 'train')
  partners = pipeline.Partners(info, 'train', records, ('decode', 'center_crop(8000)'))
  draw = partners.without_events('')
  drawn = [draw(tf.constant([0, i])) for i in range(12)]
  assert all(not len(d['species']) for d in drawn)
  again = partners.without_events(data)(tf.constant([0, 0]))
  np.testing.assert_array_equal(again['audio'], drawn[0]['audio'])
  full = {scene_of({k: v.numpy() for k, v in partners.any()(tf.constant([0, i])).items()}, PROCEDURAL.codes) for i in range(8)}
  assert any(s.events for s in full)


def test_refusals_of_data_sets(data, tmp_path):
  with pytest.raises(FileNotFoundError, match='dataset.json does not exist'):
    pipeline.train_batches(data, 'train', ['decode', f'mix_background(0, "{tmp_path}")'], 4, 0)
  with pytest.raises(ValueError, match="comes after 'label', whose labels"):
    pipeline.train_batches(data, 'train', ['decode', 'label', 'mix_background(0)', 'random_crop(8000)'], 4, 0)
