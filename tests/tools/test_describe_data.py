"""A data set described: figures that are known, leaks made on purpose, and a page that needs nothing else."""

import csv
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import soundfile

from data_pipeline import pipeline
from data_pipeline.builders import features
from tools import build_dataset, data_charts, data_facts, describe_data
from tools.build_dataset import Options

RATE = 16000
HOSTILE = '<b>Ann</b> [red]"x"'


@pytest.fixture(scope='module')
def birds(tmp_path_factory):
  """Built-in birds in stereo."""
  out = tmp_path_factory.mktemp('birds') / 'data'
  options = Options('procedural', str(out), sizes=dict(train=8, val=4), clip_seconds=1.0, sample_rate=RATE, channels=2)
  build_dataset.build(options, lambda text: None)
  return data_facts.collect(str(out))


def sing(path, hz, amplitude=0.1):
  t = np.arange(3 * RATE) / RATE
  song = amplitude * np.sin(2 * np.pi * hz * t) * (abs(t - 1.5) < 0.3)
  soundfile.write(path, song + 0.0005 * np.random.default_rng(int(hz)).standard_normal(len(t)), RATE)


@pytest.fixture(scope='module')
def leaky(tmp_path_factory):
  """Recordings of two species; one person made two of each, one sound lies there under two names, one is of an ND licence."""
  folder = tmp_path_factory.mktemp('recordings')
  (folder / 'in').mkdir()
  rows = []
  for s, species in enumerate(('Great Tit', 'House Sparrow')):
    for i in range(6):
      name = f'{species[0]}{i}.wav'
      sing(folder / 'in' / name, 2000 + 1500 * s + 50 * i)
      person = HOSTILE if i < 2 else f'Person {s}{i}'
      rows.append([name, species, 'CC BY-NC-ND 4.0' if (s, i) == (0, 5) else 'CC BY 4.0', person, f'{species[0]}{i}'])
  for i in range(1, 6):  # the same sound in all of a species' groups: some two of them are split
    shutil.copy(folder / 'in' / 'G0.wav', folder / 'in' / f'G{i}.wav')
  with open(folder / 'in' / 'manifest.csv', 'w', newline='') as f:
    csv.writer(f).writerows([['path', 'species_common', 'licence', 'recordist', 'group'], *rows])
  build_dataset.build(Options('recordings', str(folder / 'out'), directory=str(folder / 'in'), clip_seconds=3.0,
                              sample_rate=RATE, keep_no_derivatives=True), lambda text: None)
  return folder / 'out'


def test_figures_of_built_in_birds(birds):
  train, val = data_facts.split_table(birds)
  assert (train['split'], train['clips'], val['clips']) == ('train', 8, 4)
  assert train['shortest'] == train['longest'] == 1.0 and train['hours'] == pytest.approx(8 / 3600)
  assert -90 < train['rms_low'] <= train['rms'] <= train['rms_high'] < 0 and train['alike'] <= 8
  table = data_facts.species_table(birds)
  assert [r['code'] for r in table] == list(birds.info.taxonomy.codes)
  events = [e for c in birds.clips for e in c.events]
  assert sum(r['events'] for r in table) == len(events) == sum(n for r in table for n in r['kinds'].values())
  assert sum(r['sounding'] for r in table) == pytest.approx(sum(e[3] - e[2] for e in events))
  assert data_facts.licence_table(birds) == [dict(licence='CC0-1.0', clips=12, recordings=12, no_derivatives=False)]
  assert not birds.leaks  # every clip has birds of its own, and one program made them all
  assert not any('recordist' in w for w in data_facts.warnings(birds))


def test_verdicts_are_counted(tmp_path):
  counted = {}
  for mode in ('plausible', 'implausible'):
    out = tmp_path / mode
    made = build_dataset.build(Options('procedural', str(out), sizes=dict(train=12), clip_seconds=0.5, plausibility=mode),
                               lambda text: None)
    facts = data_facts.collect(str(out))
    [row] = data_facts.plausibility_table(facts)
    assert (row['split'], row['mode'], row['clips'], sum(row['verdicts'].values())) == ('train', mode, 12, 12)
    assert made['source']['plausibility'] == mode
    counted[mode] = row
    text = describe_data.describe(facts)
    assert 'plausibility of the scenes' in text and f' {mode} ' in text and 'unknown' in text
  assert counted['plausible']['score'] > counted['implausible']['score'] + 0.3
  with pytest.raises(ValueError, match='another data set: plausibility implausible there, absent asked'):
    build_dataset.build(Options('procedural', str(tmp_path / 'implausible'), sizes=dict(train=12), clip_seconds=0.5))


def test_data_sets_from_before_provenance_was_stored(tmp_path, monkeypatch):
  dropped = lambda of: lambda *args, **more: {k: v for k, v in of(*args, **more).items() if k != features.PROVENANCE}
  with monkeypatch.context() as before:
    before.setattr(features, 'feature_dict', dropped(features.feature_dict))
    before.setattr(features, 'to_example', dropped(features.to_example))
    options = Options('procedural', str(tmp_path / 'old'), sizes=dict(train=4), clip_seconds=0.5)
    build_dataset.build(options, lambda text: None)
  facts = data_facts.collect(str(tmp_path / 'old'))
  assert len(facts.clips) == 4 and not data_facts.plausibility_table(facts) and 'plausib' not in describe_data.describe(facts)
  build_dataset.build(dataclasses.replace(options, out=str(tmp_path / 'new')), lambda text: None)
  ops = ['decode', 'random_crop(8000)', 'mixup(p=0.5)', 'keep("audio")']  # mixup refuses features that it does not know
  old, new = (next(pipeline.train_batches(str(tmp_path / name), 'train', ops, 4, 0)) for name in ('old', 'new'))
  assert np.array_equal(old['audio'], new['audio'])
  assert facts.info.fingerprint == data_facts.collect(str(tmp_path / 'new')).info.fingerprint
  assert 'plausibility of the scenes' in describe_data.describe(data_facts.collect(str(tmp_path / 'new')))


def test_levels_are_of_the_stored_sound(birds):
  clip = birds.clips[3]
  [e] = data_facts.examples(birds.info, clip.split, [clip.index])
  x = e['audio'] / data_facts.FULL_SCALE
  assert e['id'].decode() == clip.id and x.shape == (RATE, 2)
  assert clip.rms_db == pytest.approx(10 * np.log10(np.mean(x ** 2))) and clip.peak_db == pytest.approx(20 * np.log10(abs(x).max()))


def test_leaks_are_found(leaky):
  facts = data_facts.collect(str(leaky))
  kinds = {k.kind for k in facts.leaks}
  assert kinds == {'sound', 'recordist'}  # the builder divides groups well; it cannot know that a sound has several names
  [sound] = [k for k in facts.leaks if k.kind == 'sound']
  assert sum(sound.clips.values()) >= 6 and not sound.known and sound.name.startswith('G')
  [person] = [k for k in facts.leaks if k.kind == 'recordist']
  assert person.name == HOSTILE and len(person.clips) > 1
  said = '\n'.join(data_facts.warnings(facts))
  assert '1 sounds lie in more than one split' in said and '1 recordists lie' in said and 'no derivatives' in said
  assert [(r['licence'], r['no_derivatives']) for r in data_facts.licence_table(facts)] == [
      ('CC BY 4.0', False), ('CC BY-NC-ND 4.0', True)]


def clip(split, group='g', recordist='', digest='d', species=(0,)):
  events = tuple((s, 0, 0.0, 1.0, 100.0, 200.0, -20.0) for s in species)
  return data_facts.Clip(split, 0, f'{split}/{group}', group, recordist, 'CC0', 1.0, -20.0, -10.0, 0, False, digest, events)


def test_what_is_shared_on_purpose_is_no_leak(birds):
  info = dataclasses.replace(birds.info, name='recordings')
  clips = (clip('train', 'a', 'Ann', '1'), clip('judge', 'a', 'Ann', '1'), clip('test', 'b', 'Bob', '2'))
  known = lambda shared: [(k.kind, k.known) for k in data_facts.leaks(clips, shared, info)]
  assert known({info.taxonomy.codes[0]}) == [('sound', True), ('group', True), ('recordist', False)]
  assert known(set()) == [('sound', False), ('group', False), ('recordist', False)]
  both = clips + (clip('test', 'a', 'Ann', '3'),)  # and in test as well: a leak
  assert [(k.kind, k.known) for k in data_facts.leaks(both, {info.taxonomy.codes[0]}, info)][:2] == [
      ('sound', True), ('group', False)]
  unknown = (*(clip(split, split, 'unknown', split) for split in ('train', 'test')),
             *(clip(split, '', '', f'{split}, no group') for split in ('val', 'test')))
  assert not data_facts.leaks(unknown, set(), info)
  said = data_facts.warnings(dataclasses.replace(birds, info=info, clips=unknown, leaks=()))
  assert any('4 of 4 clips name no recordist' in w for w in said)


def test_text_fits(birds, leaky):
  text = describe_data.describe(birds)
  assert 'procedural, 12 species of procedural, 16000 Hz, 2 channel(s), clips of 1 s' in ' '.join(text.split())
  assert 'equal' in text and 'Glass' in text
  text = describe_data.describe(data_facts.collect(str(leaky)))
  assert 'LEAK' in text and 'beware' in text and 'not allowed' in text and '[red]' in text
  assert max(map(len, text.splitlines())) <= describe_data.WIDTH


def test_the_page_is_self_contained_and_safe(leaky, tmp_path, capsys):
  describe_data.main(['--data', str(leaky), '--out', str(tmp_path / 'page.html')])
  assert str(tmp_path / 'page.html') in capsys.readouterr().out
  html = (tmp_path / 'page.html').read_text()
  assert not (leaky / 'description.html').exists() and [p.name for p in tmp_path.iterdir()] == ['page.html']
  assert 'src="http' not in html and 'href="http' not in html and '@import' not in html and 'url(' not in html
  assert str(leaky) not in html and str(tmp_path) not in html
  assert '<b>Ann' not in html and '&lt;b&gt;Ann' in html
  assert html.count('data:audio/wav;base64,') == 2 and html.count('data:image/png;base64,') == 3 + 2
  assert 'Great Tit (gretit1)' in html and 'LEAK' in html and 'found by energy' in html  # the builder's own notes too
  assert set(re.findall(r'href="#([\w-]+)"', html)) <= set(re.findall(r'id="([\w-]+)"', html))
  assert describe_data.build(leaky)[0] == leaky / 'description.html'
  assert (leaky / 'description.html').read_text() == html


def test_spectrogram():
  t = np.arange(RATE) / RATE
  S, grid = data_charts.spectrogram(np.stack([0.5 * np.sin(2 * np.pi * 3000 * t)] * 2, 1), RATE)
  assert S.shape[1] == len(grid.band_hz) and 0 <= S.min() and S.max() <= 1 and 1.0 <= grid.duration < 1.01
  assert abs(grid.band_hz[S.mean(0).argmax()] - 3000) < 100
  assert grid.db_range[1] - 5 <= 20 * np.log10(0.5) + 1 <= grid.db_range[1] + 5
  for samples in (1, 100, 4000):  # shorter than a window, too
    S, grid = data_charts.spectrogram(np.zeros((samples, 1)), 4000)
    assert np.isfinite(S).all()


def test_what_is_no_data_set_is_one_clear_line(tmp_path, leaky):
  with pytest.raises(SystemExit, match='describe_data: .*dataset.json does not exist'):
    describe_data.main(['--data', str(tmp_path)])
  shutil.copytree(leaky, tmp_path / 'copy')
  record = json.loads((tmp_path / 'copy' / 'dataset.json').read_text())
  record['splits']['train'] += 1
  (tmp_path / 'copy' / 'dataset.json').write_text(json.dumps(record))
  with pytest.raises(SystemExit, match='describe_data: .*split train has'):
    describe_data.main(['--data', str(tmp_path / 'copy')])
