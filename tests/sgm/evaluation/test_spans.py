import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from data_pipeline.formats.detection import Detection
from data_pipeline.scene import Event
from sgm.evaluation import spans

CODES = ('brnowl', 'blkgro1', 'comcuc')


def of(rows, files=2):
  """(file, species, onset, offset[, confidence]) rows."""
  columns = np.array([(*row, 1.0)[:5] for row in rows], float).reshape(-1, 5).T
  unknown = np.full(len(rows), math.nan)
  return spans.Spans(files, len(CODES), *columns[:2].astype(int), *columns[2:4], unknown, unknown, columns[4])


def test_of_files_takes_events_and_detections():
  files = [[Detection('comcuc', 1, 2, 0.4), Detection('brnowl', 0, 5, 0.0)], [], [Event('brnowl', 'song', 3, 4, 500, 900, -20)]]
  s = spans.of_files(files, CODES)
  assert (s.files, s.classes, len(s)) == (3, 3, 2)  # confidence 0 says that the species is absent
  assert s.file.tolist() == [0, 2] and s.species.tolist() == [2, 0] and s.confidence.tolist() == [0.4, 1]
  assert np.isnan(s.low_hz[0]) and (s.low_hz[1], s.high_hz[1]) == (500, 900)
  assert s.counts().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]] and s.seconds.tolist() == [1, 1]
  sure = spans.of_files(files, CODES, [[0.7, -1.0], [], [3.0]])
  assert sure.confidence.tolist() == [0.7, -1, 3]
  assert len(spans.of_files([], CODES)) == 0


def test_bad_input():
  with pytest.raises(ValueError, match="file 1, event 0: species 'brnowi' is none of the 3 .*nearest: brnowl"):
    spans.of_files([[], [Detection('brnowi', 0, 1)]], CODES)
  with pytest.raises(ValueError, match='one number for each event'):
    spans.of_files([[Detection('brnowl', 0, 1)]], CODES, [[]])
  for row, message in (((2, 0, 0, 1), r'Spans.file in \[2, 2\]: expected \[0, 2\)'), ((0, 3, 0, 1), 'Spans.species'),
                       ((0, 0, 1, 1), 'row 0: onset 1.0, offset 1.0'), ((0, 0, 0, 1, math.nan), 'Spans.confidence')):
    with pytest.raises(ValueError, match=message):
      of([row])
  one = of([(0, 0, 0, 1)])
  with pytest.raises(ValueError, match=r'Spans.offset has shape \(2,\): expected \(1,\)'):
    spans.Spans(2, 3, one.file, one.species, one.onset, np.ones(2), one.low_hz, one.high_hz, one.confidence)
  with pytest.raises(ValueError, match='low_hz 900.0, high_hz nan'):
    spans.Spans(2, 3, one.file, one.species, one.onset, one.offset, np.array([900.]), one.high_hz, one.confidence)
  with pytest.raises(ValueError, match=r'shape \(1,\): expected \(2,\)'):
    one.within(np.ones(1))
  with pytest.raises(ValueError, match='file 1 has 0.0 s'):
    one.within(np.array([1.0, 0.0]))
  with pytest.raises(ValueError, match='truth of 2 files and 3 species, found of 4'):
    spans.checked_pair('f', one, of([], files=4))


def test_within_cuts_at_the_end_of_the_file():
  s = of([(0, 0, 1, 6), (0, 0, 5, 7), (1, 1, 5, 7)]).within(np.array([5.0, 6.0]))
  assert s.file.tolist() == [0, 1] and s.offset.tolist() == [5, 6]


def test_merged_joins_what_overlaps_but_not_what_touches():
  s = of([(0, 0, 4, 5, .1), (0, 0, 0, 2, .2), (0, 0, 1, 3, .9), (0, 0, 1.5, 1.7, .3), (0, 0, 3, 3.5), (0, 1, 0, 9),
          (1, 0, 0, 9)])
  m, _ = s.merged()
  assert list(zip(m.file, m.species, m.onset, m.offset)) == [
      (0, 0, 0, 3), (0, 0, 3, 3.5), (0, 0, 4, 5), (0, 1, 0, 9), (1, 0, 0, 9)]
  assert m.confidence.tolist() == [.9, 1, .1, 1, 1]
  apart, number = s.merged(np.array([0, 0, 1, 1, 0, 0, 0]))
  assert len(apart) == 6 and number.tolist() == [0, 0, 0, 0, 0, 1]
  assert len(of([]).merged()[0]) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 30), st.integers(1, 9)), max_size=20))
def test_merged_covers_the_same_time(rows):
  s = of([(f, c, on, on + n) for f, c, on, n in rows])
  m, _ = s.merged()

  def heard(x):
    grid = np.zeros((2, 3, 40), bool)
    for f, c, on, off in zip(x.file, x.species, x.onset.astype(int), x.offset.astype(int)):
      assert x is s or not grid[f, c, on:off].any(), 'merged spans overlap'
      grid[f, c, on:off] = True
    return grid

  np.testing.assert_array_equal(heard(s), heard(m))


def test_exchange_moves_every_file():
  s = of([(f, 0, f, f + 1) for f in range(5)], files=5)
  for seed in range(20):
    moved = s.exchanged(np.random.default_rng(seed))
    assert sorted(moved.file) == [0, 1, 2, 3, 4] and (moved.file != s.file).all()
  chance = spans.exchange_chance(lambda x: [float((x.file == x.onset).sum()), 1.0, math.nan], s, seed=0)
  assert chance[:2].tolist() == [0, 1] and math.isnan(chance[2])
  assert np.isnan(spans.exchange_chance(lambda x: [1.0, 2.0], of([(0, 0, 0, 1)], files=1), seed=0)).all()
