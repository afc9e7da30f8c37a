r"""How well active regions agree with boxes that people drew: recall, precision, and errors of onset and offset.

  python -m tools.benchmark_regions --real_data FOLDER

FOLDER holds recordings with labels: an Audacity label track (maad/spinetail.txt) and selection tables with the columns
sound.files, start, end (r_naturesounds, r_ohun). Regions know no species and no frequency here: time alone is compared.
"""

from __future__ import annotations

import argparse
import csv
import pathlib
import sys
from typing import Any

import numpy as np
from rich import console as rich_console, table as rich_table
from scipy import optimize

from data_pipeline import active_regions, stream
from data_pipeline.formats import files

LABELS = ('maad/spinetail.txt', 'r_naturesounds/lbh_selec_table.csv', 'r_ohun/lbh_reference.csv')
COVERED = 0.5  # a box is found when regions cover this share of it; a region is right when boxes cover this share of it
IOU = 0.5      # least overlap of a region and a stretch of sound that are taken for the same thing

Spans = np.ndarray  # (n, 2): onset and offset in s


def measure(real_data: pathlib.Path, sample_rate: int = 16000) -> dict[str, Any]:
  """Runs `active_regions.find` on every recording that has boxes.

  Args:
    real_data: the folder described above.
    sample_rate: Hz the recordings are resampled to, as a data set would.

  Returns:
    {'sample_rate': Hz, 'recordings': [row], 'all': row}; a row is what `compare` returns, with `name` and `seconds` (length).

  Raises:
    FileNotFoundError: a label file of LABELS is missing; BadRecording: a recording cannot be used.
  """
  rows, pairs = [], []
  for path, boxes in labelled(pathlib.Path(real_data)):
    name = path.relative_to(real_data).as_posix()
    audio = np.concatenate(list(stream.blocks(path, 60.0, sample_rate, channels=1)))  # (N, 1)
    regions = np.array([(r.onset, r.offset) for r in active_regions.find(audio, sample_rate)]).reshape(-1, 2)
    pairs.append((boxes, regions))
    rows.append({'name': name, 'seconds': len(audio) / sample_rate, **compare([pairs[-1]])})
  total = {'name': 'all', 'seconds': sum(r['seconds'] for r in rows), **compare(pairs)}
  return {'sample_rate': sample_rate, 'recordings': rows, 'all': total}


def labelled(real_data: pathlib.Path) -> list[tuple[pathlib.Path, Spans]]:
  """Recordings and the boxes drawn in them, by onset."""
  found: dict[pathlib.Path, list[tuple[float, float]]] = {}
  for label in LABELS:
    path = real_data / label
    if path.suffix == '.txt':
      lines = [line.split('\t') for line in files.read_lines(path) if line.strip()]
      found[path.with_suffix('.wav')] = [(float(x[0]), float(x[1])) for x in lines if x[0] != '\\']
      continue
    with open(path, newline='', encoding='utf-8') as f:
      for row in csv.DictReader(f):
        found.setdefault(path.parent / row['sound.files'], []).append((float(row['start']), float(row['end'])))
  return [(path, np.array(sorted(boxes))) for path, boxes in sorted(found.items())]


def compare(pairs: list[tuple[Spans, Spans]]) -> dict[str, Any]:
  """Regions against boxes, over one or more recordings.

  Boxes that overlap are one stretch of sound for a detector that knows no species: IoU and the errors are of stretches.

  Args:
    pairs: (boxes, regions) of each recording.

  Returns:
    boxes, stretches, regions: how many; recall = boxes covered to COVERED; recall_iou, precision_iou = stretches and regions
    matched one to one with IoU >= 0.5; precision = regions covered to COVERED by boxes; time_precision = share of the
    regions' time inside boxes; onset_error_s, offset_error_s = median absolute errors of matched ones, onset_bias_s,
    offset_bias_s = median signed ones (positive = late). A share of nothing is NaN.
  """
  recalled, right, inside, errors = [], [], [], []
  stretches_in_all = 0
  for boxes, regions in pairs:
    stretches = union(boxes)
    stretches_in_all += len(stretches)
    recalled.extend(overlap(boxes, union(regions)).sum(1) >= COVERED * length(boxes))
    covered = overlap(regions, stretches).sum(1)
    right.extend(covered >= COVERED * length(regions))
    inside.extend(zip(covered, length(regions)))
    errors.extend(regions[j] - stretches[i] for i, j in match(stretches, regions))
  wrong = np.array(errors).reshape(-1, 2)
  covered, seconds = np.array(inside).reshape(-1, 2).sum(0)
  median = lambda x: float(np.median(x)) if len(x) else float('nan')
  share = lambda part, whole: float(part / whole) if whole else float('nan')
  return {
      'boxes': len(recalled), 'stretches': stretches_in_all, 'regions': len(right),
      'recall': share(sum(recalled), len(recalled)), 'precision': share(sum(right), len(right)),
      'recall_iou': share(len(wrong), stretches_in_all), 'precision_iou': share(len(wrong), len(right)),
      'time_precision': share(covered, seconds),
      'onset_error_s': median(abs(wrong[:, 0])), 'offset_error_s': median(abs(wrong[:, 1])),
      'onset_bias_s': median(wrong[:, 0]), 'offset_bias_s': median(wrong[:, 1])}


def length(spans: Spans) -> np.ndarray:
  """(n, 2) -> (n,) seconds."""
  return spans[:, 1] - spans[:, 0]


def union(spans: Spans) -> Spans:
  """The spans with those that overlap or touch made one, by onset."""
  merged: list[list[float]] = []
  for onset, offset in sorted(spans.tolist()):
    if merged and onset <= merged[-1][1]:
      merged[-1][1] = max(merged[-1][1], offset)
    else:
      merged.append([onset, offset])
  return np.array(merged).reshape(-1, 2)


def overlap(a: Spans, b: Spans) -> np.ndarray:
  """(n, 2), (m, 2) -> (n, m) seconds that each two have in common."""
  return np.maximum(np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0]), 0)


def match(a: Spans, b: Spans) -> list[tuple[int, int]]:
  """Pairs (i, j) of an `a` and a `b` with IoU of at least IOU, each used once, as much IoU in all as there can be."""
  common = overlap(a, b)
  iou = common / np.maximum(length(a)[:, None] + length(b)[None] - common, 1e-12)
  return [(i, j) for i, j in zip(*optimize.linear_sum_assignment(-iou)) if iou[i, j] >= IOU]


def table(measured: dict[str, Any]) -> str:
  """The result of `measure` as text, at most 130 columns."""
  columns = {'boxes': 'boxes', 'regions': 'regions', 'recall': 'recall', 'precision': 'precision', 'recall_iou': 'recall IoU',
             'precision_iou': 'prec. IoU', 'time_precision': 'time prec.',
             'onset_error_s': 'onset s', 'offset_error_s': 'offset s'}
  made = rich_table.Table('recording', *columns.values(), title=f'active regions against boxes, at {measured["sample_rate"]} Hz')
  for row in (*measured['recordings'], measured['all']):
    made.add_row(row['name'], *(f'{row[c]:.3f}' if isinstance(row[c], float) else str(row[c]) for c in columns))
  console = rich_console.Console(width=130)
  with console.capture() as text:
    console.print(made)
  return text.get().rstrip()


def main(argv: list[str] | None = None) -> None:
  parser = argparse.ArgumentParser(prog='python -m tools.benchmark_regions', description=__doc__.splitlines()[0])
  parser.add_argument('--real_data', required=True, help='the folder of recordings with labels')
  parser.add_argument('--sample_rate', type=int, default=16000, help='Hz the recordings are resampled to')
  arguments = parser.parse_args(argv)
  try:
    print(table(measure(pathlib.Path(arguments.real_data), arguments.sample_rate)))
  except (ValueError, OSError) as error:
    sys.exit(f'benchmark_regions: {error}')


if __name__ == '__main__':
  main()
