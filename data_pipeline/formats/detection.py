"""Detection: a species in a span of a file, with a confidence. What classifiers and clip labels say.

Not an Event: nobody measured a box, a level or a kind of vocalisation, and none is made up for it here.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Iterable, Sequence

from data_pipeline.formats import tables


@dataclasses.dataclass(frozen=True)
class Detection:
  """A species heard in a span.

  Attributes:
    species: code in the taxonomy.
    onset, offset: seconds from the start of the file, 0 <= onset < offset.
    confidence: 0 to 1; 1 where a person says so, 0 where the species is said to be absent.
    path: the sound file as its table names it, '' = not said.
  """

  species: str
  onset: float
  offset: float
  confidence: float = 1.0
  path: str = ''

  def __post_init__(self):
    for field in ('onset', 'offset', 'confidence'):
      object.__setattr__(self, field, float(getattr(self, field)))  # numpy scalars are no JSON
    if not 0 <= self.onset < self.offset < math.inf:
      raise ValueError(f'Detection of {self.species}: from {self.onset} s to {self.offset} s: expected 0 <= onset < offset')
    if not 0 <= self.confidence <= 1:
      raise ValueError(f'Detection of {self.species}: confidence {self.confidence}: expected 0 to 1')


def of_events(events: tables.Events, path: str = '', confidence: float = 1.0) -> tuple[Detection, ...]:
  """What remains of events in a format without boxes, in order of onset."""
  return tuple(Detection(e.species, e.onset, e.offset, confidence, path) for e in tables.in_order(events))


def in_order(detections: Iterable[Detection]) -> list[Detection]:
  """Detections in order of file (of its first detection), then of onset."""
  detections = list(detections)
  files = {path: i for i, path in enumerate(dict.fromkeys(d.path for d in detections))}
  return sorted(detections, key=lambda d: (files[d.path], d.onset, d.offset))


def of_windows(events: tables.Events, path: str, duration: float, codes: Sequence[str],
               seconds: float = 5.0) -> tuple[Detection, ...]:
  """Each of `codes` in each window of `seconds`: confidence 1 where one of its events reaches into the window, else 0.

  The last window of a file whose `duration` is no multiple is as long as the others, as competitions count it.
  """
  found = []
  for w in range(math.ceil(duration / seconds)):
    there = {e.species for e in tables.in_order(events) if e.onset < (w + 1) * seconds and e.offset > w * seconds}
    found += [Detection(code, w * seconds, (w + 1) * seconds, float(code in there), path) for code in codes]
  return tuple(found)
