import json

import pytest

from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline.taxonomy import PROCEDURAL, Species, Taxonomy, UnknownSpecies, from_ebird


def test_procedural_birds():
  assert len(PROCEDURAL) >= 12 and len(set(PROCEDURAL.codes)) == len(PROCEDURAL)
  assert [PROCEDURAL.index(code) for code in PROCEDURAL.codes] == list(range(len(PROCEDURAL)))
  assert all(s.scientific and ' ' in s.common for s in PROCEDURAL.species)


def test_procedural_birds_are_not_real():
  utils = pytest.importorskip('birdnames.utils')
  real = {name.lower() for name in utils.load_taxonomy('ebird', 2024)[
      ['ebird_common_name', 'scientific_name', 'ebird_ebird_code']].to_numpy().ravel()}
  assert not real & {name.lower() for s in PROCEDURAL.species for name in s.names}


@pytest.mark.parametrize('text', ['gltpip', 'Glass pipit', 'GLASS PIPIT', ' glass  pipit ', 'vitranthus ascendens'])
def test_resolve_any_name(text):
  assert PROCEDURAL.resolve(text).code == 'gltpip'


def test_every_name_resolves_to_its_species():
  for s in PROCEDURAL.species:
    for name in s.names:
      assert PROCEDURAL.resolve(name) is s


@pytest.mark.parametrize('ask', [PROCEDURAL.resolve, PROCEDURAL.index])
def test_unknown_species_names_the_nearest(ask):
  with pytest.raises(UnknownSpecies, match="'Glas pipet'.*nearest: Glass pipit, Tin pipit, [^,]+$"):
    ask('Glas pipet')


def test_index_takes_codes_only():
  with pytest.raises(UnknownSpecies):
    PROCEDURAL.index('Glass pipit')


def test_json_round_trip():
  for taxonomy in (PROCEDURAL, Taxonomy.from_rows([('x', 'Näktergal', '')], 'mine', 2020)):
    assert Taxonomy.from_json(json.loads(json.dumps(taxonomy.to_json()))) == taxonomy


@pytest.mark.parametrize('change', [lambda d: d.pop('year'), lambda d: d.update(edition=1), lambda d: d['species'][0].pop('code')])
def test_not_a_taxonomy(change):
  d = json.loads(json.dumps(PROCEDURAL.to_json()))
  change(d)
  with pytest.raises(ValueError, match='not a Taxonomy'):
    Taxonomy.from_json(d)


@pytest.mark.parametrize('rows, message', [
    ([('a', 'Bird')], 'row 1'),
    (['abc'], 'row 1'),
    ([('a', 'Bird', ''), ('a', 'Other', '')], "'a' names both"),
    ([('a', 'Bird', ''), ('b', 'BIRD', '')], "'BIRD' names both"),
    ([('a', 'Bird', ''), ('b', 'Other', 'bird')], 'names both'),
    ([('', 'Bird', '')], 'code is empty'),
    ([('a', '', 'Avis')], 'common is empty'),
    ([('a', 'Two\tbirds', '')], 'one line'),
    ([('a', ' Bird', '')], 'one line'),
])
def test_impossible_rows(rows, message):
  with pytest.raises(ValueError, match=message):
    Taxonomy.from_rows(rows, 'mine')


def test_one_name_may_serve_twice_in_one_species():
  assert Taxonomy.from_rows([('tyto alba', 'Tyto alba', 'Tyto alba')], 'folders').resolve('TYTO ALBA').code == 'tyto alba'


def test_equal_taxonomies_are_one_key():
  again = Taxonomy.from_json(PROCEDURAL.to_json())
  assert {PROCEDURAL: 1}[again] == 1
  assert again != Taxonomy(PROCEDURAL.species, 'other', None)


@pytest.mark.parametrize('year, code, common', [(2021, 'brnowl', 'Barn Owl'), (2024, 'webowl1', 'Western Barn Owl')])
def test_ebird_is_pinned_to_its_year(year, code, common):
  """Tyto alba was split: the same bird has another code and name in 2024."""
  taxonomy = from_ebird(['Tyto alba', 'blagro1'], year)
  assert taxonomy.species == (Species(code, common, 'Tyto alba'), Species('blagro1', 'Black Grouse', 'Lyrurus tetrix'))
  assert (taxonomy.name, taxonomy.year) == ('eBird', year)


def test_ebird_never_guesses():
  with pytest.raises(UnknownSpecies, match='eBird 2024.*Western Barn Owl'):
    from_ebird(['Barn Owl'], 2024)
  with pytest.raises(ValueError, match='2019.*2021.*2024'):
    from_ebird(['Tyto alba'], 2019)


def test_closest_prefers_names_that_hold_the_words():
  assert taxonomy_lib.closest('Barn  Owl', ['bar bowl', 'western barn owl', 'barn swallow'])[0] == 'western barn owl'
  assert taxonomy_lib.closest('zzz', ['abc'], cutoff=0.5) == []
