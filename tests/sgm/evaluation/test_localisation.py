"""Boxes of masks against a search by hand, and windows of a long mask against the long mask at once."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from data_pipeline.formats.detection import Detection
from sgm.audio import masks
from sgm.audio.spectrogram import Frontend
from sgm.evaluation import localisation
from sgm.evaluation.localisation import Box, DetectedEvent, Merger, Rules

MEL = Frontend(sample_rate=16_000, n_fft=1024, hop=320, bands=8, low_hz=150, high_hz=8_000, scale='mel', db_range=(-100, 0))
LINEAR = dataclasses.replace(MEL, scale='linear')
S = 0.02  # seconds of a frame
WINDOW, HOP = 32, 16  # frames
RULES = Rules(min_gap=3 * S, min_seconds=0.0, min_cells=3, gap_octaves=0.6)


def search(mask, frontend, rules):
  """Extents as `boxes` says, one cell and one pair at a time."""
  marked = {(int(t), int(f)) for t, f in np.argwhere(mask)}
  hz = frontend.band_edges_hz
  bridge = lambda f, g: math.log2(hz[g] / hz[f + 1]) <= rules.gap_octaves
  fill = {(t, k) for t, f in marked for g in range(f + 1, 8) if (t, g) in marked and bridge(f, g) for k in range(f + 1, g)}
  left, found = marked | fill, []
  while left:
    patch, edge = set(), {left.pop()}
    while edge:
      patch |= edge
      edge = {(t + i, f + j) for t, f in edge for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
      left -= edge
    if len(patch & marked) >= rules.min_cells:
      t, f = zip(*patch)
      found.append((min(t), max(t) + 1, min(f), max(f) + 1))
  gap = round(rules.min_gap / S)
  near = lambda a, b: a[0] - b[1] < gap and b[0] - a[1] < gap and a[2] < b[3] and b[2] < a[3]
  pair = lambda: next((p for p in itertools.combinations(found, 2) if near(*p)), None)
  while p := pair():
    found = [x for x in found if x not in p]
    found.append((min(p[0][0], p[1][0]), max(p[0][1], p[1][1]), min(p[0][2], p[1][2]), max(p[0][3], p[1][3])))
  return sorted((a * S, b * S, hz[c], hz[d]) for a, b, c, d in found)


def merged(mask, window=WINDOW, hop=HOP, rules=RULES, frontend=MEL, seconds=None, merger=None):
  """Events of a long mask (T, F), seen in windows; the last one is padded with marked cells."""
  merger = merger or Merger(rules=rules)
  seconds = len(mask) * S if seconds is None else seconds
  events = []
  for start in range(0, max(len(mask) - window + hop, 1), hop):
    part = mask[start:start + window]
    part = np.pad(part, ((0, window - len(part)), (0, 0)), constant_values=True)
    merger.add(start * S, min((start + window) * S, seconds), 'a', localisation.boxes(part, frontend, rules))
    events += merger.flush((start + hop) * S)
  return events + merger.flush()


def extents(found):
  return sorted((x.onset, x.offset, x.low_hz, x.high_hz) for x in found)


def assert_equal(a, b):
  assert len(a) == len(b), (a, b)
  np.testing.assert_allclose(np.array(a).reshape(-1, 4), np.array(b).reshape(-1, 4), atol=1e-9)


def rectangle(mask, onset, frames, low, bands):
  mask[onset:onset + frames, low:low + bands] = True


@st.composite
def long_masks(draw):
  """(T, 8): rectangles, long and short, and single cells."""
  mask = np.zeros((draw(st.integers(1, 150)), 8), bool)
  for _ in range(draw(st.integers(0, 8))):
    onset, frames, low, bands = draw(st.tuples(
        st.integers(0, len(mask) - 1), st.integers(1, 40), st.integers(0, 7), st.integers(1, 3)))
    rectangle(mask, onset, frames, low, bands)
  for t, f in draw(st.lists(st.tuples(st.integers(0, len(mask) - 1), st.integers(0, 7)), max_size=30)):
    mask[t, f] = True
  return mask


@settings(deadline=None)
@given(st.one_of(long_masks(), hnp.arrays(bool, (20, 8))), st.sampled_from([MEL, LINEAR]), st.integers(0, 4), st.integers(1, 5),
       st.sampled_from([0.0, 0.3, 0.6, 1.0, 9.0]))
def test_boxes_equal_a_search_by_hand(mask, frontend, gap, cells, octaves):
  rules = Rules(gap * S, 0.0, cells, octaves)
  assert_equal(extents(localisation.boxes(mask, frontend, rules)), search(mask, frontend, rules))


@settings(deadline=None, max_examples=20)
@given(hnp.arrays(bool, (20, 8)))
def test_one_box_is_the_mask_s_extent(mask):
  found = localisation.boxes(mask, MEL, Rules(10.0, 0.0, 1, 9.0))
  if len(found) == 1:
    np.testing.assert_allclose(found[0].extent, [float(x) for x in masks.extent(mask, MEL)], rtol=1e-5)
  assert found or not mask.any()


def test_borders_of_a_box_are_those_of_its_cells():
  mask = np.zeros((20, 8), bool)
  rectangle(mask, 5, 4, 0, 2)
  assert_equal(extents(localisation.boxes(mask, MEL)), [(5 * S, 9 * S, MEL.band_edges_hz[0], MEL.band_edges_hz[2])])
  rectangle(mask, 0, 20, 0, 8)
  assert_equal(extents(localisation.boxes(mask, LINEAR)), [(0, 20 * S, LINEAR.band_edges_hz[0], LINEAR.band_edges_hz[8])])
  assert localisation.boxes(np.zeros((20, 8), bool), MEL) == [] == localisation.boxes(np.zeros((0, 8), bool), MEL)


def test_a_gap_of_min_gap_parts():
  mask = np.zeros((30, 8), bool)
  rectangle(mask, 0, 4, 3, 2)
  rectangle(mask, 14, 4, 4, 2)  # 10 frames later, one band shared
  count = lambda frames: len(localisation.boxes(mask, MEL, Rules(min_gap=frames * S)))
  assert count(10) == 2 and count(11) == 1
  mask[:] = np.roll(mask, 7, axis=0)
  assert count(10) == 2 and count(11) == 1


def test_harmonics_are_one_sound():
  frontend = dataclasses.replace(MEL, bands=64)
  mask = np.zeros((20, 64), bool)
  f = [int(np.searchsorted(frontend.band_edges_hz, hz)) - 1 for hz in (1500, 3000, 7000)]
  mask[5:15, f] = True
  assert_equal(extents(localisation.boxes(mask, frontend)), [
      (5 * S, 15 * S, frontend.band_edges_hz[f[0]], frontend.band_edges_hz[f[1] + 1]),
      (5 * S, 15 * S, *frontend.band_edges_hz[[f[2], f[2] + 1]])])
  assert len(localisation.boxes(mask, frontend, Rules(gap_octaves=0.5))) == 3
  assert len(localisation.boxes(mask, frontend, Rules(gap_octaves=1.3))) == 1


def test_confidence_is_given_or_the_mean_of_a_map_over_marked_cells():
  mask, sure = np.zeros((20, 8), bool), np.zeros((20, 8))
  rectangle(mask, 0, 4, 0, 1)
  rectangle(mask, 5, 4, 0, 1)  # joined with the first
  rectangle(mask, 15, 4, 6, 2)
  sure[:5], sure[5:10], sure[15:] = 0.2, 0.6, 0.9
  assert [b.confidence for b in localisation.boxes(mask, MEL, RULES, sure)] == pytest.approx([0.4, 0.9])
  assert {(b.confidence, b.p_value) for b in localisation.boxes(mask, MEL, RULES, 0.7, 0.01)} == {(0.7, 0.01)}


def test_bad_input():
  with pytest.raises(ValueError, match=r'mask is \(4, 7\): expected \(T, F\) with F = 8 bands'):
    localisation.boxes(np.zeros((4, 7), bool), MEL)
  with pytest.raises(ValueError, match=r'confidence is \(4,\): expected one number, or a map of \(4, 8\)'):
    localisation.boxes(np.zeros((4, 8), bool), MEL, confidence=np.ones(4))
  with pytest.raises(ValueError, match='confidence 1.5'):
    localisation.boxes(np.ones((4, 8), bool), MEL, confidence=1.5)
  with pytest.raises(ValueError, match='confidence nan'):
    Box(0, 1, 0, 1, math.nan)
  with pytest.raises(ValueError, match='expected 0 <= low_hz < high_hz'):
    Box(0, 1, 5, 5)
  with pytest.raises(ValueError, match='DetectedEvent of a: from 2.0 s to 1.0 s'):
    DetectedEvent('a', 2, 1, 0, 1, 1, None, 1, 1)
  with pytest.raises(ValueError, match='Rules.min_cells is 0: expected a finite number, 1 or more'):
    Rules(min_cells=0)
  with pytest.raises(ValueError, match='channel is 0'):
    Merger(channel=0)


@settings(deadline=None, max_examples=300)
@given(long_masks(), st.integers(1, 3), st.integers(0, 4), st.sampled_from([(32, 16), (32, 8), (24, 18)]))
def test_windows_find_what_the_whole_recording_shows(mask, cells, gap, geometry):
  window, hop = geometry
  rules = dataclasses.replace(RULES, min_cells=cells, min_gap=gap * S)
  assert (window - hop) * S >= rules.overlap(MEL) - 1e-9
  events, seconds = extents(merged(mask, window, hop, rules)), len(mask) * S
  end = max(-(-(len(mask) - window) // hop), 0) * hop + window  # of the last window: its padding is seen, but not given out
  padded = np.pad(mask, ((0, end - len(mask)), (0, 0)), constant_values=True)
  whole = [(a, min(b, seconds), c, d) for a, b, c, d in search(padded, MEL, rules) if a < seconds - 1e-9]
  number = 0
  for a, b, c, d in whole:
    parts = [e for e in events if a <= e[0] + 1e-9 and e[1] <= b + 1e-9 and c <= e[2] and e[3] <= d]
    assert_equal([tuple(f(side) for f, side in zip((min, max, min, max), zip(*parts)))], [(a, b, c, d)])
    if b - a <= (window - hop) * S + 1e-9 and b < seconds - 1e-9:
      assert len(parts) == 1
    number += len(parts)
  assert number == len(events)


@settings(deadline=None)
@given(st.integers(0, 7), st.lists(st.tuples(st.integers(-1, 1), st.integers(1, 2)), min_size=1, max_size=120),
       st.integers(0, 40))
def test_a_patch_of_any_length_is_one_event(low, steps, lead):
  path, mask = [low], np.zeros((lead + len(steps) + 40, 8), bool)
  for t, (step, width) in enumerate(steps):
    path.append(min(max(path[-1] + step, 0), 7))
    mask[lead + t, path[-1]:path[-1] + width] = True
  mask = mask[:len(mask) // HOP * HOP]
  events = merged(mask)
  assert_equal(extents(events), search(mask, MEL, RULES))
  assert len(events) == (mask.sum() >= RULES.min_cells)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(2, 16), st.integers(0, 2), st.integers(3, 4)), min_size=1, max_size=25),
       st.integers(0, 20))
def test_a_song_of_any_length_is_one_event(syllables, lead):
  mask, t = np.zeros((800, 8), bool), lead
  for frames, gap, bands in syllables:  # all reach into band 3
    rectangle(mask, t, frames, 2 if bands == 3 else 0, bands)
    t += frames + gap
  events = merged(mask)
  assert_equal(extents(events), search(mask, MEL, RULES))
  assert len(events) == 1


def test_one_vocalisation_in_two_windows_is_one_event_at_its_full_length():
  mask = np.zeros((64, 8), bool)
  rectangle(mask, 18, 10, 2, 2)  # in [0, 32) and [16, 48)
  event, = merged(mask)
  assert (event.windows, event.confidence, event.p_value, event.channel) == (2, 1.0, None, 1)
  rectangle(mask, 18, 40, 2, 2)  # cut by all windows
  event, = merged(mask)
  assert_equal(extents([event]), [(18 * S, 58 * S, MEL.band_edges_hz[2], MEL.band_edges_hz[4])])
  assert event.windows == 3


def test_an_event_that_others_outlast_is_given_out_before_they_reach_its_frequencies():
  mask = np.zeros((192, 8), bool)
  rectangle(mask, 10, 5, 0, 2)     # ended, when the long one,
  rectangle(mask, 0, 120, 6, 1)
  rectangle(mask, 119, 2, 0, 7)    # comes down
  assert len(search(mask, MEL, RULES)) == 1 and len(merged(mask)) == 2


def test_short_events_are_dropped_once_they_are_whole():
  mask = np.zeros((64, 8), bool)
  rectangle(mask, 30, 6, 2, 2)   # [0, 32) shows 2 frames of it
  rectangle(mask, 50, 3, 2, 2)
  rules = dataclasses.replace(RULES, min_seconds=6 * S)
  assert_equal(extents(merged(mask, rules=rules)), extents(merged(mask, rules=RULES))[:1])


@settings(deadline=None)
@given(long_masks(), st.floats(0.01, 1))
def test_nothing_lies_outside_the_file(mask, part):
  seconds = (max(0, math.ceil((len(mask) - WINDOW) / HOP)) * HOP + part * WINDOW) * S  # within the last window
  for event in merged(mask, seconds=min(seconds, len(mask) * S)):
    assert 0 <= event.onset < event.offset <= min(seconds, len(mask) * S)
    assert MEL.low_hz <= event.low_hz < event.high_hz <= MEL.high_hz


TIMES = st.integers(0, 40).map(lambda k: k * S)
BOXES = st.lists(st.builds(lambda t, d, f, b, c, p: Box(t, t + d * S, f, f + b, c, p), TIMES, st.integers(1, 20),
                           st.integers(0, 9), st.integers(1, 4), st.floats(0, 1), st.none() | st.floats(0, 1)), max_size=8)


@settings(deadline=None)
@given(BOXES, st.randoms())
def test_order_and_repetition_within_a_window_do_not_matter(found, random):
  def events(*parts):
    merger = Merger(3, RULES)
    for part in parts:
      merger.add(1.0, 2.0, 'a', part)
      merger.add(1.0, 2.0, 'b', part[:2])
      merger.add(1.0, 2.0, 'b', part[2:])
    given_out = merger.flush()
    assert not merger.held and not merger.flush()
    return given_out

  once = events(found)
  assert events(random.sample(found, len(found))) == once == events(found, found)
  assert events(*([box] for box in found)) == once
  species = lambda code: [dataclasses.replace(e, species='') for e in once if e.species == code]
  assert species('a') == species('b')
  # What was merged stays as it is.
  again = Merger(3, RULES)
  for e in once:
    again.add(0.0, 2.0, e.species, [Box(e.onset, e.offset, e.low_hz, e.high_hz, e.confidence, e.p_value)])
  assert again.flush() == once


def test_the_best_window_gives_confidence_and_p_value():
  merger = Merger(2, RULES)
  merger.add(0.0, 1.0, 'a', [Box(0.5, 1.0, 100, 200, 0.3, 0.02)])
  merger.add(0.5, 1.5, 'a', [Box(0.0, 0.4, 150, 300, 0.8, None)])
  merger.add(1.0, 2.0, 'a', [Box(0.5, 0.6, 150, 300, 0.1, 0.5)])
  first, second = merger.flush()
  assert first == DetectedEvent('a', 0.5, 1.0, 100, 300, 0.8, 0.02, 2, 2)
  assert second == DetectedEvent('a', 1.5, 1.6, 150, 300, 0.1, 0.5, 2, 1)
  assert first.detection('night.wav') == Detection('a', 0.5, 1.0, 0.8, 'night.wav')


def test_species_are_kept_apart():
  merger = Merger(rules=RULES)
  for species in 'ba':
    merger.add(0.0, 1.0, species, [Box(0.1, 0.5, 100, 200)])
  assert [(e.species, e.windows) for e in merger.flush()] == [('a', 1), ('b', 1)]


def test_windows_come_in_order():
  merger = Merger(rules=RULES)
  merger.add(1.0, 2.0, 'a', [])
  with pytest.raises(ValueError, match='window from 0.5 s to 1.5 s: expected a start from 1.0 s'):
    merger.add(0.5, 1.5, 'a', [])
  merger.flush(1.5)
  with pytest.raises(ValueError, match='expected a start from 1.5 s'):
    merger.add(1.0, 2.0, 'a', [])
  with pytest.raises(ValueError, match='an end after it'):
    merger.add(1.5, 1.5, 'a', [])


def test_events_come_out_as_soon_as_nothing_can_reach_them_and_no_more_are_held():
  rng, merger, count = np.random.default_rng(0), Merger(rules=RULES), 0
  for k in range(400):
    start = k * HOP * S
    for species in 'abc':
      merger.add(start, start + WINDOW * S, species, localisation.boxes(rng.random((WINDOW, 8)) < 0.12, MEL, RULES))
    # One that never ends.
    merger.add(start, start + WINDOW * S, 'd', [Box(0, WINDOW * S, 100, 200)])
    events = merger.flush(start + HOP * S)
    count += len(events)
    assert all(e.offset + RULES.min_gap <= start + HOP * S + 1e-5 and e.species != 'd' for e in events)
    assert 1 <= merger.held <= 1 + 3 * 8 * 5  # in one band no more than 5 that min_gap parts fit into overlap and gap
  last, = (e for e in merger.flush() if e.species == 'd')
  assert count > 400 and last.windows == 400 and last.offset == pytest.approx(401 * HOP * S)
