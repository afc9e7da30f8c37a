"""The op mix_soundscapes: labels agree with stems, ratios are as asked, one split, batches that are functions of (seed, k)."""

import itertools
import multiprocessing
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from data_pipeline import habitat, mixing, mixing_dataset, mixing_habitat, mixing_levels as levels, mixing_store, partners, pipeline
from data_pipeline.mixing_placing import polyphony
from data_pipeline.mixing_spec import MixingSpec
from tests.data_pipeline import sources_to_mix
from tools import build_dataset

RATE, SECONDS = 16000, 2.0
SAMPLES = round(RATE * SECONDS)
TRAIN, VAL = 16, 9
SNR_DB = 12.0
EVENTS = 6
NAMES = ('species', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db')
KEPT = ('audio', 'stems', 'label', 'id', 'recordist', 'licence', 'event_count', *(f'event_{n}' for n in NAMES))


def spec(**changes):
  """As a dict, unchecked."""
  d = sources_to_mix.spec().to_dict() | dict(seconds=SECONDS)
  d['contaminants'] = d['contaminants'] | dict(onset='uniform(0, 2)')
  d['events'] = d['events'] | dict(
      count='choose((0, 2, 4))', onset='uniform(0, 2)', snr_db=f'const({SNR_DB})', polyphony=(0, 2), reuse=False,
      pitch='uniform(-0.5, 0.5)', retries=200)
  return d | {k: d[k] | v if isinstance(v, dict) else v for k, v in changes.items()}


def ops(d, rest='', before=('decode',)):
  return (*before, f'mix_soundscapes({d!r}{rest})', f'random_crop({SAMPLES})', 'label', f'pad_events({EVENTS})',
          f'keep({", ".join(map(repr, KEPT))})')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  out = str(tmp_path_factory.mktemp('data') / 'birds')
  build_dataset.build(build_dataset.Options('procedural', out, sizes=dict(train=TRAIN, val=VAL), clip_seconds=1.5,
                                            sample_rate=RATE, seed=5), say=lambda text: None)
  return out


@pytest.fixture(scope='module')
def batches(data):
  """Five batches of 8: two and a half epochs."""
  return list(itertools.islice(pipeline.train_batches(data, 'train', ops(spec()), 8, 3), 5))


def same(a, b):
  for key in a:
    np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def test_labels_agree_with_stems_and_ratios_are_as_asked(batches):
  counts = set()
  for batch in batches[:2]:
    for row in range(8):
      x = {k: v[row] for k, v in batch.items()}
      count = int(x['event_count'])
      counts.add(count)
      heard = set(x['event_species'][:count].tolist())
      assert set(np.flatnonzero(x['label'])) == (heard or {len(x['label']) - 1})
      background = x['audio'] - x['stems'].sum(0)
      assert not x['stems'][count:].any() and (count > 0 or np.abs(x['audio']).max() > 0)
      for i in range(count):
        stem = x['stems'][i]
        onset, offset = round(x['event_onset'][i] * RATE), round(x['event_offset'][i] * RATE)
        inside = stem[onset:offset]
        assert np.sum(inside ** 2) > 0.97 * np.sum(stem ** 2)
        assert abs(10 * np.log10(np.mean(inside ** 2)) - x['event_level_db'][i]) < 0.01
        cells = levels.cells_of(stem, RATE)
        assert abs(levels.ratio_db(cells, background, RATE) - SNR_DB) < 0.1
        hz = np.fft.rfftfreq(SAMPLES, 1 / RATE)
        power = np.abs(np.fft.rfft(stem[:, 0])) ** 2
        band = (hz >= x['event_low_hz'][i]) & (hz <= x['event_high_hz'][i])
        assert power[band].sum() > 0.9 * power.sum()
      assert polyphony(list(zip(x['event_onset'][:count], x['event_offset'][:count]))) <= 2
  assert counts == {0, 2, 4}


def test_batches_are_functions_of_seed_and_number(data, batches):
  [resumed] = itertools.islice(pipeline.train_batches(data, 'train', ops(spec()), 8, 3, 4, 1, 2), 1)
  same({k: v[1::2] for k, v in batches[4].items()}, resumed)
  smaller = list(itertools.islice(pipeline.train_batches(data, 'train', ops(spec()), 4, 3), 2))
  same(batches[0], {k: np.concatenate([b[k] for b in smaller]) for k in batches[0]})
  ids = np.concatenate([b['id'] for b in batches])
  assert len(set(ids)) == len(ids)  # new scenes in every epoch


def test_a_clip_is_that_of_its_id_and_of_its_split(data, batches):
  info = pipeline.open_dataset(data)
  pools = mixing_store.pools(info, 'train', RATE)
  everything = (*pools.foreground, *pools.background)
  assert pools.foreground and pools.background and all(s.name.startswith('procedural/train/') for s in everything)
  for row in range(4):
    x = {k: v[row] for k, v in batches[0].items()}
    name, split, number = x['id'].decode().split('/')
    m = mixing.mix(pools, MixingSpec.from_dict(spec()), 0, int(number), split)
    np.testing.assert_array_equal(x['audio'], m.audio)
    assert (x['recordist'], x['licence'], m.id) == (b'sgm', b'CC0-1.0', x['id'].decode())
    assert [info.taxonomy.codes[s] for s in x['event_species'] if s >= 0] == [e.species for e in m.scene.events]


@pytest.mark.parametrize('end', ['pass', 'made.close()', 'raise KeyboardInterrupt'])
def test_a_process_that_ends_takes_its_workers_along(data, end):
  program = f"""
import multiprocessing
from data_pipeline import pipeline
made = pipeline.train_batches({data!r}, 'train', {ops(spec())!r}, 4, 3)
print(next(made)['audio'].shape, *(p.pid for p in multiprocessing.active_children()))
{end}
"""
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, timeout=120)  # they hold the pipes
  *shape, first, second = done.stdout.replace('(', '').split()[:5]
  assert shape == ['4,', '32000,', '1)'] and int(first) != int(second)
  assert (done.returncode == 0) == ('Interrupt' not in end) and 'workers.py' not in done.stderr
  assert 'Error' not in done.stderr


def test_workers_end_with_the_batches(data):
  others = set(multiprocessing.active_children())
  made = pipeline.train_batches(data, 'train', ops(spec()), 4, 3)
  assert not set(multiprocessing.active_children()) - others
  next(made)
  own = set(multiprocessing.active_children()) - others
  assert len(own) == min(partners.MOST_WORKERS, len(os.sched_getaffinity(0)))
  made.close()
  assert not any(process.is_alive() for process in own)


def test_some_clips_stay_as_they_are(data):
  d = spec(seconds=1.5, events=dict(count='const(1)', onset='uniform(0, 1.5)'), contaminants=dict(onset='const(0)'))
  before, after = ('decode', 'random_crop(24000)'), 'keep("audio", "id")'
  [plain] = pipeline.eval_batches(data, 'val', (*before, after), VAL)
  [half] = pipeline.eval_batches(data, 'val', (*before, f'mix_soundscapes({d!r}, "built-in", p=0.5)', after), VAL)
  mixed = np.array([i.startswith(b'mix/val/') for i in half['id']])
  assert 0 < mixed.sum() < VAL
  np.testing.assert_array_equal(half['audio'][~mixed], plain['audio'][~mixed])
  assert all(not np.array_equal(a, b) for a, b in zip(half['audio'][mixed], plain['audio'][mixed]))


def test_birds_that_fit_their_place_or_do_not(data):
  info = pipeline.open_dataset(data)
  known = mixing_habitat.with_built_in(habitat.Habitats(info.taxonomy, {}))
  d = spec(events=dict(count='const(2)'))
  fitting = {}
  for mode in ('plausible', 'implausible'):
    keep = f'pad_events({EVENTS})', 'keep("environment", "near", "event_species")'
    [batch] = pipeline.eval_batches(data, 'train', ('decode', f'mix_soundscapes({d!r}, "built-in", {mode!r})', *keep), TRAIN)
    told = [known.judge([info.taxonomy.codes[i] for i in species if i >= 0], environment.decode(), near.decode()).verdict
            for environment, near, species in zip(batch['environment'], batch['near'], batch['event_species'])]
    fitting[mode] = told.count('plausible')
  assert fitting['plausible'] > 0.7 * TRAIN and fitting['implausible'] < 0.3 * TRAIN


@pytest.mark.parametrize('changes, message', [
    (dict(secnods=3), 'unknown field secnods; nearest: seconds'),
    (dict(contaminants=dict(count='const(1)')), 'a data set holds no contaminants'),
    (dict(events=dict(species='const(1)')), 'draws numbers, expected names'),
    (dict(events=dict(species="const('nobird')")), "unknown 'nobird'; nearest: "),
    (dict(events=dict(count='const(1)', polyphony=(2, 2))), 'at least 2 asked, but there are at most 1'),
    (dict(events=dict(count='const(9)', polyphony=(0, 1), duration='const(1)')), 'no scene of 2 s fits'),
    (dict(channels=2), r'2 channels are \(32000, 2\).*agree'),
    (dict(sample_rate=8000), r'sample_rate is 8000, and clips are at 16000 Hz.*resample\(8000\)')])
def test_refused(data, changes, message):
  with pytest.raises(ValueError, match=message):
    pipeline.train_batches(data, 'train', ('decode', f'mix_soundscapes({spec(**changes)!r})', 'keep("audio")'), 4, 0)


@pytest.mark.parametrize('text, message', [
    ('mix_soundscapes(3)', 'spec is 3, expected the fields of a MixingSpec'),
    (f'mix_soundscapes({spec()!r}, "nowhere")', 'nowhere/dataset.json does not exist'),
    (f'mix_soundscapes({spec()!r}, "built-in", "likely")', "plausibility 'likely': expected one of plausible, uniform"),
    (f'mix_soundscapes({spec()!r}, "built-in", "plausible", "AVONET.csv")', 'AVONET.csv')])
def test_refused_arguments(data, text, message):
  with pytest.raises((ValueError, FileNotFoundError), match=message):
    pipeline.train_batches(data, 'train', ('decode', text, 'keep("audio")'), 4, 0)


@pytest.mark.parametrize('before, message', [
    ((), 'put decode before it'), (('decode', 'label'), "the feature 'label' would be of another clip"),
    (('decode', 'random_crop(100)'), r'2 s in 1 channels are \(32000, 1\).* clips are \(100, 1\)')])
def test_refused_places(data, before, message):
  with pytest.raises(ValueError, match=message):
    pipeline.train_batches(data, 'train', (*before, f'mix_soundscapes({spec()!r})', 'keep("audio")'), 4, 0)


def test_sources_are_cut_once(data, monkeypatch):
  info = pipeline.open_dataset(data)
  first = mixing_store.pools(info, 'train', RATE)
  folder = pathlib.Path(data) / mixing_store.FOLDER
  kept = sorted(folder.iterdir())
  cuts = mixing_dataset.cuts
  monkeypatch.setattr(mixing_dataset, 'cuts', lambda *a: pytest.fail('cut again'))
  assert mixing_store.pools(info, 'train', RATE) == first and sorted(folder.iterdir()) == kept

  def raced(*args):  # another process makes the same meanwhile
    monkeypatch.setattr(mixing_dataset, 'cuts', cuts)
    mixing_store.pools(info, 'train', 12_000)
    yield from cuts(*args)
  monkeypatch.setattr(mixing_dataset, 'cuts', raced)
  other = mixing_store.pools(info, 'train', 12_000)
  assert [s.onset for s in other.background] == [s.onset for s in first.background]
  assert len(list(folder.iterdir())) == len(kept) + 1

  def broken(*args):
    yield from itertools.islice(cuts(*args), 1)
    raise KeyboardInterrupt
  monkeypatch.setattr(mixing_dataset, 'cuts', broken)
  with pytest.raises(KeyboardInterrupt):
    mixing_store.pools(info, 'train', 10_000)
  assert len(list(folder.iterdir())) == len(kept) + 1


def test_what_a_split_lacks(tmp_path):
  out = str(tmp_path / 'pairs')
  build_dataset.build(build_dataset.Options('procedural', out, sizes=dict(pairs=3), clip_seconds=1.5, sample_rate=RATE),
                      say=lambda text: None)
  info = pipeline.open_dataset(out)
  with pytest.raises(ValueError, match="split pairs has no clip without events; name a data set that has some, or 'built-in'"):
    mixing_store.pools(info, 'pairs', RATE)
  assert mixing_store.pools(info, 'pairs', RATE, 'built-in').foreground
  with pytest.raises(ValueError, match="no split 'train'; known: pairs"):
    mixing_store.pools(info, 'train', RATE)
