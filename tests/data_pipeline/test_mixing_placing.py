"""Scenes keep their rules, or say after how many draws they could not."""

import functools

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import mixing_placing as placing
from tests.data_pipeline import sources_to_mix


@pytest.fixture(scope='module')
def pools(tmp_path_factory):
  return sources_to_mix.pools(tmp_path_factory.mktemp('sources'))


def scene(pools, spec, seed=0, choose=None):
  rng = np.random.default_rng(seed)
  (birds, strays, facts), redraws = placing.drawn(spec, functools.partial(placing.singers, pools, spec, '', '', choose, rng))
  return birds, strays, facts, redraws


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda s: (s[0], s[0] + s[1])), max_size=8)


@given(SPANS)
@settings(max_examples=100, deadline=None)
def test_polyphony_and_gini_by_counting(spans):
  counts = [sum(a <= m < b for a, b in spans) for m in np.arange(60) + 0.5]
  assert placing.polyphony(spans) == max(counts)
  ordered, n = np.sort(counts), 60
  expected = (2 * np.sum(np.arange(1, n + 1) * ordered) / (n * ordered.sum()) - (n + 1) / n) if ordered.sum() else 0.0
  assert np.isclose(placing.gini(spans, 60), expected)


@pytest.mark.parametrize('low, high', [(0, 1), (2, 2), (3, 4), (4, 9)])
def test_polyphony_is_held(pools, low, high):
  spec = sources_to_mix.spec(events=dict(count='const(4)', polyphony=(low, high), retries=2000, stretch='const(0.6)'))
  for seed in range(20):
    birds, _, _, redraws = scene(pools, spec, seed)
    spans = [s for b in birds for s in b.spans]
    assert low <= placing.polyphony(spans) <= high and all(0 <= a and b <= 4 + 1e-9 for a, b in spans)
    assert all(reason.startswith('polyphony') for reason in redraws)


def test_what_cannot_be_held_is_told(pools):
  with pytest.raises(ValueError, match=r'after 20 draws: polyphony of more than 1 \(20 times\)'):
    scene(pools, sources_to_mix.spec(events=dict(count='const(9)', polyphony=(0, 1))))
  with pytest.raises(ValueError, match='at most 1 events'):
    sources_to_mix.spec(events=dict(polyphony=(2, 3)))
  with pytest.raises(ValueError, match='in use'):
    scene(pools, sources_to_mix.spec(events=dict(count='const(5)', reuse=False)))


def test_repetitions_and_spacing(pools):
  spec = sources_to_mix.spec(events=dict(repetitions='const(3)', spacing='const(0.25)', onset='const(0)', stretch='const(0.5)'))
  [bird], *_ = scene(pools, spec)
  np.testing.assert_allclose(bird.onsets, [0, 0.75, 1.5])
  late = sources_to_mix.spec(events=dict(repetitions='const(3)', spacing='const(0.25)', onset='const(4)'))
  [bird], *_ = scene(pools, late)
  assert bird.onsets == (3.0,) and bird.repetitions == 3  # moved into the clip; the others would end after it


def test_a_part_of_a_source(pools):
  [bird], *_ = scene(pools, sources_to_mix.spec(events=dict(duration='const(0.3)', source_time='const(0.5)')))
  assert (bird.start, bird.used, bird.asked_seconds) == (0.5, 0.3, 0.3)
  [bird], *_ = scene(pools, sources_to_mix.spec(events=dict(duration='const(0.3)', source_time='const(5)')))
  assert np.isclose(bird.start, 0.7)
  [bird], *_ = scene(pools, sources_to_mix.spec(events=dict(duration='const(3)')))
  assert (bird.used, bird.asked_seconds) == (1.0, 3.0)  # the source is shorter than asked


def test_distance_takes_6_db_per_doubling(pools):
  [bird], *_ = scene(pools, sources_to_mix.spec(distance=dict(metres='const(40)')))
  assert np.isclose(bird.snr_db, 10 - 40 * np.log10(2)) and bird.metres == 40 and bird.rt60 == 0.4


def test_species_and_sources_are_drawn_as_asked(pools):
  a, b = sources_to_mix.TAXONOMY.codes
  birds, *_ = scene(pools, sources_to_mix.spec(events=dict(count='const(6)', species=f"const('{b}')", source=f"const('{b}1')")))
  assert {(x.source.species, x.source.name) for x in birds} == {(b, f'{b}1')}
  with pytest.raises(ValueError, match="unknown 'owl'"):
    scene(pools, sources_to_mix.spec(events=dict(species='const("owl")')))
  choose = lambda rng, codes, count, environment, near: ([a] * count, {'mode': 'plausible'})
  birds, _, facts, _ = scene(pools, sources_to_mix.spec(events=dict(count='const(5)')), choose=choose)
  assert {x.source.species for x in birds} == {a} and facts == {'mode': 'plausible'}


def test_no_recording_twice_without_reuse(pools):
  for seed in range(10):
    spec = sources_to_mix.spec(events=dict(count='const(2)', reuse=False), contaminants=dict(count='const(1)'))
    birds, strays, *_ = scene(pools, spec, seed)
    names = [x.source.name for x in birds + strays]
    assert len(set(names)) == len(names)
