"""Reading a sweep of `tools.ablate`: its plan, the runs that are finished, and what is missing.

A folder holds plan.json and either runs/NAME/results.json, as the sweep leaves them, or NAME.json, the small files that are
kept. Results and plan find each other by key; what the plan has no key of is left out and named.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, Mapping

from data_pipeline.formats import files
from tools import report_files

PLAN, ANSWER = 'plan.json', 'results.json'
_WORKDIR = ('config.json', 'labels.json', 'checkpoints')  # without which a run generates nothing
_PLANNED = {'key': str, 'arm': str, 'matchings': list, 'seed': int, 'autoencoder_seed': int}
_RESULT = {'key': str, 'metrics': dict, 'cost': dict}


@dataclasses.dataclass(frozen=True)
class Run:
  """A finished run, as the plan has it.

  metrics: {name: value}, finite ones only. record: content of its results.json.
  folder: its work directory, None of a small file.
  """

  name: str
  arm: str
  matchings: tuple[str, ...]
  seed: int
  autoencoder_seed: int
  metrics: Mapping[str, float]
  record: Mapping[str, Any]
  folder: pathlib.Path | None


@dataclasses.dataclass(frozen=True)
class Sweep:
  """plan: content of plan.json. missing: those of its runs that have no result. problems: in words."""

  plan: Mapping[str, Any]
  runs: tuple[Run, ...]
  missing: tuple[Mapping[str, Any], ...]
  problems: tuple[str, ...]

  @property
  def reference(self) -> str:
    return self.plan['reference']

  @property
  def primary(self) -> Mapping[str, Any]:
    return self.plan['primary']

  def arms(self, matching: str) -> list[str]:
    """In the plan's order, the reference first."""
    arms = dict.fromkeys(run['arm'] for run in self.plan['runs'] if matching in run['matchings'])
    return sorted(arms, key=lambda arm: arm != self.reference)

  def of(self, arm: str, matching: str) -> list[Run]:
    return sorted((r for r in self.runs if r.arm == arm and matching in r.matchings), key=lambda r: r.seed)

  def with_workdirs(self) -> dict[str, Run]:
    """A run of each arm whose work directory is there, the reference first; of one seed where all have one."""
    there: dict[str, list[Run]] = {}
    for matching in self.plan['matchings']:
      for arm in self.arms(matching):
        runs = [run for run in self.of(arm, matching) if run.folder and all((run.folder / name).exists() for name in _WORKDIR)]
        if runs:
          there.setdefault(arm, runs)
    common = set.intersection(*({run.seed for run in runs} for runs in there.values())) if there else set()
    return {arm: next((run for run in runs if run.seed in common), runs[0]) for arm, runs in there.items()}


def is_sweep(folder: pathlib.Path) -> bool:
  return (folder / PLAN).is_file()


def load(folder: pathlib.Path) -> Sweep:
  """Raises ValueError: plan.json is damaged or lacks something."""
  plan = files.read_json_object(folder / PLAN)
  _check_plan(plan, folder / PLAN)
  planned = {run['key']: run for run in plan['runs']}
  reader = report_files.Reader(folder)
  found: dict[str, Run] = {}
  for path in sorted(reader.out.glob('runs/*/results.json')) or sorted(reader.out.glob('*.json')):
    if path.parent == reader.out and path.name in (PLAN, ANSWER):
      continue
    record = reader.json(path, dict)
    if not record:
      continue  # the reader has said why
    key, fault = record.get('key'), _fault(record, _RESULT)
    if not fault and key not in planned:
      fault = 'left out, for the plan has no run of this configuration'
    if not fault and key in found:
      fault = f'left out, for {found[key].name} is the same run'
    if fault:
      reader.problems.append(f'{path.relative_to(reader.out)}: {fault}')
    else:
      found[key] = _run(planned[key], record, path, reader)
  missing = tuple(run for key, run in planned.items() if key not in found)
  return Sweep(plan, tuple(found[key] for key in planned if key in found), missing, tuple(reader.problems))


def _run(planned: Mapping[str, Any], record: Mapping[str, Any], path: pathlib.Path, reader: report_files.Reader) -> Run:
  small = path.name != 'results.json'
  name = path.stem if small else path.parent.name
  metrics = {}
  for metric, entry in record['metrics'].items():
    value = entry.get('value') if isinstance(entry, dict) else None
    if report_files.is_number(value):
      metrics[metric] = float(value)
    else:
      reader.problems.append(f'{name}: {metric} has no finite value and counts as not measured')
  return Run(name, planned['arm'], tuple(planned['matchings']), planned['seed'], planned['autoencoder_seed'], metrics, record,
             None if small else path.parent)


def _fault(record: Mapping[str, Any], fields: Mapping[str, type]) -> str | None:
  wrong = [f'{key} is {record.get(key)!r}, expected {kind.__name__}' for key, kind in fields.items()
           if not isinstance(record.get(key), kind) or isinstance(record.get(key), bool)]
  return '; '.join(wrong) or None


def _check_plan(plan: Mapping[str, Any], path: pathlib.Path) -> None:
  faults = [_fault(plan, {'reference': str, 'matchings': list, 'runs': list, 'primary': dict})]
  if faults == [None]:
    primary = plan['primary']
    faults = [_fault(run, _PLANNED) if isinstance(run, dict) else f'a run is {run!r}, expected an object'
              for run in plan['runs']]
    if not isinstance(primary.get('metric'), str) or not isinstance(primary.get('higher_is_better'), bool):
      faults.append('primary: expected metric (text) and higher_is_better (true or false)')
    if not report_files.is_number(primary.get('margin')) or primary['margin'] <= 0:
      faults.append(f'primary.margin is {primary.get("margin")!r}: expected a number above 0')
  if any(faults):
    raise ValueError(f'{path}: {next(filter(None, faults))}')
