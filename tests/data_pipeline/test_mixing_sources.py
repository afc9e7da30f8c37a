"""Folders and data sets become pools: what is taken, left out, told, and how it is dealt to splits."""

import csv
import itertools

import numpy as np
import pytest
import soundfile

from data_pipeline import mixing_sources
from data_pipeline.builders import procedural
from data_pipeline.mixing_pools import BUILT_IN, Source
from data_pipeline.taxonomy import PROCEDURAL
from tools import build_dataset

RATE = 16000


def song(seed, hz, seconds=3.0, rate=RATE, channels=1):
  rng = np.random.default_rng(seed)
  t = np.arange(round(seconds * rate)) / rate
  x = 0.003 * rng.standard_normal(len(t)) + 0.3 * np.sin(2 * np.pi * hz * t) * ((t % 1.5 > 0.7) & (t % 1.5 < 1.2))
  return np.repeat(x[:, None], channels, 1)


def noise(seconds=4.0, channels=1):
  return 0.05 * np.random.default_rng(1).standard_normal((round(seconds * RATE), channels))


@pytest.fixture
def folder(tmp_path):
  """birds/: two species, four recordings each, some odd; rain/: backgrounds; stray/: a contaminant."""
  def write(path, audio, rate=RATE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, **options)
  birds = tmp_path / 'birds'
  for i in range(4):
    write(birds / 'Great Tit' / f'XC10{i}00.wav', song(i, 4000))
    write(birds / 'House Sparrow' / f'XC20{i}00.wav', song(i, 2500))
  write(birds / 'House Sparrow' / 'XC20000 cut.wav', song(9, 2500))  # of the same recording as XC20000.wav
  write(birds / 'Great Tit' / 'XC1990.wav', song(5, 4000, rate=44100, channels=2), 44100)
  write(birds / 'Great Tit' / 'XC1991.wav', 4 * song(5, 4000), subtype='FLOAT')
  write(birds / 'Great Tit' / 'XC1992.wav', np.zeros((RATE, 1)))
  write(birds / 'Great Tit' / 'XC1993.wav', np.full((RATE, 1), np.nan), subtype='FLOAT')
  write(birds / 'Great Tit' / 'XC1994.wav', np.random.default_rng(0).standard_normal((RATE // 100, 1)) / 9)
  for i in range(5):
    write(tmp_path / 'places' / 'rain' / f'{i}.wav', noise(channels=1 + i % 2))
  write(tmp_path / 'places' / 'dawn chorus.wav', noise())
  write(tmp_path / 'stray' / 'knock.wav', song(3, 900))
  return tmp_path


def gather(folder, data=('birds',), backgrounds=('places',), contaminants=(), **options):
  local = lambda names: [n if ':' in n or n == 'built-in' else str(folder / n) for n in names]
  return mixing_sources.gather(local(data), local(backgrounds), local(contaminants), folder / 'made',
                               **dict(sample_rate=RATE, channels=1) | options)


def test_folders(folder):
  found = gather(folder, contaminants=('stray',), workers=2)
  pools = found.pools
  assert {pools.taxonomy.resolve(c).common for c in pools.by_species} == {'Great Tit', 'House Sparrow'}
  assert {s.name: s.reason for s in found.skips} == {
      'birds/Great Tit/XC1992.wav': 'silent', 'birds/Great Tit/XC1994.wav': 'no vocalisation stands out of its noise, alone',
      'birds/Great Tit/XC1993.wav': 'holds NaN or infinite samples, the first after 0.00 of 1.00 s'}, found.skips
  names = {s.name for s in pools.foreground}
  assert 'birds/Great Tit/XC1990.wav' in names and 'birds/Great Tit/XC1991.wav' in names  # another rate, over full scale
  assert all(s.environment == 'rain' for s in pools.background) and len(pools.background) == 5
  assert any('of 1 backgrounds speak of birds' in n and 'dawn chorus' in n for n in found.notes)
  for s in pools.foreground:
    assert abs((s.onset % 1.5) - 0.7) < 0.04 and abs((s.offset % 1.5) - 1.2) < 0.04
    x = s.read()[:, 0]
    hz = np.argmax(np.abs(np.fft.rfft(x, 4 * RATE))) / 4
    assert abs(hz - (4000 if 'Great' in s.name else 2500)) < 5 and np.isclose(np.abs(x).max(), 0.9, atol=1e-3)
    # Its gain tells how loud it was.
    assert 'XC1991' in s.name or abs(np.sqrt(np.mean(x ** 2)) / s.gain - 0.3 / np.sqrt(2)) < 0.03
  assert {s.name for s in pools.contaminants} == {'stray/knock.wav'} and not pools.contaminants[0].species


def test_no_recording_lies_in_two_splits(folder):
  pools = gather(folder, splits=('train', 'val', 'test')).pools
  sides = {split: pools.split(split) for split in ('train', 'val', 'test')}
  groups = {split: {s.group for s in (*p.foreground, *p.background)} for split, p in sides.items()}
  assert all(not groups[a] & groups[b] for a, b in itertools.combinations(groups, 2))
  assert sum(len(p.foreground) for p in sides.values()) == len(pools.foreground)
  with pytest.raises(ValueError, match="split 'judge' has no foreground"):
    pools.split('judge')


def test_a_group_goes_where_one_of_its_sources_has_a_split():
  source = lambda group, split='': Source(f'{group}.wav', group, 0.0, 1.0, None, split=split)
  known, same = [source(f'G{i}', 'train') for i in range(6)], [source(f'G{i}') for i in range(12)]
  dealt = mixing_sources._dealt({'foreground': known + same, 'background': [], 'contaminants': []}, ('train', 'val', 'test'), 0)
  place = {s.group: {t.split for t in dealt['foreground'] if t.group == s.group} for s in same}
  assert all(len(splits) == 1 for splits in place.values()) and all(place[f'G{i}'] == {'train'} for i in range(6))
  assert len({*itertools.chain(*place.values())}) > 1
  with pytest.raises(ValueError, match="G0.wav: of group 'G0', which is in split 'train', and this in 'val'"):
    mixing_sources._dealt({'foreground': [source('G0', 'train'), source('G0', 'val')]}, ('train', 'val'), 0)


def test_two_channels_are_kept_for_backgrounds(folder):
  pools = gather(folder, channels=2).pools
  assert sorted(s.channels for s in pools.background) == [1, 1, 1, 2, 2] and {s.channels for s in pools.foreground} == {1}


def test_birds_in_backgrounds_may_stay(folder):
  found = gather(folder, birds_in_backgrounds=True)
  assert len(found.pools.background) == 6 and any('stay without a label' in n for n in found.notes)


def test_licences_and_background_of_the_same_manifest(folder):
  rows = [('path', 'species_common', 'licence', 'recordist', 'environment')]
  rows += [(f'birds/Great Tit/XC10{i}00.wav', 'Great Tit', 'CC BY-NC-ND 4.0' if i == 0 else 'CC BY 4.0', f'R{i}', '')
           for i in range(4)]
  rows += [('places/rain/0.wav', '', 'CC0', 'P', 'rain')]
  with open(folder / 'manifest.csv', 'w', newline='') as f:
    csv.writer(f).writerows(rows)
  found = gather(folder, data=('',), backgrounds=())
  assert {s.recordist for s in found.pools.foreground} == {'R1', 'R2', 'R3'}
  assert [(s.environment, s.recordist) for s in found.pools.background] == [('rain', 'P')]
  assert [s.reason for s in found.skips] == ['its licence (CC BY-NC-ND 4.0) forbids derivatives']


@pytest.mark.parametrize('options, message', [
    (dict(data=('nowhere',)), 'nowhere is no folder'),
    (dict(backgrounds=('birds/Great Tit/XC1992.wav',)), 'is no folder'),
    (dict(data=('places',)), 'no birds in'),
    (dict(backgrounds=()), 'no background in .*; --backgrounds built-in'),
])
def test_refused(folder, options, message):
  with pytest.raises(ValueError, match=message):
    gather(folder, **options)


def test_a_raven_table_without_its_sound_is_skipped(folder):
  raven = folder / 'raven'
  raven.mkdir()
  header = 'Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n'
  soundfile.write(raven / 'a.wav', song(0, 4000), RATE)
  for name in 'ab':
    (raven / f'{name}.Table.1.selections.txt').write_text(header + '1\tSpectrogram 1\t1\t0.6\t1.3\t3500\t4500\tGreat Tit\n')
  found = gather(folder, data=(f'raven:{raven}',))
  [s] = found.pools.foreground
  assert s.name == 'raven/a.wav' and 0.65 < s.onset < 0.75 and 1.15 < s.offset < 1.25
  assert any('b.' in s.name for s in found.skips)


def test_a_data_set_of_ours(tmp_path):
  out = tmp_path / 'set'
  build_dataset.build(build_dataset.Options('procedural', str(out), sizes=dict(train=12, val=6), clip_seconds=2.0,
                                            sample_rate=RATE), lambda text: None)
  found = mixing_sources.gather([str(out)], ['built-in'], [], tmp_path / 'made', sample_rate=RATE, channels=1,
                                splits=('train', 'val'))
  assert set(found.pools.by_species) <= set(PROCEDURAL.codes) and found.pools.background[0].name == BUILT_IN
  for split in ('train', 'val'):
    part = found.pools.split(split)
    assert part.foreground and all(s.name.startswith(f'procedural/{split}/') for s in part.foreground)
    assert {s.recordist for s in part.foreground} == {procedural.RECORDIST}


def test_a_vocalisation_in_many_windows_of_a_data_set_is_one_source(folder, tmp_path):
  out = tmp_path / 'set'
  build_dataset.build(build_dataset.Options('recordings', str(out), directory=str(folder / 'birds'), clip_seconds=1.5,
                                            sample_rate=RATE, workers=1), lambda text: None)
  found = gather(folder, data=('set',), splits=('train', 'test'))
  train = found.pools.split('train').foreground
  for name in {s.name for s in train}:  # song at 0.7 to 1.2 s and 2.2 to 2.7 s of each recording
    mine = sorted((s for s in train if s.name == name), key=lambda s: s.onset)
    np.testing.assert_allclose([(s.onset, s.offset) for s in mine], [(0.7, 1.2), (2.2, 2.7)], atol=0.05)
  assert not {s.group for s in train} & {s.group for s in found.pools.split('test').foreground}
