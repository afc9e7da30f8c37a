"""Segment and event F1 against sed_eval's figures, hand cases and searches through all pairings."""

import itertools
import math
import random

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings, strategies as st

from data_pipeline.formats.detection import Detection
from sgm.evaluation import event_metrics, spans

CODES = ('a', 'b', 'c')


def of(*files):
  """Each file a string 'a 0 1, b 2.5 3'."""
  rows = [[row.split() for row in file.split(',') if row.strip()] for file in files]
  return spans.of_files([[Detection(c, float(on), float(off)) for c, on, off in file] for file in rows], CODES)


def random_scene(seed, files=8):
  """Truth and detections that shift, lose and invent some of it; the same everywhere, by Python's own generator."""
  draw = random.Random(seed).random
  truth, found = [], []
  for _ in range(files):
    truth.append([])
    found.append([])
    for _ in range(int(8 * draw())):
      onset, seconds, c = round(25 * draw(), 3), round(0.3 + 4 * draw(), 3), CODES[int(3 * draw())]
      truth[-1].append(Detection(c, onset, round(onset + seconds, 3)))
      if draw() < 0.8:
        other = c if draw() < 0.8 else CODES[int(3 * draw())]
        start = max(round(onset + 0.6 * (draw() - 0.5), 3), 0.0)
        found[-1].append(Detection(other, start, round(start + seconds * (0.6 + 0.8 * draw()), 3)))
    for _ in range(int(3 * draw())):
      onset = round(25 * draw(), 3)
      found[-1].append(Detection(CODES[int(3 * draw())], onset, round(onset + 0.3 + 2 * draw(), 3)))
  return truth, found


def test_segments_hand_case():
  truth = of('a 0 2, b 1.5 2.5', 'c 0 1')
  found = of('a 0.5 1, b 0 3, c 2 3', '')
  # Seconds of file 0: a | ab | b; found ab | b | bc. File 1: c; found nothing.
  f = event_metrics.segment_f1(truth, found, [3, 1])
  assert f.micro.value == pytest.approx(2 * 3 / (5 + 5)) and f.precision == 3 / 5 and f.recall == 3 / 5
  assert f.macro.per_class == pytest.approx([2 / 3, 4 / 5, 0]) and f.macro.value == pytest.approx((2 / 3 + 4 / 5) / 3)
  # Missed against wrong, second for second: 0:1, 1:0, 0:1, 1:0 -> no substitutions, two insertions, two deletions.
  assert f.error_rate.value == pytest.approx(4 / 5) and f.micro.n == 2
  swapped = event_metrics.segment_f1(of('a 0 1'), of('b 0 1'), [1])
  assert swapped.error_rate.value == 1 and swapped.micro.value == 0  # one substitution, not two errors
  half = event_metrics.segment_f1(truth, found, [3, 1], seconds=0.5)
  assert half.micro.value == pytest.approx(2 * 3 / (8 + 9))  # true 4 + 2 + 2, found 1 + 6 + 2; common: a 1, b 2


def test_segments_end_with_the_file_and_where_events_do():
  assert event_metrics.segment_f1(of('a 0 1'), of('a 0 9'), [1]).micro.value == 1
  assert event_metrics.segment_f1(of('a 0 1'), of('a 0 9'), [9]).micro.value == pytest.approx(2 / 10)
  fine = event_metrics.segment_f1(of('a 0.3 0.6', 'b 0 0.1'), of('a 0.3 0.6', 'b 0 0.1'), [0.7, 0.1], seconds=0.1)
  assert fine.micro.value == 1
  wide = event_metrics.segment_f1(of('a 0.3 0.6'), of('a 0.2 0.7'), [1], seconds=0.1)
  assert wide.micro.value == pytest.approx(2 * 3 / (3 + 5))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10 ** 6))
def test_segment_f1_equals_sklearn_on_the_grid(seed):
  truth, found = random_scene(seed, files=3)
  rolls = []
  for files in (truth, found):
    roll = np.zeros((3, 40, 3), bool)
    for f, events in enumerate(files):
      for e in events:
        roll[f, math.floor(e.onset):math.ceil(e.offset), CODES.index(e.species)] = True
    rolls.append(roll.reshape(-1, 3))
  got = event_metrics.segment_f1(spans.of_files(truth, CODES), spans.of_files(found, CODES), [40] * 3, resamples=0)
  kept = rolls[0].any(0)
  expected = sklearn.metrics.f1_score(*rolls, average=None, zero_division=0)
  np.testing.assert_allclose(got.macro.per_class[kept], expected[kept])
  if rolls[0].any() or rolls[1].any():
    assert got.micro.value == pytest.approx(sklearn.metrics.f1_score(*rolls, average='micro', zero_division=0))


def test_collar_hand_cases():
  def f(truth, found, **arguments):
    return event_metrics.event_f1(of(truth), of(found), **arguments).micro.value
  assert f('a 1 2', 'a 1.2 2.2') == 1 and f('a 1 2', 'a 1.21 2') == 0 and f('a 1 2', 'a 0.8 2') == 1
  assert f('a 0.1 2', 'a 0.3 2') == 1  # 0.3 - 0.1 > 0.2 in floating point
  assert f('a 1 2', 'a 1 2.5') == 1 and f('a 1 2', 'a 1 2.51') == 0  # half of its length
  assert f('a 1 1.2', 'a 1 1.4') == 1 and f('a 1 1.2', 'a 1 1.41') == 0  # or the collar
  assert f('a 1 2', 'a 1 2.5', offset_share=0.2) == 0 and f('a 1 2', 'a 1 9', offset_share=None) == 1
  assert f('a 1 2', 'b 1 2') == 0 and f('a 1 2', 'a 1 2, a 1 2') == pytest.approx(2 / 3)
  assert f('a 1 2', 'a 1.5 2.5', collar=0.5) == 1
  assert math.isnan(f('', '')) and f('', 'a 1 2') == 0 and f('a 1 2', '') == 0


def test_pairs_are_as_many_as_possible_whatever_the_order():
  # sed_eval's own example of what pairing in order loses: 1.25 s could be either event, 1.75 s only the second.
  truth = of('a 1.0 3.0, a 1.5 3.0')
  for found in ('a 1.25 3.0, a 1.75 3.0', 'a 1.75 3.0, a 1.25 3.0'):
    f = event_metrics.event_f1(truth, of(found), collar=0.25)
    assert f.micro.value == 1 and f.precision == 1 and f.recall == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 12), max_size=5), st.lists(st.integers(0, 12), max_size=5), st.integers(0, 2))
def test_pairing_is_the_largest_of_all(true, found, collar):
  def events(onsets):
    return spans.of_files([[Detection('a', x, x + 1) for x in onsets]], CODES)
  fewer, more = sorted((true, found), key=len)
  best = max(sum(abs(x - y) <= collar for x, y in zip(fewer, some)) for some in itertools.permutations(more, len(fewer)))
  assert event_metrics.paired(events(true), events(found), collar, None).sum() == best


# sed_eval 0.2.1 on random_scene(seed, files=12): micro F1, precision, recall, macro F1 of segments of 1 s and their error rate;
# the same of events with offset_share 0.5, 0.2, None, optimal matching.
SED_EVAL = {
    1: ((0.6607142857, 0.6851851852, 0.6379310345, 0.6767728495, 0.5862068966),
        (0.5176470588, 0.5116279070, 0.5238095238, 0.5410191976), (0.2823529412, 0.2790697674, 0.2857142857, 0.3114689642),
        (0.5647058824, 0.5581395349, 0.5714285714, 0.5805425919)),
    2: ((0.6592592593, 0.5894039735, 0.7478991597, 0.6481137701, 0.6470588235),
        (0.4941176471, 0.4375, 0.5675675676, 0.4736139867), (0.2117647059, 0.1875, 0.2432432432, 0.2039414155),
        (0.4941176471, 0.4375, 0.5675675676, 0.4736139867)),
    3: ((0.6578947368, 0.6756756757, 0.6410256410, 0.6630213160, 0.5641025641),
        (0.2972972973, 0.2894736842, 0.3055555556, 0.2999775533), (0.2162162162, 0.2105263158, 0.2222222222, 0.2146801347),
        (0.2972972973, 0.2894736842, 0.3055555556, 0.2999775533)),
}


@pytest.mark.parametrize('seed', SED_EVAL)
def test_equals_sed_eval(seed):
  truth, found = (spans.of_files(x, CODES) for x in random_scene(seed, files=12))
  segments, *events = SED_EVAL[seed]
  f = event_metrics.segment_f1(truth, found, [40] * 12, resamples=0)
  assert (f.micro.value, f.precision, f.recall, f.macro.value, f.error_rate.value) == pytest.approx(segments, abs=1e-9)
  for share, expected in zip((0.5, 0.2, None), events):
    f = event_metrics.event_f1(truth, found, offset_share=share, resamples=0)
    assert (f.micro.value, f.precision, f.recall, f.macro.value) == pytest.approx(expected, abs=1e-9)


def test_files_and_species_are_kept_apart():
  truth = of('a 1 2', 'a 5 6, b 1 2', '')
  found = of('a 5 6', 'a 1 2, b 1 2', 'c 1 2')
  f = event_metrics.event_f1(truth, found)
  assert f.micro.value == pytest.approx(2 / (3 + 4)) and f.macro.per_class == pytest.approx([0, 1, math.nan], nan_ok=True)
  assert f.macro.value == 0.5 and f.macro.dropped == 1
  assert event_metrics.event_f1(truth, found, min_positives=2).macro.value == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10 ** 6), st.permutations(range(8)), st.permutations(range(3)))
def test_names_and_order_of_files_and_species_do_not_matter(seed, files, species):
  truth, found = random_scene(seed)
  again = tuple(CODES[i] for i in species)
  for figure in (lambda t, d, n: event_metrics.segment_f1(t, d, [30] * n, resamples=0),
                 lambda t, d, n: event_metrics.event_f1(t, d, resamples=0)):
    a = figure(spans.of_files(truth, CODES), spans.of_files(found, CODES), 8)
    b = figure(*(spans.of_files([x[i] for i in files], again) for x in (truth, found)), 8)
    assert b.micro.value == pytest.approx(a.micro.value, nan_ok=True)
    np.testing.assert_allclose(b.macro.per_class, a.macro.per_class[list(species)])
    assert math.isnan(a.micro.value) or 0 <= a.micro.value <= 1
    perfect = figure(*[spans.of_files(truth, CODES)] * 2, 8)
    assert perfect.micro.value == 1 or not any(truth)


def test_chance_and_interval():
  truth, found = (spans.of_files(x, CODES) for x in random_scene(5, files=80))
  segments, events = event_metrics.segment_f1(truth, found, [30] * 80), event_metrics.event_f1(truth, found)
  for figure in (segments.micro, segments.macro, events.micro, events.macro):
    assert figure.ci95[0] < figure.value < figure.ci95[1] and 0 < figure.chance < figure.value / 2
  assert segments.error_rate.value < 1 < segments.error_rate.chance
  # Exchanged files keep nothing but the marginals: 2 R Q / N / (R + Q) where files are of one length.
  roll = np.zeros((2, 80 * 30, 3), bool)
  for r, s in zip(roll, (truth, found)):
    for f, c, on, off in zip(s.file, s.species, s.onset, s.offset):
      r[f * 30 + math.floor(on):f * 30 + min(math.ceil(off), 30), c] = True
  r, q = roll.sum(1)
  assert segments.micro.chance == pytest.approx(2 * (r * q).sum() / 2400 / (r + q).sum(), rel=0.1)
  grouped = event_metrics.event_f1(truth, found, groups=np.arange(80) // 20)
  assert grouped.micro.value == events.micro.value and grouped.micro.ci95 != events.micro.ci95
  alone = event_metrics.event_f1(of('a 1 2'), of('a 1 2'))
  assert math.isnan(alone.micro.chance)


def test_anchors():
  truth, silence = spans.of_files(random_scene(1)[0], CODES), of(*[''] * 8)
  quiet = event_metrics.segment_f1(truth, silence, [30] * 8)
  assert quiet.micro.value == 0 and quiet.error_rate.value == 1 and quiet.error_rate.ci95 == (1, 1)
  assert math.isnan(quiet.precision) and quiet.recall == 0
  assert event_metrics.event_f1(truth, silence).micro.value == 0
  always = spans.of_files([[Detection('a', 0, 30)]] * 2, CODES)
  p = 3 / 60
  assert event_metrics.segment_f1(of('a 1 4', ''), always, [30, 30]).micro.value == pytest.approx(2 * p / (1 + p))
  nothing = event_metrics.event_f1(spans.of_files([], CODES), spans.of_files([], CODES))
  assert math.isnan(nothing.micro.value) and nothing.micro.n == 0


def test_bad_input():
  one = of('a 0 1')
  with pytest.raises(ValueError, match='truth of 1 files'):
    event_metrics.event_f1(one, of('', ''))
  with pytest.raises(ValueError, match='collar -1'):
    event_metrics.event_f1(one, one, collar=-1)
  with pytest.raises(ValueError, match='segments of 0 s'):
    event_metrics.segment_f1(one, one, [1], seconds=0)
  with pytest.raises(ValueError, match=r'shape \(2,\): expected \(1,\)'):
    event_metrics.segment_f1(one, one, [1, 1])
