"""The spacing of two microphones, and which of them is the left one, from clicks of known directions."""

from __future__ import annotations

import pathlib
from typing import Sequence

import numpy as np
from rich import console as rich_console, table as rich_table

from data_pipeline import direction, microphones, stereo, stream
from data_pipeline.formats import tables
from data_pipeline.microphones import Setup

WIDEST_US = 5000.0   # 1.7 m
NEAR_SECONDS = 0.5   # a click is the loudest moment this close to its time
CLICK_SECONDS = 0.03
LOW_HZ = 500.0
WORST_DEG = 15.0     # one that is off by more was measured, or written down, wrongly


def run(clicks: str, audio: Sequence[str], out: str, max_delay_us: float | None = None) -> str:
  """Writes the setup record OUT and returns a table of what was found. A record that is there keeps its other fields.

  Args:
    clicks: table with the columns `time_s` (s from the start, to NEAR_SECONDS) and `azimuth_deg` (-90 to 90, negative = left,
      of who stands behind the microphones and looks ahead).
    audio: one sound file with two channels, or with those that OUT already names.

  Raises ValueError, BadRecording: a table or a sound that does not fit, a click that cannot be heard, directions that no
    spacing explains.
  """
  if len(audio) != 1:
    raise ValueError(f'{len(audio)} sounds are given: expected the one with the clicks')
  path, setup = pathlib.Path(audio[0]), microphones.read(out) if pathlib.Path(out).exists() else Setup()
  times, azimuths = _read(clicks)
  known = stream.info(path)
  left, right = stereo.channel_pair(known, (setup.left_channel - 1, setup.right_channel - 1))
  around = NEAR_SECONDS + direction.CONTEXT_SECONDS
  spans = [(max(0.0, t - around), t + around) for t in times]
  found: list[direction.Estimate] = [None] * len(times)
  for i, samples in stream.excerpts(path, spans):
    found[i] = _click(samples[:, [left, right]], times[i] - spans[i][0], known.sample_rate, max_delay_us or WIDEST_US)
    if found[i].ambiguous:
      raise ValueError(f'{path}: no click can be heard within {NEAR_SECONDS} s of {times[i]:g} s')
  fitted, off = microphones.calibrate(setup, [e.delay_us for e in found], azimuths)
  table = rich_table.Table('time, s', 'true, degrees', 'measured', 'delay, us', 'confidence')
  for t, true, wrong, e in zip(times, azimuths, off, found):
    table.add_row(f'{t:g}', f'{true:g}', f'{true + wrong:.1f}', f'{e.delay_us:.1f}', f'{e.confidence:.2f}')
  console = rich_console.Console(width=100)
  with console.capture() as text:
    console.print(table)
  if not np.all(abs(off) <= WORST_DEG):
    raise ValueError(f'no spacing explains all {len(times)} directions within {WORST_DEG:g} degrees; the best is '
                     f'{fitted.spacing_m} m\n{text.get().rstrip()}')
  microphones.write(out, fitted)
  swapped = '' if fitted.left_channel == setup.left_channel else ', left and right changed places'
  return (f'{text.get().rstrip()}\n{out}: {len(times)} clicks, spacing {fitted.spacing_m} m{swapped}, off by '
          f'{np.sqrt(np.mean(off ** 2)):.1f} degrees (RMS)')


def _read(path: str) -> tuple[list[float], list[float]]:
  """The times and the azimuths of a table. Raises ValueError with file, line and column."""
  rows = tables.read(path, ('time_s', 'azimuth_deg'), what='a table of clicks', delimiters=',;\t').rows
  if len(rows) < 2:
    raise ValueError(f'{path}: {len(rows)} click(s): expected two or more, from different directions')
  azimuths = [row.number('azimuth_deg') for row in rows]
  for row, azimuth in zip(rows, azimuths):
    if not -90 <= azimuth <= 90:
      raise ValueError(f'{row.where}, column azimuth_deg: {azimuth:g}: expected -90 (left) to 90 (right)')
  return [row.seconds('time_s') for row in rows], azimuths


def _click(samples: np.ndarray, at: float, rate: int, max_delay_us: float) -> direction.Estimate:
  """The direction of the loudest moment near second `at` of (N, 2)."""
  first, last = max(0, round((at - NEAR_SECONDS) * rate)), round((at + NEAR_SECONDS) * rate)
  change = np.abs(np.diff(samples[first:last + 1], axis=0)).sum(1)  # of a click more than of wind
  if not len(change) or not change.max():
    raise ValueError('silence, or the end of the file, where a click was to be heard')
  middle = (first + int(np.argmax(change))) / rate
  span = middle - CLICK_SECONDS, middle + CLICK_SECONDS
  return direction.estimate(direction.correlate(samples, rate, span, (LOW_HZ, 0.45 * rate), max_delay_us))
