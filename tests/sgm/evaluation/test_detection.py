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
    assert prompts.parse(f'a {s.common} can be heard', Labels.taxonomy).events[0].species == s.code


def test_a_mask_is_where_the_gain_is_and_the_sound_stands_out():
  maps = np.zeros((1, 4, 4))
  maps[0, 1, 2] = 1.0
  s = np.zeros((1, 16, 16))
  s[0, 6, 8:12] = s[0, 13, 3] = 0.5  # a sound in the marked region, and another elsewhere
  mask = detection.predicted_masks(maps, s, np.array([[0.5, 0.1]]))
  assert mask.shape == (1, 16, 16)
  assert mask[0, 6, 10] and not mask[0, 13, 3] and not mask[0, 7, 10]


def test_an_all_negative_map_gives_an_empty_mask():
  assert not detection.predicted_masks(-np.ones((1, 4, 4)), np.random.default_rng(0).random((1, 16, 16)), np.array([[0.5, 0.1]])).any()


def test_pair_auroc_asks_which_of_two():
  presence = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1]])
  loud = np.arange(6.0)[:, None]
  right = presence + 10 * loud  # a score that is common to all species tells nothing apart
  assert detection.pair_auroc(right, presence, [(0, 1)])['value'] == 1.0
  assert detection.pair_auroc(np.broadcast_to(loud, presence.shape), presence, [(0, 1)])['value'] == 0.5
  assert len(detection.pair_auroc(right, presence, [(0, 1)])['first']) == 4
