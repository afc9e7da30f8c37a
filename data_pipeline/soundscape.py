"""Built-in soundscapes: draws a Scene, or takes one, and sounds it. Pure numpy, so that worker processes stay small.

Clip i of a split is a function of (seed, split, i) and the arguments only.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, Mapping, Sequence

import numpy as np
import scipy.fft

from data_pipeline import environments, habitat, sampling, species as species_lib, voices
from data_pipeline.scene import VOCALISATIONS, Event, Scene

VERSION = 3  # raise it whenever the same arguments no longer give the same sound
_NEAREST_M, _NEAREST_DB = 6.0, -17.0  # a bird at this distance has this level, falling by 6 dB per doubling
_EAR_SPACING_M, _SOUND_SPEED = 0.17, 343.0
_PEAK = 0.98   # of full scale, never exceeded


@dataclasses.dataclass(frozen=True)
class Clip:
  """A sounded scene.

  Attributes:
    audio: (samples, C) float32 in [-1, 1].
    stems: (E, samples, C) float32, one per event of the scene; the background is audio - stems.sum(0).
    scene: what is heard: measured onsets, offsets, bands and levels.
    id: unique within a data set.
    provenance: how the scene was drawn, JSON types: 'plausibility' (see habitat.Plausibility) of a drawn one.
  """

  audio: np.ndarray
  stems: np.ndarray
  scene: Scene
  id: str
  provenance: dict[str, Any] = dataclasses.field(default_factory=dict)


def split_seed(seed: int, split: str) -> int:
  """The seed of a named split: other splits share no randomness with it."""
  return int.from_bytes(hashlib.sha256(f'{seed}/{split}'.encode()).digest()[:8], 'little')


def _generators(seed: int, index: int) -> tuple[np.random.Generator, np.random.Generator, np.random.Generator]:
  """Independent streams for the scene, the birds and the background of clip (seed, index)."""
  if seed < 0 or index < 0:
    raise ValueError(f'seed {seed}, index {index}: expected integers of 0 or more')
  children = np.random.SeedSequence((seed, index)).spawn(3)
  return tuple(np.random.Generator(np.random.SFC64(c)) for c in children)


def _known_code(code: str, patterns: Mapping[str, Any] = species_lib.PATTERNS) -> str:
  if code not in patterns:
    raise ValueError(f'species {code!r} is not built in: expected one of {", ".join(patterns)}')
  return code


def _place(controls: voices.Controls, onset: float, offset: float, level_db: float, azimuth: float | None, samples: int,
           sample_rate: int, channels: int, rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
  """A vocalisation at a distance: its stem, and the band that holds its energy.

  Quiet means far: air and leaves take the treble, the forest's reverberation grows against the direct sound.

  Returns:
    ((samples, C) float32 with RMS `level_db` over the part of [onset, offset] inside the clip, low Hz, high Hz).
  """
  dry, first = voices.sound(controls, onset, offset, sample_rate)
  distance = _NEAREST_M * 10 ** ((_NEAREST_DB - level_db) / 20) * np.exp(rng.normal(0, 0.25))
  rt60 = rng.uniform(0.3, 0.8)
  tail = int(0.7 * rt60 * sample_rate)
  size = scipy.fft.next_fast_len(len(dry) + tail, real=True)
  hz = np.fft.rfftfreq(size, 1 / sample_rate).astype(np.float32)
  spectrum = scipy.fft.rfft(dry, size)
  spectrum *= 10 ** (-0.012 * distance * (hz / 1000) ** 1.3 / 20)
  decay = np.exp(np.arange(tail, dtype=np.float32) * np.float32(-6.9 / (rt60 * sample_rate)))
  # Direct-to-reverberant ratio in dB, falling with distance.
  wet = 10 ** (-(20 - 14 * np.log10(max(distance / _NEAREST_M, 0.5))) / 20) / np.sqrt(np.sum(decay ** 2))
  echo = wet * rng.standard_normal((channels, tail), np.float32) * decay  # (C, tail)
  direct = np.ones((channels, 1), np.complex64)
  if channels == 2:
    side = np.sin(np.radians(azimuth)) * np.array([[-1.0], [1.0]])  # left is negative
    delay = -0.5 * _EAR_SPACING_M / _SOUND_SPEED * side  # the near channel hears it earlier
    direct = (10 ** (1.5 * side / 20) * np.exp(-2j * np.pi * hz * delay)).astype(np.complex64)  # (C, bins)
  wave = scipy.fft.irfft(spectrum * (direct + scipy.fft.rfft(echo, size)), size).T  # (size, C)
  stem = np.zeros((samples, channels), np.float32)
  a, b = max(first, 0), min(first + size, samples)
  stem[a:b] = wave[a - first:b - first]
  inside = extent_slice(onset, offset, samples, sample_rate)
  stem *= 10 ** (level_db / 20) / max(np.sqrt(np.mean(stem[inside] ** 2, dtype=np.float64)), 1e-12)
  # The band of what is inside of the clip, echoes and all.
  power = np.cumsum((np.abs(scipy.fft.rfft(stem[a:b].T, size)) ** 2).sum(0, dtype=np.float64))
  low, high = hz[np.searchsorted(power, (0.025 * power[-1], 0.975 * power[-1]))]
  margin = 0.03 * (high - low) + 40
  return stem, float(max(low - margin, 20.0)), float(min(high + margin, 0.5 * sample_rate))


def extent_slice(onset: float, offset: float, samples: int, sample_rate: int) -> slice:
  """The samples of a clip over which the level of an event is measured."""
  a = min(max(int(round(onset * sample_rate)), 0), samples - 1)
  return slice(a, max(min(int(round(offset * sample_rate)), samples), a + 1))


def _sound(events: Sequence[tuple[Event, voices.Controls]], scene: Scene, noise_db: float, sample_rate: int, channels: int,
           birds: np.random.Generator, place: np.random.Generator, name: str) -> Clip:
  """Mixes; `events` may overhang the clip's borders and are cut there. Scales everything down if it would clip."""
  samples = int(round(scene.duration * sample_rate))
  noise = environments.background(scene.environment, scene.near, noise_db, samples, sample_rate, channels, place)
  stems = np.zeros((len(events), samples, channels), np.float32)
  heard = []
  for i, (e, controls) in enumerate(events):
    azimuth = e.azimuth
    if channels == 2 and azimuth is None:
      azimuth = round(float(birds.uniform(-75, 75)), 1)
    stems[i], low, high = _place(controls, e.onset, e.offset, e.level_db, azimuth, samples, sample_rate, channels, birds)
    heard.append(dataclasses.replace(e, onset=max(e.onset, 0.0), offset=min(e.offset, scene.duration), low_hz=low,
                                     high_hz=high, azimuth=azimuth if channels == 2 else None))
  audio = noise + stems.sum(0)
  scene = dataclasses.replace(scene, events=tuple(heard))
  peak = float(np.abs(audio).max())
  if peak > _PEAK:
    gain = np.float32(_PEAK / peak)
    audio, stems, scene = audio * gain, stems * gain, scene.gain(20 * float(np.log10(gain)))
  return Clip(audio, stems, scene, name)


def generate(seed: int, index: int, *, duration: float = 2.56, sample_rate: int = 16000, channels: int = 1,
             max_events: int = 3, density: Sequence[float] = sampling.DENSITY, species: Sequence[str] | None = None,
             pairs: Sequence[tuple[str, str]] | None = None, overlap: bool = False, distinct: bool = False,
             patterns: Mapping[str, Mapping[str, voices.Pattern]] = species_lib.PATTERNS, plausibility: str = 'uniform') -> Clip:
  """Clip `index` of the series `seed`: a random scene, sounded by birds that exist in this clip only.

  Args:
    seed, index: 0 or more; the clip depends on them and the arguments below only.
    duration: s, at least 0.5; sample_rate: Hz, at least 16000; channels: 1 or 2.
    max_events: `density` is cut after this number of events, and normalised again.
    density: probabilities of 0, 1, 2 ... events, any positive sum.
    species: codes to choose from; None = all.
    pairs: each clip holds two events, of one of these pairs of codes; overrides species, density and max_events.
    overlap: the first two events overlap by at least 40 % of the shorter one where the clip allows it.
    distinct: never two events of one species.
    patterns: song and call of every species there is; others than the built-in ones are in `strangers`.
    plausibility: one of habitat.MODES: birds that fit the place and each other, any, or such that do not.

  Raises:
    ValueError: an unknown species, no events allowed, a duration or rate out of range.
  """
  _check(duration, sample_rate, channels)
  if max_events < 0 or sum(density[:max_events + 1]) <= 0 or min(density) < 0:
    raise ValueError(f'density {tuple(density)} with max_events {max_events}: expected probabilities with a positive sum')
  codes = tuple(patterns if species is None else species)
  for code in (*codes, *(code for pair in pairs or () for code in pair)):
    _known_code(code, patterns)
  if not codes or (pairs is not None and not pairs):
    raise ValueError('species and pairs must not be empty: pass None for all species')
  rng, birds, place = _generators(seed, index)
  weights = np.asarray(density[:max_events + 1], float)
  count = 2 if pairs is not None else int(rng.choice(len(weights), p=weights / weights.sum()))
  if distinct and count > len(codes):
    raise ValueError(f'{count} distinct species asked of {len(codes)}')
  environment, noise, near = sampling.draw_surroundings(rng)
  noise_db = sampling.draw_noise_db(noise, rng)
  events: list[tuple[Event, voices.Controls]] = []
  chosen, judged = habitat.BUILT_IN.choose(
      plausibility, environment, near, lambda: sampling.draw_species(count, codes, pairs, distinct, rng))
  for code in chosen:
    kind = VOCALISATIONS[int(rng.random() < 0.45)]
    pattern = patterns[code][kind]
    who = voices.draw_individual(birds)
    length = sampling.draw_length(voices.usual_seconds(pattern, who, birds), duration, rng)
    controls = voices.perform(pattern, who, length, birds)
    length = min(controls.offset - controls.onset, 0.95 * duration)
    onset = sampling.draw_onset(length, duration, rng)
    if overlap and len(events) == 1:
      first = events[0][0]
      for _ in range(20):
        shared = min(first.offset, onset + length) - max(first.onset, onset)
        if shared >= 0.4 * min(length, first.offset - first.onset):
          break
        onset = sampling.draw_onset(length, duration, rng)
    events.append((Event(code, kind, onset, onset + length, 1.0, 2.0, sampling.draw_level(noise_db, rng)), controls))
  events.sort(key=lambda pair: pair[0].onset)
  scene = Scene((), environment, noise, near, duration)
  clip = _sound(events, scene, noise_db, sample_rate, channels, birds, place, f'{seed}/{index}')
  return dataclasses.replace(clip, provenance={'plausibility': judged.to_dict(plausibility)})


def render_scene(scene: Scene, seed: int, sample_rate: int = 16000, channels: int = 1) -> Clip:
  """Sounds a given scene with birds drawn from the seed.

  Species, vocalisation, onset, offset, level and azimuth are honoured (the part outside of the clip is cut; levels fall
  together if the mix would clip); the bands come out as the individuals sing. An environment or noise of '' is drawn.

  Raises:
    ValueError: a species that is not built in, or an event outside of the clip.
  """
  _check(scene.duration, sample_rate, channels)
  rng, birds, place = _generators(seed, 0)
  environment, noise, _ = sampling.draw_surroundings(rng)
  scene = dataclasses.replace(scene, environment=scene.environment or environment, noise=scene.noise or noise)
  events = []
  for e in scene.events:
    if e.onset >= scene.duration or e.offset <= 0:
      raise ValueError(f'event of {e.species} at {e.onset:.3f}-{e.offset:.3f} s lies outside of {scene.duration} s')
    pattern = species_lib.PATTERNS[_known_code(e.species)][e.vocalisation]
    controls = voices.perform(pattern, voices.draw_individual(birds), e.offset - e.onset, birds)
    events.append((e, controls))
  return _sound(events, scene, sampling.draw_noise_db(scene.noise, rng), sample_rate, channels, birds, place, f'scene/{seed}')


def _check(duration: float, sample_rate: int, channels: int) -> None:
  if not 0.5 <= duration <= 60:
    raise ValueError(f'duration {duration} s: expected 0.5 to 60')
  if sample_rate < 16000:
    raise ValueError(f'sample_rate {sample_rate} Hz: the built-in birds sing up to 7.8 kHz, so 16000 at least')
  if channels not in (1, 2):
    raise ValueError(f'{channels} channels: expected 1 or 2')
