"""Verdicts: each outcome on constructed intervals, and the words that follow from them."""

import pytest
from hypothesis import given, strategies as st

from tools import ablation_statistics as stats
from tools import ablation_verdict as verdicts

PRIMARY = {'title': 'Label fidelity', 'margin': 0.05, 'higher_is_better': True}


@pytest.mark.parametrize('interval, word, lean', [
    ((0.01, 0.09), 'better', None), ((0.06, 0.09), 'better', None), ((-0.2, -0.001), 'worse', None),
    ((-0.01, 0.02), 'equivalent', None), ((0.001, 0.049), 'equivalent', 'better'), ((-0.049, -0.001), 'equivalent', 'worse'),
    ((-0.01, 0.05), 'no difference shown', None), ((-0.05, 0.0), 'no difference shown', None),
    ((0.0, 0.06), 'no difference shown', None), ((-1.0, 1.0), 'no difference shown', None),
    ((0.0, 0.0), 'equivalent', None), ((0.05, 0.05), 'better', None)])
def test_outcomes(interval, word, lean):
  assert verdicts.decide(interval, 0.05, True) == verdicts.Verdict(word, lean)
  mirrored = {'better': 'worse', 'worse': 'better'}
  low, high = interval
  for verdict in (verdicts.decide((-high, -low), 0.05, True), verdicts.decide(interval, 0.05, False)):
    assert verdict == verdicts.Verdict(mirrored.get(word, word), mirrored.get(lean))


ENDS = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted).map(tuple)


@given(ENDS, ENDS, st.floats(0.001, 0.5))
def test_a_narrower_interval_takes_nothing_back(wide, narrow, margin):
  low, high = max(wide[0], narrow[0]), min(wide[1], narrow[1])
  if low > high:
    return
  before, after = verdicts.decide(wide, margin, True), verdicts.decide((low, high), margin, True)
  if before.word == 'equivalent':
    assert after.word == 'equivalent'
  if before.word in ('better', 'worse'):
    assert before.word in (after.word, after.lean)


def grounds(values, holm=0.001, comparisons=8, primary=PRIMARY):
  found = stats.difference(dict(enumerate(values)), dict.fromkeys(range(len(values)), 0.0))
  verdict = verdicts.decide(found.over_seeds.ci95, primary['margin'], primary['higher_is_better'])
  return str(verdict), verdicts.grounds(verdict, found, primary, holm, comparisons)


def test_words():
  assert verdicts.subject('volume', 'scalar', 'flops') == 'volume against scalar at matched FLOPs'
  said, why = grounds([0.10, 0.11, 0.12])
  assert said == 'better' and '+0.110' in why and '(95 % interval +0.085 to +0.135, 3 paired seeds)' in why
  assert 'stays so after Holm\'s correction for 8 comparisons (p = 0.00100)' in why
  assert 'p < 0.001' in grounds([0.10, 0.11, 0.12], holm=1e-9)[1]
  assert 'as a hint only' in grounds([0.10, 0.11, 0.12], holm=0.2)[1]
  assert 'Holm' not in grounds([0.10, 0.11, 0.12], comparisons=1)[1]
  assert grounds([-0.10, -0.11])[0] == 'worse'
  said, why = grounds([0.010, 0.011, 0.012])
  assert said == 'equivalent, slightly better' and why.endswith('all of it within the margin of 0.050.')
  said, why = grounds([-0.1, 0.2, 0.0])
  assert said == 'no difference shown' and 'from 0.346 worse to 0.413 better' in why
  said, why = grounds([-0.1, 0.2, 0.0], primary={**PRIMARY, 'higher_is_better': False})
  assert 'from 0.413 worse to 0.346 better' in why


def test_controls_mean_something_else_in_each_outcome():
  for arm, control, shared, own in verdicts.CONTROLS:
    said = [verdicts.meaning(control, verdicts.Verdict(word), shared, own)
            for word in ('better', 'worse', 'equivalent', 'no difference shown')]
    assert len(set(said)) == 4 and all(own in text or own[0].upper() + own[1:] in text for text in said)
    assert control in said[1] and 'is not shown' in said[3]


def test_signs():
  assert [verdicts.signed(v) for v in (0.1234, -0.5, 0.0, 12)] == ['+0.123', '\u22120.500', '0', '+12']
