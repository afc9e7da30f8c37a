"""Windows hold something that sings, and scenes hold what the windows do."""

import numpy as np
import pytest

from data_pipeline import clip_windows
from data_pipeline.scene import Event


def event(onset, offset):
  return Event('houspa', 'call', onset, offset, 1000.0, 2000.0, -20.0)


@pytest.mark.parametrize('dense', [True, False])
def test_windows(dense):
  rng = np.random.default_rng(0)
  sings = [event(1.0, 1.4), event(1.6, 1.7), event(7.0, 9.5)]
  starts = clip_windows.windows(sings, 10.0, 2.0, dense, rng)
  assert all(0 <= s <= 8 for s in starts) and starts == sorted(starts)
  assert all(any(min(r.offset, s + 2) - max(r.onset, s) > 0.09 for r in sings) for s in starts)
  if dense:
    assert {round(b - a, 6) for a, b in zip(starts, starts[1:])} >= {0.5}
  else:
    assert all(b - a >= 2 - 1e-9 for a, b in zip(starts, starts[1:])) and len(starts) >= 2
  assert clip_windows.windows(sings, 1.8, 2.0, dense, rng) == [0.0]
  assert clip_windows.windows([], 10.0, 2.0, dense, rng) == []
  many = [event(i, i + 0.5) for i in range(1000)]
  assert len(clip_windows.windows(many, 1000.0, 2.0, dense, rng)) == clip_windows.MAX_WINDOWS


@pytest.mark.parametrize('seconds, count', [(0.4, 1), (2.0, 1), (2.9, 1), (3.0, 2), (4.0, 2), (7200.0, 3600)])
def test_consecutive_windows_keep_all_but_a_short_remainder(seconds, count):
  assert clip_windows.consecutive(seconds, 2.0) == [2.0 * k for k in range(count)]


def test_scene_of_a_window():
  scene = clip_windows.scene_of([event(0.5, 1.03), event(1.5, 2.0), event(2.97, 4.0)], 1.0, 2.0)
  [one] = scene.events  # the others are cut to 30 ms
  assert (one.species, one.vocalisation, one.onset, one.offset) == ('houspa', 'call', 0.5, 1.0)
  assert scene.duration == 2.0 and (scene.environment, scene.noise, scene.near) == ('', '', '')
  short = clip_windows.scene_of([event(0.1, 0.13)], 0.0, 0.5)
  assert len(short.events) == 1  # short, but whole
