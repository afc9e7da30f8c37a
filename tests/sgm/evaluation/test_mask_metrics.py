"""False masks against closed forms of the binomial, mask overlap against hand cases and random masks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from sgm.evaluation import mask_metrics


def test_false_masks_hand_case():
  presence = np.array([[1, 0, 0], [0, 0, 1]], bool)
  masks = np.zeros((2, 3, 4, 5), bool)
  masks[0, 0, 1, 2] = masks[0, 1, 3, 3] = True  # one right, one false
  rate = mask_metrics.false_mask_rate(masks, presence)
  assert rate.value == 0.25 and rate.pairs == 4 and rate.n == 2 and rate.found == 0.5 and rate.chance == pytest.approx(2 / 6)
  assert rate.ci95 == (0, 0.5)
  # Clopper and Pearson (1934): 1 of 4.
  assert rate.exact95 == pytest.approx((0.0063, 0.8059), abs=1e-4)
  flags = mask_metrics.false_mask_rate(masks.any((2, 3)), presence)
  assert vars(flags).keys() == vars(rate).keys() and flags.value == rate.value and flags.exact95 == rate.exact95


@settings(deadline=None)
@given(hnp.arrays(bool, (6, 4)))
def test_silence_has_no_false_masks_and_marking_all_has_all(presence):
  absent = int((~presence).sum())
  none = mask_metrics.false_mask_rate(np.zeros((6, 4, 2, 2), bool), presence, resamples=50)
  every = mask_metrics.false_mask_rate(np.ones((6, 4, 2, 2), bool), presence, resamples=50)
  if not absent:
    assert math.isnan(none.value) and math.isnan(none.exact95[0])
    return
  assert none.value == 0 and none.chance == 0 and every.value == 1 and every.chance == 1
  # With none of n, the exact interval ends where (1 - p)^n = 0.025.
  assert none.exact95 == pytest.approx((0, 1 - 0.025 ** (1 / absent))) and none.ci95 == (0, 0)
  assert none.found == 0 and every.found == 1 or not presence.any()
  right = mask_metrics.false_mask_rate(presence, presence, resamples=0)
  assert right.value == 0 and (right.found == 1 or not presence.any())


def test_masks_that_ignore_the_species_get_chance():
  rng = np.random.default_rng(0)
  presence, marked = rng.random((500, 12)) < 0.1, rng.random((500, 12)) < 0.4
  rate = mask_metrics.false_mask_rate(marked, presence)
  assert rate.value == pytest.approx(0.4, abs=0.02) and rate.chance == pytest.approx(rate.value, abs=0.01)
  assert rate.ci95 == pytest.approx(rate.exact95, abs=0.005)
  # Marks that come by whole clips are fewer than they look: the interval over clips knows, the exact one does not.
  noisy = np.repeat(rng.random((500, 1)) < 0.4, 12, 1)
  clustered = mask_metrics.false_mask_rate(noisy, presence)
  width = lambda ci: ci[1] - ci[0]
  assert width(clustered.ci95) > 2.5 * width(clustered.exact95)


def test_mean_mask_iou_and_its_chance():
  rng = np.random.default_rng(1)
  true = np.zeros((40, 20, 10), bool)
  for mask, start in zip(true, rng.integers(0, 15, 40)):
    mask[start:start + 5, 2:4] = True
  perfect = mask_metrics.mean_mask_iou(true, true)
  assert perfect.value == 1 and perfect.ci95 == (1, 1) and 0 < perfect.chance < 0.5
  noise = mask_metrics.mean_mask_iou(rng.random(true.shape) < 0.5, true)
  assert noise.value == pytest.approx(noise.chance, abs=0.01)
  empty = np.zeros_like(true)
  assert mask_metrics.mean_mask_iou(empty, true).value == 0
  assert math.isnan(mask_metrics.mean_mask_iou(empty, empty).value)
  half = true.copy()
  half[:, :, 3] = False
  some = np.concatenate([half[:20], empty[20:]])
  there = np.concatenate([true[:20], empty[20:]])
  assert mask_metrics.mean_mask_iou(some, there).value == 0.5  # pairs of empty masks do not count
  assert math.isnan(mask_metrics.mean_mask_iou(true[:1], true[:1]).chance)


def test_bad_input():
  with pytest.raises(ValueError, match=r'masks \(2, 3, 4\)'):
    mask_metrics.false_mask_rate(np.zeros((2, 3, 4)), np.zeros((2, 3)))
  with pytest.raises(ValueError, match=r'expected \(M, T, F\)'):
    mask_metrics.mean_mask_iou(np.zeros((2, 3)), np.zeros((2, 3)))
