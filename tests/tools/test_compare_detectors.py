"""The comparison of detectors, whole, with stubs for the networks: made clips -> table, CSV, JSON, page and pictures."""

import csv
import json
import types

import numpy as np
import pytest

from data_pipeline import series, species as species_lib, taxonomy
from sgm.audio.spectrogram import Frontend
from sgm.evaluation import detector_methods
from tools import build_dataset, compare_detectors, known_clips, comparison_files, comparison_hearing, comparison_page

FRONTEND = Frontend(sample_rate=16000, n_fft=1024, hop=320, bands=16, low_hz=150.0, high_hz=8000.0, scale='mel',
                    db_range=(-100.0, 0.0))
CLIP = types.SimpleNamespace(seconds=0.64, samples=10240, sample_rate=16000, frames=32,
                             prepare=('decode(channels=1)',))
CODES = taxonomy.PROCEDURAL.codes


@pytest.fixture(scope='module')
def run():
  labels = types.SimpleNamespace(taxonomy=taxonomy.PROCEDURAL)
  data = types.SimpleNamespace(dir='nowhere', split='train')
  return types.SimpleNamespace(config=types.SimpleNamespace(clip=CLIP, data=data), labels=labels, fingerprint='f',
                               task=types.SimpleNamespace(frontend=FRONTEND))


@pytest.fixture(scope='module')
def clips(run):
  return [list(known_clips.made(run, name, 24, seed=0)) for name in ('comparison/calibration', 'comparison/test')]


def knows(name, clips, quality):
  """A method that recognises the clips it was told of, and says who is there, with errors; elsewhere it says nothing."""
  rng = np.random.default_rng(0)
  told = {}
  for clip in (c for some in clips for c in some):
    there = np.isin(np.arange(len(CODES)), clip.species)
    maps = np.zeros((len(CODES), 32, 16), np.float32)
    maps[clip.species] = clip.masks
    told[clip.audio.tobytes()] = quality * there + rng.normal(size=len(CODES)), maps

  def hear(audio):
    nothing = np.full(len(CODES), -9.0), np.zeros((len(CODES), 32, 16), np.float32)
    return detector_methods.Heard(*map(np.stack, zip(*(told.get(a.tobytes(), nothing) for a in np.float32(audio)))))
  return detector_methods.Method(name, hear, 5, detector_methods.Thresholds(len(CODES)))


def test_made_clips_hold_what_they_say(run, clips):
  again = next(known_clips.made(run, 'comparison/calibration', 1, seed=0))
  np.testing.assert_array_equal(again.audio, clips[0][0].audio)
  assert not np.array_equal(clips[0][0].audio, clips[1][0].audio)
  for clip in clips[0]:
    assert clip.audio.shape == (10240, 1) and clip.masks.shape == (len(clip.species), 32, 16)
    assert sorted({CODES.index(e.species) for e in clip.events}) == clip.species.tolist()
    assert clip.mixture == (len(clip.events) >= 2)
  assert {len(c.events) for c in clips[0]} >= {0, 1, 2, 3}


def test_recorded_clips_are_those_of_the_split(run, tmp_path):
  build_dataset.build(build_dataset.Options('procedural', str(tmp_path / 'data'), sizes=dict(pairs=3)), say=lambda text: None)
  some = list(known_clips.recorded(run, str(tmp_path / 'data'), 'pairs', 2))
  whole = series.split_clip(0, 'pairs', 0, duration=2.56, sample_rate=16000, channels=1)
  start = (2.56 - 0.64) / 2  # of the crop at the centre
  assert [c.group for c in some] == ['procedural/pairs/0', 'procedural/pairs/1']
  expected = whole.scene.crop(start, 0.64).events
  assert [(e.species, e.onset) for e in some[0].events] == [(e.species, pytest.approx(e.onset, abs=1e-3)) for e in expected]
  assert some[0].species.tolist() == sorted({CODES.index(e.species) for e in expected})
  assert some[0].audio.shape == (10240, 1) and some[0].masks is None and some[0].mixture


def test_hearing_gathers_all_clips_in_order(run, clips):
  of = comparison_hearing.hear(run, [knows('sure', clips, 50)], clips[1][:21], 21, say=lambda text: None)
  assert of.s.shape == (21, 32, 16) and of.heard['sure'].scores.shape == (21, len(CODES))
  np.testing.assert_array_equal(of.heard['sure'].scores > 25, of.truth.presence)
  np.testing.assert_array_equal(of.truth.presence, [np.isin(range(len(CODES)), c.species) for c in clips[1][:21]])
  assert of.truth.pairs == tuple(tuple(map(CODES.index, pair)) for pair in species_lib.CONFUSABLE)
  assert of.truth.groups is None and of.milliseconds['sure'] > 0
  for (clip, species), mask in zip(of.truth.bird, of.truth.masks):
    np.testing.assert_array_equal(mask, clips[1][clip].masks[list(clips[1][clip].species).index(species)])


@pytest.fixture(scope='module')
def found(run, clips):
  methods = [knows(compare_detectors.GAIN, clips, 50), knows(compare_detectors.CNN, clips, 3),
             detector_methods.band('band energies', FRONTEND, np.random.default_rng(0).random((50, 32, 16)),
                                   np.random.default_rng(1).random((50, len(CODES))) < 0.3)]
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(compare_detectors, 'methods_of', lambda *unused: (run, methods))
    patch.setattr(compare_detectors, 'RATES', (0.1, 0.2))
    patch.setattr(compare_detectors, 'RESAMPLES', 5)
    patch.setattr(compare_detectors, 'PICTURES', 1)
    return compare_detectors.compare('runs/ldm', 'runs/cnn', clips=24, test_clips=24, rate=0.1, say=lambda text: None)


def test_the_better_method_is_better_and_anchors_know_nothing(found):
  comparison, _ = found
  figures = {(r.method, r.on): r.figures for r in comparison.results}
  sure, cnn = figures[compare_detectors.GAIN, 'clips'], figures[compare_detectors.CNN, 'clips']
  assert sure['auroc'].value == 1 and 0.9 < cnn['auroc'].value < 1 and figures['band energies', 'clips']['auroc'].value < 0.8
  assert sure['cmap_of_cnn'].value > 1 and cnn['cmap_of_cnn'].value == pytest.approx(1)
  assert figures['true masks', 'clips']['mask_iou'].value == 1
  for method in (compare_detectors.GAIN, compare_detectors.CNN):
    for on in ('silence', 'white noise'):
      assert figures[method, on]['auroc'].value == 0.5 and figures[method, on]['false_masks_0.2'].value == 0
    assert figures[method, 'shuffled labels']['auroc'].value < 0.7
  assert 'false_masks_uncalibrated' in sure and [c.passes for c in comparison.costs] == [5, 5, 0]


def test_what_is_written(found, tmp_path):
  comparison, pictures = found
  comparison_files.write(comparison, tmp_path)
  comparison_page.write(comparison, pictures, tmp_path / 'comparison.html')
  stored = json.loads((tmp_path / 'comparison.json').read_text())
  rows = list(csv.DictReader((tmp_path / 'comparison.csv').open()))
  assert len(rows) == sum(len(r.figures) for r in comparison.results) == sum(len(r['figures']) for r in stored['results'])
  one = next(r for r in rows if r['method'] == compare_detectors.CNN and r['on'] == 'clips' and r['figure'] == 'auroc')
  figure = stored['results'][4]['figures']['auroc']
  assert float(one['value']) == pytest.approx(figure['value'], rel=1e-5) and len(figure['per_class']) == len(CODES)
  assert len(stored['pairs']) == len(species_lib.CONFUSABLE) and stored['test_clips'] == 24
  page = (tmp_path / 'comparison.html').read_text()
  assert page.count('data:image/png') == 3 and 'macro AUROC' in page and 'http' not in page.replace('http-equiv', '')
  text = comparison_files.described(comparison)
  assert "of the CNN's" in text and 'false masks, 0.2 asked' in text and max(map(len, text.splitlines())) <= 150
  assert pictures[0][1].startswith(b'\x89PNG')


def test_runs_that_cannot_be_compared(run):
  other = types.SimpleNamespace(**vars(run))
  other.labels = types.SimpleNamespace(taxonomy=types.SimpleNamespace(codes=CODES[::-1]))
  with pytest.raises(ValueError, match='another species than the diffusion run'):
    detector_methods.check_same(run, other)
  detector_methods.check_same(run, run)
