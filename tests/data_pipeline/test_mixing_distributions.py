"""Distributions from text: against scipy's, and what is refused."""

import numpy as np
import pytest
from scipy import stats

from data_pipeline import mixing_distributions as distributions


def draws(text, n=4000):
  rng = np.random.default_rng(0)
  return np.array([distributions.parse(text).draw(rng) for _ in range(n)])


@pytest.mark.parametrize('text, expected', [
    ('uniform(-2, 3)', stats.uniform(-2, 5)),
    ('normal(4, 2)', stats.norm(4, 2)),
    ('truncnorm(1, 2, 0, 2.5)', stats.truncnorm(-0.5, 0.75, 1, 2)),
    ('truncnorm(0, 1, 6, 9)', stats.truncnorm(6, 9)),
    ('truncnorm(0, 1, -9, -6)', stats.truncnorm(-9, -6)),
])
def test_draws_follow_the_distribution(text, expected):
  x = draws(text)
  assert stats.kstest(x, expected.cdf).pvalue > 0.001
  found = distributions.parse(text)
  assert found.low <= x.min() and x.max() <= found.high


def test_lists():
  assert set(draws('const(3)', 5)) == {3} and set(draws('choose((1, 2))', 50)) == {1, 2}
  x = draws('weighted((1, 2, 3), (3, 0, 1))')
  assert set(x) == {1, 3} and abs(np.mean(x == 1) - 0.75) < 0.03
  rng = np.random.default_rng(0)
  assert {distributions.parse('choose()').draw(rng, ('a', 'b')) for _ in range(50)} == {'a', 'b'}
  assert distributions.parse("weighted(('a', 'b'), (0, 2))").values == ('b',)


@pytest.mark.parametrize('text, message', [
    ('unifrom(0, 1)', "unknown distribution 'unifrom'; nearest: uniform"),
    ('uniform(1, 0)', 'low 1 is above high 0'),
    ('uniform(1)', r"missing a required argument: 'high'; expected uniform\(low, high\)"),
    ('uniform(0, "a")', "high is 'a', expected a number"),
    ('uniform(0, x)', 'arguments must be literals'),
    ('normal(0, -1)', 'sd is -1'),
    ('truncnorm(0, 1, 2, 1)', 'low no higher than high'),
    ('truncnorm(0, 1, 50, 60)', 'too many sd'),
    ('weighted((1, 2), (1,))', '2 values and 1 weights'),
    ('weighted((1, 2), (0, 0))', 'some above 0'),
    ('weighted((1, 2), (-1, 2))', '0 or more'),
    ('choose((1, "a"))', 'names and numbers'),
    ('choose("abc")', 'expected a list'),
    ('const(True)', 'expected a number'),
])
def test_refused(text, message):
  with pytest.raises(ValueError, match=message):
    distributions.parse(text)


def test_limits_and_kinds():
  with pytest.raises(ValueError, match='x: uniform\\(-1, 2\\) can draw -1 to 2, expected 0 to 1'):
    distributions.number('uniform(-1, 2)', 'x', 0, 1)
  with pytest.raises(ValueError, match='x: choose\\(\\) draws names'):
    distributions.number('choose()', 'x')
  with pytest.raises(ValueError, match='x: normal\\(0, 1\\) draws numbers'):
    distributions.choice('normal(0, 1)', 'x', ('a',))
  with pytest.raises(ValueError, match="unknown 'robbin'; nearest: robin"):
    distributions.choice('const("robbin")', 'x', ('robin', 'wren'))
