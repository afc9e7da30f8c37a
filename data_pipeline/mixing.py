"""Soundscapes mixed of labelled recordings: backgrounds, birds at asked signal-to-noise ratios, unlabelled contaminants.

Clip i is a function of (pools, spec, seed, split, i) and nothing else. Pure numpy and scipy: worker processes stay small.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any
import zlib

import numpy as np

from data_pipeline import environments, mixing_levels as levels
from data_pipeline.mixing_backgrounds import Layer, layer
from data_pipeline.mixing_distributions import parse
from data_pipeline.mixing_placing import Chooser, Redraw, Singer, drawn, gini, polyphony, singers
from data_pipeline.mixing_pools import Pools, Source
from data_pipeline.mixing_rendering import heard
from data_pipeline.mixing_spec import MixingSpec
from data_pipeline.scene import Event, Scene
from data_pipeline.soundscape import Clip, extent_slice

VERSION = 4  # raise it whenever the same arguments no longer give the same sound


@dataclasses.dataclass(frozen=True)
class Part:
  """A sound within the clip: audio (n, C) float32 from sample `first` on, silence around it; `facts` go to the provenance."""

  first: int
  audio: np.ndarray
  facts: dict[str, Any]

  def stem(self, samples: int) -> np.ndarray:
    """(samples, C), as long as the clip."""
    out = np.zeros((samples, self.audio.shape[1]), np.float32)
    out[self.first:self.first + len(self.audio)] = self.audio
    return out


@dataclasses.dataclass(frozen=True)
class Mixed:
  """A mixed clip.

  Attributes:
    audio: (N, C) float32: background + all events + all contaminants, to rounding.
    events: a Part for each event of `scene`, in its order. contaminants: what no label speaks of.
    background: (N, C) float32.
    scene: the labels. id: 'mix/<split>/<index>'.
    provenance: JSON types: where everything came from, what was drawn, what was reached.
  """

  audio: np.ndarray
  events: tuple[Part, ...]
  contaminants: tuple[Part, ...]
  background: np.ndarray
  scene: Scene
  id: str
  provenance: dict[str, Any]

  @property
  def clip(self) -> Clip:
    """As `soundscape` gives it, every stem as long as the clip."""
    stems = [p.stem(len(self.audio)) for p in self.events]
    return Clip(self.audio, np.stack(stems) if stems else np.zeros((0, *self.audio.shape), np.float32), self.scene, self.id)


def mix(pools: Pools, spec: MixingSpec, seed: int, index: int, split: str = 'all', choose: Chooser | None = None,
        measure: bool = True) -> Mixed:
  """Clip `index` of the series `seed`.

  Args:
    pools: of this split, at the spec's sample rate.
    seed, index: 0 or more.
    split: its name; no two splits share randomness.
    choose: who sings where, instead of `events.species` (see mixing_placing.Chooser).
    measure: whether the provenance tells, beside what was asked, what was reached: a third of the work, and no sound.

  Raises:
    ValueError: a rate that is not the pools', a species or recording that they lack, no scene that keeps the rules.
  """
  if pools.sample_rate != spec.sample_rate:
    raise ValueError(f'sources are at {pools.sample_rate} Hz, clips at {spec.sample_rate} Hz')
  if seed < 0 or index < 0:
    raise ValueError(f'seed {seed}, index {index}: expected integers of 0 or more')
  rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, zlib.crc32(split.encode()), index))))
  made, redraws = drawn(spec, functools.partial(_mixed, pools, spec, choose, rng, measure))
  known = dict(id=f'mix/{split}/{index}', seed=seed, index=index, split=split, version=VERSION, redraws=redraws)
  return dataclasses.replace(made, id=known['id'], provenance=known | made.provenance)


def _mixed(pools: Pools, spec: MixingSpec, choose: Chooser | None, rng: np.random.Generator, measure: bool) -> Mixed:
  layers = _layers(pools, spec, rng)
  background = np.sum([b.audio for _, b, _ in layers], axis=0, dtype=np.float32)
  self_noise_db = parse(spec.background.self_noise_db).draw(rng) if spec.background.self_noise_db else None
  if self_noise_db is not None:
    background += np.float32(10 ** (self_noise_db / 20)) * rng.standard_normal(background.shape, np.float32)
  environment = next((b.environment for _, b, _ in layers if b.environment), '')
  near = next((b.near for _, b, _ in layers if b.near), '')
  top_hz = max(s.top_hz for s, _, _ in layers) if spec.background.band_limit else np.inf
  birds, strays, choice = singers(pools, spec, environment, near, choose, rng)
  parts = [[p for i, s in enumerate(who) for p in _parts(s, i, spec, background, top_hz, rng)] for who in (birds, strays)]
  parts[0].sort(key=lambda p: p.facts['onset'])
  audio = background.copy()
  for p in (*parts[0], *parts[1]):
    audio[p.first:p.first + len(p.audio)] += p.audio
  peak = float(np.abs(audio).max())
  gain = spec.peak / peak if peak > spec.peak or spec.normalise else 1.0
  audio, background = audio * np.float32(gain), background * np.float32(gain)
  parts = [[dataclasses.replace(p, audio=p.audio * np.float32(gain)) for p in of] for of in parts]
  if measure:
    parts = [[_measured(p, audio, background, spec.sample_rate) for p in of] for of in parts]
  events = tuple(_event(p, len(audio), spec.sample_rate) for p in parts[0])
  spans = [(e.onset, e.offset) for e in events]
  scene = Scene(events, environment, _noise(background / gain), near, len(audio) / spec.sample_rate)
  sources = [s for s, _, _ in layers] + [s.source for s in (*birds, *strays)]
  provenance = {
      'gain_db': 20 * float(np.log10(gain)), 'peak_before': peak, 'peak': float(np.abs(audio).max()),
      'polyphony': polyphony(spans), 'gini': round(gini(spans, scene.duration), 4), 'choice': choice,
      'background': [facts for _, _, facts in layers], 'self_noise_db': self_noise_db,
      'events': [p.facts for p in parts[0]], 'contaminants': [p.facts for p in parts[1]],
      'attribution': [dataclasses.asdict(a) for a in dict.fromkeys(s.attribution for s in sources)]}
  return Mixed(audio, tuple(parts[0]), tuple(parts[1]), background, scene, '', provenance)


def _layers(pools: Pools, spec: MixingSpec, rng: np.random.Generator) -> list[tuple[Source, Layer, dict[str, Any]]]:
  """The backgrounds, the loudest first."""
  b, found = spec.background, []
  for _ in range(max(1, round(parse(b.layers).draw(rng)))):
    source, level_db = pools.background[int(rng.integers(len(pools.background)))], parse(b.level_db).draw(rng)
    made = layer(source, round(spec.seconds * spec.sample_rate), spec.sample_rate, spec.channels, b.crossfade, level_db, rng)
    if made is None:
      raise Redraw('a background is silent where it was cut')
    found.append((level_db, source, made))
  found.sort(key=lambda f: -f[0])
  return [(source, made, source.origin() | {
      'level_db': level_db, 'from_s': made.first / spec.sample_rate, 'looped': made.looped, 'spread_over_channels': made.spread,
      'environment': made.environment, 'near': made.near, 'top_hz': None if source.top_hz == np.inf else source.top_hz})
          for level_db, source, made in found]


def _parts(singer: Singer, number: int, spec: MixingSpec, background: np.ndarray, top_hz: float,
           rng: np.random.Generator) -> list[Part]:
  """The events of a singer, each at the level that its signal-to-noise ratio asks for."""
  rate, samples = spec.sample_rate, len(background)
  sound, lead = heard(singer, spec, top_hz, rng)
  parts = []
  for k, onset in enumerate(singer.onsets):
    onset = round(onset * rate)
    first = onset - lead
    audio = sound[max(-first, 0):samples - first]
    first = max(first, 0)
    part = Part(first, audio, {})
    around = levels.frames_around(first, len(audio), samples, rate)
    cells = levels.cells_of(_within(part, around), rate)
    if cells is None:
      raise Redraw('an event is silent')
    ratio = levels.ratio_db(cells, background[around], rate)
    if ratio is None:
      raise Redraw('the background is silent where an event is')
    gain = 10 ** ((singer.snr_db - ratio) / 20)
    facts = singer.source.origin() | {
        'species': singer.source.species, 'vocalisation': singer.source.vocalisation, 'singer': number, 'repetition': k,
        'repetitions': singer.repetitions, 'onset': onset / rate,
        'offset': min(onset + round(singer.seconds * rate), samples) / rate, 'used_from_s': round(singer.start, 4),
        'used_s': round(singer.used, 4), 'asked_s': singer.asked_seconds, 'pitch_semitones': singer.pitch,
        'stretch': singer.stretch, 'azimuth': singer.azimuth, 'metres': singer.metres, 'rt60': singer.rt60,
        'snr_asked_db': singer.snr_db, 'gain_db': 20 * float(np.log10(gain * singer.source.gain)),
        'low_hz': cells.low_hz, 'high_hz': cells.high_hz}
    parts.append(Part(first, audio * np.float32(gain), facts))
  return parts


def _within(part: Part, around: slice) -> np.ndarray:
  """A part as it lies in the samples `around` it."""
  before = part.first - around.start
  out = np.zeros((max(around.stop - around.start, before + len(part.audio)), part.audio.shape[1]), np.float32)
  out[before:before + len(part.audio)] = part.audio
  return out


def _measured(part: Part, audio: np.ndarray, background: np.ndarray, rate: int) -> Part:
  """With what was reached, in the finished clip."""
  around = levels.frames_around(part.first, len(part.audio), len(audio), rate)
  alone = _within(part, around)
  cells = levels.cells_of(alone, rate)
  return dataclasses.replace(part, facts=part.facts | {
      'snr_db': levels.ratio_db(cells, background[around], rate),
      'over_all_else_db': levels.ratio_db(cells, audio[around] - alone, rate)})


def _event(part: Part, samples: int, rate: int) -> Event:
  f = part.facts
  inside = extent_slice(f['onset'], f['offset'], samples, rate)
  sung = part.audio[max(inside.start - part.first, 0):inside.stop - part.first]
  rms = np.sqrt(np.sum(np.square(sung, dtype=np.float64)) / ((inside.stop - inside.start) * sung.shape[1]))
  return Event(f['species'], f['vocalisation'], f['onset'], f['offset'], f['low_hz'], f['high_hz'],
               20 * float(np.log10(max(rms, 1e-10))), f['azimuth'])


def _noise(background: np.ndarray) -> str:
  """The word of Scene whose usual level is nearest."""
  db = 10 * np.log10(np.mean(np.square(background, dtype=np.float64)))
  return min(environments.NOISE_DB, key=lambda word: abs(environments.NOISE_DB[word] - db))
