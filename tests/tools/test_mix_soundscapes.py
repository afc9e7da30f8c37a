"""The tool, end to end: what it writes, that workers change nothing, refusals."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

from matplotlib import image
import numpy as np
import pytest
import soundfile

from data_pipeline.formats import coco, desed, raven, yolo
from data_pipeline.mixing_spec import MixingSpec
from data_pipeline.taxonomy import Taxonomy
from experiments import mixing as experiment
from tests.tools.avonet import write
from tools import mix_soundscapes, mixed_clip
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
  record = mix_soundscapes.mix(options(birds, out, extras=Extras(True, True, True, True)), said.append)
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
  check_yolo(out / 'yolo', taxonomy, scenes)
  heard = {e['recording'] for p in out.rglob('scene.json') for e in json.loads(p.read_text())['provenance']['events']}
  attributed = {row['path'] for row in csv.DictReader(open(out / 'ATTRIBUTION.csv'))}
  assert heard <= attributed
  page = (out / 'index.html').read_text()
  assert all(f'{k}"' in page for k in scenes) and 'all/00001/spectrogram.png' in page


def check_yolo(folder, taxonomy, scenes):
  """Boxes come back, and lie on what is loud in the pictures."""
  pictures = yolo.read(folder, taxonomy)
  assert [f'{name}/mix.wav' for name in pictures] == list(scenes)
  assert (folder / 'data.yaml').read_text().startswith('all: images/all\nnames:\n')
  for name, boxes in pictures.items():
    pixels = image.imread(folder / 'images' / f'{name}.png')[..., 0]
    rows, columns = pixels.shape
    assert (columns, rows) == (500, 512) and pixels.max() == 1
    told = sorted(scenes[f'{name}/mix.wav'], key=lambda e: (e['onset'], e['offset']))
    for box, e in zip(boxes, told, strict=True):
      assert box.species == e['species']
      assert abs(box.onset - e['onset']) < 0.01 and abs(box.high_hz - e['high_hz']) < RATE / 2 / rows
      if e['level_db'] > -45:
        hz = 4000 if e['species'] == 'gretit1' else 2500
        line = pixels[round((1 - hz / (RATE / 2)) * rows)]  # the highest frequency is on top
        inside = line[round(e['onset'] * 100):round(e['offset'] * 100)]
        assert inside.max() > np.median(pixels) + 0.2


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


SHORT = MixingSpec.from_dict(experiment.get_config(f'seconds=1.0,sample_rate={RATE}').to_dict())


def test_a_run_that_failed_goes_on(birds, tmp_path, monkeypatch):
  make = lambda place, **more: mix_soundscapes.mix(
      options(birds, tmp_path / place / 'o', count=dict(train=3, test=3), spec=SHORT, extras=Extras(stems=True), **more),
      said.append)
  said, write, calls = [], mixed_clip.write, []
  make('whole')

  def failing(folder, *rest):
    calls.append(folder)
    if len(calls) == 5:
      (folder / 'stems').mkdir(parents=True)
      (folder / 'stems' / 'half.wav').touch()
      raise OSError(28, 'No space left on device')
    return write(folder, *rest)
  monkeypatch.setattr(mixed_clip, 'write', failing)
  with pytest.raises(OSError, match='No space'):
    make('cut')
  assert not (tmp_path / 'cut' / 'o').exists() and mix_soundscapes.clips_done(tmp_path / 'cut' / 'o') == 4
  with pytest.raises(ValueError, match='another command: split_seed 0 there, 3 asked. Repeat .* remove the folder'):
    make('cut', split_seed=3)
  with monkeypatch.context() as other:
    other.setattr(mix_soundscapes.mixing_sources, 'LOUDEST', 0.8)
    with pytest.raises(ValueError, match='another command: sources .* there'):
      make('cut')
  make('cut')
  assert len(calls) == 7 and 'going on with 4 clips of 6 that are done' in said
  assert digests(tmp_path / 'cut') == digests(tmp_path / 'whole')
  assert [p.name for p in (tmp_path / 'cut').iterdir()] == ['o'] and not list((tmp_path / 'cut').rglob('.*'))


@pytest.fixture
def heeded():
  """SIGINT ends what is started here, also where the tests run in a shell's background, which ignores it."""
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  yield
  signal.signal(signal.SIGINT, before)


def test_interrupted_and_killed(birds, tmp_path, heeded):
  """Ctrl-C, then SIGKILL, then a run to the end: the files of a run that nothing happened to."""
  out, n = tmp_path / 'cut' / 'o', 240  # of 10 ms or so: on a busy machine this process may be away for a while
  command = [sys.executable, '-m', 'tools.mix_soundscapes', f'--data={birds}', '--backgrounds=built-in', f'--count={n}',
             '--seed=5', f'--out={out}', '--workers=2', f'--config=experiments/mixing.py:seconds=1.0,sample_rate={RATE}']
  before = 0
  for number in (signal.SIGINT, signal.SIGKILL):
    run = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True)
    while mix_soundscapes.clips_done(out) <= before + 2:
      assert run.poll() is None, run.stderr.read()
      time.sleep(0.02)
    if number == signal.SIGINT:
      os.killpg(run.pid, number)  # the terminal sends it to all
    else:
      os.kill(run.pid, number)
    told = run.communicate(timeout=60)[1]  # the workers hold the pipe: all of them have ended
    before = mix_soundscapes.clips_done(out)
    assert run.returncode and 2 < before < n and not out.exists()
    if number == signal.SIGINT:
      assert told.splitlines()[-1] == (f'mix_soundscapes: interrupted; {before} clips are done and kept: the same command line '
                                       'goes on with them') and 'Traceback' not in told
  mix_soundscapes.mix(options(birds, out, count={'all': n}, spec=SHORT), lambda text: None)
  mix_soundscapes.mix(options(birds, tmp_path / 'whole' / 'o', count={'all': n}, spec=SHORT), lambda text: None)
  assert digests(tmp_path / 'cut') == digests(tmp_path / 'whole')


def test_plausibility(birds, tmp_path):
  avonet = write(tmp_path / 'avonet.csv', 'Parus major,Forest,1,-10,70', 'Passer domesticus,Human Modified,3,-50,70')
  records, sound = {}, {}
  for mode, workers in (('plausible', 2), ('implausible', 1), ('uniform', 1)):
    out = tmp_path / mode
    said = []
    records[mode] = mix_soundscapes.mix(options(birds, out, count={'all': 16}, spec=SHORT, plausibility=mode, avonet=avonet,
                                                workers=workers), said.append)
    told = [json.loads(p.read_text())['provenance'] for p in sorted(out.glob('all/*/scene.json'))]
    judged = [t['choice']['plausibility'] for t in told]
    verdicts = records[mode]['figures']['verdicts']
    assert {j['mode'] for j in judged} == {mode} and sum(verdicts.values()) == 16
    assert all(verdicts[v] == sum(j['verdict'] == v for j in judged) for v in verdicts)
    assert records[mode]['plausibility'] == {'mode': mode, 'files': ['avonet.csv']}
    assert any(line.startswith(f'plausibility ({mode}): {verdicts["plausible"]} plausible') for line in said)
    page = (out / 'index.html').read_text()
    one = next(j for j in judged if j['score'] is not None)
    assert f'{one["verdict"]}, {one["score"]:.2f}' in page and one['reasons'][0] in page
    sound[mode] = (out / 'all' / '00003' / 'mix.wav').read_bytes()
  figures = {mode: r['figures']['verdicts'] for mode, r in records.items()}
  assert figures['plausible']['plausible'] > figures['uniform']['plausible'] > figures['implausible']['plausible']
  mix_soundscapes.mix(options(birds, tmp_path / 'o', count={'all': 4}, spec=SHORT), lambda text: None)
  assert sound['uniform'] == (tmp_path / 'o' / 'all' / '00003' / 'mix.wav').read_bytes() != sound['plausible']
  with pytest.raises(ValueError, match="'plausible': the habitat of no species is known .of Great Tit, House Sparrow"):
    mix_soundscapes.mix(options(birds, tmp_path / 'p', plausibility='plausible'), lambda text: None)
  assert not (tmp_path / 'p').exists() and not (tmp_path / '.p.partial').exists()
