"""All the figures by which detectors are compared, of one method's answers: {name: Figure}.

Each has its chance level, a bootstrap interval over clips (or recordings) and the number of clips, or birds, behind it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Sequence

import numpy as np

from sgm.evaluation import bootstrap as bootstrap_lib
from sgm.evaluation import box_metrics, classification_metrics, detection, detector_answers, detector_methods, event_metrics
from sgm.evaluation import mask_metrics, metrics, psds, reliability
from sgm.evaluation.bootstrap import RESAMPLES, Figure
from sgm.evaluation.detector_answers import Answers, Truth
from sgm.evaluation.spans import Spans

WORDS = {
    'auroc': 'macro AUROC', 'pair_auroc': 'AUROC within confusable pairs', 'cmap': 'cmAP', 'padded_cmap': 'cmAP, padded by 5',
    'top1': 'highest score is there', 'birdclef_2022': 'BirdCLEF 2022 score', 'segment_f1': 'segment F1, 1 s',
    'event_f1': 'event F1, ends within 0.2 s', 'psds': 'PSDS, scenario 1', 'psds_species': 'PSDS, scenario 2',
    'mask_iou': 'mask IoU, given who sings', 'box_ap': 'box AP at IoU 0.5', 'calibration_error': 'expected calibration error',
    'false_masks_uncalibrated': 'false masks, no p-value', 'cmap_of_cnn': "cmAP above chance, of the CNN's",
}  # and false masks at the rates that are asked


def evaluate(truth: Truth, answers: Answers, rate: float, rates: Sequence[float] = (0.01, 0.05, 0.1), *,
             resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Figure]:
  """The figures; those of masks are left out where no true masks are known, those of pairs where there are no pairs.

  Args:
    rate: false alarms per (clip, absent species) at which species are reported: of birdclef_2022 and the two F1.
    rates: at which the share of false masks is measured, up to `detector_answers.LOOSEST`.
    resamples, seed: of the bootstraps.
  """
  of = truth.mixture
  how = dict(resamples=resamples, seed=seed)
  every = how | {'groups': truth.groups}
  mixed = how | {'groups': None if truth.groups is None else truth.groups[of]}
  scores, presence, found = answers.scores[of], truth.presence[of], answers.found(rate)[of]
  there, said, sure = (_of_files(x, of) for x in (truth.events, answers.events_at(rate), answers.events))
  durations = np.full(int(of.sum()), truth.seconds)

  figures = {'auroc': bootstrap_lib.figure(_auroc, scores, presence, chance=0.5, **mixed)}
  if truth.pairs:
    def by_pair(s, y):
      return np.array([detection.pair_auroc(s, y, [pair]) for pair in truth.pairs])
    figures['pair_auroc'] = bootstrap_lib.figure(by_pair, scores, presence, chance=0.5, **mixed)
  figures |= {
      'cmap': bootstrap_lib.figure(_average_precision, scores, presence,
                                   chance=classification_metrics.average_precision_chance(presence), **mixed),
      'padded_cmap': classification_metrics.padded_average_precision(scores, presence, **mixed),
      'top1': classification_metrics.top1_present(scores, presence, **mixed),
      'birdclef_2022': classification_metrics.birdclef_2022(found, presence, **mixed),
      'segment_f1': event_metrics.segment_f1(there, said, durations, **mixed).macro,
      'event_f1': event_metrics.event_f1(there, said, **mixed).macro,
      'psds': psds.psds(there, sure, durations, psds.REACT_FAST, **mixed),
      'psds_species': psds.psds(there, sure, durations, psds.TELL_APART, **mixed),
  }
  if truth.masks is not None:
    rows = of[truth.bird[:, 0]]
    clip = truth.bird[rows, 0]
    figures['mask_iou'] = mask_metrics.mean_mask_iou(
        answers.masks[rows], truth.masks[rows], groups=clip if truth.groups is None else truth.groups[clip], **how)
    figures['box_ap'] = box_metrics.box_average_precision(there, sure, **mixed)
  figures['calibration_error'] = reliability.calibration_error(answers.probability, truth.presence, **every)
  figures |= {f'false_masks_{r:g}': mask_metrics.false_mask_rate(answers.found(r), truth.presence, **every) for r in rates}
  return figures


def cmap_of(truth: Truth, answers: Answers, reference: Answers, *, resamples: int = RESAMPLES, seed: int = 0) -> Figure:
  """Which share of a reference's cmAP above chance a method reaches: 1 = as good. Clips are drawn for both together."""
  of = truth.mixture
  chance = classification_metrics.average_precision_chance(truth.presence[of])

  def ratio(mine, other, presence):
    mine, other = (bootstrap_lib.mean_of_known(_average_precision(s, presence)) for s in (mine, other))
    return np.array([classification_metrics.above_chance(mine, chance, other) if other > chance else math.nan])

  return bootstrap_lib.figure(ratio, answers.scores[of], reference.scores[of], truth.presence[of], chance=0.0, seed=seed,
                              resamples=resamples, groups=None if truth.groups is None else truth.groups[of])


def uncalibrated(method: detector_methods.Method, heard: detector_methods.Heard, s: np.ndarray, presence: np.ndarray, *,
                 resamples: int = RESAMPLES, seed: int = 0) -> mask_metrics.FalseMasks:
  """False masks where no p-value keeps any back: the masks of all species in N clips, heard, s (N, T, F), presence (N, S)."""
  marked = detector_answers.marked(method, heard, s)
  return mask_metrics.false_mask_rate(marked, presence, resamples=resamples, seed=seed)


def words_of(name: str) -> str:
  """A figure's name as people read it."""
  return WORDS[name] if name in WORDS else f'false masks, {name.removeprefix("false_masks_")} asked'


def _auroc(scores: np.ndarray, presence: np.ndarray) -> np.ndarray:
  return metrics.macro_auroc(scores, presence).per_class


def _average_precision(scores: np.ndarray, presence: np.ndarray) -> np.ndarray:
  return metrics.macro_average_precision(scores, presence).per_class


def _of_files(spans: Spans, kept: np.ndarray) -> Spans:
  """The events of some of the files, (F,) bool, which are numbered anew."""
  number = np.cumsum(kept) - 1
  inside = spans.at(kept[spans.file])
  return dataclasses.replace(inside, files=int(kept.sum()), file=number[inside.file])
