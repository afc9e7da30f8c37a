"""Spans: the events of several files as columns, which the event metrics compute on, and their chance level."""

from __future__ import annotations

import dataclasses
import math
from typing import Callable, Sequence

import numpy as np

from data_pipeline.formats.detection import Detection
from data_pipeline.scene import Event
from data_pipeline.taxonomy import closest
from sgm.evaluation import bootstrap as bootstrap_lib

EXCHANGES = 20  # of files, whose mean is the chance level
_WHOLE = ('file', 'species')
_REAL = ('onset', 'offset', 'low_hz', 'high_hz', 'confidence')


@dataclasses.dataclass(frozen=True, eq=False)
class Spans:
  """n events of F files and S species.

  Attributes:
    files, classes: F and S; there may be files, and species, without events.
    file, species: (n,) int in [0, F) and [0, S).
    onset, offset: (n,) seconds of the file, onset < offset.
    low_hz, high_hz: (n,) low < high; nan = not said.
    confidence: (n,) any finite number, larger = surer; 1 where nobody says.

  Raises:
    ValueError: columns of other lengths or values outside these ranges.
  """

  files: int
  classes: int
  file: np.ndarray
  species: np.ndarray
  onset: np.ndarray
  offset: np.ndarray
  low_hz: np.ndarray
  high_hz: np.ndarray
  confidence: np.ndarray

  def __post_init__(self):
    for name, kind in (*((n, int) for n in _WHOLE), *((n, float) for n in _REAL)):
      object.__setattr__(self, name, np.asarray(getattr(self, name), kind))
      if getattr(self, name).shape != (len(self.file),):
        raise ValueError(f'Spans.{name} has shape {getattr(self, name).shape}: expected ({len(self.file)},)')
    for name, size in (('file', self.files), ('species', self.classes)):
      column = getattr(self, name)
      if column.size and not (0 <= column.min() and column.max() < size):
        raise ValueError(f'Spans.{name} in [{column.min()}, {column.max()}]: expected [0, {size})')
    for low, high, unknown in (('onset', 'offset', False), ('low_hz', 'high_hz', True)):
      a, b = getattr(self, low), getattr(self, high)
      bad = ~(np.isfinite(a) & np.isfinite(b) & (a < b)) & ~(unknown & np.isnan(a) & np.isnan(b))
      if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f'Spans row {row}: {low} {a[row]}, {high} {b[row]}: expected finite numbers and {low} < {high}')
    if not np.isfinite(self.confidence).all():
      raise ValueError('Spans.confidence: expected finite numbers')

  def __len__(self) -> int:
    return len(self.file)

  @property
  def seconds(self) -> np.ndarray:
    return self.offset - self.onset

  @property
  def kind(self) -> np.ndarray:
    """(n,) one number for each (file, species): file * S + species."""
    return self.file * self.classes + self.species

  def counts(self) -> np.ndarray:
    """(F, S) number of events."""
    return np.bincount(self.kind, minlength=self.files * self.classes).reshape(self.files, self.classes)

  def at(self, rows: np.ndarray) -> Spans:
    """Some of the events: an index array or a mask."""
    return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in (*_WHOLE, *_REAL)})

  def within(self, durations: np.ndarray) -> Spans:
    """Cut at the end of the files, (F,) in seconds; what begins behind it is left out."""
    end = checked_durations(durations, self.files)[self.file]
    inside = self.onset < end
    return dataclasses.replace(self.at(inside), offset=np.minimum(self.offset, end)[inside])

  def exchanged(self, rng: np.random.Generator) -> Spans:
    """Every file's events in another file."""
    return dataclasses.replace(self, file=bootstrap_lib.derangement(self.files, rng)[self.file])

  def merged(self, of: np.ndarray | None = None) -> tuple[Spans, np.ndarray]:
    """Spans of one file and species that overlap become one: a species is heard, however many birds sing. Touching ones stay.

    Args:
      of: (n,) int >= 0, merge only what is equal in it too; None = all is.

    Returns:
      The spans, their frequencies unknown and their confidence the highest, and their `of`.
    """
    of = np.zeros(len(self), int) if of is None else np.asarray(of)
    if not len(self):
      return self, of
    key = of * (self.files * self.classes) + self.kind
    order = np.lexsort((self.onset, key))
    x, key, of = self.at(order), key[order], of[order]
    # Each key on its own stretch of one long axis, so that the running maximum never reaches into the next.
    stretch = np.unique(key, return_inverse=True)[1] * (x.offset.max() - min(x.onset.min(), 0.0) + 1.0)
    reach = np.maximum.accumulate(x.offset + stretch)
    starts = np.flatnonzero(np.append(True, (x.onset + stretch)[1:] >= reach[:-1]))
    offset, confidence = (np.maximum.reduceat(column, starts) for column in (x.offset, x.confidence))
    unknown = np.full(len(starts), math.nan)
    return dataclasses.replace(x.at(starts), offset=offset, confidence=confidence, low_hz=unknown, high_hz=unknown), of[starts]


def of_files(events: Sequence[Sequence[Event | Detection]], codes: Sequence[str],
             confidence: Sequence[Sequence[float]] | None = None) -> Spans:
  """Spans of a list of events, or of detections, for each file.

  Args:
    events: one list for each file, empty where there is nothing. A Detection of confidence 0 says that the species is absent,
      and is left out.
    codes: species codes in class order, as `Taxonomy.codes`.
    confidence: of the events, in lists of the same lengths; None = their own, 1 for those that have none.

  Raises:
    ValueError: a species that is not in `codes`, with its file; lists of other lengths.
  """
  index = {code: i for i, code in enumerate(codes)}
  if confidence is not None and [len(c) for c in confidence] != [len(e) for e in events]:
    raise ValueError('of_files: confidence: expected one number for each event of each file')
  rows = []
  for f, some in enumerate(events):
    for i, e in enumerate(some):
      sure = getattr(e, 'confidence', 1.0) if confidence is None else confidence[f][i]
      if e.species not in index:
        raise ValueError(f'of_files: file {f}, event {i}: species {e.species!r} is none of the {len(index)} that are scored; '
                         f'nearest: {", ".join(closest(e.species, index)) or "none"}')
      if confidence is not None or sure > 0:
        band = getattr(e, 'low_hz', math.nan), getattr(e, 'high_hz', math.nan)
        rows.append((f, index[e.species], e.onset, e.offset, *band, sure))
  columns = np.array(rows, float).reshape(-1, 7).T
  return Spans(len(events), len(index), columns[0].astype(int), columns[1].astype(int), *columns[2:])


def checked_pair(function: str, truth: Spans, found: Spans) -> None:
  """Raises ValueError where two Spans are not of the same files and species."""
  if (truth.files, truth.classes) != (found.files, found.classes):
    raise ValueError(f'{function}: truth of {truth.files} files and {truth.classes} species, found of {found.files} and '
                     f'{found.classes}: expected the same')


def checked_durations(durations: np.ndarray, files: int) -> np.ndarray:
  """(F,) float seconds, all above 0. Raises ValueError."""
  durations = np.asarray(durations, float)
  if durations.shape != (files,):
    raise ValueError(f'durations has shape {durations.shape}: expected ({files},), one for each file')
  bad = np.flatnonzero(~(np.isfinite(durations) & (durations > 0)))
  if bad.size:
    raise ValueError(f'durations: file {bad[0]} has {durations[bad[0]]} s: expected a finite number above 0')
  return durations


def exchange_chance(metric: Callable[[Spans], Sequence[float]], found: Spans, seed: int,
                    exchanges: int = EXCHANGES) -> np.ndarray:
  """What `metric` gives for predictions that keep their number, lengths, confidences and places, but belong to another file.

  Args:
    metric: of Spans -> k numbers.
    found: the predictions, of 2 files or more.
    seed: of the exchanges, whose mean is taken.

  Returns:
    (k,) nan where there are fewer than 2 files.
  """
  rng = np.random.default_rng(seed)
  if found.files < 2:
    return np.full(len(metric(found)), math.nan)
  draws = np.array([metric(found.exchanged(rng)) for _ in range(exchanges)], float)  # (exchanges, k)
  return np.array([bootstrap_lib.mean_of_known(column) for column in draws.T])
