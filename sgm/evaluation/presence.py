"""Scores of a window -> the species that are reported: at a false-alarm rate, at a false discovery rate, or raw.

  rate  each species by itself: one that is absent is reported in at most this share of the windows.
  fdr   Benjamini-Hochberg over the species of each window: of the species reported in it at most this share is absent, on
        average. In a window without birds every report is false, so at most this share of such windows has one.
  raw   scores above a number, which promise nothing.

The first two hold for windows like the clips of the calibration.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, Sequence

import jax
import numpy as np

from sgm.evaluation import calibration as calibration_lib
from sgm.evaluation import false_alarms


@dataclasses.dataclass(frozen=True)
class Verdict:
  """On B windows: `found` (B, S) bool; `confidence` (B, S) 0 to 1; `p_values` (B, S) or None; `odd` (B,), not searched."""

  found: np.ndarray
  confidence: np.ndarray
  p_values: np.ndarray | None
  odd: np.ndarray


class Raw:
  """Scores above `least`. `chosen`: (S,) of the species that are reported at all."""

  def __init__(self, chosen: np.ndarray, least: float):
    self._chosen, self._least = chosen, least

  def __call__(self, scores: np.ndarray, ood: np.ndarray) -> Verdict:
    found = (scores > self._least) & self._chosen
    return Verdict(found, 1 / (1 + np.exp(-scores)), None, np.zeros(len(ood), bool))

  def about(self) -> str:
    """Changes with everything that decides a verdict, besides options."""
    return ''

  def promise(self, windows_per_hour: float) -> tuple[dict[str, float], str]:
    """What may be expected of false reports: figures by name, and a sentence."""
    return {}, 'raw scores: nothing is known of false alarms'


class Calibrated:
  """p-values at `rate` for each species, or at the false discovery rate `fdr` over the chosen ones.

  Raises ValueError for rates that the calibration has too few clips for.
  """

  def __init__(self, calibration: calibration_lib.Calibration, chosen: np.ndarray, rate: float | None, fdr: float | None,
               ood_rate: float):
    self._columns = np.flatnonzero(chosen)
    self._c, self._all = _only(calibration, self._columns), len(chosen)
    self._rate, self._fdr, self._ood_rate = rate, fdr, ood_rate
    self(np.zeros((1, len(chosen)), np.float32), np.zeros(1, np.float32))  # raises now rather than at the first window

  def __call__(self, scores: np.ndarray, ood: np.ndarray) -> Verdict:
    scores, odd = scores[:, self._columns], self._c.odd(ood, self._ood_rate)
    if self._fdr is None:
      found = (scores > self._c.thresholds(self._rate)) & ~odd[:, None]
    else:
      found = self._c.present(scores, self._fdr, odd)
    return Verdict(self._wide(found, False), self._wide(self._c.probability(scores), 0.0),
                   self._wide(self._c.p_values(scores), 1.0), odd)

  def _wide(self, values: np.ndarray, other: Any) -> np.ndarray:
    """(B, chosen) -> (B, S), `other` for those that were not asked for."""
    wide = np.full((len(values), self._all), other)
    wide[:, self._columns] = values
    return wide

  def about(self) -> str:
    """Hash of the calibration."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(dataclasses.asdict(self._c)):
      digest.update(leaf.tobytes() if isinstance(leaf, np.ndarray) else repr(leaf).encode())
    return digest.hexdigest()

  def promise(self, windows_per_hour: float) -> tuple[dict[str, float], str]:
    species = len(self._columns)
    if self._fdr is None:
      most = false_alarms.false_events_per_hour(self._rate, windows_per_hour, species)
      return ({'false_alarms_per_hour_at_most': most},
              f'at {self._rate:g} per window and absent species up to {per_hour(most)} false alarms an hour are to be expected '
              f'({windows_per_hour:.0f} windows an hour, {species} species)')
    most = self._fdr * windows_per_hour
    return ({'windows_per_hour_with_false_alarms_without_birds_at_most': most},
            f'of the species reported in a window a share of {self._fdr:g} at most is false, on average; without any birds up '
            f'to {per_hour(most)} of {windows_per_hour:.0f} windows an hour would report one')


def per_hour(count: float) -> str:
  """A count per hour as people say it: 5,880, 43, 0.36."""
  return f'{count:,.0f}' if count >= 10 else f'{count:.2g}'


def _only(c: calibration_lib.Calibration, columns: Sequence[int]) -> calibration_lib.Calibration:
  """The calibration of some of its species."""
  return dataclasses.replace(c, species=tuple(c.species[i] for i in columns), absent=tuple(c.absent[i] for i in columns),
                             intercept=c.intercept[columns], slope=c.slope[columns], prior=c.prior[columns])
