"""MixingSpec: how soundscapes are mixed, most of it distributions (`mixing_distributions`). experiments/mixing.py has one."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Mapping

from data_pipeline import mixing_distributions as distributions
from data_pipeline.mixing_distributions import number
from data_pipeline.taxonomy import closest

MAX_SNR_DB = 80.0  # either way: beyond it one of the two is lost in float32


@dataclasses.dataclass(frozen=True)
class Events:
  """The labelled birds of a clip.

  Attributes:
    count: birds; each sings one source, once or repeatedly. Fractions are rounded.
    species: code, of those that have sources. source: name of a recording of that species.
    duration: s of the source that are used, before stretching; a shorter source is used whole.
    source_time: s into the source where they begin; moved back where too little would be left.
    onset: s in the clip; moved back where the event would not end in it.
    snr_db: at the microphone, or with `distance` at its reference; see `mixing_levels`.
    pitch: semitones. stretch: factor on the duration. Both leave the other alone.
    repetitions: times that a bird sings it. spacing: s from the end of one to the start of the next.
    polyphony: (least, most) events that sound at once where most do.
    reuse: whether a recording may be heard twice in a clip.
    retries: scenes drawn for a clip before it is given up.
  """

  count: str
  species: str
  source: str
  duration: str
  source_time: str
  onset: str
  snr_db: str
  pitch: str
  stretch: str
  repetitions: str
  spacing: str
  polyphony: tuple[int, int]
  reuse: bool
  retries: int


@dataclasses.dataclass(frozen=True)
class Contaminants:
  """Sounds that no label speaks of: as many as `count`, the other fields as in Events."""

  count: str
  duration: str
  onset: str
  snr_db: str


@dataclasses.dataclass(frozen=True)
class Background:
  """The place.

  Attributes:
    layers: backgrounds that sound together. level_db: RMS of each in dB re full scale.
    crossfade: s over which the end of a background that is too short runs into its start.
    self_noise_db: RMS of the recorder's own white noise, '' = none. Without it the gaps of a background are deeper than any
      recorder's, and a bird of a good SNR there is not heard.
    band_limit: events hold nothing above the highest frequency of the backgrounds (recordings at a low rate, lossy formats).
  """

  layers: str
  level_db: str
  crossfade: float
  self_noise_db: str
  band_limit: bool


@dataclasses.dataclass(frozen=True)
class Distance:
  """How far birds are: spherical spreading, air absorption, a reverberant tail of each event.

  Attributes:
    metres: '' = none of this. reference: m at which `snr_db` holds.
    celsius, humidity, kilopascal: of the air, humidity in %.
    rt60: s. direct_db: direct sound over its tail at the reference distance; falls by 6 dB per doubling.
  """

  metres: str
  reference: float
  celsius: float
  humidity: float
  kilopascal: float
  rt60: str
  direct_db: float


@dataclasses.dataclass(frozen=True)
class Microphones:
  """Of stereo clips. azimuth: degrees, negative = left; spacing: m; baffle_db: far over near side at 90 degrees, 0 = open."""

  azimuth: str
  spacing: float
  baffle_db: float


@dataclasses.dataclass(frozen=True)
class MixingSpec:
  """All of it.

  Attributes:
    seconds, sample_rate, channels (1 or 2): of the clips.
    peak: of full scale; a clip above it is scaled down as a whole, which is recorded. normalise: brings every clip to it.
  """

  seconds: float
  sample_rate: int
  channels: int
  peak: float
  normalise: bool
  events: Events
  contaminants: Contaminants
  background: Background
  distance: Distance
  microphones: Microphones

  @classmethod
  def from_dict(cls, d: Mapping[str, Any]) -> 'MixingSpec':
    """From nested mappings. Raises ValueError that names an unknown (and the nearest), missing or impossible field."""
    groups = {'events': Events, 'contaminants': Contaminants, 'background': Background, 'distance': Distance,
              'microphones': Microphones}
    for where, kind, given in [('', cls, d), *((f'{k}.', kind, d.get(k, {})) for k, kind in groups.items())]:
      known = [f.name for f in dataclasses.fields(kind)]
      for name in given:
        if name not in known:
          raise ValueError(f'mixing configuration: unknown field {where}{name}; nearest: {closest(name, known, n=1)[0]}')
    try:
      return cls(**{k: groups[k](**v) if k in groups else v for k, v in d.items()})
    except TypeError as error:
      raise ValueError(f'mixing configuration: {error}') from error

  def __post_init__(self):
    e, c, b, d, m = self.events, self.contaminants, self.background, self.distance, self.microphones
    if isinstance(e.polyphony, list):
      object.__setattr__(e, 'polyphony', tuple(e.polyphony))
    _between('seconds', self.seconds, 0.1, 3600)
    _between('sample_rate', self.sample_rate, 4000, 384_000, whole=True)
    _between('channels', self.channels, 1, 2, whole=True)
    _between('peak', self.peak, 0.01, 1)
    for group, name in ((e, 'events'), (c, 'contaminants')):
      number(group.count, f'{name}.count', 0, 1000)
      number(group.duration, f'{name}.duration', 0.01)
      number(group.onset, f'{name}.onset', 0, self.seconds)
      number(group.snr_db, f'{name}.snr_db', -MAX_SNR_DB, MAX_SNR_DB)
    for text, name in ((e.species, 'species'), (e.source, 'source')):
      if distributions.parse(text).low is not None:
        raise ValueError(f'events.{name}: {text} draws numbers, expected names')
    number(e.source_time, 'events.source_time', 0)
    number(e.pitch, 'events.pitch', -24, 24)
    number(e.stretch, 'events.stretch', 0.25, 4)
    number(e.repetitions, 'events.repetitions', 1, 1000)
    number(e.spacing, 'events.spacing', 0)
    whole = isinstance(e.polyphony, tuple) and len(e.polyphony) == 2 and all(isinstance(p, int) for p in e.polyphony)
    if not (whole and 0 <= e.polyphony[0] <= e.polyphony[1] > 0):
      raise ValueError(f'events.polyphony is {e.polyphony}: expected two whole numbers, 0 <= least <= most, most above 0')
    most = number(e.count, 'events.count').high * number(e.repetitions, 'events.repetitions').high
    if e.polyphony[0] > most:
      raise ValueError(f'events.polyphony of at least {e.polyphony[0]} asked, but there are at most {most:g} events')
    _between('events.retries', e.retries, 1, 1_000_000, whole=True)
    number(b.layers, 'background.layers', 1, 16)
    number(b.level_db, 'background.level_db', -90, 0)
    if b.self_noise_db:
      number(b.self_noise_db, 'background.self_noise_db', -150, 0)
    _between('background.crossfade', b.crossfade, 0.01, 60)
    if d.metres:
      # Nearer than half their spacing a source would lie between the microphones.
      number(d.metres, 'distance.metres', max(0.1, 0.51 * m.spacing) if self.channels == 2 else 0.1, 10_000)
    _between('distance.reference', d.reference, 0.1, 10_000)
    _between('distance.celsius', d.celsius, -50, 60)
    _between('distance.humidity', d.humidity, 1, 100)
    _between('distance.kilopascal', d.kilopascal, 10, 200)
    number(d.rt60, 'distance.rt60', 0, 20)
    _between('distance.direct_db', d.direct_db, -60, 60)
    number(m.azimuth, 'microphones.azimuth', -180, 180)
    _between('microphones.spacing', m.spacing, 0, 10)
    _between('microphones.baffle_db', m.baffle_db, 0, 40)

  def to_dict(self) -> dict[str, Any]:
    return dataclasses.asdict(self)


def _between(name: str, value: float, low: float, high: float, whole: bool = False) -> None:
  kinds = int if whole else (int, float)
  if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high or not math.isfinite(value):
    raise ValueError(f'{name} is {value!r}: expected a {"whole " * whole}number from {low:g} to {high:g}')
