"""Plain words for a comparison, from its interval and the margin alone; never from a mean."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping

from tools import report_charts
from tools.ablation_statistics import Difference

BETTER, WORSE, EQUIVALENT, NONE = 'better', 'worse', 'equivalent', 'no difference shown'
SIGNIFICANT = 0.05
_MATCHED = {'parameters': 'matched parameters', 'flops': 'matched FLOPs'}

# (arm, control, what both have, what the arm alone has).
CONTROLS = (
    ('volume', 'scalar_softmax', 'the likelihood', 'the amplitude axis'),
    ('volume', 'levels', 'the likelihood and the levels', 'the geometry, levels on an axis instead of in channels,'),
    ('volume', 'volume_permuted', 'a volume with shuffled levels', 'amplitude locality'),
)


@dataclasses.dataclass(frozen=True)
class Verdict:
  """word: one of the four. lean: 'better' or 'worse' of an equivalent arm whose interval excludes 0, else None."""

  word: str
  lean: str | None = None

  def __str__(self):
    return f'{self.word}, slightly {self.lean}' if self.lean else self.word


def decide(interval: tuple[float, float], margin: float, higher_is_better: bool) -> Verdict:
  """The verdict on a difference, arm minus reference.

  equivalent: the whole interval lies within (-margin, margin). Else better or worse: the whole interval lies on one side of 0.
  Else no difference is shown, which is not equivalence.

  Args:
    interval: (low, high) of the difference. margin: > 0, in the metric's unit.
  """
  low, high = interval if higher_is_better else (-interval[1], -interval[0])
  side = BETTER if low > 0 else WORSE if high < 0 else None
  if -margin < low and high < margin:
    return Verdict(EQUIVALENT, side)
  return Verdict(side or NONE)


def signed(value: float) -> str:
  """A difference with its sign, the minus a real one."""
  text = report_charts.number(abs(value))
  return text if value == 0 else ('+' if value > 0 else '\u2212') + text


def interval(ci95: tuple[float, float]) -> str:
  return f'{signed(ci95[0])} to {signed(ci95[1])}'


def matched(matching: str) -> str:
  return _MATCHED.get(matching, f'matched {matching}')


def subject(arm: str, against: str, matching: str) -> str:
  return f'{arm} against {against} at {matched(matching)}'


def grounds(verdict: Verdict, found: Difference, primary: Mapping[str, Any], holm: float, comparisons: int) -> str:
  """Why a comparison of the primary endpoint has this verdict.

  Args:
    primary: `title`, `margin`, `higher_is_better`.
    holm: p-value, adjusted for so many `comparisons`.
  """
  e, margin = found.over_seeds, report_charts.number(primary['margin'])
  said = f'{primary["title"]} differs by {signed(e.mean)} (95 % interval {interval(e.ci95)}, {e.n} paired seeds)'
  if verdict.word == EQUIVALENT:
    return f'{said}, all of it within the margin of {margin}.'
  if verdict.word == NONE:
    low, high = e.ci95 if primary['higher_is_better'] else (-e.ci95[1], -e.ci95[0])
    return (f'{said}: from {report_charts.number(-low)} worse to {report_charts.number(high)} better, '
            f'which is more than the margin of {margin} allows to call equal.')
  if comparisons == 1:
    return f'{said}.'
  p = '< 0.001' if holm < 0.001 else f'= {report_charts.number(holm)}'
  stays = 'and stays so' if holm < SIGNIFICANT else 'but as a hint only, since it does not stay so'
  return f'{said}, {stays} after Holm\'s correction for {comparisons} comparisons (p {p}).'


def meaning(control: str, verdict: Verdict, shared: str, own: str) -> str:
  """What a control says: both arms have `shared`, the one that is judged has `own` beside it."""
  start = own[0].upper() + own[1:]
  return {BETTER: f'{start} adds something beyond {shared}.',
          WORSE: f'{start} costs something: {control} does better without.',
          EQUIVALENT: f'{start} adds nothing beyond the margin to {shared}.',
          NONE: f'Whether {own} adds anything to {shared} is not shown.'}[verdict.word]
