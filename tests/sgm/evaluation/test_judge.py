import numpy as np
import pytest

from sgm.evaluation import judge
from sgm.evaluation import label_fidelity


def frames(*rows):
  """(N, T', 1) probabilities of one species."""
  return np.array(rows, np.float32)[..., None]


def test_onset_is_the_first_frame_over_one_half():
  heard = judge.heard_onset(frames([0, 0.4, 0.6, 0.9], [0.9, 0, 0, 0], [0, 0.5, 0.1, 0]), np.zeros(3, int), duration=2.0)
  np.testing.assert_array_equal(heard, [1.0, 0.0, np.nan])


def test_onset_is_of_the_asked_species():
  p = np.zeros((1, 4, 2), np.float32)
  p[0, 1, 0] = p[0, 3, 1] = 1
  assert judge.heard_onset(p, np.array([1]), 4.0) == 3.0


def test_a_miss_counts_the_whole_clip():
  np.testing.assert_allclose(judge.onset_error(np.array([1.0, np.nan]), np.array([1.5, 0.2]), 2.56), [0.5, 2.56])


def test_pcm16_is_what_a_wav_holds():
  x = np.array([0.0, 1.5, -1.5, 0.1], np.float32)
  out = judge.pcm16(x)
  np.testing.assert_allclose(out, [0, 1, -1, 0.1], atol=1 / 32767)
  np.testing.assert_array_equal(judge.pcm16(out), out)


def test_withhold():
  condition = {'tokens': np.ones((2, 3), np.int32), 'roll': np.ones((2, 4, 5)), 'has_roll': np.ones(2)}
  text, roll, both = (label_fidelity.withhold(condition, kind) for kind in ('text', 'roll', 'both'))
  assert np.all(text['tokens'] == 1) and not np.any(text['roll']) and not np.any(text['has_roll'])
  assert not np.any(roll['tokens']) and np.all(roll['has_roll'] == 1)
  assert all(np.array_equal(both[k], condition[k]) for k in condition)
  with pytest.raises(ValueError, match="'sound' is not known; known: both, text, roll"):
    label_fidelity.withhold(condition, 'sound')
