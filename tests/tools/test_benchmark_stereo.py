"""The figures of the stereo benchmark on few trials, and the array, whose geometry is known."""

import json

import numpy as np
import pytest

from tools import benchmark_stereo


def test_simulated():
  figures = benchmark_stereo.measure(trials=6, rooms=False)
  assert json.loads(json.dumps(figures)) == figures
  assert figures['kinds']['right'] == 1, figures['kinds']
  assert figures['kinds, coded']['right'] > 0.9, figures['kinds, coded']
  for name in ('song', 'song, band'):
    assert figures[name]['median_error_deg'] < 0.5 and figures[name]['side_right'] == 1 and figures[name]['ambiguous'] == 0
  assert figures['tone']['ambiguous'] > 0.9
  assert figures['one bird']['counted_right'] == 1 and figures['two birds']['counted_right'] > 0.6


def test_an_array_of_recorders(real_data):
  figures = benchmark_stereo.array(real_data)
  assert figures['pairs'] == figures['possible'] == 15
  assert figures['closure_us'] < 400 and figures['position_error_us'] < 300  # of delays up to 70,000


def test_noise_is_where_it_is_said_to_be():
  rng = np.random.default_rng(0)
  noise = benchmark_stereo.diffuse(rng, 4 * benchmark_stereo.RATE)
  assert np.mean(noise ** 2) == pytest.approx(1)
  low = np.abs(np.corrcoef(np.cumsum(noise, axis=0).T)[0, 1])  # a wave longer than the spacing is alike in both
  assert low > 0.9 and abs(np.corrcoef(noise.T)[0, 1]) < 0.3
