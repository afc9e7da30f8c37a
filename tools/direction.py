r"""Adds to any table of detections where each of them comes from: an existing classifier first, direction afterwards.

  python -m tools.direction --detections night.BirdNET.csv --audio night.wav --spacing_m 0.2 --out night.direction.csv
  python -m tools.direction --detections all.selections.txt --audio recordings/ --birds birds.csv --out all.direction.txt
  python -m tools.direction --calibrate clicks.csv --audio clicks.wav --out recordings/microphones.json

The table may be BirdNET's, Raven's, ours, or any other with a header that has a start and an end (--column onset=From names
it). Its rows and columns stay as they are; label tracks of Audacity, which have no columns, are written as a table with a row
for each label, in their order. Behind the columns come

  Stereo                what the two channels are to each other: only `true` (and `delayed`) have directions
  Side                  left, right, middle, ambiguous, or why there is none
  Delay (us)            by how much the right microphone hears it later: positive = from the left
  Delay Error (us)      its standard error, ambiguity apart
  Level Difference (dB) left over right
  Peak Ratio            second highest peak of the correlation over the highest; a steady tone's are alike: ambiguous
  Direction Confidence  0 to 1
  Azimuth (deg)         with a spacing: from straight ahead, negative = left; the cone around the microphones' line
  Bearing, Bearing Behind (deg)  with a front: compass bearings, if the source is ahead, and if it is behind

What is known of the microphones lies beside the recordings as `microphones.json` (data_pipeline/microphones.py says what is in
it), or as `NAME.microphones.json` for one recording; --spacing_m stands over it. --calibrate makes one out of a recording of
clicks (claps, a clicker) from known directions: a table with the columns `time_s`, to half a second, and `azimuth_deg`, from
straight ahead, negative = left. --birds counts, for each species, the birds that sing from different directions.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import math
import pathlib
import sys
from typing import Callable, Sequence

from data_pipeline import bird_counts, direction, microphones
from data_pipeline.decoding import BadRecording
from data_pipeline.formats import any_table, tables
from data_pipeline.microphones import Setup
from tools import direction_calibration, direction_rows
from tools.direction_rows import Heard
from tools.progress import Progress

COLUMNS = ('Stereo', 'Side', 'Delay (us)', 'Delay Error (us)', 'Level Difference (dB)', 'Peak Ratio', 'Direction Confidence')
BIRDS = ('File', 'Species', 'Start (s)', 'End (s)', 'Birds', 'Detections', 'Pieces', 'Delays (us)')
MIDDLE_US = 20.0  # a delay of less, or of less than two standard errors, is neither left nor right


def run(detections: str, audio: Sequence[str], out: str, *, spacing_m: float | None = None, birds: str | None = None,
        count_minutes: float = 5.0, weighting: str = 'phat', max_delay_us: float | None = None,
        columns: dict[str, str] | None = None, say: Callable[[str], None] = print) -> list[Heard]:
  """Writes OUT, and BIRDS where it is asked for; returns what was heard in each row.

  Raises:
    ValueError: no table of detections, or one that has our columns, sounds that are missing, folders that do not exist, or no
      row with a direction to be found. A sound that is damaged, or lacks the setup's channels, is named, and its rows say so.
  """
  table = any_table.read(detections, columns)
  twice = [h for h in table.header if h.strip().lower() in {c.lower() for c in COLUMNS}]
  if twice:
    raise ValueError(f'{detections} has a column {twice[0]!r} already')
  for path in (out, *([birds] if birds else [])):
    if not pathlib.Path(path).absolute().parent.is_dir():
      raise ValueError(f'{path}: its folder does not exist')
  found = direction_rows.sounds(table.spans, [pathlib.Path(a) for a in audio])
  setups = {path: _setup(path, audio, spacing_m) for path in dict.fromkeys(found.values())}
  of = collections.defaultdict(list)
  for i, s in enumerate(table.spans):
    of[found[s.file]].append(i)
  rows: dict[int, Heard] = {}
  with Progress('direction', say) as progress:
    for done, (path, mine) in enumerate(of.items(), 1):
      try:
        of_file = direction_rows.measure(path, [table.spans[i] for i in mine], setups[path], weighting, max_delay_us)
      except BadRecording as error:  # one of a thousand files does not take the others with it
        say(str(error))
        of_file = [Heard(None, setups[path], 'damaged')] * len(mine)
      rows.update(zip(mine, of_file))
      progress(done, len(of))
  heard = [rows[i] for i in range(len(table.spans))]
  for path, mine in of.items():
    kind = heard[mine[0]].told.kind if heard[mine[0]].told else 'true'
    if kind != 'true':
      say(f'{path}: {kind}' + (': directions are those of a copy, unless the place was silent' if kind == 'delayed' else
                               ': no directions'))
  if heard and all(h.flaw for h in heard):
    flaws = collections.Counter(h.flaw for h in heard)
    raise ValueError(f'no row has a direction: {", ".join(f"{n} {flaw}" for flaw, n in flaws.items())}')
  more = [c for c, known in (('Azimuth (deg)', [s.spacing_m for s in setups.values()]),
                             ('Bearing (deg)', [s.front_deg for s in setups.values() if s.spacing_m is not None]),
                             ('Bearing Behind (deg)', [s.front_deg for s in setups.values() if s.spacing_m is not None]))
          if any(k is not None for k in known)]
  table.write(out, (*COLUMNS, *more), [fields(h, more) for h in heard])
  if birds:
    tables.write(birds, BIRDS, count(table.spans, found, heard, 60 * count_minutes))
  sides = collections.Counter(side(h) for h in heard)
  say(f'{out}: {len(heard)} rows, ' + (', '.join(f'{n} {s}' for s, n in sorted(sides.items())) or 'none'))
  return heard


def fields(h: Heard, more: Sequence[str]) -> list[str]:
  """The fields of COLUMNS and `more`; numbers that are not known are empty."""
  e = h.estimate
  if e is None:
    return [h.told.kind if h.told else '', h.flaw] + [''] * (len(COLUMNS) - 2 + len(more))
  azimuth = None if e.ambiguous else h.setup.azimuth(e.delay_us)
  ahead, behind = (azimuth is not None and h.setup.bearings(azimuth)) or (None, None)
  degrees = {'Azimuth (deg)': azimuth, 'Bearing (deg)': ahead, 'Bearing Behind (deg)': behind}
  number = lambda x, digits: '' if x is None or math.isnan(x) else f'{x:.{digits}f}'
  return [h.told.kind, side(h), number(e.delay_us, 1), number(e.error_us, 1), number(e.level_db, 2), number(e.peak_ratio, 3),
          number(e.confidence, 3), *(number(degrees[c], 1) for c in more)]


def side(h: Heard) -> str:
  """In words; see the column Side."""
  e = h.estimate
  if e is None or e.ambiguous:
    return h.flaw or 'ambiguous'
  if abs(e.delay_us) < max(MIDDLE_US, 0.0 if math.isnan(e.error_us) else 2 * e.error_us):
    return 'middle'
  return 'left' if e.delay_us > 0 else 'right'


def count(spans: Sequence[any_table.Span], sounds: dict[str, pathlib.Path], heard: Sequence[Heard],
          seconds: float) -> list[list[str]]:
  """Rows of BIRDS: for each file, species and stretch of some `seconds`, from the pieces of its detections that count."""
  groups = collections.defaultdict(list)
  for s, h in zip(spans, heard):
    if h.estimate:
      groups[str(sounds[s.file]), s.species, int(s.onset // seconds)].append(h)
  rows = []
  for (path, species, k), mine in sorted(groups.items()):
    delays = [d for h in mine for d in h.delays_us]
    at = bird_counts.directions(delays)
    rows.append([path, species, f'{k * seconds:g}', f'{(k + 1) * seconds:g}', str(len(at)), str(len(mine)), str(len(delays)),
                 ' '.join(f'{d:.0f}' for d in at)])
  return rows


def _setup(path: pathlib.Path, audio: Sequence[str], spacing_m: float | None) -> Setup:
  top = next((a for a in audio if path.resolve().is_relative_to(pathlib.Path(a).resolve())), path.parent)
  record = microphones.find(path, top)
  setup = microphones.read(record) if record else Setup()
  return setup if spacing_m is None else dataclasses.replace(setup, spacing_m=spacing_m)


def main(argv: list[str] | None = None) -> None:
  p = argparse.ArgumentParser(prog='python -m tools.direction', description=__doc__,
                              formatter_class=argparse.RawDescriptionHelpFormatter)
  what = p.add_mutually_exclusive_group(required=True)
  what.add_argument('--detections', metavar='TABLE', help='table of detections')
  what.add_argument('--calibrate', metavar='CLICKS', help='table of time_s and azimuth_deg; OUT becomes a setup record')
  p.add_argument('--audio', required=True, nargs='+', metavar='F', help='sound files, or folders of them')
  p.add_argument('--out', required=True, metavar='OUT', help='the table with more columns, or the setup record')
  p.add_argument('--spacing_m', type=float, metavar='M', help='between the microphones; 0.2 is 20 cm')
  p.add_argument('--birds', metavar='CSV', help='counts birds of each species by their directions')
  p.add_argument('--count_minutes', type=float, default=5.0, metavar='MIN', help='stretches that --birds counts in (5)')
  p.add_argument('--weighting', choices=direction.WEIGHTINGS, default='phat',
                 help='phat (default) stands echoes; band is plain cross-correlation within the band')
  p.add_argument('--max_delay_us', type=float, metavar='US',
                 help=f'longest delay (by the spacing, else {direction_rows.WIDEST_US:g})')
  p.add_argument('--column', action='append', default=[], metavar='WHAT=NAME',
                 help=f'a column of another name; WHAT is one of {", ".join(any_table.COLUMNS)}')
  a = p.parse_args(argv)
  for name in ('max_delay_us', 'count_minutes'):
    if getattr(a, name) is not None and not 0 < getattr(a, name) < math.inf:
      p.error(f'--{name} is {getattr(a, name):g}: expected more than 0')
  if not all('=' in c for c in a.column):
    p.error('--column: expected WHAT=NAME')
  if a.calibrate and (a.spacing_m is not None or a.birds or a.column):
    p.error('--calibrate finds the spacing, and reads no detections: it goes with --audio, --out and --max_delay_us only')
  try:
    if a.calibrate:
      print(direction_calibration.run(a.calibrate, a.audio, a.out, a.max_delay_us))
    else:
      run(a.detections, a.audio, a.out, spacing_m=a.spacing_m, birds=a.birds, count_minutes=a.count_minutes,
          weighting=a.weighting, max_delay_us=a.max_delay_us, columns=dict(c.split('=', 1) for c in a.column))
  except (ValueError, OSError) as error:
    sys.exit(f'direction: {error}')


if __name__ == '__main__':
  main()
