"""Which stretches of a recording become clips, and the Scene of each."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from data_pipeline.scene import Event, Scene

HOP_SHARE = 0.25       # of the clip, between overlapping windows
MAX_WINDOWS = 200      # per recording, so that one long recording does not outweigh all others
MIN_EVENT_SHARE = 0.5  # a window holds this part of an event, or
MIN_EVENT_SECONDS = 0.5  # this much of it
MIN_LAST_SHARE = 0.5   # of the clip: a recording's remainder that is still a clip of its own
MIN_REMAINDER = 0.05   # seconds; less of an event at a window's border is no label


def windows(events: Sequence[Event], seconds: float, clip_seconds: float, dense: bool,
            rng: np.random.Generator) -> list[float]:
  """Starts (s) of the clips of one recording.

  Args:
    events: its vocalisations, by onset.
    seconds: its length; a recording no longer than a clip is one window.
    clip_seconds: length of a clip.
    dense: windows at HOP_SHARE of a clip that hold enough of an event; else disjoint ones, placed at random around events.
    rng: draws where in a disjoint window its first event lies.

  Returns:
    at most MAX_WINDOWS, evenly thinned out.
  """
  if not events:
    return []
  room = seconds - clip_seconds
  if room <= 0:
    return [0.0]
  if dense:
    starts = np.minimum(np.arange(0, room + HOP_SHARE * clip_seconds, HOP_SHARE * clip_seconds), room)
    found = [float(s) for s in np.unique(starts) if _holds(events, s, clip_seconds)]
  else:
    # Where the first lies decides how many fit: of some draws the fullest one.
    found = max((_disjoint(events, room, clip_seconds, rng) for _ in range(8)), key=len)
  if len(found) > MAX_WINDOWS:
    found = [found[i] for i in np.linspace(0, len(found) - 1, MAX_WINDOWS).astype(int)]
  return found


def _disjoint(events: Sequence[Event], room: float, clip_seconds: float,
              rng: np.random.Generator) -> list[float]:
  found: list[float] = []
  end = 0.0
  for r in events:
    if r.onset < end:
      continue
    slack = max(clip_seconds - (r.offset - r.onset), 0.0)
    start = float(np.clip(r.onset - rng.uniform(0, slack), end, max(room, end)))
    if start <= room and _holds([r], start, clip_seconds):
      found.append(start)
      end = start + clip_seconds
  return found


def _holds(events: Sequence[Event], start: float, clip_seconds: float) -> bool:
  """Whether the window holds enough of any event."""
  onset, offset = np.array([(r.onset, r.offset) for r in events]).T
  inside = np.minimum(offset, start + clip_seconds) - np.maximum(onset, start)
  return bool(np.any(inside >= np.minimum(MIN_EVENT_SHARE * (offset - onset), MIN_EVENT_SECONDS)))


def consecutive(seconds: float, clip_seconds: float) -> list[float]:
  """Starts (s) of clips that follow one another over a whole recording; a short last one is kept from MIN_LAST_SHARE on."""
  count = max(1, int(seconds / clip_seconds + 1 - MIN_LAST_SHARE + 1e-9))
  return [k * clip_seconds for k in range(count)]


def scene_of(events: Sequence[Event], start: float, duration: float, environment: str = '', near: str = '') -> Scene:
  """The scene of a window: what is cut at its borders to under MIN_REMAINDER goes."""
  inside = [e for e in events
            if min(e.offset, start + duration) - max(e.onset, start) >= min(MIN_REMAINDER, e.offset - e.onset) - 1e-9]
  return Scene(tuple(inside), environment, '', near, max(start + duration, max((e.offset for e in inside), default=0.0))).crop(
      start, duration)
