"""p-values that hold for any number of clips, thresholds that decide the same, odd windows, and the stored file's guard."""

import json
import os
import zipfile

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from sgm.evaluation import calibration
from sgm.evaluation import false_alarms
from sgm.evaluation import oddity
from sgm.evaluation import reliability

SPECIES = ('brnowl', 'blkgro1', 'eurrob1')
RUN = dict(species=SPECIES, fingerprint='0123456789abcdef',
           settings={'detector': {'noises': 4, 'ts': (0.8, 0.9)}, 'window': 2.56, 'data': 'fedc'})


def of(*absent, ood=(0.0,)):
  """A calibration on the given absent scores per species, and surprises of clips, without a fit."""
  size = len(absent)
  return calibration.Calibration(tuple(f's{i}' for i in range(size)), '', {}, tuple(np.sort(np.float32(a)) for a in absent),
                                 np.zeros(size), np.ones(size), np.full(size, 0.5), np.sort(np.float32(ood)),
                                 oddity.Ordinary(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))))


def clips(n, rng, species=3, effect=3.0, share=0.2):
  """Scores (n, S) with a level of the clip's own that is standardised away, presence and features, as of a detector."""
  presence = rng.random((n, species)) < share
  raw = rng.normal(size=(n, species)) + rng.gamma(2.0, size=(n, 1)) + effect * presence
  return raw - raw.mean(1, keepdims=True), presence, rng.normal(10.0, 1.0, (n, 2))


def fitted(n=400, seed=0, **changes):
  return calibration.fit(*clips(n, np.random.default_rng(seed)), **{**RUN, **changes})


small = st.lists(st.integers(-3, 3), min_size=1, max_size=12)  # with many ties


def test_p_values_by_hand_ties_count_against():
  c = of([1, 2, 2, 5], [0, 0, 0])
  assert c.counts.tolist() == [4, 3]
  assert c.p_values(np.array([[6, 1], [5, 0], [2, -1], [2.5, 1], [-9, 0]])) == pytest.approx(
      np.array([[1 / 5, 1 / 4], [2 / 5, 1], [4 / 5, 1], [2 / 5, 1 / 4], [1, 1]]))
  assert c.p_values(np.zeros((0, 2))).shape == (0, 2)


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5) | st.integers(-3, 3).map(float), min_size=2, max_size=15))
def test_p_values_are_super_uniform_for_every_exchangeable_sample(values):
  # Whichever of the n + 1 is the fresh clip, all are equally likely: so their p-values' distribution is known exactly.
  p = [of(values[:i] + values[i + 1:]).p_values(np.array([[v]])).item() for i, v in enumerate(values)]
  size = len(values)
  for m in range(1, size + 1):
    assert np.mean(np.array(p) <= m / size) <= m / size + 1e-12
  if len(set(np.float32(values))) == size:
    assert np.sort(p) == pytest.approx(np.arange(1, size + 1) / size)  # no ties: exactly uniform


@settings(deadline=None)
@given(small, small, st.floats(0.01, 0.99) | st.integers(1, 99).map(lambda i: i / 100))
def test_a_threshold_is_the_same_decision(absent, fresh, rate):
  c = of(absent)
  fresh = np.array(fresh, float)[:, None]
  if 1 / (len(absent) + 1) > rate:
    with pytest.raises(ValueError, match='absent clips'):
      c.thresholds(rate)
  else:
    assert ((fresh > c.thresholds(rate)) == (c.p_values(fresh) <= rate)).all()


def test_thresholds_of_exact_rates():
  # 0.29 x 100 is 28.999999999999996: the 29th of 99 + 1 must not get lost.
  c = of(np.arange(99))
  for percent in range(1, 100):
    alarms = (np.arange(-1, 100)[:, None] + 0.5 > c.thresholds(percent / 100)).sum()
    assert alarms == (c.p_values(np.arange(-1, 100)[:, None] + 0.5) <= percent / 100).sum() >= percent


@pytest.mark.parametrize('rate', [0.01, 0.05, 0.3])
def test_false_alarm_rate_of_fresh_clips_is_the_asked_one(rate):
  rng = np.random.default_rng(1)
  n, repeats = 99, 4000
  alarms = sum((of(rng.standard_cauchy(n)).p_values(rng.standard_cauchy((1, 1))) <= rate).item() for _ in range(repeats))
  low, high = false_alarms.binomial_interval(alarms, repeats, level=0.999)
  assert low <= rate <= high


def test_an_absent_species_on_held_out_clips_through_fit():
  # The whole of it: 8 species, look-alikes (each leaks into its neighbour's score), polyphony, levels of the clip's own.
  rng = np.random.default_rng(2)
  names = [f's{i}' for i in range(8)]

  def made(n):
    scores, presence, ood = clips(n, rng, species=8)
    return scores + np.roll(presence, 1, axis=1), presence, ood

  c = calibration.fit(*made(3000), **{**RUN, 'species': names})
  assert c.short == () and (c.counts > 2000).all()
  scores, presence, _ = made(4000)
  for rate in (0.01, 0.1):
    alarms = ((scores > c.thresholds(rate)) & ~presence).sum(0)
    absent = (~presence).sum(0)
    for s in range(8):
      low, high = false_alarms.expected_false_alarms(rate, c.counts[s], absent[s], level=0.999)
      assert low <= alarms[s] <= high
    assert ((scores > c.thresholds(rate)) & presence).sum() / presence.sum() > 3 * rate
  found = c.present(scores, 0.1)
  false_share = (found & ~presence).sum(1) / np.maximum(found.sum(1), 1)
  assert false_share.mean() < 0.1 and (found & presence).sum() > 0.2 * presence.sum()


def test_rates_below_the_smallest_p_value_are_refused_with_what_they_need():
  c = of(np.arange(99), np.arange(49))
  assert c.short == ('s0', 's1')
  c.thresholds(0.02)
  with pytest.raises(ValueError, match=r'^thresholds: a rate of 0.01 needs 99 absent clips: s1 has 49$'):
    c.thresholds(0.01)
  with pytest.raises(ValueError, match=r'a rate of 0.0001 needs 9999 absent clips: s1 has 49, and 1 more have too few$'):
    c.thresholds(0.0001)
  for rate in (0, 1, -0.1, np.nan):
    with pytest.raises(ValueError, match='between 0 and 1'):
      c.thresholds(rate)


def test_a_lone_bird_can_be_found_or_it_is_said_that_it_cannot():
  # Ten species at q = 0.1: a p-value of 0.01, so 99 clips.
  lone = np.eye(10)[:1] * 1000.0
  assert of(*[np.arange(99)] * 10).present(lone, 0.1).tolist() == (lone > 0).tolist()
  with pytest.raises(ValueError, match='q = 0.1 over 10 species, so a p-value of 0.01 needs 99 absent clips: s0 has 98'):
    of(*[np.arange(98)] * 10).present(lone, 0.1)


def test_enough_clips_are_1000():
  assert of(np.arange(999), np.arange(1000)).short == ('s0',)


def test_odd_windows_through_fit():
  c = fitted(2000)
  assert len(c.ood) == 1000
  fresh = np.random.default_rng(4).normal(10, 1, (10000, 2))
  for rate in (0.01, 0.05, 0.2):
    low, high = false_alarms.expected_false_alarms(rate, 1000, 10000, level=0.999)
    assert low <= c.odd(c.surprise(fresh), rate).sum() <= high
  # Whichever way a window is unlike the clips; the p-value is one-sided, of the surprise.
  assert c.odd(c.surprise([[0, 10], [20, 10], [10, 10], [10, 0]]), 0.01).tolist() == [True, True, False, True]
  assert c.ood_p_values([-1e9, 1e9]) == pytest.approx([1, 1 / 1001])


def test_odd_windows_hold_nothing_however_loud_their_scores_are():
  c = of(*[np.arange(99)] * 2, ood=np.arange(99))
  scores = np.full((3, 2), 1e6)
  assert c.present(scores, 0.1, odd=c.odd([-50, 49, 150], 0.05)).tolist() == [[True] * 2, [True] * 2, [False] * 2]
  with pytest.raises(ValueError, match='odd: a rate of 0.005 needs 199 absent clips: half of the calibration has 99'):
    c.odd([0.0], 0.005)


def test_the_clips_that_say_what_is_ordinary_do_not_rank():
  # One wild clip in fifty: those that were fitted are not surprising, fresh ones are; so ranks come from the others.
  scores, presence, features = clips(400, np.random.default_rng(9))
  c = calibration.fit(scores, presence, features, **RUN)
  other = features.copy()
  other[1::2] += 100
  moved = calibration.fit(scores, presence, other, **RUN)
  assert (moved.ordinary.means == c.ordinary.means).all() and moved.ood.min() > c.ood.max()


@settings(deadline=None)
@given(small, st.integers(1, 19).map(lambda i: i / 20))
def test_odd_p_values_are_super_uniform(values, rate):
  p = [of([0], ood=values[:i] + values[i + 1:]).ood_p_values([v]).item() for i, v in enumerate(values)] if values[1:] else [1]
  assert np.mean(np.array(p) <= rate) <= rate + 1e-12


def test_probability_and_prior():
  c = fitted(4000)
  scores = np.linspace(-8, 8, 101)[:, None] * np.ones(3)
  p = c.probability(scores)
  assert (np.diff(p, axis=0) >= 0).all() and p[0].max() < 0.01 and p[-1].min() > 0.99
  assert c.prior == pytest.approx(0.2, abs=0.03)
  fresh, presence, _ = clips(4000, np.random.default_rng(8))
  for column, truth in zip(c.probability(fresh).T, presence.T):
    assert reliability.calibration_error(column, truth, bins=10, resamples=0).value < 0.03
  # Bayes: the odds are multiplied by the ratio of the prior odds.
  odds = lambda x: x / (1 - x)
  moved = c.probability(scores[40:60], 0.01)
  assert odds(moved) / odds(p[40:60]) == pytest.approx(np.broadcast_to(odds(0.01) / odds(c.prior), moved.shape))
  assert c.probability(scores, c.prior) == pytest.approx(p)
  for wrong in (0.0, 1.0, np.nan, np.full(2, 0.5)):
    with pytest.raises(ValueError, match='prior'):
      c.probability(scores, wrong)


def test_scores_that_are_not_finite_are_named_by_clip():
  scores, presence, ood = clips(20, np.random.default_rng(5))
  for value in (np.nan, np.inf, 1e300):
    wrong = scores.copy()
    wrong[17, 1] = value
    for call in (lambda: calibration.fit(wrong, presence, ood, **RUN), lambda: fitted().p_values(wrong),
                 lambda: fitted().probability(wrong)):
      with pytest.raises(ValueError, match=r'^scores: clip 17 has .* for blkgro1: expected finite'):
        call()
  ood[3, 1] = np.nan
  for call in (lambda: calibration.fit(scores, presence, ood, **RUN), lambda: fitted().surprise(ood)):
    with pytest.raises(ValueError, match='^features: clip 3 has nan for number 1: expected finite'):
      call()
  with pytest.raises(ValueError, match='^surprise: clip 1 has nan: expected finite'):
    fitted().odd([0.0, np.nan], 0.1)


def test_fit_refuses_what_it_cannot_calibrate():
  scores, presence, ood = clips(20, np.random.default_rng(6))
  everywhere = presence.copy()
  everywhere[:, 2] = True
  for args, message in (((scores[:, :2], presence, ood), 'one column per species'),
                        ((scores, presence[:9], ood), 'expected'),
                        ((scores, presence, ood[:9]), 'expected'),
                        ((scores, presence * 0.5, ood), 'booleans'),
                        ((scores, everywhere, ood), 'eurrob1 is in all 20 clips'),
                        ((scores, presence & False, ood), 'no clip of 20 has any')):
    with pytest.raises(ValueError, match=message):
      calibration.fit(*args, **RUN)
  for changes, message in ((dict(species=('a', 'b', 'a')), 'each once'), (dict(settings={'a': object()}), 'JSON'),
                           (dict(settings={'a': np.nan}), 'JSON')):
    with pytest.raises(ValueError, match=message):
      calibration.fit(scores, presence, ood, **{**RUN, **changes})


def test_round_trip(tmp_path):
  c = fitted()
  c.save(tmp_path / 'calibration.npz')
  assert os.listdir(tmp_path) == ['calibration.npz']
  back = calibration.load(tmp_path / 'calibration.npz', **RUN)
  assert back.species == SPECIES and back.settings == json.loads(json.dumps(RUN['settings'])) and back.short == c.short
  scores, _, ood = clips(50, np.random.default_rng(7))
  for ours, theirs in ((c.p_values(scores), back.p_values(scores)), (c.thresholds(0.05), back.thresholds(0.05)),
                       (c.probability(scores), back.probability(scores)), (c.surprise(ood), back.surprise(ood)),
                       (c.odd(c.surprise(ood), 0.1), back.odd(back.surprise(ood), 0.1))):
    assert ours.dtype == theirs.dtype and (ours == theirs).all()
  once = (tmp_path / 'calibration.npz').read_bytes()
  back.save(tmp_path / 'calibration.npz')
  assert (tmp_path / 'calibration.npz').read_bytes() == once


def test_a_file_of_other_scores_is_refused_by_the_keys_that_differ(tmp_path):
  path = tmp_path / 'calibration.npz'
  fitted().save(path)
  other = json.loads(json.dumps(RUN['settings']))
  other['detector']['noises'] = 8
  del other['data']
  for changes, message in (
      (dict(fingerprint='other'), r'\(fingerprint: "0123456789abcdef" there, "other" here\)'),
      (dict(settings=other), r'\(settings.data: "fedc" there, absent here; settings.detector.noises: 4 there, 8 here\)'),
      (dict(species=SPECIES[::-1]), r'\(species: 3 there, 3 here, not the same or not in this order\)')):
    with pytest.raises(ValueError, match=message) as error:
      calibration.load(path, **{**RUN, **changes})
    assert '\n' not in str(error.value) and str(path) in str(error.value)


def test_damaged_files_are_refused_in_one_line(tmp_path):
  path, good = tmp_path / 'calibration.npz', tmp_path / 'good.npz'
  with pytest.raises(FileNotFoundError):
    calibration.load(path, **RUN)
  fitted().save(good)
  with np.load(good) as stored:
    arrays = dict(stored)
  about = json.loads(arrays['about'].item())

  def again(**changes):
    np.savez(path, **{**arrays, **changes})

  def less(name):
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, 'w') as new:
      for entry in old.namelist():
        if entry != f'{name}.npy':
          new.writestr(entry, old.read(entry))

  whole = good.read_bytes()
  for damage in (lambda: path.write_bytes(b''), lambda: path.write_text('{}'), lambda: path.write_bytes(whole[:-400]),
                 lambda: path.write_bytes(whole[:2000] + bytes(50) + whole[2050:]),
                 lambda: np.save(open(path, 'wb'), np.zeros(3)), lambda: less('slope'), lambda: less('about'),
                 lambda: again(about=np.array({'version': 1})), lambda: again(about='[]'), lambda: again(about='{'),
                 lambda: again(about=json.dumps({**about, 'version': 1})), lambda: again(counts=arrays['counts'][:2]),
                 lambda: again(about=json.dumps({**about, 'species': 3})),
                 lambda: again(about=json.dumps({**about, 'settings': 3})),
                 lambda: again(counts=arrays['counts'] + [1, 0, -1]), lambda: again(counts=arrays['counts'] * 1.0),
                 lambda: again(absent=arrays['absent'][::-1]), lambda: again(absent=arrays['absent'] * np.nan),
                 lambda: again(slope=-arrays['slope']), lambda: again(prior=arrays['prior'] * 0),
                 lambda: again(ood=np.zeros(0)), lambda: again(means=arrays['means'][0]), lambda: again(weights=np.zeros(0)),
                 lambda: again(factors=arrays['factors'] * np.nan)):
    damage()
    with pytest.raises(ValueError, match='is no calibration that can be read') as error:
      calibration.load(path, **RUN)
    assert '\n' not in str(error.value)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
  path = tmp_path / 'calibration.npz'
  fitted().save(path)
  before = path.read_bytes()

  def full(file, **arrays):
    file.write(b'half')
    raise OSError('No space left on device')

  monkeypatch.setattr(np, 'savez_compressed', full)
  with pytest.raises(OSError, match='No space'):
    fitted(seed=1).save(path)
  assert path.read_bytes() == before and os.listdir(tmp_path) == ['calibration.npz']
