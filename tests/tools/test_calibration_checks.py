"""Sounds without birds, and what is counted on them: by hand, with a detector that says what it is told to."""

import itertools
import types

import numpy as np
import pytest
import soundfile

from sgm.evaluation import calibration
from tools import calibration_checks as checks

RATE, SPECIES = 16000, ('a', 'b')
RNG = np.random.default_rng(0)


def run_of(rate=RATE, seconds=1.0, prepare=('decode(channels=1)',)):
  clip = types.SimpleNamespace(samples=round(rate * seconds), seconds=seconds, sample_rate=rate, prepare=prepare)
  return types.SimpleNamespace(config=types.SimpleNamespace(clip=clip))


def detector_of(n=800):
  presence = RNG.random((n, 2)) < 0.3
  c = calibration.fit(RNG.normal(size=(n, 2)) + 3 * presence, presence, RNG.normal(size=n), species=SPECIES, fingerprint='',
                      settings={})
  return types.SimpleNamespace(calibration=c, species=SPECIES, thresholds=np.full((2, 2), 0.1))


D = detector_of()


def heard_of(scores, presence=None, ood=0.0, audible=True):
  """Clips of which each has one loud cell, where every species' map is."""
  n = len(scores)
  spectrogram, maps = np.zeros((n, 16, 16)), np.zeros((n, 2, 4, 4))
  spectrogram[:, 4:8, 4:8] = audible
  maps[:, :, 1, 1] = 1.0
  return {'scores': np.asarray(scores, np.float32), 'presence': np.zeros((n, 2), bool) if presence is None else presence,
          'ood': np.broadcast_to(np.float32(ood), n), 'maps': maps, 'spectrogram': spectrogram}


def test_false_masks_by_hand():
  low, high = D.calibration.thresholds(0.05), D.calibration.thresholds(0.01)
  between, above = (low + high) / 2, high + 1
  scores = np.array([low - 1, [above[0], low[1] - 1], [between[0], above[1]], above])
  presence = np.array([[0, 0], [0, 0], [1, 0], [0, 0]], bool)
  ood = np.array([-9, -9, -9, 99])  # of the last clip nothing holds
  report = checks.check(D, heard_of(scores, presence, ood), (0.01, 0.05))
  strict, loose = report['false_masks'].values()
  assert report['clips'] == 4 and report['odd'] == {'0.01': 0.25, '0.05': 0.25}
  assert (strict['absent'], strict['value'], strict['ordinary']) == (7, pytest.approx(4 / 7), pytest.approx(2 / 7))
  assert (loose['value'], strict['found'], loose['found'], loose['found_ordinary']) == (pytest.approx(4 / 7), 0, 1, 1)
  silent = checks.check(D, heard_of(scores, presence, ood, audible=False), (0.05,))['false_masks']['0.05']
  assert silent['value'] == silent['found'] == 0  # however high the scores: there is nothing to mark


def test_species_with_unexpected_numbers_of_alarms_are_named():
  scores = RNG.normal(size=(2000, 2))
  presence = np.zeros((2000, 2), bool)
  presence[0] = True
  assert checks.check(D, heard_of(scores, presence), (0.1,))['false_masks']['0.1']['unexpected'] == []
  scores[:, 1] += 1
  assert checks.check(D, heard_of(scores, presence), (0.1,))['false_masks']['0.1']['unexpected'] == ['b']


def test_rates_that_a_small_calibration_cannot_tell_are_left_out():
  report = checks.check(detector_of(60), heard_of(np.zeros((3, 2))), (0.01, 0.05, 0.1))
  assert list(report['odd']) == ['0.05', '0.1'] and list(report['false_masks']) == ['0.05', '0.1']
  assert 'found' not in report['false_masks']['0.1']  # none is present
  assert report['odd_rate'] == checks.ODD_RATE and f'without the odd at {checks.ODD_RATE:g}' in checks.table({'x': report})
  few = checks.check(detector_of(30), heard_of(np.zeros((3, 2))), (0.1,))
  assert few['odd_rate'] == 1 / 16 > checks.ODD_RATE and 'without the odd at 0.062' in checks.table({'x': few})


def test_table_has_a_line_for_each_and_words_where_birds_are_present():
  presence = RNG.random((200, 2)) < 0.5
  report = {'held out': checks.check(D, heard_of(RNG.normal(size=(200, 2)), presence), (0.05, 0.1)),
            'a folder': checks.check(D, heard_of(np.full((5, 2), 9.0), ood=99), (0.05, 0.1))}
  lines = checks.table(report).splitlines()
  assert lines[3].split() == ['a', 'folder', '5', '1.000', '1.000', '1.000', '1.000', '0.000', '0.000']
  assert [line[:17] for line in lines[4:]] == ['held out at 0.05:', 'held out at 0.1: '] and max(map(len, lines)) < 110


def test_sounds_are_as_many_as_announced_and_the_same_again():
  made = checks.sounds(run_of(), 3)
  assert list(made) == ['silence', 'white noise', 'rain', 'strangers', 'look-alikes']
  again = checks.sounds(run_of(), 3)
  for name, (count, clips) in made.items():
    clips, same = list(clips), list(itertools.islice(again[name][1], 3))
    assert len(clips) == count and all(c.shape == (RATE, 1) and np.isfinite(c).all() for c in clips)
    np.testing.assert_array_equal(clips[:3], same)
    levels = [np.sqrt(np.mean(c**2)) for c in clips]
    assert max(levels) == 0 if name == 'silence' else 1e-4 < min(levels) < max(levels) < 0.5
    assert len({c.tobytes() for c in clips}) == count
  assert list(checks.sounds(run_of(8000), 3)) == ['silence', 'white noise', 'rain']  # strangers sing too high for it


def test_sounds_are_prepared_as_recordings_are():
  _, noise = checks.sounds(run_of(prepare=('decode(channels=1)', 'level(-26)')), 3)['white noise']
  assert [20 * np.log10(np.sqrt(np.mean(c**2))) for c in itertools.islice(noise, 3)] == pytest.approx([-26] * 3, abs=0.1)


def test_windows_of_a_folder(tmp_path, monkeypatch):
  for name, seconds in (('a', 9), ('b', 3)):
    soundfile.write(tmp_path / f'{name}.wav', np.repeat(np.arange(seconds) / 100, RATE), RATE)
  (tmp_path / 'broken.wav').write_text('no sound')
  said = []
  count, windows = checks.recordings(run_of(), str(tmp_path), said.append)
  windows = list(windows)
  assert count == len(windows) == 12 and [round(100 * float(w.mean())) for w in windows] == [*range(9), *range(3)]
  assert len(said) == 1 and 'broken.wav' in said[0]
  monkeypatch.setattr(checks, 'MOST', 6)
  count, windows = checks.recordings(run_of(), str(tmp_path), said.append)
  assert count == 6 and [round(100 * float(w.mean())) for w in windows] == [0, 2, 4, 6, 8, 1]
  for path in tmp_path.glob('?.wav'):
    path.unlink()
  with pytest.raises(ValueError, match='none of its 1 recordings can be read'):
    checks.recordings(run_of(), str(tmp_path), said.append)
