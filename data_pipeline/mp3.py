"""The true length of an mp3: its frames are walked header by header, because what its start states may be wrong.

libsndfile believes the count in a Xing or Info frame, and without one divides the file's size by that of its first frames.
Where this gives too little it stops early and says nothing: a recording of variable bit rate without such a frame, or two
files put behind each other, would lose their end.
"""

from __future__ import annotations

import dataclasses
import io
import os
import struct
from typing import BinaryIO

KBITS = {  # per second, by the index in a header of layer III: MPEG 1, and MPEG 2 with 2.5
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version: MPEG 1, 2, 2.5
SLACK = 1          # some encoders count the frame that states the count
INFLATION = 50     # over 320 / 8 kbit/s: no first frame makes libsndfile guess too little of a file this much larger
ID3_BYTES = 128    # mpg123 looks for a tag there and wants an answer


@dataclasses.dataclass(frozen=True)
class Walk:
  """What the frames of a file say.

  Attributes:
    frames: frames of sound that are there to their last byte.
    frame_samples: samples per channel in each.
    stated: the count of frames in the Xing or Info frame; None without one.
    count_at: byte where that count lies.
    start: byte where the first frame lies, behind what is no sound.
  """

  frames: int
  frame_samples: int
  stated: int | None
  count_at: int
  start: int

  @property
  def truncated(self) -> bool:
    return self.stated is not None and self.stated > self.frames + SLACK


def walk(path: str | os.PathLike) -> Walk | None:
  """Walks all frames without decoding: 0.3 s for an hour. None where there is no frame of layer III with another behind it."""
  with open(path, 'rb', buffering=1 << 16) as f:
    size = os.fstat(f.fileno()).st_size
    first = at = _sync(f, _after_tags(f), size)
    if first is None:
      return None
    frames = 0
    while at is not None:
      length = _length(_read(f, at, 4))
      if length and at + length > size:
        break
      frames += bool(length)
      at = at + length if length else _sync(f, at + 1, size)
    start = _read(f, first, 64)
  version, mono = start[1] >> 3 & 3, start[3] >> 6 == 3
  tag = 4 + ((17 if mono else 32) if version == 3 else (9 if mono else 17))  # behind the side information
  samples = 1152 if version == 3 else 576
  if start[tag:tag + 4] in (b'Xing', b'Info') and start[tag + 7] & 1:
    return Walk(frames - 1, samples, struct.unpack_from('>I', start, tag + 8)[0], first + tag + 8, first)
  return Walk(frames, samples, None, 0, first)


def repaired(path: str | os.PathLike, walked: Walk) -> BinaryIO:
  """The file as soundfile has to see it to read it from its first frame to its end; the caller closes it.

  libsndfile takes a file behind a long ID3 tag for an mp3 by its name alone, so that the tag is left out.
  The count is put right; where there is none the file seems larger than it is, and reading stops at frames * frame_samples.
  """
  return io.BufferedReader(_Repaired(path, walked), 1 << 16)


class _Repaired(io.RawIOBase):
  """The bytes of a file from its first frame on, but for those of the count, and zeros at an end that is not there."""

  def __init__(self, path: str | os.PathLike, walked: Walk):
    super().__init__()
    self._file, self._at, self._count_at = open(path, 'rb', buffering=0), 0, walked.count_at - walked.start
    self._count = b'' if walked.stated is None else struct.pack('>I', walked.frames)
    self._inflated = walked.stated is None
    self._start = walked.start
    self._size = (os.path.getsize(path) - walked.start) * (INFLATION if self._inflated else 1)

  def readable(self) -> bool:
    return True

  def seekable(self) -> bool:
    return True

  def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
    self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
    return self._at

  def readinto(self, buffer) -> int:
    if self._inflated and self._at >= self._size - ID3_BYTES:
      read = max(0, min(len(buffer), self._size - self._at))
      buffer[:read] = bytes(read)
    else:
      self._file.seek(self._start + self._at)
      read = self._file.readinto(buffer)
      for i, byte in enumerate(self._count, self._count_at - self._at):
        if 0 <= i < read:
          buffer[i] = byte
    self._at += read
    return read

  def close(self) -> None:
    self._file.close()
    super().close()


def _read(f: BinaryIO, at: int, size: int) -> bytes:
  f.seek(at)
  return f.read(size)


def _length(header: bytes) -> int:
  """Bytes of the layer III frame that begins with these four; 0 where none does."""
  if len(header) < 4 or header[0] != 0xff or header[1] & 0xe6 != 0xe2:
    return 0
  version, index, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
  if version == 1 or index in (0, 15) or rate == 3:
    return 0
  return (144000 if version == 3 else 72000) * KBITS[version == 3][index] // RATES[version][rate] + (header[2] >> 1 & 1)


def _after_tags(f: BinaryIO) -> int:
  """The byte behind the ID3v2 tags at the start, whose pictures may look like frames."""
  at = 0
  while (head := _read(f, at, 10))[:3] == b'ID3' and len(head) == 10:
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    at += 10 + size + (10 if head[5] & 16 else 0)
  return at


def _sync(f: BinaryIO, at: int, size: int) -> int | None:
  """The next frame from byte `at` on that another one follows, or that ends the file."""
  while at < size:
    part = _read(f, at, 1 << 16)
    i = part.find(b'\xff')
    while i >= 0:
      length = _length(_read(f, at + i, 4))
      if length and (at + i + length == size or _length(_read(f, at + i + length, 4))):
        return at + i
      i = part.find(b'\xff', i + 1)
    at += len(part)
  return None
