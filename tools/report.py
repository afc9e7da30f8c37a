r"""The report of a run: one HTML file with every table, curve, picture and sound inside it.

  python -m tools.report --runs runs/quickstart

reads OUT/summary.json, OUT/gallery.json and OUT/*/{config.json,metrics.jsonl} and writes OUT/report.html, which needs no
network and no other file. What a run has not produced (yet) is named as missing; damaged files are named, never fatal.

summary.json: `wall_seconds`, `autoencoder`, `generation`, `detector`, `throughput`, `example_prompt`, `config_fingerprint`
and, where there are any,
  table: [{group, metric, value, chance, ci95, n, target, note}]; a target is a number (to be reached) or text such as
    '>= 0.85' or '< 0.25 s'; `unit` and `met` (true or false, instead of the comparison) are optional
  parameters: {work directory: number of trained parameters}
  latent_against_pixel: [{column: value}], one row for each space, 'space' first
  commands: [text], how this run was made
gallery.json: [{section, title, caption, audio, image}], section one of SECTIONS, paths relative to OUT or null; entries
that follow each other with the same `group` stand in one row. A clip written by sgm.render has its prompt and seed read
from the scene.json beside it.

A folder with a plan.json is a sweep of tools.ablate (or its results alone, NAME.json): its report compares the arms, see
tools.ablation_report, and needs two seeds or more.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import pathlib
import statistics
import sys
from typing import Any, Iterable, Mapping

from tools import ablation_report
from tools import ablation_results
from tools import pages
from tools import report_charts
from tools import report_files as files
from tools import report_words as words

SECTIONS = ('generated', 'reconstruction', 'detector', 'real')
# Curves nobody asks for: constants of the schedule, and what the first table says already.
UNPLOTTED = ('train/learning_rate', 'train/examples_per_s', 'train/gflops', 'train/seconds', 'train/grad_norm')
CURVES_PER_STAGE = 12
STAGES = {'autoencoder': 'Autoencoder: spectrogram to latent grid and back',
          'judge': 'Judge: the classifier that listens to what comes out',
          'ldm': 'Diffusion: from prompt and label roll to latent grid'}


def build(out: str | os.PathLike) -> pathlib.Path:
  """Writes OUT/report.html from what lies in OUT; returns its path.

  Raises:
    FileNotFoundError: there is no folder OUT.
    ValueError: a sweep whose plan is damaged, or of fewer than two seeds.
  """
  out = pathlib.Path(out)
  if not out.is_dir():
    raise FileNotFoundError(f'{out}: no such folder; give the folder that a run was written to')
  if ablation_results.is_sweep(out):
    return ablation_report.build(out)
  path = out / 'report.html'
  pages.write(path, 'report_template.html', view(out), {'number': report_charts.number})
  return path


def view(out: pathlib.Path) -> dict[str, Any]:
  """Everything the template shows, under the names it uses."""
  reader = files.Reader(out)
  summary = reader.json(reader.out / 'summary.json', dict)
  gallery = reader.json(reader.out / 'gallery.json', list)
  stages = [_stage(reader, path.parent, summary) for path in sorted(reader.out.glob('*/config.json'))]
  order = list(STAGES)
  stages.sort(key=lambda s: order.index(s['name']) if s['name'] in order else len(order))
  wall = {k: v for k, v in files.mapping(summary, 'wall_seconds').items() if files.is_number(v)}
  parts = {k: v for k, v in wall.items() if k != 'total' and v > 0}
  costs = [row for row in files.items(summary, 'latent_against_pixel') if isinstance(row, dict)]
  return {
      'name': reader.out.name,
      'sentences': words.in_words(summary),
      'headlines': words.headlines(summary),
      'stages': stages,
      'matmul': files.figure(summary, 'throughput', 'matmul_gflops'),
      'wall': wall, 'wall_parts': parts, 'wall_bar': report_charts.shares(parts) if parts else '',
      'groups': _table(summary),
      'galleries': {s: _gallery(reader, gallery, s) for s in SECTIONS},
      'costs': costs, 'cost_columns': list(dict.fromkeys(itertools.chain.from_iterable(costs))),
      'cost_words': words.cost_in_words(costs),
      'commands': [str(c) for c in files.items(summary, 'commands')] or words.commands(summary),
      'example_prompt': summary.get('example_prompt'),
      'fingerprint': summary.get('config_fingerprint'),
      'problems': reader.problems,
  }


def _table(summary: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
  groups: dict[str, list[dict[str, Any]]] = {}
  for row in files.items(summary, 'table'):
    if not isinstance(row, dict):
      continue
    value, chance, ci95 = row.get('value'), row.get('chance'), files.interval(row.get('ci95'))
    goal, met = words.read_target(row.get('target')), row.get('met')
    unit = str(row.get('unit') or (goal[2] if goal else ''))
    bar = ''
    if files.is_number(value) and not unit:  # a scale of 0 to 1 means nothing to seconds
      bar = report_charts.gauge(value, chance if files.is_number(chance) else None, ci95, goal[1] if goal else None)
    groups.setdefault(str(row.get('group') or 'Other'), []).append({
        'metric': str(row.get('metric') or ''), 'value': value, 'unit': unit, 'chance': chance, 'ci95': ci95, 'n': row.get('n'),
        'target': f'{goal[0]} {goal[1]:g} {goal[2]}' if goal else row.get('target'),
        'met': met if isinstance(met, bool) else words.verdict(value, row.get('target')),
        'note': str(row.get('note') or ''), 'bar': bar})
  return groups


def _stage(reader: files.Reader, path: pathlib.Path, summary: Mapping[str, Any]) -> dict[str, Any]:
  record, rows = reader.json(path / 'config.json', dict), reader.rows(path / 'metrics.jsonl')
  config = files.mapping(record, 'config')
  last: dict[str, Any] = {}
  series: dict[str, list[tuple[float, float]]] = {}
  for row in rows:
    last.update(row)
    for name, value in row.items():
      if name != 'step' and files.is_number(value):
        series.setdefault(name, []).append((row['step'], value))
  names = sorted((k for k in series if k not in UNPLOTTED), key=lambda k: (k != 'train/loss', k.startswith('train/'), k))
  batch, steps, total = config.get('batch_size'), last.get('step'), config.get('total_steps')
  typical = lambda k: statistics.median(v for _, v in series[k]) if k in series else None  # windows vary with the machine's load
  commit = record.get('git_commit')
  return {
      'name': path.name, 'title': STAGES.get(path.name, path.name),
      'parameters': files.figure(summary, 'parameters', path.name), 'steps': steps, 'total': total,
      'unfinished': files.is_number(steps) and files.is_number(total) and steps < total,
      'examples': steps * batch if files.is_number(steps) and files.is_number(batch) else None,
      'minutes': last['train/seconds'] / 60 if files.is_number(last.get('train/seconds')) else None,
      'rate': typical('train/examples_per_s'), 'gflops': typical('train/gflops'),
      'curves': [{'name': k, 'last': series[k][-1][1], 'svg': report_charts.curve(_thin(series[k]), k)}
                 for k in names if len(series[k]) > 1][:CURVES_PER_STAGE],
      'once': [{'name': k, 'value': series[k][0][1]} for k in names if len(series[k]) == 1],
      'seed': record.get('seed'), 'fingerprint': record.get('config_fingerprint'),
      'commit': commit[:10] + commit[40:] if isinstance(commit, str) else None,  # '+' follows the 40 digits
      'data': record.get('data_fingerprint'), 'versions': files.mapping(record, 'versions'),
  }


def _gallery(reader: files.Reader, gallery: Iterable[Any], section: str) -> list[list[dict[str, Any]]]:
  """The section's items, in rows of one group each (a row of all items that have no group)."""
  items = []
  for entry in gallery:
    if not isinstance(entry, dict) or entry.get('section') != section:
      continue
    image, audio = entry.get('image'), entry.get('audio')
    scene = {}
    beside = (reader.out / str(audio or image or '.')).resolve().parent / 'scene.json'
    if beside.is_relative_to(reader.out) and beside.parent != reader.out:
      scene = reader.json(beside, dict)
    title, prompt = str(entry.get('title') or ''), scene.get('prompt')
    items.append({'title': title, 'caption': str(entry.get('caption') or ''), 'group': entry.get('group'),
                  'prompt': prompt if prompt != title else None, 'seed': scene.get('seed'),
                  'image': reader.embed(image), 'audio': reader.embed(audio), 'silent': audio is None,
                  'pictureless': image is None})
  return [list(row) for _, row in itertools.groupby(items, key=lambda item: item['group'])]


def _thin(points: list[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
  """At most about `most` points, the first and the last among them."""
  stride = math.ceil(len(points) / most)
  return points[:-1:stride] + points[-1:]


def main(argv: list[str] | None = None) -> None:
  parser = argparse.ArgumentParser(prog='python -m tools.report', description='Writes OUT/report.html from the files of a run.')
  parser.add_argument('--runs', required=True, metavar='OUT', help='the folder a run was written to')
  try:
    print(build(parser.parse_args(argv).runs))
  except (OSError, ValueError) as error:
    sys.exit(f'tools.report: {error}')


if __name__ == '__main__':
  main()
