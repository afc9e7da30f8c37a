"""What `compare_detectors` found, as data: comparison.json, comparison.csv, and a table of text."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import pathlib
from typing import Any

from rich import console as rich_console, table as rich_table

from data_pipeline.formats import files
from sgm.evaluation import detector_metrics, mask_metrics, reliability
from sgm.evaluation.bootstrap import Figure
from sgm.training import workdir as workdir_lib
from tools import report_charts

CLIPS = 'clips'  # what a method was judged on, other than anchors
_WIDTH = 150     # columns of text


@dataclasses.dataclass(frozen=True)
class Result:
  """All figures of a method `on` the clips, or on an anchor in their place."""

  method: str
  on: str
  figures: dict[str, Figure]


@dataclasses.dataclass(frozen=True)
class Cost:
  """Of a window and all species: passes of the method's network, and median milliseconds. `seconds`: of the window."""

  method: str
  passes: int
  milliseconds: float
  seconds: float

  @property
  def times_real_time(self) -> float:
    return 1000 * self.seconds / self.milliseconds


@dataclasses.dataclass(frozen=True)
class Comparison:
  """What was found.

  Attributes:
    about: what was compared with what, as JSON.
    species: names of the classes; pairs: of them, confusable.
  """

  about: dict[str, Any]
  species: tuple[str, ...]
  pairs: tuple[tuple[int, int], ...]
  results: list[Result]
  costs: list[Cost]

  @property
  def main(self) -> list[Result]:
    return [r for r in self.results if r.on == CLIPS]

  @property
  def names(self) -> list[str]:
    """Of all figures."""
    return list(dict.fromkeys(name for r in self.main for name in r.figures))


def write(c: Comparison, out: pathlib.Path) -> None:
  """comparison.json and comparison.csv, a row for each figure."""
  workdir_lib.write_json(out / 'comparison.json', {
      **c.about, 'species': c.species, 'pairs': [[c.species[i] for i in pair] for pair in c.pairs],
      'results': [{'method': r.method, 'on': r.on, 'figures': {name: _as_json(f) for name, f in r.figures.items()}}
                  for r in c.results],
      'costs': [{**dataclasses.asdict(x), 'times_real_time': x.times_real_time} for x in c.costs]})
  text = io.StringIO()
  table = csv.writer(text, lineterminator='\n')
  table.writerow(('method', 'on', 'figure', 'value', 'low95', 'high95', 'chance', 'n'))
  for r in c.results:
    for name, f in r.figures.items():
      numbers = map(_number, (f.value, *f.ci95, f.chance))
      table.writerow((r.method, r.on, name, *('' if x is None else f'{x:.6g}' for x in numbers), f.n))
  files.write_text(out / 'comparison.csv', text.getvalue())


def described(c: Comparison) -> str:
  """Figures against methods, and what each costs, as text."""
  console = rich_console.Console(width=_WIDTH)
  number = report_charts.number
  with console.capture() as text:
    made = rich_table.Table(rich_table.Column('figure', no_wrap=True), *(r.method for r in c.main), 'chance')
    for name in c.names:
      some = [r.figures.get(name) for r in c.main]
      cells = ('' if f is None else f'{number(f.value)} ({number(f.ci95[0])} - {number(f.ci95[1])})' for f in some)
      made.add_row(detector_metrics.words_of(name), *cells, number(some[0].chance))
    console.print(made)
    made = rich_table.Table('method', 'passes per window', 'ms per window', 'times real time')
    for x in c.costs:
      made.add_row(x.method, number(x.passes), number(x.milliseconds), number(x.times_real_time))
    console.print(made)
  return text.get().rstrip()


def _as_json(f: Figure) -> dict[str, Any]:
  more = {}
  if isinstance(f, mask_metrics.FalseMasks):
    more = {'exact95': list(f.exact95), 'found': _number(f.found), 'pairs': f.pairs}
  elif isinstance(f, reliability.Reliability):
    more = {'floor': f.floor}
  return {'value': _number(f.value), 'ci95': [_number(x) for x in f.ci95], 'chance': _number(f.chance), 'n': int(f.n),
          'per_class': [_number(x) for x in f.per_class], **more}


def _number(x: float) -> float | None:
  """A finite number, else None, as JSON has it."""
  return float(x) if math.isfinite(x) else None
