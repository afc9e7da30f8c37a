import pytest

from data_pipeline import phrases
from data_pipeline.taxonomy import Taxonomy


@pytest.mark.parametrize('name, many', [
    ('Glass pipit', 'Glass pipits'), ('Tumble thrush', 'Tumble thrushes'), ('Lesser bell finch', 'Lesser bell finches'),
    ('Lantern jay', 'Lantern jays'), ('Brown Booby', 'Brown Boobies'), ('Greylag Goose', 'Greylag Geese'), ('Goose', 'Geese'),
    ('Tufted Titmouse', 'Tufted Titmice'), ('Greater Sage-Grouse', 'Greater Sage-Grouse'), ('Sacred Ibis', 'Sacred Ibises')])
def test_plural(name, many):
  assert phrases.plural(name).lower() == many.lower()


@pytest.mark.parametrize('rows, message', [
    ([('x', 'Rain', '')], "'Rain' already means 'environment rain'"),
    ([('x', '???', '')], 'holds no word'),
    ([('x', 'Barn owl', ''), ('y', 'Barn, owl', ''), ('z', 'barn  (owl)', '')], 'already means'),
    ([('x', 'Barn owl', ''), ('y', 'Barn owls', '')], 'already means'),
])
def test_names_that_cannot_be_told_apart(rows, message):
  taxonomy = Taxonomy.from_rows(rows, 'mine')
  with pytest.raises(ValueError, match=message):
    phrases.lexicon(taxonomy)


def test_names_that_end_in_words():
  rows = [('a', 'Western Barn Owl', ''), ('b', 'Oriental Scops-Owl', ''), ('c', 'Owl', '')]
  owls = phrases.lexicon(Taxonomy.from_rows(rows, 'owls'))
  assert owls.ending_in(['owl']) == owls.ending_in(['owls']) == ('Western Barn Owl', 'Oriental Scops-Owl')
  assert owls.ending_in(['scops', 'owl']) == owls.ending_in(['scops-owl']) == ('Oriental Scops-Owl',)
  assert owls.ending_in(['western', 'barn', 'owl']) == owls.ending_in(['barn']) == owls.ending_in([]) == ()
