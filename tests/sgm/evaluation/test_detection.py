import numpy as np

from data_pipeline import prompts
from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline import tokenizer as tokenizer_lib
from sgm.evaluation import detection


class Labels:
  taxonomy = taxonomy_lib.PROCEDURAL
  tokenizer = tokenizer_lib.from_grammar(taxonomy_lib.PROCEDURAL)


def test_one_query_per_species_in_words_the_model_knows():
  q = detection.species_queries(Labels, frames=16)
  n = len(Labels.taxonomy)
  assert q['tokens'].shape[0] == n and q['roll'].shape == (n, 16, n) and not q['has_roll'].any()
  assert len({tuple(row) for row in q['tokens']}) == n
  assert not (q['tokens'] == 1).any(), 'an unknown word in a query'
  for s in Labels.taxonomy.species:
    assert prompts.parse(f'a {s.common} singing', Labels.taxonomy).events[0].species == s.code


def test_predicted_masks_cover_what_stands_out():
  maps = np.zeros((1, 4, 4))
  maps[0, 1, 2] = 1.0
  mask = detection.predicted_masks(maps, (16, 16), 0.5)
  assert mask.shape == (1, 16, 16)
  assert mask[0, 6, 10] and not mask[0, 14, 2] and mask.mean() < 0.2


def test_an_all_negative_map_gives_an_empty_mask():
  assert not detection.predicted_masks(-np.ones((1, 4, 4)), (16, 16), 0.5).any()
