import numpy as np
import pytest
from scipy import fft

from data_pipeline import lags


@pytest.mark.parametrize('late, sign', [(0.0, 1), (0.31, 1), (-7.8, 1), (12.5, -1)])
def test_the_top_of_a_correlation(late, sign):
  x = np.random.default_rng(0).standard_normal(4000)
  size = 8192
  spectrum = fft.rfft(x, size)
  correlation = fft.irfft(sign * np.abs(spectrum) ** 2 * np.exp(-2j * np.pi * fft.rfftfreq(size) * late) / (x @ x), size)
  lag, height = lags.peak(correlation, 40)
  assert lag == pytest.approx(late, abs=0.01) and height == pytest.approx(sign, abs=0.02)
  assert abs(lags.peak(correlation, 5)[0]) <= 6  # looks no further


@pytest.mark.parametrize('top', [-0.4, 0.0, 0.25])
def test_vertex_of_a_parabola(top):
  assert lags.vertex(*(5 - 2 * (at - top) ** 2 for at in (-1, 0, 1))) == pytest.approx(top)
  assert lags.vertex(1, 1, 1) == 0 and lags.vertex(2, 1, 2) == 0
