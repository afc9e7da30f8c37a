"""Masks of windows -> boxes -> the events of a recording of any length: a species, seconds, Hz, how sure.

  merger = Merger(channel=1, rules=rules)                         # one for each channel of each file
  for w in stream.windows(path, rate, window, hop):
    for species, mask, confidence, p_value in ...:                # what was found there
      merger.add(w.start / rate, (w.start + w.valid) / rate, species, boxes(mask, frontend, rules, confidence, p_value))
    yield from merger.flush((w.start + hop) / rate)               # what no later window can reach
  yield from merger.flush()

Cells that touch, corners included, or that no more than `gap_octaves` of one frame part, are one patch; patches of fewer than
`min_cells` cells are noise. Boxes of one species that overlap in frequency and lie closer than `min_gap` in time are one event,
and so are the boxes around such boxes, until none is left. Events shorter than `min_seconds` are dropped at the very end, since
a window may have cut what it shows.

Windows that overlap by `Rules.overlap` or more give what the whole recording at once would give: every event that is no
longer than the overlap, every single patch, every song whose patches, each no longer than the overlap, follow one another
within `min_gap` and share frequencies. Only where an event had ended before a longer one beside it came to its frequencies,
it has been given out and stays an event of its own.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Sequence

import numpy as np
from scipy import ndimage

from data_pipeline.formats.detection import Detection
from sgm.audio.spectrogram import Frontend

TIE_S = 1e-6  # times of windows are rounded sums: what lies this close is equal
_OUTWARD = np.array([1, -1, 1, -1])  # the smallest of onset, -offset, low and -high is the box around boxes
_TOUCHING = np.ones((3, 3), bool)


@dataclasses.dataclass(frozen=True)
class Rules:
  """What counts as one event.

  Attributes:
    min_gap: seconds of silence that part two events of one species; the default joins syllables, as `active_regions` does.
    min_seconds: shorter events are dropped.
    min_cells: patches with fewer cells are dropped.
    gap_octaves: how far apart two marks of a frame may be and still be one sound, from the lower one's upper border to the
      upper one's lower border. A first and a second harmonic are less than an octave apart. (Boxes of found masks on the
      built-in mixtures, F1 at an IoU of 0.5: 0.24 with 0, 0.62 with 1, no more with 2.)
  """

  min_gap: float = 0.2
  min_seconds: float = 0.05
  min_cells: int = 8
  gap_octaves: float = 1.0

  def __post_init__(self):
    for field, least in (('min_gap', 0), ('min_seconds', 0), ('min_cells', 1), ('gap_octaves', 0)):
      if not least <= getattr(self, field) < math.inf:
        raise ValueError(f'Rules.{field} is {getattr(self, field)}: expected a finite number, {least} or more')

  def overlap(self, frontend: Frontend) -> float:
    """Seconds by which windows must overlap, lest a border cuts a patch into pieces of fewer than `min_cells` cells."""
    return 2 * self.min_cells * frontend.hop / frontend.sample_rate


def _check(what: str, box: 'Box | DetectedEvent') -> None:
  for field in ('onset', 'offset', 'low_hz', 'high_hz', 'confidence', *(() if box.p_value is None else ('p_value',))):
    object.__setattr__(box, field, float(getattr(box, field)))  # numpy scalars are no JSON
  if not 0 <= box.onset < box.offset < math.inf:
    raise ValueError(f'{what}: from {box.onset} s to {box.offset} s: expected 0 <= onset < offset')
  if not 0 <= box.low_hz < box.high_hz < math.inf:
    raise ValueError(f'{what}: from {box.low_hz} Hz to {box.high_hz} Hz: expected 0 <= low_hz < high_hz')
  if not 0 <= box.confidence <= 1 or (box.p_value is not None and not 0 <= box.p_value <= 1):
    raise ValueError(f'{what}: confidence {box.confidence} and p_value {box.p_value}: expected 0 to 1')


@dataclasses.dataclass(frozen=True)
class Box:
  """Where in a window something is: seconds from the window's start, Hz. `p_value`: None where nothing was calibrated."""

  onset: float
  offset: float
  low_hz: float
  high_hz: float
  confidence: float = 1.0
  p_value: float | None = None

  def __post_init__(self):
    _check('Box', self)

  @property
  def extent(self) -> tuple[float, float, float, float]:
    return self.onset, self.offset, self.low_hz, self.high_hz


@dataclasses.dataclass(frozen=True)
class DetectedEvent:
  """A species heard in a recording.

  Attributes:
    species: code in the taxonomy.
    onset, offset: seconds from the start of the file, 0 <= onset < offset <= the file's length.
    low_hz, high_hz: borders of the lowest and the highest band that is marked.
    confidence: 0 to 1, the largest of its boxes'.
    p_value: the smallest of its boxes': of its best window, not corrected for the number of windows; None when not known.
    channel: of the file, from 1.
    windows: how many windows show its species, from the first to the last one that shows a part of it.
  """

  species: str
  onset: float
  offset: float
  low_hz: float
  high_hz: float
  confidence: float
  p_value: float | None
  channel: int
  windows: int

  def __post_init__(self):
    _check(f'DetectedEvent of {self.species}', self)

  def detection(self, path: str = '') -> Detection:
    """What remains in a format without frequencies."""
    return Detection(self.species, self.onset, self.offset, self.confidence, path)


def boxes(mask: np.ndarray, frontend: Frontend, rules: Rules = Rules(), confidence: float | np.ndarray = 1.0,
          p_value: float | None = None) -> list[Box]:
  """The boxes of a mask, in order of onset; no two of them are one event. Borders as those of `masks.extent`.

  Args:
    mask: (T, F) bool, one species in one window.
    frontend: gives the grid.
    rules: `min_seconds` is left to the Merger.
    confidence: 0 to 1, e.g. the probability that the species is there; or a map (T, F), averaged over each box's marked cells.
    p_value: of the species in this window.

  Raises ValueError: shapes that do not fit, a confidence that is no probability.
  """
  mask = np.asarray(mask, bool)
  if mask.ndim != 2 or mask.shape[1] != frontend.bands:
    raise ValueError(f'boxes: mask is {mask.shape}: expected (T, F) with F = {frontend.bands} bands')
  if np.ndim(confidence) and np.shape(confidence) != mask.shape:
    raise ValueError(f'boxes: confidence is {np.shape(confidence)}: expected one number, or a map of {mask.shape}')
  if not mask.any():
    return []
  labels, count = ndimage.label(_bridged(mask, frontend.band_edges_hz, rules.gap_octaves), _TOUCHING)
  of_cell = labels[mask]
  cells = np.bincount(of_cell, minlength=count + 1)  # 0 is the background
  patches = np.flatnonzero(cells >= rules.min_cells)
  if not len(patches):
    return []
  found = ndimage.find_objects(labels)
  corners = np.array([(t.start, t.stop, f.start, f.stop) for t, f in (found[p - 1] for p in patches)])  # (P, 4)
  extents = np.concatenate([corners[:, :2] * (frontend.hop / frontend.sample_rate), frontend.band_edges_hz[corners[:, 2:]]], 1)
  group, extents = _joined(extents, rules.min_gap)
  sure = np.full(len(extents), confidence) if not np.ndim(confidence) else (
      np.bincount(group, np.bincount(of_cell, np.asarray(confidence)[mask], count + 1)[patches])
      / np.bincount(group, cells[patches]))
  return sorted((Box(*extent, c, p_value) for extent, c in zip(extents, sure)), key=lambda box: box.extent)


def _bridged(mask: np.ndarray, edges_hz: np.ndarray, octaves: float) -> np.ndarray:
  """The mask (T, F) with gaps of up to `octaves` between marked bands of a frame filled."""
  bands = np.arange(mask.shape[1])
  below = np.maximum.accumulate(np.where(mask, bands, -1), axis=1)  # the nearest marked band, itself included; -1: none
  above = np.minimum.accumulate(np.where(mask, bands, len(bands))[:, ::-1], axis=1)[:, ::-1]
  reach = np.append(edges_hz[1:] * 2 ** octaves, -np.inf)  # of a marked band, upwards
  return np.append(edges_hz[:-1], np.inf)[above] <= reach[below]


def _joined(extents: np.ndarray, min_gap: float) -> tuple[np.ndarray, np.ndarray]:
  """Boxes (N, 4) of onset, offset, low and high -> number of each one's event (N,), and the boxes around events (E, 4)."""
  group = np.arange(len(extents))
  while len(extents) > 1:
    onset, offset, low, high = extents.T
    near = (onset[:, None] - offset < min_gap - TIE_S) & (low[:, None] < high)  # (N, N), one of two directions
    first = (near & near.T | np.eye(len(extents), dtype=bool)).argmax(1)  # that each box is near, itself included
    if (first == np.arange(len(first))).all():
      break
    events, of_box = np.unique(first[first], return_inverse=True)
    around = np.full((len(events), 4), np.inf)
    np.minimum.at(around, of_box, extents * _OUTWARD)
    group, extents = of_box[group], around * _OUTWARD
  return group, extents


@dataclasses.dataclass(frozen=True)
class _Held:
  """A box in seconds of the file, and the numbers, among those of its species, of the first and the last window it is from."""

  box: Box
  first: int
  last: int


class Merger:
  """Boxes of overlapping windows, in order of start -> the events of one channel of one recording.

  Holds the events that a later window can reach, nothing else: memory does not grow with the recording. The result does not
  depend on the order of calls, nor of boxes, within a window.
  """

  def __init__(self, channel: int = 1, rules: Rules = Rules()):
    if channel < 1:
      raise ValueError(f'Merger: channel is {channel}: expected 1 or more')
    self._channel, self._rules = channel, rules
    self._held: dict[str, list[_Held]] = {}
    self._windows: dict[str, tuple[float, int]] = {}  # start of the latest window that shows a species, and how many did
    self._start, self._until = 0.0, 0.0

  @property
  def held(self) -> int:
    """Number of events that are not given out yet."""
    return sum(map(len, self._held.values()))

  def add(self, start: float, end: float, species: str, boxes: Sequence[Box]) -> None:
    """Takes the boxes of a species in a window.

    Args:
      start, end: seconds of the file that the window shows. Of a window that is padded, `end` is the end of the sound:
        boxes are cut there, and dropped beyond.
      species: code in the taxonomy.
      boxes: in seconds from `start`.

    Raises ValueError: a window that starts before the one before, or before what `flush` was told.
    """
    earliest = max(self._start, self._until)
    if not earliest - TIE_S <= start < end:
      raise ValueError(f'Merger: window from {start} s to {end} s: expected a start from {earliest} s, an end after it')
    self._start = start
    found = [dataclasses.replace(box, onset=start + box.onset, offset=min(start + box.offset, end))
             for box in boxes if end - (start + box.onset) > TIE_S]
    if found:
      latest, number = self._windows.get(species, (-math.inf, 0))
      number += start > latest + TIE_S
      self._windows[species] = start, number
      self._held[species] = _united([*self._held.get(species, ()), *(_Held(box, number, number) for box in found)],
                                    self._rules.min_gap)

  def flush(self, until: float = math.inf) -> list[DetectedEvent]:
    """Gives out what is finished, once, in order of onset: all of it, or what no window from `until` (seconds) on can reach."""
    self._until = max(self._until, until)
    finished = []
    for species, held in self._held.items():
      kept = []
      for h in held:
        box = h.box
        if self._until - box.offset < self._rules.min_gap - TIE_S:
          kept.append(h)
        elif box.offset - box.onset >= self._rules.min_seconds - TIE_S:
          finished.append(DetectedEvent(
              species, *box.extent, box.confidence, box.p_value, self._channel, h.last - h.first + 1))
      self._held[species] = kept
    self._held = {species: held for species, held in self._held.items() if held}
    return sorted(finished, key=lambda e: (e.onset, e.offset, e.species, e.low_hz))


def _united(held: list[_Held], min_gap: float) -> list[_Held]:
  """What is one event becomes one."""
  group, extents = _joined(np.array([h.box.extent for h in held]), min_gap)
  united = []
  for number, extent in enumerate(extents):
    parts = [h for h, g in zip(held, group) if g == number]
    known = [h.box.p_value for h in parts if h.box.p_value is not None]
    box = Box(*extent, max(h.box.confidence for h in parts), min(known, default=None))
    united.append(_Held(box, min(h.first for h in parts), max(h.last for h in parts)))
  return united
