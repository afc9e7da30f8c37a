"""Recording: one sound file and what its source knows of it. `data_pipeline.sources` lists them, builders take them."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import zlib

from data_pipeline.scene import Event

SUFFIXES = ('.wav', '.flac', '.mp3', '.ogg')


@dataclasses.dataclass(frozen=True)
class Recording:
  """One sound file; '' or () = not known.

  Attributes:
    path: to read it. name: path relative to the folder of the data (or of its manifest), with `/`.
    common, scientific, code: the species that the whole recording is of, as its source writes it (code: eBird's); all '' where
      it is of none: soundscapes, environments.
    vocalisation: 'song' or 'call'.
    licence: as written. recordist: whom to name. url: where it came from.
    group: recordings of one group never come to lie in two splits.
    seconds: length as the source states it, None = not stated.
    events: what a person annotated, in seconds of the file, its species as codes of the listing's taxonomy; None = nobody did,
      and where there is a species its vocalisations are looked for.
    continuous: clips follow one another over the whole recording, instead of lying where something vocalises.
    split: the split it belongs in; '' = its group decides.
    background: names or codes of other species that are heard.
    types, quality, sex, stage: as the source writes them. site; started: local time it began, ISO 8601.
    environment, near: as in Scene.
  """

  path: pathlib.Path
  name: str
  common: str = ''
  scientific: str = ''
  vocalisation: str = 'song'
  licence: str = ''
  recordist: str = ''
  group: str = ''
  seconds: float | None = None
  code: str = ''
  url: str = ''
  events: tuple[Event, ...] | None = None
  continuous: bool = False
  split: str = ''
  background: tuple[str, ...] = ()
  types: str = ''
  quality: str = ''
  sex: str = ''
  stage: str = ''
  site: str = ''
  started: str = ''
  environment: str = ''
  near: str = ''

  @property
  def species(self) -> tuple[str, str, str]:
    """(code, scientific, common) as written: what a taxonomy is asked for."""
    return self.code, self.scientific, self.common


@dataclasses.dataclass(frozen=True)
class Skip:
  """A file or a row that was left out, and why."""

  name: str
  reason: str


@dataclasses.dataclass(frozen=True)
class Listing:
  """What a source found in a folder.

  Attributes:
    recordings: sorted by name, sound not opened.
    skips: what was left out, sorted by name.
    notes: sentences that a reader of the data set has to know.
    extra: further facts for dataset.json.
  """

  recordings: tuple[Recording, ...]
  skips: tuple[Skip, ...]
  notes: tuple[str, ...] = ()
  extra: dict[str, object] = dataclasses.field(default_factory=dict)


def vocalisation_of(types: str) -> str:
  """'call' where a recording's types speak of calls only, else 'song'."""
  return 'call' if 'call' in types.lower() and 'song' not in types.lower() else 'song'


def group_of(path: pathlib.Path) -> str:
  """The xeno-canto number in a file name, which several cuts of one recording share; else the file's stem."""
  number = re.search(r'XC ?(\d{3,})', path.stem, re.IGNORECASE)
  return f'XC{number.group(1)}' if number else path.stem


def stranger_code(name: str) -> str:
  """A code for a species that eBird does not know: the letters and digits of its name."""
  return re.sub(r'[^a-z0-9]', '', name.lower()) or f'species{zlib.crc32(name.encode()):08x}'
