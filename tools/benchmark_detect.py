"""How fast, and in how much memory, sgm.detect hears a long recording: as a user runs it, watched from outside."""

from __future__ import annotations

import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from typing import Sequence

import numpy as np
import soundfile

from data_pipeline import soundscape
from tools.benchmark_data import EARLY_MINUTES, RATE

SCENES = 24       # built-in soundscapes that the recording repeats
EVERY_S = 0.2     # between looks at the memory
_HEARD = re.compile(r'^(?:(\d+):)?(\d+):(\d\d) of \S+ heard')


def measure(workdir: str, minutes: float, arguments: Sequence[str] = ('--pictures=5',)) -> dict[str, dict[str, float]]:
  """A recording of built-in birds through `python -m sgm.detect`, which is told `arguments` too.

  Returns {'detect': ...} with
    minutes, seconds: of sound, and for all of it; times_real_time: sound per time, after the first windows, without pictures;
    first_mb, peak_mb: resident memory once the first windows are heard, and at its highest from then on;
    above_first_mb: of the highest, above the first; growth_mb: what it rose by after the first 15 minutes of sound (of a
      recording shorter than 135 minutes: after its first ninth), tables and pictures included.

  Raises ValueError where sgm.detect fails; with its last line.
  """
  if not workdir:
    raise ValueError('detect needs --workdir, a calibrated diffusion run')
  early_s = min(EARLY_MINUTES, minutes / 9) * 60
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'long.wav'
    _write_recording(path, minutes)
    command = [sys.executable, '-u', '-m', 'sgm.detect', '--workdir', workdir, '--out', f'{folder}/out', *arguments, str(path)]
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
      lines: list[tuple[float, str]] = []
      reader = threading.Thread(target=lambda: lines.extend((time.monotonic(), line) for line in child.stdout))
      reader.start()
      sizes = [(time.monotonic(), size) for size in iter(lambda: _next_size(child), None)]
      reader.join()
  spent = time.monotonic() - start
  if child.returncode:
    raise ValueError(lines[-1][1].strip() if lines else 'sgm.detect failed without a word')
  heard = [(at, _seconds(line)) for at, line in lines if _HEARD.match(line)]
  begun, begun_s = heard[0]
  end = next(at for at, line in lines if ' of 1 files: ' in line)
  soon = next((at for at, seconds in heard if seconds >= early_s), end)
  after = [(at, size) for at, size in sizes if at >= begun]  # compiling, before, takes more
  first, peak = after[0][1], max(size for _, size in after)
  before = max(size for at, size in after if at <= max(soon, after[0][0]))
  rate = (60 * minutes - begun_s) / (end - begun)
  return {'detect': {'minutes': minutes, 'seconds': round(spent, 1), 'times_real_time': round(rate, 2),
                     'first_mb': round(first, 1), 'peak_mb': round(peak, 1), 'above_first_mb': round(peak - first, 1),
                     'growth_mb': round(peak - before, 1)}}


def _next_size(child: subprocess.Popen) -> float | None:
  """Resident MB of a process, a moment later; None once it has ended."""
  time.sleep(EVERY_S)
  if child.poll() is not None:
    return None
  fields = pathlib.Path(f'/proc/{child.pid}/statm').read_text().split()
  return int(fields[1]) * resource.getpagesize() / 2 ** 20


def _seconds(line: str) -> int:
  hours, minutes, seconds = (int(n or 0) for n in _HEARD.match(line).groups())
  return 3600 * hours + 60 * minutes + seconds


def _write_recording(path: pathlib.Path, minutes: float) -> None:
  """Mono, 16 bits: soundscapes of the built-in birds, over and over."""
  scenes = np.concatenate([soundscape.generate(0, i, sample_rate=RATE, channels=1).audio for i in range(SCENES)])  # (N, 1)
  left = round(minutes * 60 * RATE)
  with soundfile.SoundFile(path, 'w', RATE, 1, 'PCM_16') as f:
    while left > 0:
      f.write(scenes[:left])
      left -= len(scenes)
