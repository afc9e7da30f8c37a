"""PSDS against its definition by hand, against a slow loop, and against the authors' psds_eval: its examples, its figures."""

import dataclasses
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from data_pipeline.formats.detection import Detection
from sgm.evaluation import psds, spans

HOUR = np.array([3600.0])
PLAIN = psds.Scenario(0.7, 0.7, alpha_st=0.0)
CROSS = psds.Scenario(0.1, 0.1, 0.3, alpha_ct=0.5, alpha_st=0.0)


def of(*files, codes=('a', 'b', 'c')):
  """Each file a string 'a 0 1, b 2.5 3 0.9', the last number a confidence."""
  rows = [[row.split() for row in file.split(',') if row.strip()] for file in files]
  return spans.of_files([[Detection(c, *map(float, numbers)) for c, *numbers in file] for file in rows], codes)


def score(truth, found, durations=HOUR, scenario=PLAIN, **arguments):
  return psds.psds(truth, found, durations, scenario, resamples=0, **arguments)


# test_1 to test_4 and one clip of DESED: tests/data of psds_eval (MIT), with its expected counts and scores at DTC
# 0.5, GTC 0.5, CTTC 0.3, alpha_CT 0, alpha_ST 0. Five files of 50, 50, 50, 120 and 10 s, each example's events in one of them.
EXAMPLE_SECONDS = np.array([50.0, 50.0, 50.0, 120.0, 10.0])
EXAMPLES = {
    0: ('c1 2 20, c2 12 35, c3 42 47',
        'c1 0 19, c1 40 45, c2 11 25, c2 27 30, c2 32 41.5, c3 38 48', 0.9142857142857143,
        [[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0]]),
    1: ('c1 5 20, c2 5 30, c3 42 47', 'c1 2 43, c2 15 20, c3 10 30, c3 40 49', 0.29047619047619044,
        [[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]]),
    2: ('c1 5 18, c2 10 30, c3 42 48', 'c1 2 18.5, c1 29 48, c2 10 30, c3 32 38', 0.6238095238095237,
        [[1, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1]]),
    3: ('c1 2 22, c1 43 64, c2 18 20, c2 21 23, c2 25 27, c2 29 32, c2 85 88, c3 35 58, c4 47 66, c4 97 100',
        'c1 9 25, c1 41 66, c2 25 49, c2 74 82, c2 86 105, c3 33 45, c3 46.5 59, c4 4 11, c4 30 36, c4 62 67', 0.5,
        [[2, 0, 0, 0, 0], [0, 0, 1, 0, 3], [0, 0, 1, 0, 0], [1, 1, 0, 0, 2]]),
    4: ('c1 0.066 1.046, c2 0.463 1.721, c1 1.886 4.295, c2 2.879 3.739, c1 4.778 5.028, c2 5.056 6.499, c2 7.062 9.497, '
        'c1 8.127 8.974',
        'c1 0 1.0196825, c1 1.8539683 2.8736508, c1 3.7079365 5.7473016, c2 0.4634921 0.926984, c2 1.2977778 1.7612698, '
        'c2 2.8736508 3.986032, c2 5.6546032 10.0114286', 0.6089285714285714, [[1, 1, 1], [0, 4, 0]]),
}


@pytest.mark.parametrize('which', EXAMPLES)
def test_worked_examples_of_psds_eval(which):
  truth, found, expected, counts = EXAMPLES[which]
  codes = [f'c{i + 1}' for i in range(len(counts))]
  at = [''] * 5
  truth, found = (of(*at[:which], x, *at[which + 1:], codes=codes) for x in (truth, found))
  result = score(truth, found, EXAMPLE_SECONDS, psds.Scenario(0.5, 0.5, alpha_st=0))
  assert result.value == pytest.approx(expected, abs=1e-12)
  # Rows: detections; columns: true species, then false positives, of which cross triggers are some.
  scenario = psds.Scenario(0.5, 0.5, 0.3, alpha_ct=1, alpha_st=0)
  tables = psds._Counts(truth, found, np.zeros(len(found), int), 1, scenario)
  table = np.zeros((len(codes), len(codes) + 1), int)
  np.add.at(table, (tables.hits[2], tables.hits[2]), 1)
  np.add.at(table, (tables.false[2], -1), 1)
  np.add.at(table, (tables.cross[2], tables.cross[3]), 1)
  assert table.tolist() == counts


def test_the_curve_of_the_first_example():
  truth, found = (of(x, *[''] * 4, codes=['c1', 'c2', 'c3']) for x in EXAMPLES[0][:2])
  result = score(truth, found, EXAMPLE_SECONDS, psds.Scenario(0.5, 0.5, alpha_st=0))
  assert result.efpr == pytest.approx([0, 3600 / 280]) and result.roc == pytest.approx([1 / 3, 1])
  assert result.per_class_roc.tolist() == [[0, 1], [0, 1], [1, 1]]
  spread = score(truth, found, EXAMPLE_SECONDS, psds.Scenario(0.5, 0.5, alpha_st=1))
  assert spread.value == pytest.approx(1 - 36 / 280)  # 1/3 - 0.4714 is less than nothing


@pytest.mark.parametrize('scenario', [psds.REACT_FAST, psds.TELL_APART, PLAIN])
def test_perfect_is_one_and_silence_nothing(scenario):
  truth = of('a 1 2, b 1.5 3, a 9 10', 'c 4 7', '')
  durations = np.array([20, 30, 40.0])
  perfect = psds.psds(truth, truth, durations, scenario)
  assert perfect.value == 1 and perfect.per_class.tolist() == [1, 1, 1] and perfect.ci95 == (1, 1) and perfect.n == 3
  assert perfect.chance < 0.4
  silence = psds.psds(truth, of('', '', ''), durations, scenario)
  assert silence.value == 0 and silence.chance == 0 and silence.ci95 == (0, 0)
  assert math.isnan(score(of('', '', ''), truth, durations, scenario).value)


def test_a_false_positive_costs_where_it_stands_in_the_order():
  truth = of('a 0 10')
  assert score(truth, of('a 0 10 0.9, a 500 510 0.5')).value == 1  # surer of the right one: reached without the wrong one
  assert score(truth, of('a 0 10 0.9, a 500 510 0.95')).value == pytest.approx(0.99)  # found from one false alarm an hour on
  assert score(truth, of('a 0 10 0.9, a 500 510 0.9')).value == pytest.approx(0.99)
  assert score(truth, of('a 0 10 0.9, a 500 510 0.95'), HOUR / 4).value == pytest.approx(0.96)  # four an hour
  alarms = ', '.join(f'a {500 + 2 * i} {501 + 2 * i} 0.95' for i in range(100))
  assert score(truth, of(f'a 0 10 0.9, {alarms}')).value == 0  # found from 100 an hour on
  assert score(truth, of('a 0 10 0.9, a 500 510 0.95'), thresholds=np.array([0.99])).value == 0


def test_intersections():
  truth = of('a 0 10')
  for found, share in (('a 0 7', 1), ('a 0 6.99', 0),               # ground truth intersection
                       ('a 0 3.5, a 4 7.5', 1), ('a 0 3.4, a 4 7.5', 0),  # in pieces
                       ('a 0 5, a 2 7', 1), ('a 0 5, a 3 6.9', 0),  # pieces that overlap count once
                       ('a 0 14.2', 1), ('a 0 14.3', 0),            # detection tolerance
                       ('a 3 13', 1), ('a 3.1 13.1', 0), ('b 0 10', 0)):
    assert score(truth, of(found)).per_class[0] == share, found
  # 0.6 of 0.9 s in floating point is neither more nor less than 2 / 3.
  assert score(of('a 0.3 1.2'), of('a 0.3 0.9'), scenario=psds.Scenario(2 / 3, 2 / 3)).value == 1
  # A detection behind the end of its file does not count, nor does the part of one that reaches over it.
  assert score(of('a 3590 3600'), of('a 3590 3610, a 3700 3800')).value == 1
  # Two birds of one species at once are one event.
  assert score(of('a 0 10, a 5 15'), of('a 0 15')).value == 1


def test_cross_triggers():
  truth = of('a 0 10, b 100 120')
  found = of('a 0 10 0.9, a 102 112 0.95, b 100 120 0.9')
  # Species a: one false positive an hour, and one trigger in 20 s of species b, 180 an hour of them: eFPR 1 + 180 / 2.
  wrong = score(truth, found, scenario=CROSS)
  assert wrong.efpr == pytest.approx([0, 91]) and wrong.per_class == pytest.approx([0.09, 1, math.nan], nan_ok=True)
  assert wrong.value == pytest.approx((0.09 + 1) / 2) and wrong.dropped == 1
  assert score(truth, found, scenario=psds.TELL_APART).value == pytest.approx(0.09)  # 0.5 - 0.5 up to there
  assert score(truth, found).value == pytest.approx((0.99 + 1) / 2)
  # Species c has no events: it is no third species to share the blame with. Another one that has is.
  third = score(of('a 0 10, b 100 120, c 200 220'), found, scenario=CROSS)
  assert third.per_class == pytest.approx([1 - 0.46, 1, 0])
  # Less than 0.3 of the detection on b: no cross trigger, but still a false positive.
  off = score(truth, of('a 0 10 0.9, a 92.9 102.9 0.95, b 100 120 0.9'), scenario=CROSS)
  assert off.per_class[0] == pytest.approx(0.99)
  # What is relevant for its own species triggers no other.
  both = of('a 0 10, b 5 15')
  assert score(both, both, scenario=CROSS).value == 1


def test_spread_over_species():
  truth = of('a 0 10, b 20 30, c 40 50')
  two = score(truth, of('a 0 10, b 20 30'), scenario=psds.REACT_FAST)
  assert two.value == pytest.approx(2 / 3 - math.sqrt(2) / 3) and two.per_class.tolist() == [1, 1, 0]
  assert score(truth, of('a 0 10'), scenario=psds.REACT_FAST).value == 0  # 1/3 - 0.47
  # Half of a and all of b are found without a false alarm, the other half with two an hour.
  truth, found = of('a 0 10, a 20 30, b 40 50'), of('a 0 10 .9, a 20 30 .5, a 100 110 .7, a 120 130 .6, b 40 50 .9')
  steps = score(truth, found, scenario=psds.REACT_FAST)
  assert steps.efpr == pytest.approx([0, 1, 2]) and steps.roc == pytest.approx([0.5, 0.5, 1])  # 3/4 - 1/4
  assert steps.value == pytest.approx(0.5 * 0.02 + 0.98)


def random_scene(seed, files=15):
  """(species, onset, offset, confidence) of each file: truth and detections, by Python's own generator, the same everywhere."""
  draw = random.Random(seed).random
  truth, found = [[] for _ in range(files)], [[] for _ in range(files)]
  for f in range(files):
    for c in 'abc':
      t = heard = 5 * draw()
      while t < 50:
        onset, offset = round(t + 9 * draw(), 3), round(t + 9 + 6 * draw(), 3)
        truth[f].append((c, onset, offset, 1.0))
        start = max(round(onset + 3 * (draw() - 0.5), 3), heard)
        heard = round(start + (offset - onset) * (0.5 + draw()), 3)
        if draw() < 0.8:
          found[f].append((c if draw() < 0.9 else 'abc'['abc'.index(c) - 1], start, heard, math.ceil(6 * draw()) / 6))
        t = offset + 12 * draw()
    taken = {c: 0.0 for c in 'abc'}  # psds_eval takes no spans of one species that overlap
    found[f], events = [], sorted(found[f])
    for c, onset, offset, sure in events:
      if onset >= taken[c]:
        found[f].append((c, onset, offset, sure))
        taken[c] = offset
  return truth, found


# psds_eval 0.5.3 on random_scene(seed), files of 80 s, one operating point for each confidence: scenarios 1, 2 and one between
# them (DTC 0.5, GTC 0.5, CTTC 0.3, alpha_CT 0.2, alpha_ST 0.3), up to 100 and up to 1000 false alarms an hour.
PSDS_EVAL = {
    1: ((0.3295166386, 0.4072967246), (0.6416635292, 0.6718480139), (0.5737649531, 0.6372330350)),
    2: ((0.2817457146, 0.3501796048), (0.5902385657, 0.6870314256), (0.5707049339, 0.6274745101)),
    3: ((0.2744094808, 0.3494528548), (0.6062296707, 0.6809550658), (0.5942393383, 0.6510771852)),
}


@pytest.mark.parametrize('seed', PSDS_EVAL)
def test_equals_psds_eval(seed):
  truth, found = (spans.of_files([[Detection(*row) for row in file] for file in x], 'abc') for x in random_scene(seed))
  between = psds.Scenario(0.5, 0.5, 0.3, alpha_ct=0.2, alpha_st=0.3)
  for scenario, expected in zip((psds.REACT_FAST, psds.TELL_APART, between), PSDS_EVAL[seed]):
    for limit, value in zip((100.0, 1000.0), expected):
      got = score(truth, found, np.full(15, 80.0), dataclasses.replace(scenario, max_efpr=limit))
      assert got.value == pytest.approx(value, abs=1e-10)


def slowly(truth, found, point, durations, s):
  """The definition, event by event: lists per file of (species, onset, offset), and of those of each point."""
  classes = sorted({c for file in truth for c, _, _ in file})
  common = lambda x, y: max(0.0, min(x[2], y[2]) - max(x[1], y[1]))
  curves = {c: [(0.0, 0.0)] for c in classes}
  for k in set(point):
    for c in classes:
      tp = fp = 0
      ct = dict.fromkeys(classes, 0)
      for g, d in zip(truth, found):
        own = [e for e in g if e[0] == c]
        mine = [e for e in d[k] if e[0] == c]
        good = [e for e in mine if sum(common(e, x) for x in own) >= s.dtc * (e[2] - e[1]) - 1e-6]
        tp += sum(sum(common(e, x) for e in good) >= s.gtc * (x[2] - x[1]) - 1e-6 for x in own)
        bad = [e for e in mine if e not in good]
        fp += len(bad)
        for other in classes:
          if other != c and s.cttc is not None:
            ct[other] += sum(sum(common(e, x) for x in g if x[0] == other) >= s.cttc * (e[2] - e[1]) - 1e-6 for e in bad)
      seconds = {o: sum(x[2] - x[1] for g in truth for x in g if x[0] == o) for o in classes}
      cross = [3600 * ct[o] / seconds[o] for o in classes if o != c]
      efpr = 3600 * fp / sum(durations) + s.alpha_ct * (np.mean(cross) if cross else 0)
      curves[c].append((efpr, tp / sum(x[0] == c for g in truth for x in g)))
  if not classes:
    return math.nan
  steps = sorted({e for c in curves.values() for e, _ in c if e < s.max_efpr})
  area = 0.0
  for e, following in zip(steps, steps[1:] + [s.max_efpr]):
    best = [max(r for x, r in c if x <= e) for c in curves.values()]
    area += max(0.0, np.mean(best) - s.alpha_st * np.std(best)) * (following - e)
  return area / s.max_efpr


def merged(events):
  """(species, onset, offset) with overlapping ones of a species joined."""
  out = []
  for c, on, off in sorted(events):
    if out and out[-1][0] == c and on < out[-1][2]:
      out[-1] = (c, out[-1][1], max(off, out[-1][2]))
    else:
      out.append((c, on, off))
  return out


EVENTS = st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(1, 6), st.integers(1, 4)), max_size=6),
                  min_size=3, max_size=3)
SCENARIOS = st.sampled_from([psds.REACT_FAST, psds.TELL_APART, psds.Scenario(0.5, 0.5, max_efpr=1000.0),
                             psds.Scenario(0.3, 0.4, 0.2, alpha_ct=0.3, alpha_st=0.2, max_efpr=2000.0)])


def columns(files):
  return spans.of_files([[Detection('abc'[c], t, t + n, sure / 4) for c, t, n, sure in file] for file in files], 'abc')


@settings(deadline=None, max_examples=50)
@given(EVENTS, EVENTS, SCENARIOS)
def test_equals_the_definition(true, found, scenario):
  durations = [30.0, 40.0, 50.0]
  result = score(columns(true), columns(found), np.array(durations), scenario)
  truth = [merged([('abc'[c], t, t + n) for c, t, n, _ in file]) for file in true]
  levels = sorted({sure for file in found for *_, sure in file})
  points = [[merged([('abc'[c], t, t + n) for c, t, n, sure in file if sure >= level]) for level in levels] for file in found]
  expected = slowly(truth, points, range(len(levels)), durations, scenario)
  assert result.value == pytest.approx(expected, nan_ok=True)
  assert math.isnan(result.value) or 0 <= result.value <= 1


@settings(deadline=None, max_examples=40)
@given(EVENTS, EVENTS, SCENARIOS, st.permutations(range(3)), st.permutations(range(3)))
def test_names_order_and_scale_of_confidences_do_not_matter(true, found, scenario, files, species):
  durations = np.array([30.0, 40.0, 50.0])
  expected = score(columns(true), columns(found), durations, scenario)
  d = columns(found)
  scaled = spans.Spans(**{**vars(d), 'confidence': np.exp(5 * d.confidence) - 20})
  assert score(columns(true), scaled, durations, scenario).value == pytest.approx(expected.value, nan_ok=True)
  again = [columns([[(species[c], *rest) for c, *rest in x[i]] for i in files]) for x in (true, found)]
  other = score(*again, durations[list(files)], scenario)
  assert other.value == pytest.approx(expected.value, nan_ok=True)
  np.testing.assert_allclose(other.per_class[list(species)], expected.per_class)


def test_points_of_their_own():
  # One smooth score, cut high and low: two syllables at the high cut are one event at the low one.
  truth = of('a 0 10')
  found, point = of('a 0 3, a 5 9, a 0 10'), np.array([1, 1, 0])
  assert psds.psds_of_points(truth, found, point, HOUR, psds.Scenario(0.7, 0.8), resamples=0).value == 1
  assert psds.psds_of_points(truth, found.at([0, 1]), point[:2], HOUR, psds.Scenario(0.7, 0.8), resamples=0).value == 0


def test_thresholds():
  d = of('a 0 1 0.2, a 2 3 0.9, b 0 1 0.2')
  assert psds.thresholds_of(d).tolist() == [0.2, 0.9]
  many = spans.Spans(1, 1, *np.zeros((2, 1000), int), np.zeros(1000), np.ones(1000), *np.full((2, 1000), np.nan),
                     np.random.default_rng(0).random(1000))
  few = psds.thresholds_of(many, limit=11)
  assert len(few) == 11 and np.isin(few, many.confidence).all()
  assert few[0] == many.confidence.min() and few[-1] == many.confidence.max()
  truth = of('a 0 1, a 2 3, b 0 1')
  assert score(truth, d, thresholds=np.array([])).value == 0


def test_interval_and_chance():
  rng = np.random.default_rng(0)
  rows = [[(int(rng.integers(3)), int(rng.integers(20)), int(rng.integers(2, 6)), 4) for _ in range(3)] for _ in range(60)]
  heard = [[(c, t + int(rng.random() < 0.3) * 4, n, int(rng.integers(1, 5))) for c, t, n, _ in file] for file in rows]
  truth, found, durations = columns(rows), columns(heard), np.full(60, 60.0)
  for scenario in (psds.REACT_FAST, psds.TELL_APART):
    result = psds.psds(truth, found, durations, scenario, resamples=300)
    assert result.ci95[0] < result.value < result.ci95[1] and 0 <= result.chance < result.value / 2
    grouped = psds.psds(truth, found, durations, scenario, resamples=300, groups=np.arange(60) // 15)
    assert grouped.value == result.value and grouped.ci95 != result.ci95
  assert math.isnan(score(of('a 0 1'), of('a 0 1')).chance)


def test_bad_input():
  for fields, message in (((0, 0.5), 'Scenario.dtc is 0'), ((0.5, 1.5), 'Scenario.gtc is 1.5'),
                          ((0.5, 0.5, 0.3), 'cttc 0.3 with alpha_ct 0'), ((0.5, 0.5, None, 0.5), 'cttc None with alpha_ct 0.5'),
                          ((0.5, 0.5, None, 0.0, -1.0), 'weights from 0')):
    with pytest.raises(ValueError, match=message):
      psds.Scenario(*fields)
  with pytest.raises(ValueError, match=r'durations has shape \(2,\)'):
    score(of('a 0 1'), of('a 0 1'), np.ones(2))
  with pytest.raises(ValueError, match='found of 2'):
    score(of('a 0 1'), of('a 0 1', ''))
  with pytest.raises(ValueError, match=r'thresholds \(\)'):
    score(of('a 0 1'), of('a 0 1'), thresholds=0.5)
