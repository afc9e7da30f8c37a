"""Event and Scene: the single truth from which every label is derived.

Prompts, label rolls, masks, selection tables and classifier targets all start here, so that they cannot disagree. Pure
numpy: the model side reads it too.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, Sequence

import numpy as np

VOCALISATIONS = ('song', 'call')
ENVIRONMENTS = ('forest', 'wind', 'rain', 'insects')  # '' = not known
NOISES = ('quiet', 'lightly noisy', 'noisy')          # '' = not known
NEARS = ('river', 'road')                             # '' = near nothing that is heard

# Levels are mapped to (0, 1] loudness over this range before they enter a roll.
LOUDNESS_RANGE_DB = (-60.0, 0.0)
MIN_LOUDNESS = 0.05  # an event that is there never reads as absent


@dataclasses.dataclass(frozen=True)
class Event:
  """One vocalisation of one bird.

  Attributes:
    species: code in the data set's taxonomy.
    vocalisation: one of VOCALISATIONS.
    onset, offset: seconds from the start of the clip, onset < offset.
    low_hz, high_hz: frequency extent in Hz, low_hz < high_hz.
    level_db: RMS over [onset, offset] in dB re full scale.
    azimuth: degrees, negative = left; None when unknown.
  """

  species: str
  vocalisation: str
  onset: float
  offset: float
  low_hz: float
  high_hz: float
  level_db: float
  azimuth: float | None = None

  def __post_init__(self):
    if self.vocalisation not in VOCALISATIONS:
      raise ValueError(f'Event.vocalisation {self.vocalisation!r}: expected one of {VOCALISATIONS}')
    for field in ('onset', 'offset', 'low_hz', 'high_hz', 'level_db'):
      object.__setattr__(self, field, float(getattr(self, field)))  # numpy scalars are no JSON
      if not math.isfinite(getattr(self, field)):
        raise ValueError(f'Event.{field} is {getattr(self, field)}: expected a finite number')
    if self.azimuth is not None and not math.isfinite(self.azimuth):
      raise ValueError(f'Event.azimuth is {self.azimuth}: expected degrees, or None for unknown')
    if self.offset <= self.onset:
      raise ValueError(f'Event of {self.species}: offset {self.offset} s is not after onset {self.onset} s')
    if self.high_hz <= self.low_hz:
      raise ValueError(f'Event of {self.species}: high_hz {self.high_hz} is not above low_hz {self.low_hz}')


@dataclasses.dataclass(frozen=True)
class Scene:
  """What a clip holds. `duration` in seconds; environment, noise and near as in the tuples above, '' when unknown."""

  events: tuple[Event, ...]
  environment: str
  noise: str
  near: str
  duration: float

  def __post_init__(self):
    object.__setattr__(self, 'events', tuple(self.events))
    for field, known in (('environment', ENVIRONMENTS), ('noise', NOISES), ('near', NEARS)):
      if getattr(self, field) not in known + ('',):
        raise ValueError(f'Scene.{field} {getattr(self, field)!r}: expected one of {known} or empty')
    object.__setattr__(self, 'duration', float(self.duration))
    if not 0 < self.duration < math.inf:
      raise ValueError(f'Scene.duration is {self.duration}: expected seconds above 0')

  def crop(self, start: float, duration: float) -> 'Scene':
    """The scene of the window [start, start + duration): events shifted, cut at its borders, dropped outside."""
    events = []
    for e in self.events:
      onset, offset = max(e.onset - start, 0.0), min(e.offset - start, duration)
      if offset > onset:
        events.append(dataclasses.replace(e, onset=onset, offset=offset))
    return dataclasses.replace(self, events=tuple(events), duration=duration)

  def gain(self, db: float) -> 'Scene':
    """The scene after a gain of `db` on the whole clip."""
    return dataclasses.replace(
        self, events=tuple(dataclasses.replace(e, level_db=e.level_db + db) for e in self.events))

  def to_dict(self) -> dict[str, Any]:
    return dataclasses.asdict(self)

  @classmethod
  def from_dict(cls, d: dict[str, Any]) -> 'Scene':
    """Inverse of `to_dict`. Raises ValueError that names an unknown or missing field."""
    try:
      return cls(**{**d, 'events': tuple(Event(**e) for e in d['events'])})
    except (TypeError, KeyError) as error:
      raise ValueError(f'not a Scene: {error}') from error

  def to_json(self) -> str:
    return json.dumps(self.to_dict(), indent=1)

  @classmethod
  def from_json(cls, text: str) -> 'Scene':
    return cls.from_dict(json.loads(text))


def loudness(level_db: float | np.ndarray) -> float | np.ndarray:
  """Level in dB re full scale -> [MIN_LOUDNESS, 1], linear in dB over LOUDNESS_RANGE_DB."""
  low, high = LOUDNESS_RANGE_DB
  return np.clip((np.asarray(level_db) - low) / (high - low), MIN_LOUDNESS, 1.0)


def coverage(onset: np.ndarray, offset: np.ndarray, frames: int, duration: float) -> np.ndarray:
  """Fraction of each of `frames` equal frames that each event covers: (E,), (E,) -> (E, frames) in [0, 1]."""
  edges = np.linspace(0.0, duration, frames + 1)  # the last one is `duration` to the bit: an event there is in no frame
  overlap = np.minimum(offset[:, None], edges[1:]) - np.maximum(onset[:, None], edges[:-1])  # (E, frames)
  return np.clip(overlap * (frames / duration), 0.0, 1.0)


def _index(codes: Sequence[str], species: str) -> int:
  try:
    return list(codes).index(species)
  except ValueError:
    raise ValueError(f'species {species!r} is not among the classes: {", ".join(codes)}') from None


def label_roll(scene: Scene, codes: Sequence[str], frames: int) -> np.ndarray:
  """Species x time conditioning: the loudness of each species in each frame, times the part of the frame it fills.

  Args:
    scene: its species must be in `codes`.
    codes: species codes, S of them, in class order.
    frames: number of equal frames the clip's duration is cut into.

  Returns:
    (frames, S) float32 in [0, 1]; overlapping events of one species: the louder one.
  """
  roll = np.zeros((frames, len(codes)), np.float32)
  for e in scene.events:
    cover = coverage(np.array([e.onset]), np.array([e.offset]), frames, scene.duration)[0]  # (frames,)
    s = _index(codes, e.species)
    roll[:, s] = np.maximum(roll[:, s], cover * loudness(e.level_db))
  return roll


def activity(scene: Scene, codes: Sequence[str], frames: int) -> np.ndarray:
  """Frame targets of a classifier: (frames, S) float32, 1 where a species fills at least half of the frame."""
  target = np.zeros((frames, len(codes)), np.float32)
  for e in scene.events:
    cover = coverage(np.array([e.onset]), np.array([e.offset]), frames, scene.duration)[0]
    s = _index(codes, e.species)
    target[:, s] = np.maximum(target[:, s], cover >= 0.5)
  return target
