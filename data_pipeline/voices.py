"""A small syrinx: syllables -> slow control signals (frequency, amplitude) -> sound.

The model is a source whose frequency and amplitude are steered at 2 kHz, as labial tension and air-sac pressure steer a
syrinx (after Mindlin and Laje, The Physics of Birdsong, 2005): overtones appear with pressure, so that loud parts of a
syllable are brighter than its edges. One vocalisation is one pass over all of its syllables. Pure numpy.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

CONTROL_RATE = 2000     # Hz
EXTENT_DB = -30.0       # a vocalisation lasts from where its envelope first exceeds this, re its peak, to where it last does
SILENCE = 0.03          # s of silence kept on either side of the control signals
_LONGEST_STRETCH = 1.5  # a pattern of fixed length asked to last longer than this times its longest is repeated instead

SHAPES = {  # time in the syllable u in [0, 1], bend b around 1 -> height in [0, 1]
    'up': lambda u, b: u ** b,
    'down': lambda u, b: 1 - u ** b,
    'arch': lambda u, b: np.sin(np.pi * u ** b) ** 0.8,
    'dip': lambda u, b: 1 - np.sin(np.pi * u ** b) ** 0.8,
    'flat': lambda u, b: 0.5 + 0.35 * b * (0.5 - u),
    'hook': lambda u, b: np.minimum(1.0, 2.6 * u) ** b - 0.55 * np.maximum(0.0, u - 0.45),
}


@dataclasses.dataclass(frozen=True)
class Pattern:
  """One vocalisation type of a species.

  Attributes:
    low, high: Hz, what the heights 0 and 1 of `shape` stand for in an average individual.
    shape: key of SHAPES, the frequency contour of a syllable.
    rhythm: (syllable s, gap s) pairs, cycled; the last gap of a vocalisation is dropped.
    seconds: (shortest, longest) usual length in s.
    count: syllables per vocalisation; 0 = as many as fit.
    steps: pitch factors of successive syllables: cycled, or with `ladder` spread once over the vocalisation.
    swell: loudness along the vocalisation, equally spaced, linear amplitude.
    accelerando: length of the last rhythm slot over that of the first.
    attack, release: fractions of the syllable; decay: nepers lost along it (bells, clicks).
    vibrato, am: (rate Hz, depth as a fraction of frequency or amplitude).
    rough: standard deviation of the frequency jitter as a fraction (a tone becomes a noise band).
    tones: (ratio to the frequency, amplitude) of the partials.
  """

  low: float
  high: float
  shape: str
  rhythm: tuple[tuple[float, float], ...]
  seconds: tuple[float, float]
  count: int = 0
  steps: tuple[float, ...] = (1.0,)
  ladder: bool = False
  swell: tuple[float, ...] = (0.7, 1.0, 0.85)
  accelerando: float = 1.0
  attack: float = 0.25
  release: float = 0.35
  decay: float = 0.0
  vibrato: tuple[float, float] = (0.0, 0.0)
  am: tuple[float, float] = (0.0, 0.0)
  rough: float = 0.0
  tones: tuple[tuple[float, float], ...] = ((1.0, 1.0), (2.0, 0.06))


@dataclasses.dataclass(frozen=True)
class Individual:
  """What stays the same whenever one bird sings: factors around 1.

  Attributes:
    pitch, span: of the pattern's centre frequency and of its bandwidth.
    tempo: of its speed; duty: of the syllables' share of their slots.
    bend: curvature of the contours; brightness: of the overtones.
    vibrato: of the vibrato's and the AM's rate.
  """

  pitch: float
  span: float
  tempo: float
  duty: float
  bend: float
  brightness: float
  vibrato: float


def draw_individual(rng: np.random.Generator) -> Individual:
  """A bird: pitch within 9 %, tempo within 16 %, the shapes of its syllables more freely."""
  spread = np.array([0.035, 0.07, 0.06, 0.06, 0.15, 0.3, 0.1])
  limit = np.array([0.09, 0.16, 0.16, 0.15, 0.35, 0.7, 0.25])
  return Individual(*np.exp(np.clip(rng.standard_normal(7) * spread, -limit, limit)).tolist())


@dataclasses.dataclass(frozen=True)
class Controls:
  """Control signals of one vocalisation at CONTROL_RATE, and its extent.

  Attributes:
    hz, amplitude: (K,) frequency of the lowest partial in Hz; envelope with peak 1.
    tones: (ratio, amplitude) of the partials.
    onset, offset: s from the first control sample, where the envelope crosses EXTENT_DB.
  """

  hz: np.ndarray
  amplitude: np.ndarray
  tones: tuple[tuple[float, float], ...]
  onset: float
  offset: float


def usual_seconds(pattern: Pattern, who: Individual, rng: np.random.Generator) -> float:
  """A length in s such as this individual would give the vocalisation."""
  return float(rng.uniform(*pattern.seconds)) / who.tempo


def _slots(pattern: Pattern, who: Individual, seconds: float,
           rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
  """(starts, lengths), both (n,) in s, of syllables that fill [0, seconds] exactly, as nearly as possible at this tempo."""
  rhythm = np.asarray(pattern.rhythm) / who.tempo  # (r, 2)
  if pattern.count:
    bouts = 1
    if seconds > _LONGEST_STRETCH * pattern.seconds[1]:
      bouts = max(2, math.ceil(seconds / (2.2 * pattern.seconds[1])))
    n = pattern.count * bouts
    length, gap = rhythm[np.arange(n) % len(rhythm)].T.copy()
    gap[pattern.count - 1::pattern.count] = pattern.seconds[1]  # between bouts
  else:
    most = int(seconds / rhythm.sum(1).min()) + 2
    length, gap = rhythm[np.arange(most) % len(rhythm)].T
    totals = np.cumsum(length + gap) - gap
    n = int(np.argmin(np.abs(totals * (1 + pattern.accelerando) / 2 - seconds))) + 1
    length, gap = length[:n], gap[:n]
  speed = np.linspace(1.0, pattern.accelerando, n) if n > 1 else np.ones(1)
  length = length * speed * np.exp(rng.normal(0, 0.04, n))
  gap = gap * speed * np.exp(rng.normal(0, 0.06, n))
  new = np.minimum(length * who.duty, length + 0.6 * gap)
  gap = gap + (length - new)
  starts = np.concatenate([[0.0], np.cumsum(new + gap)[:-1]])
  scale = seconds / (starts[-1] + new[-1])
  return starts * scale, new * scale


def perform(pattern: Pattern, who: Individual, seconds: float, rng: np.random.Generator) -> Controls:
  """One rendition of `pattern` by an individual, about `seconds` long (the extent is a little shorter: soft edges)."""
  starts, lengths = _slots(pattern, who, seconds, rng)
  n = len(starts)
  size = int(math.ceil((seconds + 2 * SILENCE) * CONTROL_RATE)) + 1
  t = np.arange(size) / CONTROL_RATE - SILENCE
  centre, span = (pattern.low + pattern.high) / 2 * who.pitch, (pattern.high - pattern.low) * who.span
  if pattern.ladder:
    steps = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(pattern.steps)), pattern.steps)
  else:
    steps = np.resize(pattern.steps, n)
  # From syllable to syllable a bird repeats itself within a per cent or two in pitch, and a decibel or so in loudness.
  steps = steps * np.exp(rng.normal(0, 0.012, n))
  loud = np.interp((starts + lengths / 2) / seconds, np.linspace(0, 1, len(pattern.swell)), pattern.swell)
  loud = loud * np.exp(rng.normal(0, 0.1, n))
  bends = who.bend * np.exp(rng.normal(0, 0.06, n))
  contour = SHAPES[pattern.shape]
  hz, amplitude = np.zeros(size), np.zeros(size)
  knots, values = [], []
  for start, length, step, level, bend in zip(starts, lengths, steps, loud, bends):
    a, b = np.searchsorted(t, (start, start + length))
    u = (t[a:b] - start) / length
    hz[a:b] = step * (centre + span * (contour(u, bend) - 0.5))
    edge = np.minimum(np.minimum(u / pattern.attack, (1 - u) / pattern.release), 1.0)
    envelope = level * np.sin(0.5 * np.pi * edge) ** 2
    if pattern.decay:
      envelope = envelope * np.exp(-pattern.decay * u)
    amplitude[a:b] = envelope
    knots += [a, b - 1]
    values += [hz[a], hz[b - 1]]
  silent = amplitude == 0
  hz[silent] = np.interp(np.flatnonzero(silent), knots, values)  # glides in the pauses, unheard
  (rate, depth), (am_rate, am_depth) = pattern.vibrato, pattern.am
  if depth:
    hz = hz * (1 + depth * np.sin(2 * np.pi * (rate * who.vibrato * t + rng.random())))
  if am_depth:
    amplitude = amplitude * (1 - am_depth * (0.5 + 0.5 * np.sin(2 * np.pi * (am_rate * who.vibrato * t + rng.random()))))
  wander = np.interp(t, np.linspace(t[0], t[-1], 12), rng.normal(0, 0.004, 12))  # no two renditions are in tune
  hz = hz * (1 + wander + (rng.normal(0, pattern.rough, size) if pattern.rough else 0.0))
  amplitude = amplitude / amplitude.max()
  tones = tuple((r, a if r == 1 else a * who.brightness) for r, a in pattern.tones)
  onset, offset = _extent(amplitude)
  return Controls(hz, amplitude, tones, onset, offset)


def _extent(amplitude: np.ndarray) -> tuple[float, float]:
  """Where a control envelope first and last crosses EXTENT_DB re its peak, in s, interpolated."""
  floor = amplitude.max() * 10 ** (EXTENT_DB / 20)
  above = np.flatnonzero(amplitude > floor)
  a, b = above[0], above[-1]
  first = a - (amplitude[a] - floor) / (amplitude[a] - amplitude[a - 1])
  last = b + (amplitude[b] - floor) / (amplitude[b] - amplitude[b + 1])
  return float(first / CONTROL_RATE), float(last / CONTROL_RATE)


def sound(controls: Controls, onset: float, offset: float, sample_rate: int) -> tuple[np.ndarray, int]:
  """Sounds a vocalisation so that its extent is exactly [onset, offset].

  Args:
    controls: from `perform`; played faster or slower as needed (frequencies stay).
    onset, offset: s on the clip's clock; the onset may be negative.
    sample_rate: Hz.

  Returns:
    (N,) float32 samples with a peak near 1, and the index on the clip's clock of the first one.
  """
  stretch = (offset - onset) / (controls.offset - controls.onset)
  begin = onset - controls.onset * stretch
  first = math.ceil(begin * sample_rate)
  count = int((len(controls.hz) - 1) / CONTROL_RATE * stretch * sample_rate)
  position = (np.arange(first, first + count) / sample_rate - begin) * (CONTROL_RATE / stretch)  # in control samples
  index = np.arange(len(controls.hz))
  hz = np.interp(position, index, controls.hz)
  amplitude = np.interp(position, index, controls.amplitude)
  phase = np.cumsum(hz) * (2 * np.pi / sample_rate)
  top = 0.5 * sample_rate
  out = np.zeros(count)
  for ratio, level in controls.tones:
    # Partials fade out over the last tenth below Nyquist, and grow faster than the pressure (see above).
    gain = level * np.clip((top - ratio * hz) / (0.04 * top), 0.0, 1.0)
    out += gain * amplitude ** (1 if ratio == 1 else 2) * np.sin(ratio * phase)
  return out.astype(np.float32), first
