"""Scenes that are chosen to be plausible, or not: what stands in their provenance, and what must not change."""

import dataclasses
import pickle

import numpy as np
import pytest

from data_pipeline import mixing, mixing_habitat
from data_pipeline.habitat import Habitats
from data_pipeline.homes import Home
from data_pipeline.mixing_pools import BUILT_IN, Source
from data_pipeline.taxonomy import Taxonomy
from tests.data_pipeline import sources_to_mix

PLACES = (Source(BUILT_IN, BUILT_IN, 0.0, 0.0, None, split='*'),)  # made on the spot, in any surroundings
SPEC = sources_to_mix.spec(seconds=1.0, events=dict(count='const(2)', onset='uniform(0, 1)', duration='const(0.2)'),
                           contaminants=dict(onset='const(0)'))


@pytest.fixture(scope='module')
def pools(tmp_path_factory):
  return dataclasses.replace(sources_to_mix.pools(tmp_path_factory.mktemp('sources')), background=PLACES)


def chosen(mode, pools, species='choose()'):
  nothing = Habitats(pools.taxonomy, {})
  return mixing_habitat.chooser(mode, mixing_habitat.with_built_in(nothing), species, [pools])


def test_modes(pools):
  verdicts = {}
  for mode in ('plausible', 'uniform', 'implausible'):
    choose = pickle.loads(pickle.dumps(chosen(mode, pools)))  # as it reaches a worker
    told = []
    for i in range(24):
      m = mixing.mix(pools, SPEC, 3, i, choose=choose, measure=False)
      judged = m.provenance['choice']['plausibility']
      again = choose.known.judge([e.species for e in m.scene.events], m.scene.environment, m.scene.near)
      assert (judged['mode'], judged['verdict'], len(judged['reasons'])) == (mode, again.verdict, len(again.reasons))
      assert judged['score'] == pytest.approx(again.score, abs=1e-4)
      told.append(judged['verdict'])
      if mode == 'uniform' and i < 4:
        assert np.array_equal(m.audio, mixing.mix(pools, SPEC, 3, i, measure=False).audio)
    verdicts[mode] = told
  for mode in ('plausible', 'implausible'):  # two species alone cannot fit, or be strangers in, every place
    assert verdicts[mode].count(mode) > verdicts['uniform'].count(mode)


def test_species_are_drawn_as_the_spec_says(pools):
  only = pools.taxonomy.codes[1]
  choose = chosen('implausible', pools, f'const("{only}")')
  scenes = [mixing.mix(pools, SPEC, 0, i, choose=choose, measure=False).scene for i in range(5)]
  assert {e.species for scene in scenes for e in scene.events} == {only}


def test_real_names_are_not_the_built_in_birds():
  same_code = Taxonomy.from_rows([('gltpip', 'Glasgow pipit', 'Anthus realis')], 'other')
  known = {'gltpip': Home('Forest', 1, None)}
  assert not mixing_habitat.with_built_in(Habitats(same_code, {})).homes
  assert mixing_habitat.with_built_in(Habitats(same_code, known)).homes == known


def test_refused_where_nothing_is_known(pools):
  nothing = Habitats(pools.taxonomy, {})
  assert mixing_habitat.chooser('uniform', nothing, 'choose()', [pools]) is None
  with pytest.raises(ValueError, match="'plausible': the habitat of no species is known .of Glass pipit, Tin pipit.*--avonet"):
    mixing_habitat.chooser('plausible', nothing, 'choose()', [pools])
  silent = dataclasses.replace(pools, background=(dataclasses.replace(PLACES[0], name='x.wav', environment='rain'),))
  with pytest.raises(ValueError, match="no background says what place it is: expected sub-folders.*forest, wind"):
    chosen('implausible', silent)
  for place in (dict(environment='forest'), dict(near='road')):
    told = dataclasses.replace(silent.background[0], **place)
    assert chosen('implausible', dataclasses.replace(silent, background=(*silent.background, told)))


def test_the_digest_is_of_what_is_known(pools):
  base = chosen('plausible', pools)
  code = pools.taxonomy.codes[0]
  homes = {**base.known.homes, code: Home('Marine', 3, None)}
  pair = frozenset(pools.taxonomy.codes)
  other = [dataclasses.replace(base.known, homes=homes), dataclasses.replace(base.known, together={pair: 2})]
  assert len({base.digest, *(dataclasses.replace(base, known=k).digest for k in other)}) == 3
  backwards = dataclasses.replace(base.known, homes=dict(reversed(base.known.homes.items())))
  assert dataclasses.replace(base, known=backwards).digest == base.digest
