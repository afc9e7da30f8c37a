import numpy as np
from scipy import ndimage, special

from sgm.diffusion import local_posterior

GAINS = np.random.default_rng(0).normal(0, 0.5, (2, 3, 6, 5)).astype(np.float32)


def test_every_cell_by_itself_is_a_softmax_over_queries_and_nothing():
  with_nothing = np.concatenate([np.zeros_like(GAINS[:, :1]), 4.0 * GAINS], 1)
  p = special.softmax(with_nothing.astype(np.float64), 1)[:, 1:]
  np.testing.assert_allclose(local_posterior.log_odds(GAINS, 4.0, 0.0), special.logit(p), atol=2e-5)


def test_the_neighbourhood_is_a_gaussian():
  smooth = ndimage.gaussian_filter(GAINS.astype(np.float64), (0, 0, 0.7, 0.7), mode='constant', radius=2)
  np.testing.assert_allclose(local_posterior.log_odds(GAINS, 4.0, 0.7), local_posterior.log_odds(smooth, 4.0, 0.0), atol=2e-5)


def test_one_place_is_one_birds():
  gains = np.zeros((1, 2, 4, 4), np.float32)
  gains[0, :, 1, 1] = 2.0, 1.0   # both gain, the first one more
  gains[0, :, 3, 3] = -5.0, 1.0
  odds = np.asarray(local_posterior.log_odds(gains, 8.0, 0.0))[0]
  assert odds[0, 1, 1] > 7 and odds[1, 1, 1] < -7 and odds[1, 3, 3] > 7
  np.testing.assert_allclose(odds[:, 0, 0], -np.log(2), rtol=1e-6)  # nothing, the first and the second are as likely


def test_sure_cells_keep_their_order():
  """Odds, unlike probabilities in single precision, do not saturate: p-values need scores without ties."""
  gains = np.zeros((1, 2, 1, 3), np.float32)
  gains[0, 0, 0] = 5.0, 6.0, 7.0
  assert (np.diff(local_posterior.log_odds(gains, 8.0, 0.0)[0, 0, 0]) > 7.9).all()
