"""Recordings of any length, read forward once in overlapping windows: memory does not grow with the file.

  known = stream.info('night.wav')
  for w in stream.windows('night.wav', 16000, window=48000, hop=24000):
    ...  # w.start: samples at 16 kHz from the start of the file; w.samples: (48000, C); w.valid: how many are not padding

Positions are exact at every rate: soxr makes up for its own delay, and what it gives block by block is what it gives for the
whole file at once. Every sample comes to lie in a window, and `count` tells beforehand how many windows there will be.

A file that is damaged somewhere is delivered up to there, to 16384 samples, as if it ended, its last window included; then
BadRecording is raised. So is it where a file turns out shorter or longer than it says. One thing cannot be seen in time:
libvorbis leaves out damaged pages of an ogg and closes the gap, so that the error comes at the end of the file only.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Iterator, Sequence

import numpy as np
import soxr

from data_pipeline import decoding
from data_pipeline.decoding import BadRecording, Info

EXCERPT_BLOCK_S = 10.0  # so much of a file is held at a time while excerpts are cut


@dataclasses.dataclass(frozen=True)
class Window:
  """Samples `start` to `start + valid` of a recording, at the rate that was asked.

  Attributes:
    start: whole samples from the start of the file.
    samples: (window, C) float32, its own memory; zeros from `valid` on.
    valid: samples per channel that are of the file; less than the window's length in the last one only.
  """

  start: int
  samples: np.ndarray
  valid: int


def count(frames: int, window: int, hop: int) -> int:
  """The number of windows that cover `frames` samples: 0 for none, else no more than it takes to reach the last one.

  Raises ValueError unless 0 < hop <= window: a larger hop would skip samples.
  """
  _check(window, hop)
  return 0 if frames <= 0 else 1 + max(0, -(-(frames - window) // hop))


def info(path: str | os.PathLike) -> Info:
  """Rate, channels and length of a file; the frames of an mp3 are walked for it (see `mp3`), nothing is decoded.

  Raises BadRecording: missing, empty, not audio, no samples, of another format than its name says. A file that was cut off
  has the length of what is left; reading it tells.
  """
  with decoding.opened(path) as source:
    return source.info


def blocks(path: str | os.PathLike, seconds: float, sample_rate: int | None = None, channels: int | None = None,
           channel: int | None = None) -> Iterator[np.ndarray]:
  """Consecutive blocks (round(seconds * rate), C) float32 of a file, the last one as short as it comes; see `windows`."""
  size = round(seconds * (sample_rate or info(path).sample_rate))
  if size < 1:
    raise ValueError(f'blocks: {seconds} s is less than one sample')
  return (w.samples[:w.valid] for w in windows(path, sample_rate, size, size, channels, channel))


def excerpts(path: str | os.PathLike, spans: Sequence[tuple[float, float]]) -> Iterator[tuple[int, np.ndarray]]:
  """(number of the span, its samples (n, C) float32 as stored) as their ends come by, in one pass that ends with the last one.

  Read forward and not sought: in some ogg files libvorbis seeks to another place than it says.

  Args:
    spans: (start, end) in seconds, in any order; what lies outside of the file, or behind its first damage, is left out.

  Raises BadRecording where `info` does.
  """
  known, at = info(path), 0
  none = np.zeros((0, known.channels), np.float32)
  waiting = {i: [round(start * known.sample_rate), round(end * known.sample_rate), none]
             for i, (start, end) in sorted(enumerate(spans), key=lambda one: one[1])}  # [first, last, what is there of it]
  try:
    for block in blocks(path, EXCERPT_BLOCK_S):
      for i, span in list(waiting.items()):
        first, last, _ = span
        if first >= at + len(block):
          break
        span[2] = np.concatenate([span[2], block[max(0, first - at):max(0, last - at)]])
        if last <= at + len(block):
          yield i, waiting.pop(i)[2]
      at += len(block)
      if not waiting:
        return
  except BadRecording:
    pass  # who chose the spans has read the file, and knows
  for i, (_, _, there) in waiting.items():
    yield i, there


def windows(path: str | os.PathLike, sample_rate: int | None, window: int, hop: int, channels: int | None = None,
            channel: int | None = None) -> Iterator[Window]:
  """The windows of a file in order, `count(info(path).frames_at(sample_rate), window, hop)` of them.

  Args:
    path: a wav (RF64 too), flac, mp3 or ogg file of any rate and number of channels.
    sample_rate: to resample to (soxr, high quality); None = as stored.
    window: samples per window at that rate.
    hop: samples from one start to the next, at most `window`.
    channels: None keeps all channels, 1 averages them.
    channel: keeps this one alone, counted from 0. Not together with `channels`.

  Nothing is normalised or clipped; lossy and float files may pass full scale.

  Raises:
    ValueError: arguments that do not fit, at once.
    BadRecording: where `info` raises it, and where the file has no such `channel`, before the first window; cut off, damaged,
      NaN or infinite samples, or a length other than its header states, after all that could be read was delivered.
  """
  _check(window, hop)
  if sample_rate is not None and sample_rate < 1:
    raise ValueError(f'windows: sample_rate is {sample_rate}, expected samples per second or None')
  if channels not in (None, 1) or (channels and channel is not None) or (channel is not None and channel < 0):
    raise ValueError(f'windows: channels is {channels} and channel {channel}; expected channels=None for all, channels=1 for '
                     'their average, or channel=k for one')
  return _cut(_resampled(path, sample_rate, bool(channels), channel), window, hop)


def _check(window: int, hop: int) -> None:
  if not 0 < hop <= window:
    raise ValueError(f'hop is {hop} and window {window}, expected 0 < hop <= window')


def _cut(pieces: Iterator[np.ndarray], window: int, hop: int) -> Iterator[Window]:
  """Pieces (n, C) of any length -> windows; an error of the pieces is raised once the last window is out."""
  held, have, start, error = np.zeros((window, 0), np.float32), 0, 0, None
  try:
    for piece in pieces:
      if not held.shape[1]:
        held = np.zeros((window, piece.shape[1]), np.float32)  # (window, C)
      at = 0
      while at < len(piece):
        part = piece[at:at + window - have]
        held[have:have + len(part)] = part
        have, at = have + len(part), at + len(part)
        if have == window:
          yield Window(start, held.copy(), window)
          held[:window - hop] = held[hop:]
          have, start = window - hop, start + hop
  except BadRecording as raised:
    error = raised
  if have > (window - hop if start else 0):  # else the windows before reach the end
    held[have:] = 0
    yield Window(start, held, have)
  if error:
    raise error


def _resampled(path: str | os.PathLike, sample_rate: int | None, average: bool, channel: int | None) -> Iterator[np.ndarray]:
  """The sound of a file in pieces (n, C) float32 at `sample_rate`; what was read before an error comes before the error."""
  with decoding.opened(path) as source:
    known, error, stream = source.info, None, None
    if channel is not None and channel >= known.channels:
      raise BadRecording(f'{path}: has {known.channels} channel(s), channel {channel} was asked')
    width = 1 if average or channel is not None else known.channels
    if sample_rate not in (None, known.sample_rate):
      stream = soxr.ResampleStream(known.sample_rate, sample_rate, width)
    try:
      for block in decoding.decoded(source):  # (n, C)
        if average:
          block = block @ np.full((known.channels, 1), 1 / known.channels, np.float32)  # four times as fast as mean(axis=1)
        elif channel is not None:
          block = np.ascontiguousarray(block[:, channel:channel + 1])
        yield stream.resample_chunk(block) if stream else block
    except BadRecording as raised:
      error = raised
    if stream:
      yield stream.resample_chunk(np.zeros((0, width), np.float32), last=True)
    if error:
      raise error
