"""The rows of a table of detections, file by file: which sound each means, and where it comes from."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import re
from typing import Sequence

from data_pipeline import bird_counts, direction, microphones, stereo, stream
from data_pipeline.formats.any_table import Span
from data_pipeline.microphones import Setup
from data_pipeline.recording import SUFFIXES

WIDEST_US = 1000.0          # delays that are looked for where no spacing is known: 34 cm
LOW_HZ, HIGH_SHARE = 150.0, 0.9  # the band of rows that have none: up to this share of Nyquist
LONGEST_SECONDS = 60.0      # a longer row is no event; it would be held in memory
NAMED = 3                   # files that an error names


@dataclasses.dataclass(frozen=True)
class Heard:
  """A row. `told`: its file, None = damaged; `flaw`: why no direction, '' = it has one; `delays_us`: of pieces that count."""

  told: stereo.Stereo | None
  setup: Setup
  flaw: str = ''
  estimate: direction.Estimate | None = None
  delays_us: tuple[float, ...] = ()


def sounds(spans: Sequence[Span], audio: Sequence[pathlib.Path]) -> dict[str, pathlib.Path]:
  """The sound file of each name that rows have for it.

  Tables name files as the machine knew them that wrote them: a name is a file of `audio` that ends like it, in as many folders
  as it takes to tell it from the others. Rows without a name, and all rows where `audio` is one file, mean that file.

  Args:
    audio: sound files, and folders of them of any depth.

  Raises ValueError, before any work: nothing there, or names that fit no file or several.
  """
  there = []
  for path in audio:
    if not path.exists():
      raise ValueError(f'{path}: missing')
    there += [path] if path.is_file() else sorted(p for p in path.rglob('*') if p.suffix.lower() in SUFFIXES and p.is_file())
  if not there:
    raise ValueError(f'no sound files ({", ".join(SUFFIXES)}) in {", ".join(map(str, audio))}')
  by_name = collections.defaultdict(list)
  for path in there:
    by_name[path.name].append(path)
  found, missing = {}, []
  for name in dict.fromkeys(s.file for s in spans):
    parts = [p for p in re.split(r'[\\/]', name) if p]
    fitting = by_name.get(parts[-1], []) if parts else there
    for depth in range(2, len(parts) + 1):
      closer = [p for p in fitting if list(p.resolve().parts[-depth:]) == parts[-depth:]]
      if len(fitting) < 2 or not closer:
        break
      fitting = closer
    if len(fitting) > 1:
      raise ValueError(f'{name!r} may be {" or ".join(map(str, fitting[:NAMED]))}' if name else
                       f'rows name no file, and {len(there)} are given')
    if fitting:
      found[name] = fitting[0]
    else:
      missing.append(name)
  if missing:
    more = f' and {len(missing) - NAMED} more' if len(missing) > NAMED else ''
    raise ValueError(f'{len(missing)} of the {len(missing) + len(found)} sound files that the rows name are not in '
                     f'{", ".join(map(str, audio))}: {", ".join(map(repr, missing[:NAMED]))}{more}')
  return found


def measure(path: pathlib.Path, spans: Sequence[Span], setup: Setup, weighting: str = 'phat',
            max_delay_us: float | None = None) -> list[Heard]:
  """The direction of each row of one file, in their order.

  Args:
    setup: of the file's microphones; without a spacing delays up to WIDEST_US are looked for.
    max_delay_us: overrides what the setup says of it.

  Raises BadRecording: the file cannot be read to its end.
  """
  known = stream.info(path)
  if known.channels == 1:
    return [Heard(stereo.Stereo('mono'), setup, 'mono')] * len(spans)
  if not max(setup.left_channel, setup.right_channel) <= known.channels:
    return [Heard(None, setup, f'no channels {setup.left_channel} and {setup.right_channel}')] * len(spans)
  pair = setup.left_channel - 1, setup.right_channel - 1
  told = stereo.classify(path, pair)
  # A delayed copy may be two microphones in a silent place; what else is no true stereo has no direction.
  if told.kind not in ('true', 'delayed'):
    return [Heard(told, setup, told.kind)] * len(spans)
  limit = max_delay_us or (microphones.SLACK * setup.widest_us if setup.widest_us else WIDEST_US)
  rows = [Heard(told, setup, 'too long')] * len(spans)
  short = [i for i, s in enumerate(spans) if s.offset - s.onset <= LONGEST_SECONDS]
  around = [(max(0.0, spans[i].onset - direction.CONTEXT_SECONDS), spans[i].offset + direction.CONTEXT_SECONDS) for i in short]
  for k, samples in stream.excerpts(path, around):
    s = spans[short[k]]
    inside = (s.onset - around[k][0], s.offset - around[k][0])
    flaw, band = _flaw(s, len(samples) / known.sample_rate <= inside[0], known.sample_rate)
    if not flaw:
      heard = direction.correlate(samples[:, pair], known.sample_rate, inside, band, limit, weighting)
      countable = tuple(e.delay_us for e in direction.pieces(heard) if bird_counts.countable(e))
      rows[short[k]] = Heard(told, setup, '', direction.estimate(heard), countable)
    else:
      rows[short[k]] = Heard(told, setup, flaw)
  return rows


def _flaw(s: Span, behind: bool, rate: int) -> tuple[str, tuple[float, float]]:
  """Why a row has no direction, '' = it has one; and its band in Hz."""
  # A box is drawn by eye, and a narrow one may lie between two frequencies of the transform.
  band = (max(0.0, s.low_hz - 100), s.high_hz + 100) if s.high_hz else (LOW_HZ, HIGH_SHARE * rate / 2)
  return 'behind the end' if behind else 'above Nyquist' if band[0] >= rate / 2 else '', band
