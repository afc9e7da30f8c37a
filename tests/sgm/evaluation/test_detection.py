import itertools

import numpy as np

from sgm.evaluation import detection


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
  assert detection.pair_auroc(right, presence, [(0, 1)]) == 1.0
  assert detection.pair_auroc(np.broadcast_to(loud, presence.shape), presence, [(0, 1)]) == 0.5
  # Only clips with one of the two count (4 of 6), and pairs without both kinds of them not at all.
  wrong = right.copy()
  wrong[4:] *= -1
  assert detection.pair_auroc(wrong, presence, [(0, 1)]) == 1.0
  # Pairs without clips of both kinds are left out.
  assert detection.pair_auroc(right[::2], presence[::2], [(0, 1), (1, 2)]) == 1.0
  assert np.isnan(detection.pair_auroc(right[:1], presence[:1], [(0, 1)]))


def test_thresholds_are_chosen_for_each_species():
  # Species 0 is faint and its clips hold something fainter; species 1 is loud, and what is no bird there as loud as species 0.
  birds, others = (0.165, 0.5), (0.11, 0.165)
  masks, s, maps = np.zeros((8, 3, 32, 16), bool), np.zeros((8, 32, 16)), np.ones((8, 3, 4, 4))
  for i in range(8):
    masks[i, i % 2, 2 + i:9 + i] = True
    s[i, 2 + i:9 + i], s[i, 20:25] = birds[i % 2], others[i % 2]
  clips = {'masks': masks, 'spectrogram': s}
  chosen = detection.choose_thresholds(clips, maps)
  assert chosen[0, 1] in (0.12, 0.15) and chosen[1, 1] == 0.18
  # A species without birds gets what is best for all of them.
  overall = [detection._ious(clips, maps, np.tile(pair, (3, 1)))[2].mean()
             for pair in itertools.product(detection.FRACTIONS, detection.CONTRASTS)]
  assert detection._ious(clips, maps, np.tile(chosen[2], (3, 1)))[2].mean() == max(overall)
