r"""Measures what the project claims of speed and memory, on this machine.

  python -m tools.benchmark data --out bench.json
  python -m tools.benchmark data --out bench.json --minutes 15
  python -m tools.benchmark detect --out bench.json --workdir runs/ldm
  python -m tools.benchmark stereo --out bench.json

Each group of figures is one word of the command line (GROUPS). OUT is one JSON, {group: {part: {figure: value}}} beside what
machine it was; the same is printed as a table.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import sys
from typing import Callable

from absl import app, flags
from rich import console as rich_console, table as rich_table


@dataclasses.dataclass(frozen=True)
class Options:
  """What the groups read: minutes of the recording that is streamed; of `data`: mp3 recordings that a data set is built of,
  batches of the training pipeline, clips of each way to mix; of `detect`: the work directory of a calibrated diffusion run; of
  `stereo`: the folder of real recordings, '' for simulated ones alone."""

  minutes: float = 135.0
  recordings: int = 40
  batches: int = 200
  clips: int = 100
  workdir: str = ''
  real_data: str = ''


def data(o: Options) -> dict[str, dict[str, float]]:
  """See benchmark_data.measure."""
  from tools import benchmark_data  # tensorflow is slow to import, and a refusal needs none of it
  return benchmark_data.measure(o.minutes, o.recordings, o.batches, o.clips, os.cpu_count() or 1)


def detect(o: Options) -> dict[str, dict[str, float]]:
  """See benchmark_detect.measure."""
  from tools import benchmark_detect
  return benchmark_detect.measure(o.workdir, o.minutes)


def stereo(o: Options) -> dict[str, dict[str, float]]:
  """See benchmark_stereo.measure."""
  from tools import benchmark_stereo
  return benchmark_stereo.measure(ROOMS, pathlib.Path(o.real_data) if o.real_data else None)


ROOMS = 100  # simulated, for each of the figures of `stereo`
GROUPS: dict[str, Callable[[Options], dict[str, dict[str, float]]]] = {'data': data, 'detect': detect, 'stereo': stereo}


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
  table = rich_table.Table('group', 'part', 'figure', 'value')
  for group in groups:
    for part, figures in results[group].items():
      for figure, value in figures.items():
        table.add_row(group, part, figure, f'{value:g}' if isinstance(value, float) else str(value))
  console = rich_console.Console(width=100)
  with console.capture() as text:
    console.print(table)
  say(text.get().rstrip())
  return results


def main(argv: list[str]) -> None:
  f = flags.FLAGS
  try:
    run(argv[1:], f.out, Options(f.minutes, f.recordings, f.batches, f.clips, f.workdir, f.real_data))
  except (ValueError, OSError) as error:
    sys.exit(f'benchmark: {error}')


if __name__ == '__main__':  # flags are defined here only: importing this module leaves the caller's flags alone
  flags.DEFINE_string('out', None, 'JSON file to write.', required=True)
  flags.DEFINE_float('minutes', Options.minutes, 'Length of the recording that is streamed.', lower_bound=0.01)
  flags.DEFINE_integer('recordings', Options.recordings, 'mp3 files that a data set is built of (data).', lower_bound=8)
  flags.DEFINE_integer('batches', Options.batches, 'Batches of the training pipeline (data).', lower_bound=1)
  flags.DEFINE_integer('clips', Options.clips, 'Clips of each way to mix soundscapes (data).', lower_bound=1)
  flags.DEFINE_string('workdir', Options.workdir, 'A calibrated diffusion run (detect).')
  flags.DEFINE_string('real_data', Options.real_data, 'Folder of real recordings (stereo).')
  app.run(main)
