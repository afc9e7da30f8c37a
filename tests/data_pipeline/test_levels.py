"""The level of single windows is that of the op in training."""

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import levels, ops_audio


@pytest.mark.parametrize('gain', [1.0, 0.1, 1e-4, 1e-8, 0.0])
def test_as_the_op_does_it(gain):
  x = (gain * np.random.default_rng(0).standard_normal((4000, 1))).astype(np.float32)
  features = {'audio': tf.constant(x), 'stems': tf.zeros((0, 4000, 1)), 'level_db': tf.zeros(0)}
  np.testing.assert_allclose(levels.to_level(x, -26.0), ops_audio.level(-26.0)(features, None)['audio'], rtol=1e-4, atol=1e-9)
