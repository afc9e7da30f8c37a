"""Boxes against hand cases, and average precision against its definition, written out."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings, strategies as st

from data_pipeline.formats.detection import Detection
from data_pipeline.scene import Event
from sgm.evaluation import box_metrics, spans

CODES = ('a', 'b')


def box(onset, offset, low, high, species='a'):
  return Event(species, 'song', onset, offset, low, high, -20.0)


def ap(truth, found, confidence, **arguments):
  arguments = {'min_positives': 1, 'resamples': 0, **arguments}
  return box_metrics.box_average_precision(spans.of_files(truth, CODES), spans.of_files(found, CODES, confidence), **arguments)


def test_iou_hand_cases():
  a = spans.of_files([[box(0, 2, 1000, 3000)]], CODES)
  others = [box(0, 2, 1000, 3000), box(1, 3, 1000, 3000), box(1, 3, 2000, 4000), box(2, 4, 1000, 3000), box(0.5, 1, 1500, 2000)]
  iou = box_metrics.box_iou(a, spans.of_files([others], CODES))
  assert iou[0] == pytest.approx([1, 2 / 6, 1 / 7, 0, 0.25 / 4])
  with pytest.raises(ValueError, match='1 of 1 spans say no frequencies'):
    box_metrics.box_iou(a, spans.of_files([[Detection('a', 0, 1)]], CODES))


def test_average_precision_hand_case():
  # Surest first: right, wrong, right; one of three is missed. 1/3 x 1 + 1/3 x 2/3.
  truth = [[box(0, 1, 1000, 2000), box(2, 3, 1000, 2000)], [box(5, 6, 1000, 2000)]]
  found = [[box(0, 1, 1000, 1900), box(2, 3, 1800, 2800)], [box(5, 6.2, 1000, 2000)]]
  figure = ap(truth, found, [[.9, .8], [.7]])
  assert figure.per_class[0] == pytest.approx(1 / 3 + 2 / 9) and math.isnan(figure.per_class[1]) and figure.dropped == 1
  assert figure.value == figure.per_class[0] and figure.n == 2 and figure.chance == 0
  # With the wrong one least sure nothing is lost but the missed one; with all alike they enter together.
  assert ap(truth, found, [[.9, .1], [.7]]).value == pytest.approx(2 / 3)
  assert ap(truth, found, [[.5, .5], [.5]]).value == pytest.approx(2 / 3 * 2 / 3)
  # Precision is the highest at this recall or beyond: wrong, right, right.
  assert ap(truth, found, [[.7, .9], [.6]]).value == pytest.approx(2 / 3 * 2 / 3)
  assert math.isnan(ap(truth, found, [[.9, .8], [.7]], min_positives=4).value)


def test_each_true_box_is_taken_once_and_the_free_one_next():
  truth = [[box(0, 10, 1000, 2000), box(3, 13, 1000, 2000)]]
  # All fit the first best, the second and the first would do for the other too.
  both = [box(1.4, 11.4, 1000, 2000), box(1, 11, 1000, 2000), box(0, 10, 1000, 2000)]
  hit = box_metrics.matched(spans.of_files(truth, CODES), spans.of_files([both], CODES, [[.9, .8, .7]]), 0.5)
  assert hit.tolist() == [True, True, False]
  figure = ap(truth, [both], [[.9, .8, .7]])
  assert figure.value == 1  # COCO: the second takes the one that is still free; VOC would call it wrong
  twice = [box(0, 10, 1000, 2000), box(0, 10, 1000, 2000)]
  assert ap([[truth[0][0]]], [twice], [[.9, .8]]).value == 1
  assert ap([[truth[0][0]]], [twice + [box(50, 60, 1, 2)]], [[.8, .7, .9]]).value == 0.5


def test_other_files_and_species_do_not_match():
  truth = [[box(0, 1, 1000, 2000)], [box(0, 1, 1000, 2000, 'b')]]
  assert ap(truth, truth, None).value == 1
  assert ap(truth, truth[::-1], None).value == 0
  assert ap(truth, [[], []], None).value == 0
  assert math.isnan(ap([[], []], truth, None).value)


RANDOM = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 6), st.integers(1, 4), st.integers(1, 4),
                            st.integers(0, 4)), max_size=14)


def scene(rows):
  files, confidence = [[], [], []], [[], [], []]
  for f, c, onset, low, high, sure in rows:
    files[f].append(box(onset, onset + 3, 1000 * low, 1000 * (low + high), CODES[c]))
    confidence[f].append(sure / 4)
  return files, confidence


@settings(deadline=None)
@given(RANDOM, RANDOM)
def test_average_precision_is_its_definition(true_rows, found_rows):
  truth, (found, confidence) = scene(true_rows)[0], scene(found_rows)
  figure = ap(truth, found, confidence, iou=0.4)
  t, d = spans.of_files(truth, CODES), spans.of_files(found, CODES, confidence)
  hit = box_metrics.matched(t, d, 0.4)
  for c in range(2):
    total, own = int((t.species == c).sum()), d.species == c
    if not total:
      assert math.isnan(figure.per_class[c])
      continue
    kept = [hit[own & (d.confidence >= x)] for x in set(d.confidence[own])]
    points = [(h.sum() / total, h.mean()) for h in kept]
    levels = np.arange(1, total + 1) / total  # recalls there can be
    expected = np.mean([max([p for r, p in points if r >= level - 1e-9], default=0) for level in levels])
    assert figure.per_class[c] == pytest.approx(expected)
    assert 0 <= expected <= 1
    if hit[own].any():  # what is never found counts nothing; the raised precision is never below the plain one
      plain = sklearn.metrics.average_precision_score(hit[own], d.confidence[own]) * hit[own].sum() / total
      assert expected >= plain - 1e-12


@settings(deadline=None, max_examples=50)
@given(RANDOM, RANDOM, st.randoms(use_true_random=False))
def test_order_of_rows_and_scale_of_confidences_do_not_matter(true_rows, found_rows, random):
  truth, (found, confidence) = scene(true_rows)[0], scene(found_rows)
  expected = ap(truth, found, confidence).value
  assert ap(truth, found, [[math.exp(3 * x) - 9 for x in c] for c in confidence]).value == pytest.approx(expected, nan_ok=True)
  shuffled = [list(zip(f, c)) for f, c in zip(found, confidence)]
  for rows in shuffled:
    random.shuffle(rows)
  again = ap([random.sample(t, len(t)) for t in truth], [[e for e, _ in rows] for rows in shuffled],
             [[c for _, c in rows] for rows in shuffled])
  assert again.value == pytest.approx(expected, nan_ok=True)
  swap = [2, 0, 1]
  files = ap([truth[i] for i in swap], [found[i] for i in swap], [confidence[i] for i in swap])
  assert files.value == pytest.approx(expected, nan_ok=True)


def test_interval_and_chance():
  rng = np.random.default_rng(0)
  truth = [[box(t, t + 1, 1000, 2000) for t in rng.integers(0, 9, 2) * 1.0] for _ in range(60)]
  found = [[box(e.onset + rng.choice([0.1, 0.6]), e.offset + 0.1, 1000, 2000) for e in file] for file in truth]
  confidence = [rng.random(2) for _ in found]
  figure = ap(truth, found, confidence, resamples=300)
  assert 0.1 < figure.ci95[0] < figure.value < figure.ci95[1] < 0.6
  assert 0 < figure.chance < figure.value / 2
  grouped = ap(truth, found, confidence, resamples=300, groups=np.arange(60) // 20)
  assert grouped.value == figure.value and grouped.ci95 != figure.ci95


def test_bad_input():
  with pytest.raises(ValueError, match='iou 0: expected above 0'):
    ap([[]], [[]], None, iou=0)
  with pytest.raises(ValueError, match='truth of 1 files and 2 species, found of 2'):
    ap([[]], [[], []], None)
