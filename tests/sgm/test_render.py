"""Rendered clips: every file read back by another program's reader, atomic folders, pictures measured pixel by pixel."""

import dataclasses
import io
import json
import os

import matplotlib
import matplotlib.image
import numpy as np
import pytest
import soundfile

from data_pipeline.formats import audacity, raven
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import PROCEDURAL, UnknownSpecies
from sgm import render

BANDS = np.linspace(200.0, 7900.0, 64)
GRID = render.Grid(2.0, tuple(BANDS), (-100.0, 0.0))
SCENE = Scene((Event('tinpip', 'song', 0.25, 0.8, 2000, 4000, -30), Event('needti', 'call', 1.0, 1.5, 5000, 7000, -20)),
              'rain', 'noisy', '', 2.0)


def render_to(out, **changes):
  rng = np.random.default_rng(0)
  arguments = dict(
      audio=0.1 * rng.normal(size=(32000, 2)), sample_rate=16000, spectrogram=rng.random((100, 64)), grid=GRID, scene=SCENE,
      prompt='Rain, a Tin pipit singing at the start, costs $5 or $6', seed=7, versions={'jax': '0.10.2'},
      provenance={'workdir_fingerprint': 'abc'}, taxonomy=PROCEDURAL)
  return render.render_clip(out, **{**arguments, **changes})


def test_every_file_reads_back(tmp_path):
  out = render_to(tmp_path / 'deep' / '0000')
  assert sorted(p.name for p in out.iterdir()) == sorted(render.FILES)
  audio, rate = soundfile.read(out / 'audio.wav')
  expected = 0.1 * np.random.default_rng(0).normal(size=(32000, 2))
  assert rate == 16000 and soundfile.info(out / 'audio.wav').subtype == 'PCM_16'
  np.testing.assert_allclose(audio * 32768 / 32767, expected, atol=0.51 / 32767)
  record = json.loads((out / 'scene.json').read_text())
  assert Scene.from_dict(record['scene']) == SCENE and record['seed'] == 7 and record['prompt'].endswith('$6')
  assert record['audio']['gain_db'] == 0 and record['audio']['peak'] == pytest.approx(np.abs(expected).max())
  assert record['taxonomy'] == PROCEDURAL.to_json() and record['provenance'] == {'workdir_fingerprint': 'abc'}
  in_raven = raven.read(out / 'labels.selections.txt', PROCEDURAL)
  in_audacity = audacity.read(out / 'labels.audacity.txt', PROCEDURAL, (0, 8000))
  for read in (in_raven, in_audacity):
    assert [(e.species, e.onset, e.offset, e.low_hz, e.high_hz) for e in read] == \
        [(e.species, e.onset, e.offset, e.low_hz, e.high_hz) for e in SCENE.events]
  assert matplotlib.image.imread(out / 'spectrogram.png').ndim == 3


def test_loud_audio_is_scaled_and_says_so(tmp_path):
  out = render_to(tmp_path / 'loud', audio=np.array([[2.0], [-4.0], [1.0]]))
  audio, _ = soundfile.read(out / 'audio.wav')
  np.testing.assert_allclose(audio, render.PEAK * np.array([0.5, -1, 0.25]), atol=1e-4)
  level = json.loads((out / 'scene.json').read_text())['audio']
  assert level['peak'] == 4 and 10 ** (level['gain_db'] / 20) == pytest.approx(render.PEAK / 4)


def test_folder_is_whole_or_not_there(tmp_path, monkeypatch):
  out = render_to(tmp_path / 'clip')
  before = (out / 'scene.json').read_text()

  def fails(*args, **kwargs):
    raise OSError('disk full')
  monkeypatch.setattr(audacity, 'write', fails)
  for name in ('clip', 'new'):
    with pytest.raises(OSError, match='disk full'):
      render_to(tmp_path / name, seed=8)
  assert os.listdir(tmp_path) == ['clip'] and (out / 'scene.json').read_text() == before
  monkeypatch.undo()
  assert json.loads((render_to(out, seed=9) / 'scene.json').read_text())['seed'] == 9
  assert os.listdir(tmp_path) == ['clip']


def test_refusals(tmp_path):
  (tmp_path / 'thesis.txt').write_text('mine')
  with pytest.raises(FileExistsError, match='something other than a rendered clip'):
    render_to(tmp_path)
  assert (tmp_path / 'thesis.txt').exists()
  with pytest.raises(ValueError, match='1 of 3 samples are not finite'):
    render_to(tmp_path / 'a', audio=np.array([[0], [np.nan], [1]]))
  with pytest.raises(ValueError, match=r'expected \(samples, channels\)'):
    render_to(tmp_path / 'a', audio=np.zeros(5))
  with pytest.raises(UnknownSpecies):
    render_to(tmp_path / 'a', scene=dataclasses.replace(SCENE, events=(dataclasses.replace(SCENE.events[0], species='dodo'),)))
  with pytest.raises(ValueError, match=r'expected \(frames, 64\)'):
    render_to(tmp_path / 'a', spectrogram=np.zeros((10, 32)))
  with pytest.raises(ValueError, match="mask 'm' has shape"):
    render.spectrogram_figure(np.zeros((10, 64)), GRID, masks={'m': np.zeros((9, 64))})
  with pytest.raises(ValueError, match='rising'):
    render.Grid(1.0, (100.0, 100.0), (-80, 0))
  assert os.listdir(tmp_path) == ['thesis.txt']


def pixels(png: bytes) -> np.ndarray:
  return matplotlib.image.imread(io.BytesIO(png))[..., :3]


def test_boxes_stand_where_they_should():
  silence, box = np.zeros((100, 64)), render.Box(0.5, 1.5, BANDS[16], BANDS[48], '', 0)
  bare, boxed = (pixels(render.spectrogram_figure(silence, GRID, boxes=b)) for b in ([], [box]))
  dark = np.all(bare < 0.1, axis=-1)
  columns = np.flatnonzero(dark.mean(axis=0) > 0.6)
  columns = columns[columns < columns[0] + 0.755 * bare.shape[1]]  # without the colour bar
  rows = np.flatnonzero(dark[:, columns].mean(axis=1) > 0.9)
  blue = np.array([0x56, 0xB4, 0xE9]) / 255
  ys, xs = np.nonzero(np.abs(boxed - blue).max(axis=-1) < 0.08)
  width, height = columns[-1] - columns[0], rows[-1] - rows[0]
  assert (xs.min() - columns[0]) / width == pytest.approx(0.25, abs=0.01)
  assert (xs.max() - columns[0]) / width == pytest.approx(0.75, abs=0.01)
  assert (rows[-1] - ys.max()) / height == pytest.approx(16.5 / 64, abs=0.015)
  assert (rows[-1] - ys.min()) / height == pytest.approx(48.5 / 64, abs=0.015)


def test_grid_heights():
  assert GRID.band(BANDS[5]) == pytest.approx(5) and GRID.band((BANDS[5] + BANDS[6]) / 2) == pytest.approx(5.5)
  assert GRID.band(0) == -0.5 and GRID.band(1e6) == 63.5


def test_pictures_are_a_function_of_their_input_and_touch_no_global_state():
  before = dict(matplotlib.rcParams)
  masks = {'true extent': np.eye(100, 64, dtype=bool), 'detector': np.zeros((100, 64), bool), 'all': np.ones((100, 64), bool)}
  kwargs = dict(title='100 $ and {braces} ' * 20, boxes=render.boxes_of(SCENE, PROCEDURAL), masks=masks)
  S = np.random.default_rng(1).random((100, 64))
  assert render.spectrogram_figure(S, GRID, **kwargs) == render.spectrogram_figure(S, GRID, **kwargs)
  assert dict(matplotlib.rcParams) == before


def test_crowded_labels_do_not_fail():
  boxes = [render.Box(0.1 * k, 0.1 * k + 0.3, 3000, 3500, 'A very long name of a bird indeed, song' * 3, k) for k in range(15)]
  assert pixels(render.spectrogram_figure(np.zeros((4, 64)), GRID, boxes=boxes)).shape[2] == 3


def test_a_part_of_a_recording_has_its_times():
  S = np.random.default_rng(0).random((100, 64))
  pictures = []
  for start in (0.0, 5000.0):
    grid = dataclasses.replace(GRID, start=start)
    boxes = [render.Box(start + 0.5, start + 1.0, 2000, 4000, 'Tin pipit', 0)]
    pictures.append(matplotlib.image.imread(io.BytesIO(render.spectrogram_figure(S, grid, boxes=boxes))))
  above_the_times = round(0.8 * len(pictures[0]))
  np.testing.assert_array_equal(pictures[0][:above_the_times], pictures[1][:above_the_times])
  assert (pictures[0] != pictures[1]).any()
