"""The tool, end to end: what it writes, that workers change nothing, refusals."""

import csv
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from data_pipeline.formats import coco, desed, raven
from data_pipeline.mixing_spec import MixingSpec
from data_pipeline.taxonomy import Taxonomy
from experiments import mixing as experiment
from tools import mix_soundscapes
from tools.mix_soundscapes import Extras, Options

RATE = 16000
SPEC = MixingSpec.from_dict(experiment.get_config(f'seconds=5.0,sample_rate={RATE}').to_dict())


@pytest.fixture(scope='module')
def birds(tmp_path_factory):
  folder = tmp_path_factory.mktemp('birds')
  t = np.arange(3 * RATE) / RATE
  rng = np.random.default_rng(0)
  for species, hz in (('Great Tit', 4000), ('House Sparrow', 2500)):
    (folder / species).mkdir()
    for i in range(4):
      sung = 0.3 * np.sin(2 * np.pi * hz * t) * ((t % 1.5 > 0.7) & (t % 1.5 < 1.2))
      soundfile.write(folder / species / f'XC{hz}{i}.wav', sung + 0.003 * rng.standard_normal(len(t)), RATE)
  return folder


def options(birds, out, **more):
  return Options([str(birds)], more.pop('count', {'all': 2}), str(out), more.pop('spec', SPEC), ['built-in'], seed=5, **more)


def digests(folder):
  return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob('*.*')}


def test_everything_that_is_written(birds, tmp_path):
  out = tmp_path / 'deep' / 'mixed'
  said = []
  record = mix_soundscapes.mix(options(birds, out, extras=Extras(True, True, True)), said.append)
  assert [p.name for p in out.parent.iterdir()] == ['mixed'] and not list(out.rglob('*.int16'))
  assert json.loads(json.dumps(record)) == json.loads((out / 'mix.json').read_text())
  assert record['figures']['snr_error_db_max'] < 0.01
  taxonomy = Taxonomy.from_json(record['taxonomy'])
  scenes = {}
  for i in range(2):
    clip = out / 'all' / f'{i:05d}'
    audio, rate = soundfile.read(clip / 'mix.wav', dtype='float32')
    assert rate == RATE and len(audio) == 5 * RATE and soundfile.info(clip / 'mix.wav').subtype == 'FLOAT'
    stems = [soundfile.read(p, dtype='float32')[0] for p in sorted((clip / 'stems').glob('*.wav'))]
    assert np.abs(np.sum(stems, axis=0) - audio).max() < 1e-6
    told = json.loads((clip / 'scene.json').read_text())
    events = told['scene']['events']
    assert told['provenance']['index'] == i and told['prompt'] and told['weak'] == sorted({e['species'] for e in events})
    assert len(raven.read(clip / 'labels.selections.txt', taxonomy)) == len(events)
    assert len(list((clip / 'stems').glob('event*.png'))) == len(events)
    masks = np.load(clip / 'masks.npz')
    assert masks['events'].shape == (len(events), len(masks['times']) - 1, len(masks['hz']) - 1)
    assert masks['codes'].tolist() == told['weak']
    for mask, e in zip(masks['events'], events):  # cells of an event lie in its box, to a window's length and a band
      t, f = np.nonzero(mask)
      assert e['level_db'] < -60 or len(t)
      assert not len(t) or (masks['times'][t.min()] > e['onset'] - 0.1 and masks['times'][t.max()] < e['offset'] + 0.1)
    assert (clip / 'spectrogram.png').read_bytes()[:4] == b'\x89PNG'
    scenes[f'all/{i:05d}/mix.wav'] = events
  boxes = coco.read(out / 'boxes.json', taxonomy, folder=out)
  assert {k: len(v) for k, v in boxes.items()} == {k: len(v) for k, v in scenes.items()}
  assert len(desed.read(out / 'events.tsv', taxonomy, folder=out)) == sum(map(len, scenes.values()))
  assert len((out / 'soundscape_labels.csv').read_text().splitlines()) == 1 + 2
  heard = {e['recording'] for p in out.rglob('scene.json') for e in json.loads(p.read_text())['provenance']['events']}
  attributed = {row['path'] for row in csv.DictReader(open(out / 'ATTRIBUTION.csv'))}
  assert heard <= attributed
  page = (out / 'index.html').read_text()
  assert all(f'{k}"' in page for k in scenes) and 'all/00001/spectrogram.png' in page


def test_a_clip_is_the_same_whatever_workers_and_count(birds, tmp_path):
  mix_soundscapes.mix(options(birds, tmp_path / 'one', count={'all': 9}, extras=Extras(stems=True)), lambda text: None)
  many = dict(count={'all': 10}, workers=2, extras=Extras(stems=True))
  mix_soundscapes.mix(options(birds, tmp_path / 'two', **many), lambda text: None)
  one, two = digests(tmp_path / 'one' / 'all'), digests(tmp_path / 'two' / 'all')
  assert len(one) > 27 and one == {k: v for k, v in two.items() if k in one}


def test_no_recording_in_two_splits(birds, tmp_path):
  record = mix_soundscapes.mix(options(birds, tmp_path / 'o', count=dict(train=3, test=2)), lambda text: None)
  train, test = (set(record['recordings_per_split'][s]) - {'built-in textures'} for s in ('train', 'test'))
  assert train and test and not train & test
  assert len(list((tmp_path / 'o').glob('*/*/mix.wav'))) == 5


def test_refusals(birds, tmp_path):
  (tmp_path / 'full').mkdir()
  (tmp_path / 'full' / 'x').touch()
  with pytest.raises(ValueError, match='holds something already'):
    mix_soundscapes.mix(options(birds, tmp_path / 'full'))
  busy = experiment.get_config(f'seconds=5.0,sample_rate={RATE}').to_dict()
  with pytest.raises(ValueError, match="events.species: const\\(\"gretit\"\\): unknown 'gretit'; nearest: gretit1"):
    spec = MixingSpec.from_dict(busy | {'events': busy['events'] | {'species': 'const("gretit")'}})
    mix_soundscapes.mix(options(birds, tmp_path / 'o', spec=spec), lambda text: None)
  with pytest.raises(ValueError, match='no scene of 5 s fits'):
    spec = MixingSpec.from_dict(busy | {'events': busy['events'] | {'count': 'const(90)', 'reuse': True, 'retries': 3}})
    mix_soundscapes.mix(options(birds, tmp_path / 'o', spec=spec), lambda text: None)
  assert sorted(p.name for p in tmp_path.iterdir()) == ['full']
  for text, message in (('0', '0 clips'), ('x', 'expected a number'), ('trian=3', "unknown split 'trian'")):
    with pytest.raises(ValueError, match=message):
      mix_soundscapes.counts(text)


def test_the_command_line(birds, tmp_path):
  run = lambda *flags: subprocess.run([sys.executable, '-m', 'tools.mix_soundscapes', *flags], capture_output=True, text=True)
  done = run(f'--data={birds}', '--backgrounds=built-in', '--count=1', f'--out={tmp_path / "o"}', '--workers=1',
             f'--config=experiments/mixing.py:seconds=2.0,sample_rate={RATE},channels=2,far=true',
             '--config.events.count=const(1)')
  assert not done.returncode and 'SNR at most' in done.stdout, done.stderr
  assert soundfile.info(tmp_path / 'o' / 'all' / '00000' / 'mix.wav').channels == 2
  wrong = run('--count=1', f'--out={tmp_path / "p"}')
  assert wrong.returncode and '--data is missing' in wrong.stderr and 'Traceback' not in wrong.stderr
