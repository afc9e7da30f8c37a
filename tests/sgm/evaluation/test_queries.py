import numpy as np
import pytest

from data_pipeline import prompts
from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline import tokenizer as tokenizer_lib
from sgm.evaluation import queries


class Labels:
  taxonomy = taxonomy_lib.PROCEDURAL
  tokenizer = tokenizer_lib.from_grammar(taxonomy_lib.PROCEDURAL)


@pytest.mark.parametrize('loudness', [0.0, 0.5])
def test_one_query_per_species_in_words_the_model_knows(loudness):
  q = queries.species_queries(Labels, frames=16, loudness=loudness)
  n = len(Labels.taxonomy)
  assert q['tokens'].shape[0] == n and q['roll'].shape == (n, 16, n)
  np.testing.assert_array_equal(q['has_roll'], float(loudness > 0))
  np.testing.assert_array_equal(q['roll'].sum(1), 16 * loudness * np.eye(n))
  assert len({tuple(row) for row in q['tokens']}) == n
  assert not (q['tokens'] == 1).any(), 'an unknown word in a query'
  for s in Labels.taxonomy.species:
    assert prompts.parse(f'a {s.common} can be heard', Labels.taxonomy).events[0].species == s.code


def test_the_reference_and_conditions_of_rolls_have_the_form_of_the_queries():
  q = queries.species_queries(Labels, frames=16, loudness=0.5)
  none = queries.nothing(q)
  rolls = np.random.default_rng(0).random((2, 3, 16, 12), np.float32)
  composed = queries.of_rolls(q, rolls, np)
  for name, leaf in q.items():
    assert none[name].shape == (1, *leaf.shape[1:]) and not none[name].any() and none[name].dtype == leaf.dtype
    assert composed[name].shape == (2, 3, *leaf.shape[1:]) and composed[name].dtype == leaf.dtype
  assert not composed['tokens'].any() and composed['has_roll'].all()
