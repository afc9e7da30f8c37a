"""Who sings what and when in a mixed clip: drawn from a MixingSpec, drawn again until its rules hold. No sound is touched."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Callable, Sequence

import numpy as np

from data_pipeline.mixing_distributions import choice, parse
from data_pipeline.mixing_pools import Pools, Source, by_recording
from data_pipeline.mixing_spec import MixingSpec

_ONSETS = 20  # tries for one singer among the others, before the whole scene is drawn again

# (generator, codes there are, how many, environment, near) -> species of the singers, and what to record of the choice.
Chooser = Callable[[np.random.Generator, Sequence[str], int, str, str], tuple[Sequence[str], dict[str, Any]]]


class Redraw(Exception):
  """What was drawn cannot be; the message is the reason, counted in the provenance."""


@dataclasses.dataclass(frozen=True)
class Singer:
  """One bird, or one contaminant (whose source is of no species).

  Attributes:
    source: what it sings. start, used: s into the source where that begins, and s of it, before stretching.
    asked_seconds: what was drawn for `used`; more where the source is shorter.
    onsets: s in the clip, one for each event. seconds: length of each event.
    repetitions: as drawn; events that would end after the clip were left out.
    snr_db: at the microphone. pitch: semitones; stretch: factor.
    azimuth, metres, rt60: None where the spec has none.
  """

  source: Source
  start: float
  used: float
  asked_seconds: float
  onsets: tuple[float, ...]
  seconds: float
  repetitions: int
  snr_db: float
  pitch: float = 0.0
  stretch: float = 1.0
  azimuth: float | None = None
  metres: float | None = None
  rt60: float | None = None

  @property
  def spans(self) -> list[tuple[float, float]]:
    return [(t, t + self.seconds) for t in self.onsets]


def polyphony(spans: Sequence[tuple[float, float]]) -> int:
  """The most spans that have a moment in common; those that only touch have none."""
  edges = sorted([(end, -1) for _, end in spans] + [(start, 1) for start, _ in spans])
  return int(np.cumsum([step for _, step in edges]).max()) if edges else 0


def gini(spans: Sequence[tuple[float, float]], seconds: float) -> float:
  """How unevenly a clip is sung in: the Gini coefficient of the number of events over time, 0 = even; scaper's measure."""
  edges = np.unique([0.0, seconds, *(t for span in spans for t in span)])
  length = np.diff(edges)
  count = np.array([sum(a <= m < b for a, b in spans) for m in (edges[1:] + edges[:-1]) / 2], float)
  order = np.argsort(count)
  length, mass = length[order] / seconds, (count * length)[order]
  if not mass.sum():
    return 0.0
  share = np.cumsum(mass) / mass.sum()
  return float(1 - np.sum(length * (share + np.concatenate([[0.0], share[:-1]]))))


def singers(pools: Pools, spec: MixingSpec, environment: str, near: str, choose: Chooser | None,
            rng: np.random.Generator) -> tuple[list[Singer], list[Singer], dict[str, Any]]:
  """(birds, contaminants, what to record) of one scene. Raises Redraw where polyphony or the sources do not allow it."""
  e = spec.events
  codes, used = tuple(pools.by_species), set()
  count = round(parse(e.count).draw(rng))
  if choose is None:
    draw = choice(e.species, 'events.species', codes)
    species, facts = [draw.draw(rng, codes) for _ in range(count)], {}
  else:
    species, facts = choose(rng, codes, count, environment, near)
  birds: list[Singer] = []
  for code in species:
    source = _pick(pools.by_species[code], e.source, e.reuse, used, rng)
    birds.append(_bird(source, spec, [span for b in birds for span in b.spans], rng))
  most = polyphony([span for b in birds for span in b.spans])
  if most < e.polyphony[0]:
    raise Redraw(f'polyphony stays below {e.polyphony[0]}')
  recordings = by_recording(pools.contaminants)
  strays = []
  for _ in range(round(parse(spec.contaminants.count).draw(rng)) if recordings else 0):
    strays.append(_stray(_pick(recordings, 'choose()', e.reuse, used, rng), spec, rng))
  return birds, strays, facts


def _pick(recordings: dict[str, list[Source]], source: str, reuse: bool, used: set[str], rng: np.random.Generator) -> Source:
  """A vocalisation of one recording: recordings are drawn, those of many vocalisations as often as those of few."""
  names = [n for n in recordings if reuse or n not in used]
  known = set(parse(source).values)
  if known:  # a species of which none of the named recordings is takes any
    names = [n for n in names if n in known] or names
  if not names:
    raise Redraw('every recording of a species is in use')
  name = parse(source).draw(rng, names)
  if name not in names:
    name = names[int(rng.integers(len(names)))]
  used.add(name)
  return recordings[name][int(rng.integers(len(recordings[name])))]


def _bird(source: Source, spec: MixingSpec, others: list[tuple[float, float]], rng: np.random.Generator) -> Singer:
  e, draw = spec.events, lambda text: parse(text).draw(rng)
  pitch, stretch = draw(e.pitch), draw(e.stretch)
  start, used, asked = _part(source, draw(e.duration), draw(e.source_time), spec.seconds / stretch)
  seconds, repetitions = used * stretch, round(draw(e.repetitions))
  gaps = [draw(e.spacing) for _ in range(repetitions - 1)]
  metres = draw(spec.distance.metres) if spec.distance.metres else None
  snr_db = draw(e.snr_db) - (20 * np.log10(metres / spec.distance.reference) if metres else 0.0)
  for _ in range(_ONSETS):
    first = min(draw(e.onset), spec.seconds - seconds)
    starts = first + np.cumsum([0.0, *(seconds + g for g in gaps)])
    onsets = tuple(float(t) for t in starts if t + seconds <= spec.seconds + 1e-9)
    if polyphony([*others, *((t, t + seconds) for t in onsets)]) <= e.polyphony[1]:
      return Singer(source, start, used, asked, onsets, seconds, repetitions, float(snr_db), pitch, stretch,
                    draw(spec.microphones.azimuth) if spec.channels == 2 else None, metres,
                    draw(spec.distance.rt60) if metres else None)
  raise Redraw(f'polyphony of more than {e.polyphony[1]}')


def _stray(source: Source, spec: MixingSpec, rng: np.random.Generator) -> Singer:
  c, draw = spec.contaminants, lambda text: parse(text).draw(rng)
  start, used, asked = _part(source, draw(c.duration), 0.0, spec.seconds)
  return Singer(source, start, used, asked, (min(draw(c.onset), spec.seconds - used),), used, 1, draw(c.snr_db),
                azimuth=draw(spec.microphones.azimuth) if spec.channels == 2 else None)


def _part(source: Source, asked: float, start: float, room: float) -> tuple[float, float, float]:
  """(start, seconds used, seconds asked) of a source: no longer than it is, nor than the room in the clip."""
  there = source.offset - source.onset
  used = min(asked, there, room)
  return max(0.0, min(start, there - used)), used, asked


def drawn(spec: MixingSpec, attempt: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
  """What `attempt` gives, tried until it raises no Redraw, and how often each reason made it draw again.

  Raises ValueError, with the reasons, after `events.retries` scenes.
  """
  reasons: collections.Counter[str] = collections.Counter()
  for _ in range(spec.events.retries):
    try:
      return attempt(), dict(reasons)
    except Redraw as error:
      reasons[str(error)] += 1
  told = ', '.join(f'{reason} ({n} times)' for reason, n in reasons.most_common())
  raise ValueError(f'no scene of {spec.seconds:g} s fits after {spec.events.retries} draws: {told}. Nearest: fewer events, '
                   'another polyphony, or longer clips')
