"""Signal-to-noise ratios against closed forms."""

import numpy as np
import pytest

from data_pipeline import mixing_levels as levels

RATE = 16000
T = np.arange(2 * RATE) / RATE


def test_cells_add_up_to_the_power():
  x = np.random.default_rng(0).standard_normal((RATE, 2)).astype(np.float32)
  assert abs(levels.power(x, RATE).sum(1).mean() / 1.0 - 1) < 0.02
  tone = (0.5 * np.sin(2 * np.pi * 1000 * T))[:, None]
  np.testing.assert_allclose(levels.power(tone, RATE)[2:-2].sum(1), 0.125, rtol=1e-3)


def test_two_tones_in_the_same_cells():
  event = np.sin(2 * np.pi * 3000 * T)[:, None].astype(np.float32)
  cells = levels.cells_of(event, RATE)
  assert abs(levels.ratio_db(cells, 0.1 * event, RATE) - 20) < 1e-4
  assert cells.low_hz < 3000 < cells.high_hz and cells.high_hz - cells.low_hz < 200
  far = np.sin(2 * np.pi * 500 * T)[:, None].astype(np.float32)
  assert levels.ratio_db(cells, far, RATE) is None  # what sounds elsewhere in frequency does not count


def test_a_tone_in_white_noise():
  tone, sd = np.sqrt(2) * np.sin(2 * np.pi * 3000 * T)[:, None], 0.1
  cells = levels.cells_of(tone.astype(np.float32), RATE)
  expected = 10 * np.log10(cells.power / (cells.mask.sum() * sd ** 2 / (levels.window(RATE) / 2)))  # a bin holds 2 / size of it
  draws = [sd * np.random.default_rng(i).standard_normal((len(T), 1)) for i in range(8)]
  assert abs(np.mean([levels.ratio_db(cells, noise, RATE) for noise in draws]) - expected) < 0.25


def test_silence():
  assert levels.cells_of(np.zeros((RATE, 1), np.float32), RATE) is None
  cells = levels.cells_of(np.sin(T)[:, None].astype(np.float32), RATE)
  assert levels.ratio_db(cells, np.zeros((len(T), 1), np.float32), RATE) is None


@pytest.mark.parametrize('first, count', [(0, 100), (1000, 3000), (12345, 1), (31900, 100)])
def test_frames_around_a_part_are_those_of_the_clip(first, count):
  whole = np.zeros((2 * RATE, 1), np.float32)
  whole[first:first + count] = np.random.default_rng(0).standard_normal((count, 1))
  around = levels.frames_around(first, count, len(whole), RATE)
  hop = levels.window(RATE) // 2
  assert around.start % hop == 0
  everything, part = levels.power(whole, RATE), levels.power(whole[around], RATE)
  np.testing.assert_allclose(part, everything[around.start // hop:around.start // hop + len(part)], atol=1e-12)
  assert np.isclose(part.sum(), everything.sum())
