"""Opening recordings and decoding them block by block, with what is wrong with a file told in one way: BadRecording.

libsndfile reads much that is broken without a word: it repairs the length of a wav that was cut off, stops at the length that
a flac, ogg or mp3 states though more follows, and takes any last page of an ogg for its end. All of this is looked for here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
from typing import BinaryIO, Iterator

import numpy as np
import soundfile

from data_pipeline import mp3

FORMATS = {'.wav': ('WAV', 'WAVEX', 'RF64', 'W64'), '.flac': ('FLAC',), '.mp3': ('MP3',), '.ogg': ('OGG',)}
READ = 16384             # samples per channel decoded at a time: so much may be lost before a damaged place
UNSTATED = 2 ** 62       # libsndfile's number of samples for a flac that does not state its own is above
TAIL_BYTES = 2 ** 16     # tags behind the sound are smaller, more is sound that the header leaves out
OGG_PAGE_BYTES = 65307   # the largest there can be


class BadRecording(ValueError):
  """A file that cannot be used, or only up to a place; the message says what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Info:
  """What a file holds.

  Attributes:
    path: the file.
    sample_rate: samples per second as stored.
    channels: as stored.
    frames: samples per channel at `sample_rate`: as many as reading delivers, unless it meets damage.
  """

  path: str
  sample_rate: int
  channels: int
  frames: int

  @property
  def seconds(self) -> float:
    return self.frames / self.sample_rate

  def frames_at(self, sample_rate: int | None) -> int:
    """Samples per channel once resampled, exactly; None = as stored."""
    rate = sample_rate or self.sample_rate
    return (2 * self.frames * rate + self.sample_rate) // (2 * self.sample_rate)


@dataclasses.dataclass(frozen=True)
class Source:
  """An open file, the bytes under it, and what is wrong with its length ('' = nothing that can be seen at its start)."""

  file: soundfile.SoundFile
  raw: BinaryIO
  info: Info
  flaw: str


def decoded(source: Source) -> Iterator[np.ndarray]:
  """Blocks (n, C) float32 as stored, up to the end or the first damage, which is raised."""
  known, done = source.info, 0
  at = lambda: f'{done / known.sample_rate:.2f} of {known.seconds:.2f} s'
  while done < known.frames:
    try:
      block = source.file.read(min(READ, known.frames - done), dtype='float32', always_2d=True)  # (n, C)
    except (soundfile.SoundFileError, OSError) as error:
      raise BadRecording(f'{known.path}: damaged or cut off after {at()} ({_reason(error)})') from error
    if not len(block):
      raise BadRecording(f'{known.path}: truncated or damaged: {at()} can be read')
    finite = np.isfinite(block)  # (n, C)
    good = len(block) if finite.all() else int(finite.all(axis=1).argmin())
    yield block[:good]
    done += good
    if good < len(block):
      raise BadRecording(f'{known.path}: holds NaN or infinite samples, the first after {at()}')
  if source.flaw:
    raise BadRecording(f'{known.path}: {source.flaw}')
  left = os.path.getsize(known.path) - source.raw.tell()
  if source.file.format in ('FLAC', 'OGG') and left > TAIL_BYTES:
    raise BadRecording(f'{known.path}: its header is short of the file: {left} bytes follow the {known.seconds:.2f} s it states')


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[Source]:
  """Raises BadRecording for a file that cannot be opened, or is not what its name says."""
  path = pathlib.Path(path)
  if not path.is_file():
    raise BadRecording(f'{path}: {"not a file" if path.exists() else "missing"}')
  if not path.stat().st_size:
    raise BadRecording(f'{path}: empty file')
  suffix = path.suffix.lower()
  if suffix not in FORMATS:
    raise BadRecording(f'{path}: wrong extension: not one of {", ".join(FORMATS)}')
  with contextlib.ExitStack() as stack:
    try:
      with soundfile.SoundFile(path) as named:  # by its name: a long tag may hide what an mp3 is
        if named.format not in FORMATS[suffix]:
          raise BadRecording(f'{path}: wrong extension: it holds {named.format}')
      walked = mp3.walk(path) if suffix == '.mp3' else None
      raw = stack.enter_context(mp3.repaired(path, walked) if walked else open(path, 'rb', buffering=0))
      f = stack.enter_context(soundfile.SoundFile(raw if walked else raw.fileno(), closefd=False))
      frames = walked.frames * walked.frame_samples if walked and walked.stated is None else f.frames
    except (soundfile.SoundFileError, OSError) as error:
      raise BadRecording(f'{path}: not audio, or damaged ({_reason(error)})') from error
    flaw = _flaw(path, f, walked)
    if not 0 < frames < UNSTATED:
      raise BadRecording(f'{path}: {"its header states no length" if frames > 0 else flaw or "holds no samples"}')
    yield Source(f, raw, Info(str(path), f.samplerate, f.channels, frames), flaw)


def _flaw(path: pathlib.Path, f: soundfile.SoundFile, walked: mp3.Walk | None) -> str:
  """What shows, without decoding, that a file was cut off or that its header is wrong about its length; '' for nothing."""
  if f.format == 'MP3':
    if walked is None:
      return 'holds no frames of MPEG layer III, so that its length is a guess'
    return f'truncated: {walked.frames} of {walked.stated} frames are there' if walked.truncated else ''
  if f.format == 'OGG':
    return '' if _ends(path) else 'truncated: its last page is missing'
  # libsndfile repairs the length of a wav that was cut off, and says so in its log only; so it does with what is no chunk.
  if re.search(r'^\s*data\s*:.*should be', f.extra_info, re.MULTILINE):
    return 'truncated: its header promises more samples'
  stray = re.search(r'Unknown chunk marker .* at position (\d+)', f.extra_info)
  left = path.stat().st_size - int(stray.group(1)) if stray else 0
  return f'{left} bytes that are no chunk follow the length its header states' if left > TAIL_BYTES else ''


def _ends(path: pathlib.Path) -> bool:
  """Whether an ogg file has its last page, marked as the last, to the end."""
  with open(path, 'rb') as f:
    f.seek(max(0, path.stat().st_size - 2 * OGG_PAGE_BYTES))
    tail = f.read()
  page = tail.rfind(b'OggS')
  if page < 0 or len(tail) < page + 27:
    return False
  table = tail[page + 27:page + 27 + tail[page + 26]]
  return bool(tail[page + 5] & 4) and len(tail) >= page + 27 + len(table) + sum(table)


def _reason(error: Exception) -> str:
  text = str(error).split(': ')[-1].strip().rstrip('.')
  return 'nothing in it can be decoded' if 'regular file' in text else text  # what libmpg123 does not open
