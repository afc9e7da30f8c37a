"""Recordings and data sets of ours made ready for mixing: decoded, cleaned, stored, dealt to splits."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
from typing import BinaryIO, Callable, Sequence

import numpy as np

from data_pipeline import mixing_cleaning as cleaning, mixing_listing, stream
from data_pipeline.decoded import decode
from data_pipeline.decoding import BadRecording
from data_pipeline.formats import files
from data_pipeline.mixing_backgrounds import top_hz
from data_pipeline.mixing_pools import ASKED, TEXTURES, Pools, Source
from data_pipeline.recording import Recording, Skip
from data_pipeline.scene import Event
from data_pipeline.series import to_int16
from data_pipeline.sources import EBIRD_YEAR
from data_pipeline.splits import assign
from data_pipeline.taxonomy import Taxonomy

MAX_PER_RECORDING = 200   # vocalisations, evenly thinned out
LOUDEST = 0.9             # peak of a stored vocalisation: 16 bits then cost nothing, and its gain is known


@dataclasses.dataclass(frozen=True)
class Gathered:
  """Pools of all splits together, what was left out, and what a reader of the mixes has to know."""

  pools: Pools
  skips: tuple[Skip, ...]
  notes: tuple[str, ...]


Cut = tuple[Source, np.ndarray | None]  # what its Source will say; its samples (n, C) where they are not on disk already


def gather(data: Sequence[str], backgrounds: Sequence[str], contaminants: Sequence[str], folder: pathlib.Path, *,
           sample_rate: int, channels: int, splits: Sequence[str] = (), split_seed: int = 0, year: int = EBIRD_YEAR,
           birds_in_backgrounds: bool = False, workers: int = 1,
           progress: Callable[[int, int], None] | None = None) -> Gathered:
  """Everything decoded, at `sample_rate`, as 16-bit samples under `folder`.

  Args:
    data: folders of data sets of ours (dataset.json), and whatever `mixing_listing.find` takes.
    backgrounds, contaminants, year, birds_in_backgrounds: see there. `built-in` among the backgrounds: synthetic
      textures; no backgrounds at all: what `data` holds of no species or event.
    folder: for the samples; a later call on it finds what is decoded.
    channels: 2 keeps backgrounds of two channels. Birds are averaged to one, and placed anew.
    splits: names of `splits.SPLITS` that recording groups are dealt to, data sets keeping their own; () = one for all.
    workers: threads that decode and clean.
    progress: called with (recordings done, recordings to do).

  Raises:
    ValueError: a folder that is none, no birds or no background at all, taxonomies that disagree.
  """
  folder.mkdir(parents=True, exist_ok=True)
  is_set = lambda place: os.path.exists(os.path.join(place, 'dataset.json'))
  elsewhere = [b for b in (*backgrounds, *contaminants) if is_set(b)]
  if elsewhere:
    raise ValueError(f'{elsewhere[0]} is a data set: give it with --data, its clips without events are background')
  sets = [d for d in data if is_set(d)]
  real = [b for b in backgrounds if b != ASKED]
  rest = [d for d in data if not is_set(d)]
  listed = mixing_listing.find(rest, real if backgrounds else None, contaminants, year, birds_in_backgrounds)
  skips, notes, found = list(listed.skips), list(listed.notes), collections.defaultdict(list)
  jobs = [('foreground', lambda r=r, code=code: _vocalisations(r, code, folder, sample_rate)) for r, code in listed.birds]
  jobs += [('background', lambda r=r: _background(r, folder, sample_rate, channels)) for r in listed.backgrounds]
  jobs += [('contaminants', lambda r=r: _vocalisations(dataclasses.replace(r, events=None), '', folder, sample_rate))
           for r in listed.contaminants]
  taxonomies = [listed.taxonomy] if len(listed.taxonomy) else []
  path = folder / 'sources.int16'
  with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool, open(path, 'wb') as f:
    for done, ((kind, _), cuts) in enumerate(zip(jobs, pool.map(lambda job: job[1](), jobs)), 1):
      skips += [c for c in cuts if isinstance(c, Skip)]
      found[kind] += [stored(c, f, path) for c in cuts if not isinstance(c, Skip)]
      if progress:
        progress(done, len(jobs))
    for directory in sets:
      # Imported late: 8 s of tensorflow are for those who have a data set.
      from data_pipeline import mixing_dataset, storage
      info = storage.open_dataset(directory)
      forbidden = files.read_json_object(os.path.join(directory, 'dataset.json'))['no_derivatives']
      notes += [f'{directory}: {forbidden} recordings forbid derivatives and are left out'] if forbidden else []
      taxonomies.append(info.taxonomy)
      for source, samples in mixing_dataset.cuts(info, sample_rate, info.splits):
        if source.species or not backgrounds:
          found['foreground' if source.species else 'background'].append(stored((source, samples), f, path))
  if ASKED in backgrounds:
    found['background'].append(TEXTURES)
  for kind, what in (('foreground', 'birds'), ('background', 'background')):
    if not found[kind]:
      where = ', '.join(data if kind == 'foreground' else backgrounds or data)
      raise ValueError(f'no {what} in {where}' + ''.join(f'; {s.name}: {s.reason}' for s in skips[:3])
                       + '; --backgrounds built-in gives synthetic ones' * (kind == 'background'))
  codes = {s.species for s in found['foreground']}
  dealt = _dealt(found, splits, split_seed)
  pools = Pools(sample_rate, dealt['foreground'], dealt['background'], dealt['contaminants'], _united(taxonomies, codes))
  return Gathered(pools, tuple(dict.fromkeys(skips)), tuple(notes))


def _source(r: Recording, onset: float, offset: float, **more) -> Source:
  return Source(r.name, r.group or r.name, onset, offset, split=r.split, common=r.common or r.scientific or r.code,
                recordist=r.recordist, licence=r.licence, url=r.url, **more)


def _vocalisations(r: Recording, code: str, folder: pathlib.Path, rate: int) -> list[Cut | Skip]:
  """The cleaned vocalisations of a recording; what another species' event overlaps is no clean source of either."""
  try:
    sound = decode(r, folder, rate, 1, regions=r.events is None)
  except BadRecording as error:
    return [Skip(r.name, str(error))]
  if sound.regions is None:
    events = list(r.events)
  else:
    events = [Event(code or 'none', r.vocalisation, g.onset, g.offset, g.low_hz, g.high_hz, g.level_db) for g in sound.regions]
  alone = [e for e in events if e.onset < sound.seconds and e.low_hz < rate / 2 and not crossed(e, events)]
  if len(alone) > MAX_PER_RECORDING:
    alone = [alone[i] for i in np.linspace(0, len(alone) - 1, MAX_PER_RECORDING).astype(int)]
  cuts: list[Cut | Skip] = []
  for e in alone:
    start = max(0.0, e.onset - cleaning.CONTEXT_SECONDS)
    first = round(start * rate)
    audio = sound.read(first, round((e.offset + cleaning.CONTEXT_SECONDS) * rate) - first)[:, 0] / np.float32(32767)
    cuts += cut(audio, rate, e, first / rate, lambda on, off, **more: _source(
        r, on, off, species='' if e.species == 'none' else e.species, vocalisation=e.vocalisation, **more))
  return cuts or [Skip(r.name, 'no vocalisation stands out of its noise, alone')]


def crossed(e: Event, events: Sequence[Event]) -> bool:
  """Whether another species' event overlaps it in time."""
  return any(o.species != e.species and min(o.offset, e.offset) > max(o.onset, e.onset) for o in events)


def cut(audio: np.ndarray, rate: int, e: Event, start: float, source: Callable[..., Source]) -> list[Cut]:
  """The cleaned event of `audio` (N,), which begins `start` s into its recording; nothing where it does not stand out."""
  found = cleaning.extract(audio, rate, e.onset - start, e.offset - start, e.low_hz, min(e.high_hz, rate / 2))
  if found is None:
    return []
  samples, onset, offset = found
  gain = LOUDEST / float(np.abs(samples).max())
  return [(source(start + onset, start + offset, path=None, pad=round(cleaning.PAD_SECONDS * rate), gain=gain),
           (samples * np.float32(gain))[:, None])]


def _background(r: Recording, folder: pathlib.Path, rate: int, channels: int) -> list[Cut | Skip]:
  try:
    kept = channels if channels == 1 or stream.info(r.path).channels == channels else 1
    sound = decode(r, folder, rate, kept, regions=False)
  except BadRecording as error:
    return [Skip(r.name, str(error).removeprefix(f'{r.path}: '))]
  source = _source(r, 0.0, sound.seconds, path=sound.path, frames=sound.frames, channels=kept, environment=r.environment,
                   near=r.near)
  return [(dataclasses.replace(source, top_hz=top_hz(source.read(0, 60 * rate), rate)), None)]


def stored(cut: Cut, f: BinaryIO, path: pathlib.Path) -> Source:
  """Writes a cut's samples to the end of the file `f`, known as `path`."""
  source, samples = cut
  if samples is None:
    return source
  first = f.tell() // 2
  f.write(to_int16(samples).tobytes())
  return dataclasses.replace(source, path=path, first=first, frames=len(samples), channels=samples.shape[1])


def _dealt(found: dict[str, list[Source]], splits: Sequence[str], seed: int) -> dict[str, tuple[Source, ...]]:
  """Each source with its split: '*' = all, what a data set says of it or its group, or what its group was dealt.

  Raises ValueError for a group that two sources put into different splits.
  """
  said: dict[str, str] = {}
  for s in (s for members in found.values() for s in members if s.split not in ('', '*')):
    if said.setdefault(s.group, s.split) != s.split:
      raise ValueError(f'{s.name}: of group {s.group!r}, which is in split {said[s.group]!r}, and this in {s.split!r}: '
                       'expected one split of a recording group')
  groups: dict[str, set[str]] = collections.defaultdict(set)
  for kind, members in found.items():
    for s in members:
      if not s.split and s.group not in said:
        groups[s.species or kind].add(s.group)
  split_of, _ = assign(groups, seed, 'own' if 'judge' in splits else 'train')
  place = lambda s: '*' if not splits else s.split or said.get(s.group) or split_of[s.group]
  return {kind: tuple(dataclasses.replace(s, split=place(s)) for s in found[kind])
          for kind in ('foreground', 'background', 'contaminants')}


def _united(taxonomies: Sequence[Taxonomy], codes: set[str]) -> Taxonomy:
  """The species `codes` of several taxonomies; ValueError where two of them mean different birds by one name."""
  species = {s for t in taxonomies for s in t.species if s.code in codes}
  names = {(t.name, t.year) for t in taxonomies}
  return Taxonomy(tuple(sorted(species, key=lambda s: s.code)), *(names.pop() if len(names) == 1 else ('as given', None)))
