import dataclasses
import json
import math

from hypothesis import assume, given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import scene as scene_lib
from data_pipeline.scene import Event, Scene

CODES = ('a', 'b', 'c')
TICK = 1 / 64  # times on a binary grid: shifting them is exact, so windows compose exactly


def ticks(low, high):
  return st.integers(low, high).map(lambda n: n * TICK)


@st.composite
def events(draw):
  onset = draw(ticks(0, 640))
  low_hz = draw(st.floats(0, 8000))
  return Event(draw(st.sampled_from(CODES)), draw(st.sampled_from(scene_lib.VOCALISATIONS)), onset, onset + draw(ticks(1, 320)),
               low_hz, low_hz + draw(st.floats(1, 8000)), draw(st.floats(-90, 0)), draw(st.none() | st.floats(-90, 90)))


@st.composite
def scenes(draw):
  return Scene(tuple(draw(st.lists(events(), max_size=5))), draw(st.sampled_from(scene_lib.ENVIRONMENTS + ('',))),
               draw(st.sampled_from(scene_lib.NOISES + ('',))), draw(st.sampled_from(scene_lib.NEARS + ('',))),
               draw(ticks(64, 960)))


def event(**changes):
  return dataclasses.replace(Event('a', 'song', 1.0, 2.0, 1000.0, 2000.0, -30.0), **changes)


def scene(*found, duration=4.0):
  return Scene(found, 'forest', 'quiet', '', duration)


@settings(deadline=None)
@given(scenes(), ticks(0, 200), ticks(0, 200), ticks(1, 400), ticks(1, 400))
def test_a_crop_of_a_crop_is_one_crop(s, first, second, long, short):
  assume(second + short <= long)
  assert s.crop(first, long).crop(second, short) == s.crop(first + second, short)


@settings(deadline=None)
@given(scenes(), ticks(-64, 640), ticks(1, 640))
def test_crop_keeps_events_inside_and_drops_no_other(s, start, duration):
  c = s.crop(start, duration)
  assert c.duration == duration
  assert all(0 <= e.onset < e.offset <= duration for e in c.events)
  touched = [e for e in s.events if e.onset < start + duration and e.offset > start]
  assert [dataclasses.replace(e, onset=0, offset=1) for e in touched] == \
      [dataclasses.replace(e, onset=0, offset=1) for e in c.events]


@settings(deadline=None)
@given(scenes())
def test_json_round_trip(s):
  assert Scene.from_json(s.to_json()) == s
  assert Scene.from_dict(s.to_dict()) == s


@settings(deadline=None)
@given(scenes(), st.integers(1, 200))
def test_roll_range(s, frames):
  roll = scene_lib.label_roll(s, CODES, frames)
  assert roll.shape == (frames, len(CODES)) and roll.dtype == np.float32
  assert roll.min() >= 0 and roll.max() <= 1
  heard = {e.species for e in s.events if e.onset < s.duration}
  for i, code in enumerate(CODES):
    assert (roll[:, i].max() > 0) == (code in heard)


def test_an_event_that_begins_when_the_clip_ends_is_in_no_frame():
  assert not scene_lib.coverage(np.array([3.765625]), np.array([3.78125]), 171, 3.765625).any()


@settings(deadline=None)
@given(scenes(), st.integers(1, 64))
def test_roll_against_sampled_time(s, frames):
  """Oracle: count the samples of a fine time axis that lie inside each event."""
  fine = 512
  times = (np.arange(frames * fine) + 0.5) * (s.duration / (frames * fine))
  expected = np.zeros((frames, len(CODES)))
  for e in s.events:
    inside = ((times >= e.onset) & (times < e.offset)).reshape(frames, fine).mean(axis=1)
    loud = min(max((e.level_db + 60) / 60, 0.05), 1)
    column = expected[:, CODES.index(e.species)]
    np.maximum(column, inside * loud, out=column)
  np.testing.assert_allclose(scene_lib.label_roll(s, CODES, frames), expected, atol=2.5 / fine)


def test_roll_and_activity_by_hand():
  s = scene(event(onset=1.0, offset=2.5, level_db=-30.0), event(species='c', onset=1.5, offset=1.75, level_db=-100.0))
  np.testing.assert_allclose(scene_lib.label_roll(s, CODES, 4),
                             [[0, 0, 0], [0.5, 0, 0.25 * 0.05], [0.25, 0, 0], [0, 0, 0]], atol=1e-7)
  np.testing.assert_array_equal(scene_lib.activity(s, CODES, 4), [[0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]])


def test_the_louder_of_two_overlapping_events_wins():
  s = scene(event(level_db=-60.0), event(level_db=-6.0))
  assert scene_lib.label_roll(s, CODES, 4)[1, 0] == np.float32(0.9)


def test_empty_scene():
  s = scene()
  assert not scene_lib.label_roll(s, CODES, 8).any()
  assert not scene_lib.activity(s, CODES, 8).any()
  assert Scene.from_json(s.to_json()) == s


@settings(deadline=None)
@given(scenes(), st.floats(-30, 30), st.floats(-30, 30))
def test_gain_adds_up_and_moves_levels_only(s, first, second):
  twice, once = s.gain(first).gain(second), s.gain(first + second)
  for a, b, original in zip(twice.events, once.events, s.events):
    assert math.isclose(a.level_db, b.level_db, abs_tol=1e-9)
    assert dataclasses.replace(a, level_db=original.level_db) == original


def test_loudness_is_monotonic_and_ends_where_it_says():
  levels = np.linspace(-80, 10, 91)
  loud = scene_lib.loudness(levels)
  assert (np.diff(loud) >= 0).all()
  assert loud[0] == scene_lib.MIN_LOUDNESS and loud[-1] == 1.0
  assert scene_lib.loudness(-30.0) == 0.5


@pytest.mark.parametrize('changes, message', [
    (dict(vocalisation='hum'), "'hum'.*song"),
    (dict(onset=math.nan), 'onset'),
    (dict(level_db=-math.inf), 'level_db'),
    (dict(offset=1.0), 'offset 1.0 s is not after'),
    (dict(high_hz=1000.0), 'high_hz 1000.0 is not above'),
])
def test_impossible_event(changes, message):
  with pytest.raises(ValueError, match=message):
    event(**changes)


@pytest.mark.parametrize('changes, message', [
    (dict(environment='sea'), "environment 'sea'.*forest"),
    (dict(noise='loud'), "noise 'loud'.*noisy"),
    (dict(near='lake'), "near 'lake'.*river"),
    (dict(duration=0), 'duration'),
    (dict(duration=math.nan), 'duration'),
])
def test_impossible_scene(changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(scene(), **changes)


@pytest.mark.parametrize('change', [
    lambda d: d.pop('events'), lambda d: d.pop('noise'), lambda d: d.update(colour='red'),
    lambda d: d['events'][0].pop('onset'), lambda d: d['events'][0].update(weight=1), lambda d: d['events'][0].update(onset=None)])
def test_not_a_scene(change):
  d = json.loads(scene(event()).to_json())
  change(d)
  with pytest.raises(ValueError, match='not a Scene'):
    Scene.from_dict(d)


def test_text_that_is_not_json():
  with pytest.raises(ValueError):
    Scene.from_json('{')
  with pytest.raises(ValueError, match='not a Scene'):
    Scene.from_json('[]')
