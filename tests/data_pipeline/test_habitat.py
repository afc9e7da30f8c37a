"""Plausibility: closed forms, what must not matter, and what the modes do to the scenes that are drawn."""

import collections
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import habitat, sampling, soundscape, species, strangers
from data_pipeline.habitat import BUILT_IN, FITS, PLACES, Habitats
from data_pipeline.homes import HABITATS, Home
from data_pipeline.scene import ENVIRONMENTS, NEARS
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy

REAL = Taxonomy.from_rows((('barowl', 'Barn Owl', 'Tyto alba'), ('bkgrou', 'Black Grouse', 'Lyrurus tetrix'),
                           ('albatr', 'Albatross', 'Diomedea exulans'), ('nobird', 'No Bird', 'Avis nulla')), 'test')
HOMES = {'barowl': Home('Human Modified', 3, (-55.72, 58.07)), 'bkgrou': Home('Forest', 3, (40.09, 70.02)),
         'albatr': Home('Marine', 3, (-68.0, -28.0))}
KNOWN = Habitats(REAL, HOMES)
codes = st.lists(st.sampled_from(species.CODES), max_size=4)
environments, nears = st.sampled_from(ENVIRONMENTS + ('',)), st.sampled_from(NEARS + ('',))


def test_tables_are_whole():
  assert set(FITS) == set(ENVIRONMENTS + NEARS) - {'rain'}
  for fits in FITS.values():
    assert set(fits) == set(HABITATS) and all(habitat.LEAST <= f <= 1 for f in fits.values())


def test_barn_owl_and_black_grouse_in_a_forest_by_a_river_are_mixed():
  found = KNOWN.judge(['barowl', 'bkgrou'], 'forest', 'river')
  overlap = (58.07 - 40.09) / (70.02 - 40.09)
  rows = KNOWN.joint(['barowl', 'bkgrou'])
  rows /= rows.sum(1, keepdims=True)
  together = np.minimum(*rows).sum() * overlap
  expected = [0.25 * 0.7, 0.4, 1.0 * 0.7, 0.5, together]
  assert found.score == pytest.approx(math.prod(expected) ** (1 / 5), abs=1e-3) and found.verdict == 'mixed'
  assert found.reasons[0] == 'Barn Owl (farms and towns, open): unlikely in a forest (0.17)'
  assert found.reasons[2] == 'Black Grouse (forest, open): likely in a forest (0.70)'
  assert found.reasons[4:] == (
      'Barn Owl and Black Grouse: possible together (0.40): habitats overlap by 67%, latitudes by 60%',)


def test_verdicts():
  assert KNOWN.judge(['bkgrou'], 'forest', '').verdict == 'plausible'
  assert KNOWN.judge(['albatr', 'albatr'], 'forest', 'road').verdict == 'implausible'
  nothing = KNOWN.judge(['nobird'], 'forest', 'river')
  assert (nothing.score, nothing.verdict, nothing.reasons) == (None, 'unknown', ('No Bird: no habitat is known',))
  assert KNOWN.judge([], 'forest', 'river').verdict == KNOWN.judge(['bkgrou'], 'rain', '').verdict == 'unknown'


def test_heard_together_outweighs_what_tables_say():
  pair = frozenset(('albatr', 'bkgrou'))
  assert KNOWN.meet('albatr', 'bkgrou')[0] == habitat.LEAST  # no latitude in common
  for n in (1, 3):
    value, why = Habitats(REAL, HOMES, {pair: n}).meet('albatr', 'bkgrou')
    assert value == n / (n + 1) and f'heard together in {n} recording' in why
  assert KNOWN.meet('albatr', 'nobird') is None
  assert Habitats(REAL, {}, {pair: 1}).meet('albatr', 'bkgrou') == (0.5, 'heard together in 1 recording')


def test_joint():
  joint = KNOWN.joint(['barowl', 'bkgrou', 'albatr'])
  assert joint.shape == (3, len(PLACES)) and joint.sum() == pytest.approx(1) and joint.min() > 0
  assert joint[1, PLACES.index('forest')] / joint[0, PLACES.index('forest')] == pytest.approx(1.0 / 0.25)
  with pytest.raises(ValueError, match="no habitat is known of 'nobird'"):
    KNOWN.joint(['barowl', 'nobird'])


@settings(max_examples=60, deadline=None)
@given(codes, environments, nears, st.randoms())
def test_order_and_repetition_do_not_matter(birds, environment, near, rng):
  found = BUILT_IN.judge(birds, environment, near)
  again = birds + birds[:1]
  rng.shuffle(again)
  other = BUILT_IN.judge(again, environment, near)
  assert other.verdict == found.verdict and len(other.reasons) == len(found.reasons)
  assert found.score is None and other.score is None or other.score == pytest.approx(found.score, abs=1e-4)
  assert found.score is None or habitat.LEAST <= found.score <= 1
  for a in birds:
    assert all(BUILT_IN.meet(a, b)[0] == pytest.approx(BUILT_IN.meet(b, a)[0]) for b in birds)


def test_every_place_has_birds_for_and_against_it():
  for environment in FITS.keys() & set(ENVIRONMENTS):
    verdicts = {BUILT_IN.judge([c], environment, '').verdict for c in species.CODES}
    assert {'plausible', 'implausible'} <= verdicts, environment


def scenes(mode, n=400):
  for i in range(n):
    rng = np.random.default_rng(i)
    environment, _, near = sampling.draw_surroundings(rng)
    yield environment, near, *BUILT_IN.choose(
        mode, environment, near, lambda: sampling.draw_species(1 + i % 3, species.CODES, None, False, rng))


def test_modes_choose_the_birds_and_leave_the_places():
  drawn = {mode: list(scenes(mode)) for mode in habitat.MODES}
  places = [[row[:2] for row in rows] for rows in drawn.values()]
  assert places[0] == places[1] == places[2]
  known = {mode: [r[3] for r in rows if r[3].score is not None] for mode, rows in drawn.items()}
  mean = {mode: np.mean([f.score for f in found]) for mode, found in known.items()}
  assert mean['plausible'] > mean['uniform'] + 0.15 > mean['implausible'] + 0.3
  assert np.mean([f.verdict == 'plausible' for f in known['plausible']]) > 0.95
  assert np.mean([f.verdict == 'implausible' for f in known['implausible']]) > 0.7
  for rows in drawn.values():  # and not always the same ones
    share = collections.Counter(c for row in rows for c in row[2])
    assert len(share) == len(species.CODES) and max(share.values()) < 0.3 * share.total()


def test_a_uniform_scene_is_the_first_draw():
  calls = []
  for mode in ('uniform', 'plausible'):
    calls.append(0)

    def draw():
      calls[-1] += 1
      return ['embdov']  # never plausible in a forest
    chosen, found = BUILT_IN.choose(mode, 'forest', '', draw)
    assert chosen == ['embdov'] and found.verdict == 'implausible'
  assert calls == [1, habitat.TRIES]
  with pytest.raises(ValueError, match="plausibility 'likely': expected one of plausible, uniform, implausible"):
    BUILT_IN.choose('likely', 'forest', '', draw)


def test_soundscapes_know_their_mode_and_score():
  for mode in habitat.MODES:
    for i in range(8):
      clip = soundscape.generate(2, i, plausibility=mode)
      judged = BUILT_IN.judge([e.species for e in clip.scene.events], clip.scene.environment, clip.scene.near)
      told = clip.provenance['plausibility']
      assert told['mode'] == mode and set(told) == {'mode', 'score', 'verdict', 'reasons'}
      assert told['score'] is None and judged.score is None or told['score'] == pytest.approx(judged.score, abs=1e-4)
      if mode == 'uniform':
        assert np.array_equal(clip.audio, soundscape.generate(2, i).audio)
  unknown = soundscape.generate(2, 0, patterns=strangers.UNLIKE, density=(0, 1), plausibility='plausible').provenance
  assert unknown['plausibility']['verdict'] == 'unknown'
  with pytest.raises(ValueError, match='expected one of plausible'):
    soundscape.generate(0, 0, plausibility='odd')


def test_names_of_the_built_in_table():
  assert BUILT_IN.taxonomy is PROCEDURAL
  assert BUILT_IN.judge(['holowl'], 'forest', '').reasons == ('Hollow owl (forest, dense): likely in a forest (1.00)',)
