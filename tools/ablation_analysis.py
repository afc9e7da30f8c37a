"""The answer of an ablation: every number of its report, as plain JSON types."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any, Iterable, Sequence

from tools import ablation_measures as measures
from tools import ablation_statistics as stats
from tools import ablation_verdict as verdicts
from tools import report_files
from tools.ablation_results import Run, Sweep

MATCHED = {'parameters': ('parameters', 0.05), 'flops': ('mflop_per_example', 0.10)}  # of a matching: (cost, how near)
COSTS = ('parameters', 'mflop_per_example', 'bytes', 'latent_scalars', 'peak_memory_mb', 'examples_per_s')
NETWORKS = ('diffusion', 'autoencoder')


def analyse(sweep: Sweep) -> dict[str, Any]:
  """Means, intervals, paired differences, verdicts and costs of a sweep.

  Raises:
    ValueError: no arm has two seeds that the reference has too; says what is missing.
  """
  matchings, reference, primary = sweep.plan['matchings'], sweep.reference, sweep.primary
  arms = {m: sweep.arms(m) for m in matchings}
  against_reference = [(arm, reference, m) for m in matchings for arm in arms[m] if arm != reference]
  refusals = [refusal(sweep, primary['metric'], *key) for key in against_reference]
  if all(refusals):
    raise ValueError(f'a report needs {primary["metric"]} of two seeds of {reference} and of another arm: '
                     f'{"; ".join(dict.fromkeys(refusals)) or "the plan has no other arm"}; '
                     f'{len(sweep.missing)} of {len(sweep.plan["runs"])} planned runs are not finished')
  controls = [(a, b, m) for m in matchings for a, b, *_ in verdicts.CONTROLS if {a, b} <= set(arms[m])]
  metrics = measures.order({metric for run in sweep.runs for metric in run.metrics}, primary['metric'])
  costs = {m: _costs(sweep, m) for m in matchings}
  return {
      'primary': {**primary, 'title': measures.of(primary['metric']).title}, 'reference': reference, 'matchings': matchings,
      'verdicts': _compare(sweep, against_reference), 'controls': _compare(sweep, controls),
      'metrics': {m: {metric: _table(sweep, metric, m) for metric in metrics} for m in matchings}, 'costs': costs,
      'runs': [{**run.record, 'name': run.name, 'arm': run.arm, 'matchings': list(run.matchings), 'seed': run.seed,
                'autoencoder_seed': run.autoencoder_seed} for run in sweep.runs],
      'missing': list(sweep.missing),
      'problems': [*sweep.problems, *_unequal(sweep, costs)],
      'commits': _distinct(run.record.get('commit') for run in sweep.runs),
      'versions': _distinct(run.record.get('versions') for run in sweep.runs),
      'plan': dict(sweep.plan),
  }


def values(runs: Iterable[Run], metric: str) -> dict[int, float]:
  """{seed: value}; of a figure of the autoencoder {autoencoder seed: mean of the runs that share it}."""
  shared = measures.of(metric).of_autoencoder
  found: dict[int, list[float]] = {}
  for run in runs:
    if metric in run.metrics:
      found.setdefault(run.autoencoder_seed if shared else run.seed, []).append(run.metrics[metric])
  return {seed: statistics.fmean(several) for seed, several in sorted(found.items())}


def refusal(sweep: Sweep, metric: str, arm: str, against: str, matching: str) -> str | None:
  """What is missing for a comparison; None where there are two seeds of both."""
  have = {name: list(values(sweep.of(name, matching), metric)) for name in (arm, against)}
  if len(set(have[arm]) & set(have[against])) >= 2:
    return None
  seeds = ', '.join(f'{name} has {", ".join(map(str, s)) or "none"}' for name, s in have.items())
  return f'Fewer than two seeds in both at {verdicts.matched(matching)}: {seeds}'


def paired(sweep: Sweep, metric: str, arm: str, against: str, matching: str) -> stats.Difference:
  """`arm` - `against`, by seed. Raises ValueError: see `refusal`."""
  ours, theirs = sweep.of(arm, matching), sweep.of(against, matching)
  pairs = [{run.seed: run.autoencoder_seed for run in runs} for runs in (ours, theirs)]
  same = all(pairs[0][seed] == pairs[1][seed] for seed in pairs[0].keys() & pairs[1].keys())
  clusters = pairs[0] if same and not measures.of(metric).of_autoencoder else None
  return stats.difference(values(ours, metric), values(theirs, metric), clusters)


def _compare(sweep: Sweep, comparisons: Sequence[tuple[str, str, str]]) -> list[dict[str, Any]]:
  """The primary endpoint of (arm, against, matching), corrected for how many of them there are."""
  primary = {**sweep.primary, 'title': measures.of(sweep.primary['metric']).title}
  missing = {key: refusal(sweep, primary['metric'], *key) for key in comparisons}
  found = {key: paired(sweep, primary['metric'], *key) for key, lack in missing.items() if not lack}
  adjusted = dict(zip(found, stats.holm([d.over_seeds.p for d in found.values()])))
  texts = {(arm, control): (shared, own) for arm, control, shared, own in verdicts.CONTROLS}
  rows = []
  for key in comparisons:
    arm, against, matching = key
    row = {'arm': arm, 'against': against, 'matching': matching, 'subject': verdicts.subject(*key), 'meaning': ''}
    if key in found:
      verdict = verdicts.decide(found[key].over_seeds.ci95, primary['margin'], primary['higher_is_better'])
      row |= {'verdict': verdict.word, 'lean': verdict.lean, 'said': str(verdict), 'difference': dataclasses.asdict(found[key]),
              'holm': adjusted[key], 'grounds': verdicts.grounds(verdict, found[key], primary, adjusted[key], len(found))}
      if (arm, against) in texts:
        row['meaning'] = verdicts.meaning(against, verdict, *texts[arm, against])
    else:
      row |= {'verdict': None, 'lean': None, 'said': 'no verdict', 'difference': None, 'holm': None,
              'grounds': f'{missing[key]}.'}
    rows.append(row)
  return rows


def _table(sweep: Sweep, metric: str, matching: str) -> dict[str, Any]:
  """Each arm's mean and its difference to the reference."""
  measure, arms = measures.of(metric), {}
  for arm in sweep.arms(matching):
    measured = values(sweep.of(arm, matching), metric)
    lack = refusal(sweep, metric, arm, sweep.reference, matching)
    compared = arm != sweep.reference and not lack
    arms[arm] = {
        **(dataclasses.asdict(stats.estimate(list(measured.values()))) if measured else {'mean': None, 'ci95': None, 'n': 0}),
        'values': measured, 'refused': lack,
        'difference': dataclasses.asdict(paired(sweep, metric, arm, sweep.reference, matching)) if compared else None}
    arms[arm].pop('p', None)  # that the mean is 0 is nobody's question
  runs = [run for run in sweep.runs if matching in run.matchings]
  beside = lambda name: _mean(run.record['metrics'][metric].get(name) for run in runs if metric in run.metrics)
  floors = {floor: _mean(run.metrics.get(floor) for run in runs) for floor in measures.FLOORS}
  return {'title': measure.title, 'unit': measure.unit, 'higher_is_better': measure.higher_is_better, 'note': measure.note,
          'per': 'autoencoder' if measure.of_autoencoder else 'seed',
          'anchor': measures.anchor(metric, beside('chance'), beside('real'), floors), 'arms': arms}


def _costs(sweep: Sweep, matching: str) -> dict[str, dict[str, Any]]:
  """Of each arm that has finished runs: both networks' costs, the median of its runs; ratios to the reference."""
  rows: dict[str, dict[str, Any]] = {}
  for arm in sweep.arms(matching):
    runs = sweep.of(arm, matching)
    if not runs:
      continue
    rows[arm] = {'seconds': _median(run.record.get('seconds') for run in runs)}
    for network in NETWORKS:
      costs = [run.record['cost'] for run in runs]
      if network == 'autoencoder':
        costs = [report_files.mapping(cost, network) for cost in costs]
      row = {name: _median(cost.get(name) for cost in costs) for name in COSTS}
      rows[arm][network] = row
      reference = rows.get(sweep.reference, {}).get(network)
      for name in ('parameters', 'mflop_per_example'):
        known = reference and reference[name] and row[name] is not None
        row[f'{name}_ratio'] = row[name] / reference[name] if known else None
      cost, tolerance = MATCHED.get(matching, (None, None))
      ratio = row.get(f'{cost}_ratio')
      row['matched'] = abs(ratio - 1) <= tolerance if ratio is not None else None
  return rows


def _unequal(sweep: Sweep, costs: dict[str, dict[str, Any]]) -> list[str]:
  """What should be equal between the arms, and is not."""
  said = []
  for what, seen in (('examples', _distinct(run.record.get('examples') for run in sweep.runs)),
                     ('latent scalars', _distinct(run.record['cost'].get('latent_scalars') for run in sweep.runs)),
                     ('commits', _distinct(run.record.get('commit') for run in sweep.runs)),
                     ('package versions', _distinct(run.record.get('versions') for run in sweep.runs))):
    if len(seen) > 1:
      said.append(f'the runs differ in their {what}' + ('.' if isinstance(seen[0], dict) else f': {", ".join(map(str, seen))}'))
  for matching, rows in costs.items():
    for arm, row in rows.items():
      for network in NETWORKS:
        if row[network]['matched'] is False:
          cost, tolerance = MATCHED[matching]
          said.append(f'{arm}, {network}: {row[network][f"{cost}_ratio"]:.2f} times the {cost.replace("_", " ")} of '
                      f'{sweep.reference}, which {verdicts.matched(matching)} allow to differ by {100 * tolerance:.0f} %')
  return said


def _median(numbers: Iterable[Any]) -> float | None:
  known = list(filter(report_files.is_number, numbers))
  return statistics.median(known) if known else None


def _mean(numbers: Iterable[Any]) -> float | None:
  known = list(filter(report_files.is_number, numbers))
  return statistics.fmean(known) if known else None


def _distinct(items: Iterable[Any]) -> list[Any]:
  """In their order, without None."""
  seen: list[Any] = []
  for item in items:
    if item is not None and item not in seen:
      seen.append(item)
  return seen
