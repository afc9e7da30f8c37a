"""What there is to mix: stretches of decoded sound on disk. Small to send to worker processes, read when they are wanted."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import Sequence

import numpy as np

from data_pipeline import licences
from data_pipeline.taxonomy import Taxonomy

BUILT_IN = 'built-in textures'  # name of the background that `environments` makes
ASKED = 'built-in'              # how it is asked for


@dataclasses.dataclass(frozen=True)
class Source:
  """One vocalisation, one background or one contaminant.

  Attributes:
    name: of the recording, relative to the folder it came from. group: the recordings that never lie in two splits.
    onset, offset: s in the recording, of what is used of it.
    path, first, frames, channels: where its samples lie: (frames, channels) int16 of full scale 32767, from sample `first`
      on; path None = made when asked for (BUILT_IN).
    pad: samples at either end that fade in and out and lie outside of [onset, offset].
    gain: factor on the recording's samples that these have.
    species: code, '' = none. vocalisation: as in Event. environment, near: as in Scene.
    birds: what its labels say is heard in a background, in words; '' = nothing.
    top_hz: of a background, above which there is nothing but rounding.
    common, recordist, licence, url: for the attribution.
  """

  name: str
  group: str
  onset: float
  offset: float
  path: pathlib.Path | None
  first: int = 0
  frames: int = 0
  channels: int = 1
  pad: int = 0
  gain: float = 1.0
  split: str = ''
  species: str = ''
  vocalisation: str = 'song'
  environment: str = ''
  near: str = ''
  birds: str = ''
  top_hz: float = float('inf')
  common: str = ''
  recordist: str = ''
  licence: str = ''
  url: str = ''

  def read(self, start: int = 0, count: int | None = None) -> np.ndarray:
    """Samples start to start + count, as many as there are: (n, channels) float32, full scale 1."""
    count = max(0, min(self.frames - start, self.frames if count is None else count))
    flat = np.fromfile(self.path, np.int16, count * self.channels, offset=2 * self.channels * (self.first + start))
    return flat.reshape(-1, self.channels).astype(np.float32) * np.float32(1 / 32767)

  @property
  def attribution(self) -> licences.Attribution:
    return licences.Attribution(self.name, self.common or self.environment or self.near, self.recordist,
                                self.licence or 'unknown', self.url)

  def origin(self) -> dict[str, object]:
    """Where it is from, for the provenance."""
    return {'recording': self.name, 'group': self.group, 'region_s': [round(self.onset, 4), round(self.offset, 4)],
            'recordist': self.recordist, 'licence': self.licence or 'unknown', 'url': self.url}


TEXTURES = Source(BUILT_IN, BUILT_IN, 0.0, 0.0, None, split='*', licence='CC0-1.0')


@dataclasses.dataclass(frozen=True)
class Pools:
  """What a split is mixed of: all at `sample_rate`.

  Attributes:
    foreground: vocalisations of labelled species. background, contaminants: as their names say.
    taxonomy: of the foreground's species.
  """

  sample_rate: int
  foreground: tuple[Source, ...]
  background: tuple[Source, ...]
  contaminants: tuple[Source, ...]
  taxonomy: Taxonomy

  @functools.cached_property
  def by_species(self) -> dict[str, dict[str, list[Source]]]:
    """Code -> recording -> its vocalisations, in order: a recording of many is drawn as often as one of few."""
    found: dict[str, dict[str, list[Source]]] = {}
    for s in sorted(self.foreground, key=lambda s: (s.species, s.name, s.onset)):
      found.setdefault(s.species, {}).setdefault(s.name, []).append(s)
    return found

  def split(self, name: str) -> 'Pools':
    """The part of it whose groups belong in a split. Raises ValueError where that has no birds or no background."""
    part = dataclasses.replace(self, **{field: tuple(s for s in getattr(self, field) if s.split in (name, '*'))
                                        for field in ('foreground', 'background', 'contaminants')})
    for field in ('foreground', 'background'):
      if not getattr(part, field):
        raise ValueError(f'split {name!r} has no {field}: too few recording groups for so many splits')
    return part


def by_recording(sources: Sequence[Source]) -> dict[str, list[Source]]:
  """Recording -> its sources."""
  found: dict[str, list[Source]] = {}
  for s in sources:
    found.setdefault(s.name, []).append(s)
  return found
