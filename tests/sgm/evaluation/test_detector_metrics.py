"""All figures of one method: of certain, of ignorant and of noisy answers, and which clips each is taken on."""

import dataclasses

import numpy as np
import pytest

from sgm.evaluation import detector_answers, detector_metrics, metrics
from tests.sgm.evaluation import detector_stubs as stubs

HIGH = ('auroc', 'pair_auroc', 'cmap', 'padded_cmap', 'top1', 'birdclef_2022', 'segment_f1', 'event_f1', 'psds', 'psds_species',
        'mask_iou', 'box_ap')
FEW = dict(resamples=20)


@pytest.fixture(scope='module')
def truth():
  return stubs.truth(120)


@pytest.fixture(scope='module')
def noisy(truth):
  return stubs.answers(truth, noise=0.5)


def test_true_masks_get_the_best_of_every_figure(truth):
  figures = detector_metrics.evaluate(truth, detector_answers.perfect(truth, stubs.FRONTEND), 0.05, **FEW)
  for name in HIGH:
    assert figures[name].value == pytest.approx(1), name
    assert figures[name].chance < 0.9, name
  for name in set(figures) - set(HIGH):
    assert figures[name].value == pytest.approx(0), name
  assert set(figures) - set(HIGH) == {'calibration_error', 'false_masks_0.01', 'false_masks_0.05', 'false_masks_0.1'}


def test_answers_to_other_clips_are_at_chance(truth, noisy):
  mine = detector_metrics.evaluate(truth, noisy, 0.05, **FEW)
  other = detector_metrics.evaluate(truth, noisy.exchanged(3), 0.05, **FEW)
  for name in HIGH:
    assert mine[name].value > mine[name].chance + 0.05, name
    assert abs(other[name].value - other[name].chance) < 0.15, name
    assert mine[name].ci95[0] <= mine[name].value <= mine[name].ci95[1] or name in ('psds', 'psds_species'), name
  assert other['calibration_error'].value > mine['calibration_error'].value


def test_figures_are_of_mixtures_but_for_false_masks_and_probabilities(truth, noisy):
  of = truth.mixture
  before = detector_metrics.evaluate(truth, noisy, 0.05, **FEW)
  assert before['auroc'].value == metrics.macro_auroc(noisy.scores[of], truth.presence[of]).value
  assert before['auroc'].n == of.sum() and before['false_masks_0.05'].n == before['calibration_error'].n == len(of)
  assert before['false_masks_0.05'].value == noisy.found(0.05)[~truth.presence].mean()
  assert before['mask_iou'].n == of[truth.bird[:, 0]].sum()

  blind = np.where(of[:, None], noisy.scores, -5.0)  # on clips that are no mixtures
  changed = dataclasses.replace(noisy, scores=blind, marked=noisy.marked & of[:, None],
                                events=noisy.events.at(of[noisy.events.file]))
  after = detector_metrics.evaluate(truth, changed, 0.05, **FEW)
  for name in HIGH:
    assert after[name].value == before[name].value, name
  assert after['false_masks_0.1'].value < before['false_masks_0.1'].value


def test_without_true_masks_or_pairs(truth, noisy):
  bare = dataclasses.replace(truth, bird=None, masks=None, pairs=(), groups=np.arange(len(truth.presence)) // 3)
  figures = detector_metrics.evaluate(bare, dataclasses.replace(noisy, masks=None), 0.05, (0.1,), **FEW)
  assert not {'mask_iou', 'box_ap', 'pair_auroc', 'false_masks_0.05'} & set(figures)
  assert figures['auroc'].value == detector_metrics.evaluate(truth, noisy, 0.05, **FEW)['auroc'].value


def test_cmap_above_chance_against_a_reference(truth, noisy):
  sure = detector_answers.perfect(truth, stubs.FRONTEND)
  assert detector_metrics.cmap_of(truth, noisy, noisy, **FEW).value == pytest.approx(1)
  ratio = detector_metrics.cmap_of(truth, noisy, sure, **FEW)
  cmap = detector_metrics.evaluate(truth, noisy, 0.05, **FEW)['cmap']
  assert ratio.value == pytest.approx((cmap.value - cmap.chance) / (1 - cmap.chance))
  assert detector_metrics.cmap_of(truth, noisy.exchanged(0), sure, **FEW).value == pytest.approx(0, abs=0.3)


def test_masks_that_nothing_keeps_back(truth):
  s = np.zeros((120, stubs.T, stubs.F))
  figure = detector_metrics.uncalibrated(stubs.method(), stubs.heard(truth, 0.1), s, truth.presence, **FEW)
  assert figure.value == figure.found == 1  # the stub always marks something


def test_names(truth, noisy):
  figures = detector_metrics.evaluate(truth, noisy, 0.05, **FEW)
  assert len({detector_metrics.words_of(name) for name in figures}) == len(figures)
  assert detector_metrics.words_of('false_masks_uncalibrated') == 'false masks, no p-value'
  assert detector_metrics.words_of('false_masks_0.05') == 'false masks, 0.05 asked'
  assert detector_metrics.words_of('cmap') == 'cmAP'
