"""What a text can say of a Scene, and the way there and back.

`project` keeps what words carry (who, roughly when, how loud, how many); `realise` draws a Scene that fits a Description,
so `project(realise(d)) == d` for every Description that leaves nothing unsaid.
"""

from __future__ import annotations

import dataclasses
from typing import Mapping

import numpy as np

from data_pipeline import scene as scene_lib
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import Taxonomy

PARTS = ('at the start', 'in the middle', 'towards the end')  # thirds of the clip, by the event's centre
THROUGHOUT = 'throughout'
TIMINGS = PARTS + (THROUGHOUT, '')    # '' = unsaid; `project` always says
LOUDNESSES = ('lightly', '', 'loudly')  # '' = ordinary, or unsaid

THROUGHOUT_COVER = 0.7   # an event that covers this part of the clip or more is there throughout
LIGHTLY_BELOW_DB = -32.0  # dB re full scale over the event
LOUDLY_ABOVE_DB = -22.0
MAX_COUNT = 10           # 'ten' also means more than ten

# What `realise` draws from. Levels keep half a dB away from the borders above, so that a float32 copy stays in its bucket.
LEVELS_DB = {'lightly': (-42.0, -32.5), '': (-31.5, -22.5), 'loudly': (-21.5, -15.0)}
COVERS = (0.75, 0.95)    # of the clip, for 'throughout'
LONGEST_PART = 0.6       # of the clip, for any other timing: its centre can then lie in every third
# Extent of an event, where no profile measured from recordings is given.
DEFAULT_PROFILES = {
    'song': {'seconds': (0.8, 1.4), 'low_hz': (1000.0, 2500.0), 'high_hz': (4000.0, 7500.0)},
    'call': {'seconds': (0.2, 0.5), 'low_hz': (1000.0, 2500.0), 'high_hz': (4000.0, 7500.0)},
}

Profiles = Mapping[tuple[str, str], Mapping[str, tuple[float, float]]]


@dataclasses.dataclass(frozen=True)
class DescribedEvent:
  """`count` birds of one species doing the same at the same time.

  Attributes:
    species: code in the taxonomy.
    vocalisation: one of scene.VOCALISATIONS, '' = unsaid.
    timing, loudness: one of TIMINGS, LOUDNESSES.
    count: 1 to MAX_COUNT.
  """

  species: str
  vocalisation: str
  timing: str
  loudness: str
  count: int = 1

  def __post_init__(self):
    for field, known in (('vocalisation', scene_lib.VOCALISATIONS + ('',)), ('timing', TIMINGS), ('loudness', LOUDNESSES)):
      if getattr(self, field) not in known:
        raise ValueError(f'DescribedEvent.{field} {getattr(self, field)!r}: expected one of {known}')
    if not 1 <= self.count <= MAX_COUNT:
      raise ValueError(f'DescribedEvent.count is {self.count}: expected 1 to {MAX_COUNT}')

  @property
  def key(self) -> tuple[str, str, str, str]:
    return self.species, self.vocalisation, self.timing, self.loudness


@dataclasses.dataclass(frozen=True)
class Description:
  """What a prompt says. Events are sorted and those that differ in count only are merged, so equal texts are equal.

  `environment`, `noise` and `near` as in Scene, '' = unsaid.
  """

  events: tuple[DescribedEvent, ...]
  environment: str
  noise: str
  near: str

  def __post_init__(self):
    counts: dict[tuple[str, str, str, str], int] = {}
    for e in self.events:
      counts[e.key] = counts.get(e.key, 0) + e.count
    order = sorted(counts, key=lambda key: (TIMINGS.index(key[2]), key))
    object.__setattr__(self, 'events', tuple(DescribedEvent(*key, min(counts[key], MAX_COUNT)) for key in order))
    for field, known in (('environment', scene_lib.ENVIRONMENTS), ('noise', scene_lib.NOISES), ('near', scene_lib.NEARS)):
      if getattr(self, field) not in known + ('',):
        raise ValueError(f'Description.{field} {getattr(self, field)!r}: expected one of {known} or empty')


def timing_of(onset: float, offset: float, duration: float) -> str:
  """The timing word of an event; onset, offset and the clip's duration in seconds."""
  onset, offset = max(onset, 0.0), min(offset, duration)
  if offset - onset >= THROUGHOUT_COVER * duration:
    return THROUGHOUT
  return PARTS[min(max(int(1.5 * (onset + offset) / duration), 0), 2)]  # third of the clip that holds the centre


def loudness_of(level_db: float) -> str:
  """The loudness word of a level in dB re full scale."""
  return 'lightly' if level_db < LIGHTLY_BELOW_DB else 'loudly' if level_db > LOUDLY_ABOVE_DB else ''


def project(scene: Scene) -> Description:
  """Keeps of a scene what a text carries."""
  events = tuple(
      DescribedEvent(e.species, e.vocalisation, timing_of(e.onset, e.offset, scene.duration), loudness_of(e.level_db))
      for e in scene.events)
  return Description(events, scene.environment, scene.noise, scene.near)


def leave_unsaid(description: Description, rng: np.random.Generator) -> Description:
  """A random part of a description: people do not say everything, and a detector asks for one bird only.

  Each event but one, and of those kept the vocalisation and the timing, and each of environment, noise and near is left out
  with probability 1/2.
  """
  keep = lambda value: value if rng.random() < 0.5 else ''
  events = description.events
  if events:
    chosen = rng.random(len(events)) < 0.5
    chosen[int(rng.integers(len(events)))] = True
    events = tuple(dataclasses.replace(e, vocalisation=keep(e.vocalisation), timing=keep(e.timing))
                   for e, there in zip(events, chosen) if there)
  return Description(events, keep(description.environment), keep(description.noise), keep(description.near))


def realise(description: Description, rng: np.random.Generator, duration: float, taxonomy: Taxonomy,
            profiles: Profiles | None = None) -> Scene:
  """Draws a scene that the description fits, and with it all that the description leaves unsaid.

  Unsaid vocalisation, timing, environment and noise are drawn uniformly, unsaid loudness is ordinary, near unsaid is near
  nothing. An event longer than its timing allows in this clip is cut short.

  Args:
    description: its species must be in the taxonomy.
    rng: source of all that is drawn.
    duration: seconds of the clip.
    taxonomy: of the species codes.
    profiles: (species, vocalisation) -> ranges (low, high) of 'seconds', 'low_hz' and 'high_hz', measured from data; a pair
      that it lacks takes DEFAULT_PROFILES of its vocalisation.

  Returns:
    A scene of `duration` seconds, events in order of onset, azimuths unknown.

  Raises:
    UnknownSpecies, or ValueError for a duration that is not above 0.
  """
  if not 0 < duration < float('inf'):
    raise ValueError(f'realise: duration is {duration}: expected seconds above 0')
  profiles = profiles or {}
  events: list[Event] = []
  for described in description.events:
    taxonomy.index(described.species)  # raises for an unknown one
    for _ in range(described.count):
      vocalisation = described.vocalisation or _choice(rng, scene_lib.VOCALISATIONS)
      profile = profiles.get((described.species, vocalisation), DEFAULT_PROFILES[vocalisation])
      taken = [(e.onset, e.offset) for e in events if e.species == described.species]
      onset, offset = _place(described.timing or _choice(rng, PARTS), rng, duration, profile['seconds'], taken)
      low_hz = rng.uniform(*profile['low_hz'])
      # Measured ranges of the two edges may meet: keep a band of at least 50 Hz.
      high_hz = max(rng.uniform(*profile['high_hz']), low_hz + 50.0)
      level_db = rng.uniform(*LEVELS_DB[described.loudness])
      events.append(Event(described.species, vocalisation, onset, offset, low_hz, high_hz, level_db))
  events.sort(key=lambda e: (e.onset, e.species))
  environment = description.environment or _choice(rng, scene_lib.ENVIRONMENTS)
  noise = description.noise or _choice(rng, scene_lib.NOISES)
  return Scene(tuple(events), environment, noise, description.near, duration)


def _place(timing: str, rng: np.random.Generator, duration: float, seconds: tuple[float, float],
           taken: list[tuple[float, float]]) -> tuple[float, float]:
  """Onset and offset in seconds for a timing: of eight draws the one that least overlaps the spans in `taken`."""
  if timing == THROUGHOUT:
    length = duration * rng.uniform(*COVERS)
    lowest, highest = 0.0, duration - length
  else:
    length = min(rng.uniform(*seconds), LONGEST_PART * duration)
    third = PARTS.index(timing)
    # The centre stays off the borders of its third by 1 % of the clip, so that rounding cannot move it across.
    lowest = max((third / 3 + 0.01) * duration - length / 2, 0.0)
    highest = min(((third + 1) / 3 - 0.01) * duration, duration - length / 2) - length / 2
  onsets = rng.uniform(lowest, highest, 8)  # (8,)
  overlap = [sum(max(min(o + length, b) - max(o, a), 0.0) for a, b in taken) for o in onsets]
  onset = float(onsets[int(np.argmin(overlap))])
  return onset, min(onset + length, duration)


def _choice(rng: np.random.Generator, words: tuple[str, ...]) -> str:
  return words[int(rng.integers(len(words)))]
