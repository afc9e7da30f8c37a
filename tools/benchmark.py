r"""Measures what the project claims of speed and memory, on this machine.

  python -m tools.benchmark data --out bench.json
  python -m tools.benchmark data --out bench.json --minutes 15

Each group of figures is one word of the command line (GROUPS). OUT is one JSON, {group: {figure: value}} beside what machine
it was; the same is printed as a table.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import resource
import sys
import tempfile
import time
from typing import Callable

from absl import app, flags
import numpy as np
from rich import console as rich_console, table as rich_table
from scipy import fft, signal
import soundfile

from data_pipeline import stream

RATE = 16000
FRAME, HOP = 1024, 256      # of the spectrogram
WINDOW_FRAMES = 1875        # spectrogram frames per window: 30 s of sound
EARLY_MINUTES = 15.0        # from here on resident memory is to stay where it is


@dataclasses.dataclass(frozen=True)
class Options:
  """What the groups read: minutes = length of the recording of `data`."""

  minutes: float = 135.0


def data(o: Options) -> dict[str, float]:
  """A long stereo recording from disk to the magnitudes of the spectrograms of both its channels, window by window.

  Returns:
    seconds: for all of it; times_real_time: sound per time.
    peak_mb: resident memory at its highest; above_first_mb: of it, above that after the first window.
    growth_mb: highest resident memory over the whole recording less that over its first 15 minutes (of a recording shorter
      than 135 minutes: its first ninth).
    minutes, windows, frames: what was streamed; frames of one channel.

  Raises RuntimeError where other windows come out than `stream.count` tells.
  """
  # Windows overlap by a frame less a hop, so that the frames of all windows are those of the whole recording.
  window, hop = (WINDOW_FRAMES - 1) * HOP + FRAME, WINDOW_FRAMES * HOP
  taper = signal.get_window('hann', FRAME).astype(np.float32)
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'long.wav'
    _write_recording(path, o.minutes)
    expected = stream.count(stream.info(path).frames_at(RATE), window, hop)
    early = min(EARLY_MINUTES, o.minutes / 9) * 60 * RATE  # samples
    windows = frames = 0
    first = early_peak = peak = 0.0
    start = time.perf_counter()
    for w in stream.windows(path, RATE, window, hop):
      magnitude = _magnitude(w.samples, taper)  # (T, C, K)
      frames += min(len(magnitude), max(0, (w.valid - FRAME) // HOP + 1))
      windows += 1
      peak = max(peak, _resident_mb())
      first = first or peak
      early_peak = peak if w.start <= early else early_peak
    seconds = time.perf_counter() - start
  if windows != expected:
    raise RuntimeError(f'data: {windows} windows came out, {expected} were expected')
  return {'minutes': o.minutes, 'seconds': round(seconds, 2), 'times_real_time': round(60 * o.minutes / seconds, 1),
          'peak_mb': round(peak, 1), 'above_first_mb': round(peak - first, 1), 'growth_mb': round(peak - early_peak, 1),
          'windows': windows, 'frames': frames}


GROUPS: dict[str, Callable[[Options], dict[str, float]]] = {'data': data}


def _write_recording(path: pathlib.Path, minutes: float) -> None:
  """Noise with a whistle that sweeps, stereo, 16 bits; each minute is the same."""
  rng, left = np.random.default_rng(0), round(minutes * 60 * RATE)
  t = np.arange(60 * RATE) / RATE
  whistle = 0.1 * np.sin(2 * np.pi * (3000 * t + 500 * np.sin(t)))[:, None]
  minute = (whistle * (1.0, 0.5) + 0.01 * rng.standard_normal((len(t), 2))).astype(np.float32)  # (N, 2)
  with soundfile.SoundFile(path, 'w', RATE, 2, 'PCM_16') as f:
    while left > 0:
      f.write(minute[:left])
      left -= len(minute)


def _magnitude(samples: np.ndarray, taper: np.ndarray) -> np.ndarray:
  """(N, C) -> (T, C, FRAME // 2 + 1) float32, no padding at the borders."""
  framed = np.lib.stride_tricks.sliding_window_view(samples, FRAME, axis=0)[::HOP]  # (T, C, FRAME)
  return np.abs(fft.rfft(framed * taper))


def _resident_mb() -> float:
  """Resident memory of this process now; where the system does not tell, its highest so far."""
  statm = pathlib.Path('/proc/self/statm')
  if statm.exists():
    return int(statm.read_text().split()[1]) * resource.getpagesize() / 2 ** 20
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak / (2 ** 20 if sys.platform == 'darwin' else 2 ** 10)


def run(groups: list[str], out: str, o: Options, say: Callable[[str], None] = print) -> dict[str, dict]:
  """Measures the groups, writes OUT and says the table; returns what OUT holds.

  Raises ValueError for a group there is none of, OSError where OUT cannot be written, both before any work.
  """
  unknown = [g for g in groups if g not in GROUPS]
  if unknown or not groups:
    raise ValueError(f'{" ".join(unknown) or "no group"}: expected one or more of {", ".join(GROUPS)}')
  path = pathlib.Path(out)
  temporary = path.with_name(f'{path.name}.tmp')
  temporary.touch()
  try:
    results = {'machine': {'system': platform.platform(), 'python': platform.python_version(), 'cpus': os.cpu_count()},
               **{g: GROUPS[g](o) for g in groups}}
    temporary.write_text(json.dumps(results, indent=1))
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)
  table = rich_table.Table('group', 'figure', 'value')
  for group in groups:
    for figure, value in results[group].items():
      table.add_row(group, figure, f'{value:g}' if isinstance(value, float) else str(value))
  console = rich_console.Console(width=100)
  with console.capture() as text:
    console.print(table)
  say(text.get().rstrip())
  return results


def main(argv: list[str]) -> None:
  f = flags.FLAGS
  try:
    run(argv[1:], f.out, Options(f.minutes))
  except (ValueError, OSError) as error:
    sys.exit(f'benchmark: {error}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('out', None, 'JSON file to write.', required=True)
  flags.DEFINE_float('minutes', Options.minutes, 'Length of the recording that is streamed (data).', lower_bound=0.01)
  app.run(main)
