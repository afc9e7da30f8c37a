"""Recordings decoded once: checked, at the rate of the data set, kept as 16-bit samples on disk until its clips are cut.

A folder of decoded sound belongs to one build. What is finished in it is found again, so that a build that was interrupted
goes on where it stopped; memory holds half a minute of a recording, whatever its length.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib

import numpy as np

from data_pipeline import active_regions, stream
from data_pipeline.active_regions import Region
from data_pipeline.decoding import BadRecording
from data_pipeline.formats import files
from data_pipeline.recording import Recording
from data_pipeline.series import to_int16

SILENT_PEAK = 2.0 ** -15  # one step of 16 bits
BLOCK_SECONDS = 30.0
REGION_BLOCK_SECONDS = 300.0   # regions of a longer recording are sought in pieces of this length,
REGION_MARGIN_SECONDS = 10.0   # which see so much of their neighbours


@dataclasses.dataclass(frozen=True)
class Decoded:
  """One recording's sound on disk.

  Attributes:
    path: of the samples, (frames, channels) int16, full scale 32767, without a header.
    frames: samples per channel; sample_rate: per second.
    regions: its active regions by onset, None where they were not asked for.
  """

  path: pathlib.Path
  frames: int
  channels: int
  sample_rate: int
  regions: tuple[Region, ...] | None

  @property
  def seconds(self) -> float:
    return self.frames / self.sample_rate

  def read(self, start: int, count: int) -> np.ndarray:
    """Samples start to start + count, as many as there are: (n, channels) int16."""
    count = max(0, min(count, self.frames - start))
    flat = np.fromfile(self.path, np.int16, count * self.channels, offset=2 * start * self.channels)
    return flat.reshape(-1, self.channels)


def decode(recording: Recording, folder: pathlib.Path, sample_rate: int, channels: int, regions: bool) -> Decoded:
  """Decodes, checks and resamples a recording, or finds it done in `folder`.

  More channels than asked are averaged when one is asked. Nothing is normalised; only a sound whose peak passes full scale
  (lossy formats, float files) is scaled down to it.

  Args:
    folder: where the samples go.
    sample_rate, channels: of the samples.
    regions: whether to look for active regions.

  Raises:
    BadRecording, the reason without the file's name: missing, not decodable, cut short, NaN, silent, or too few channels.
  """
  if not recording.path.is_file():
    raise BadRecording('missing')
  stat = recording.path.stat()
  if not stat.st_size:
    raise BadRecording('empty file')
  of = (recording.name, stat.st_size, stat.st_mtime_ns, recording.seconds, sample_rate, channels, regions)
  base = folder / hashlib.sha256(repr(of).encode()).hexdigest()[:32]
  samples, facts = base.with_suffix('.int16'), base.with_suffix('.json')
  if not facts.exists():
    try:
      made = _write(recording, samples, sample_rate, channels, regions)
    except BadRecording as error:
      samples.unlink(missing_ok=True)
      made = {'bad': str(error).removeprefix(f'{recording.path}: ')}
    files.write_text(facts, json.dumps(made))
  known = files.read_json_object(facts)
  if 'bad' in known:
    raise BadRecording(known['bad'])
  found = None if known['regions'] is None else tuple(Region(*r) for r in known['regions'])
  return Decoded(samples, known['frames'], channels, sample_rate, found)


def _write(recording: Recording, path: pathlib.Path, sample_rate: int, channels: int, regions: bool) -> dict:
  stored = stream.info(recording.path)
  if recording.seconds and stored.seconds < 0.9 * recording.seconds:
    raise BadRecording(f'truncated: {stored.seconds:.2f} of {recording.seconds:g} s')
  if channels > 1 and stored.channels != channels:
    raise BadRecording(f'has {stored.channels} channel(s), {channels} were asked')
  low, high, frames = _copy(recording.path, path, sample_rate, channels, 1.0)
  if not frames:
    raise BadRecording('shorter than one sample')
  if (high - low).max() < SILENT_PEAK:
    raise BadRecording('silent' if stored.channels == channels else 'silent once its channels are averaged')
  peak = float(max(-low.min(), high.max()))
  if peak > 1:
    _copy(recording.path, path, sample_rate, channels, 1 / peak)
  made = Decoded(path, frames, channels, sample_rate, None)
  found = [dataclasses.astuple(r) for r in _regions(made)] if regions else None
  return {'frames': frames, 'regions': found}


def _copy(source: pathlib.Path, path: pathlib.Path, sample_rate: int, channels: int,
          gain: float) -> tuple[np.ndarray, np.ndarray, int]:
  """Writes the samples; returns the lowest and the highest of each channel before the gain, and their number."""
  low, high, frames = np.full(channels, np.inf), np.full(channels, -np.inf), 0
  with open(path, 'wb') as f:
    for block in stream.blocks(source, BLOCK_SECONDS, sample_rate, 1 if channels == 1 else None):  # (n, C)
      low, high = np.minimum(low, block.min(0)), np.maximum(high, block.max(0))
      frames += len(block)
      f.write(to_int16(block * gain).tobytes())
  return low, high, frames


def _regions(sound: Decoded) -> list[Region]:
  """The active regions of a recording of any length; one of up to REGION_BLOCK_SECONDS is looked at as a whole."""
  rate, found = sound.sample_rate, []
  core, margin = round(REGION_BLOCK_SECONDS * rate), round(REGION_MARGIN_SECONDS * rate)
  last = max(1, -(-(sound.frames - margin) // core))  # a remainder within the margin is no piece of its own
  for k in range(last):
    start = max(0, k * core - margin)
    end = sound.frames if k == last - 1 else (k + 1) * core + margin
    piece = sound.read(start, end - start).astype(np.float32) / 32767
    for r in active_regions.find(piece, rate):
      onset = start / rate + r.onset
      if k * core / rate <= onset and (k == last - 1 or onset < (k + 1) * core / rate):
        found.append(dataclasses.replace(r, onset=onset, offset=start / rate + r.offset))
  return found
