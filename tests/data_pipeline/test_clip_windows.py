"""Windows hold something that sings, and scenes hold what the windows do."""

import numpy as np
import pytest

from data_pipeline import clip_windows
from data_pipeline.active_regions import Region


def region(onset, offset):
  return Region(onset, offset, 1000.0, 2000.0, -20.0)


@pytest.mark.parametrize('dense', [True, False])
def test_windows(dense):
  rng = np.random.default_rng(0)
  sings = [region(1.0, 1.4), region(1.6, 1.7), region(7.0, 9.5)]
  starts = clip_windows.windows(sings, 10.0, 2.0, dense, rng)
  assert all(0 <= s <= 8 for s in starts) and starts == sorted(starts)
  assert all(any(min(r.offset, s + 2) - max(r.onset, s) > 0.09 for r in sings) for s in starts)
  if dense:
    assert {round(b - a, 6) for a, b in zip(starts, starts[1:])} >= {0.5}
  else:
    assert all(b - a >= 2 - 1e-9 for a, b in zip(starts, starts[1:])) and len(starts) >= 2
  assert clip_windows.windows(sings, 1.8, 2.0, dense, rng) == [0.0]
  assert clip_windows.windows([], 10.0, 2.0, dense, rng) == []
  many = [region(i, i + 0.5) for i in range(1000)]
  assert len(clip_windows.windows(many, 1000.0, 2.0, dense, rng)) == clip_windows.MAX_WINDOWS


def test_scene_of_a_window():
  scene = clip_windows.scene_of([region(0.5, 1.03), region(1.5, 2.0), region(2.97, 4.0)], 'houspa', 'call', 1.0, 2.0)
  [event] = scene.events  # the others are cut to 30 ms
  assert (event.species, event.vocalisation, event.onset, event.offset) == ('houspa', 'call', 0.5, 1.0)
  assert scene.duration == 2.0 and (scene.environment, scene.noise, scene.near) == ('', '', '')
  short = clip_windows.scene_of([region(0.1, 0.13)], 'houspa', 'song', 0.0, 0.5)
  assert len(short.events) == 1  # short, but whole
