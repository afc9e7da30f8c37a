"""Jobs of a sweep, each a work directory that commands fill, and what they have left in OUT.

Beside what the commands write, a job's folder holds ablation.json (its key, how many of its commands are done, their seconds).
A folder of another key is moved to OUT/replaced. OUT/locks keeps two processes from one job.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import pathlib
import shutil
from typing import IO, Any, Mapping

from data_pipeline.formats import files

NOTE, RESULTS = 'ablation.json', 'results.json'


@dataclasses.dataclass(frozen=True)
class Job:
  """id: 'autoencoders/NAME' or 'runs/NAME', its folder in OUT. key: hash of what decides the result.

  needs: id of the job that has to be finished before, None of an autoencoder. commands: argument lists, one after the other.
  labels: arm, matchings, seed, autoencoder_seed, as results.json has them. config: of its training, resolved.
  """

  id: str
  key: str
  needs: str | None
  commands: tuple[tuple[str, ...], ...]
  labels: Mapping[str, Any]
  config: Any = None

  @property
  def name(self) -> str:
    return self.id.split('/')[1]

  @property
  def group(self) -> str:
    """Of jobs that differ in their seed alone, and so cost the same."""
    return self.id.rpartition('-s')[0]


def _read(path: pathlib.Path) -> dict[str, Any]:
  return files.read_json_object(path) if path.is_file() else {}


def _write(path: pathlib.Path, content: Mapping[str, Any]) -> None:
  files.write_text(path, json.dumps(content, indent=1) + '\n')


def note(out: pathlib.Path, job: Job) -> dict[str, Any]:
  """{'key', 'done': commands, 'seconds'} of a job that was begun."""
  stored = _read(out / job.id / NOTE)
  return stored if stored.get('key') == job.key else {'key': job.key, 'done': 0, 'seconds': 0.0}


def add(out: pathlib.Path, job: Job, seconds: float, succeeded: bool) -> None:
  """Notes that the job's next command has ended."""
  stored = note(out, job)
  _write(out / job.id / NOTE, {**stored, 'done': stored['done'] + succeeded, 'seconds': stored['seconds'] + seconds})


def finished(out: pathlib.Path, job: Job, results: pathlib.Path | None = None) -> bool:
  """A run is when its results.json, or the copy in `results`, has its key; an autoencoder when its commands are done."""
  if job.needs:
    return any(_read(path).get('key') == job.key for path in _copies(out, job, results))
  return note(out, job)['done'] == len(job.commands)


def _copies(out: pathlib.Path, job: Job, results: pathlib.Path | None) -> list[pathlib.Path]:
  return [out / job.id / RESULTS] + ([results / f'{job.name}.json'] if results else [])


def keep_results(out: pathlib.Path, job: Job, results: pathlib.Path | None) -> None:
  """Makes results.json of a finished run and its copy, RESULTS/NAME.json, both be there, with the plan's labels.

  The labels are the plan's, not measured: a run that was made for one matching may serve another as well.
  """
  paths = _copies(out, job, results)
  record = next(record for record in map(_read, paths) if record.get('key') == job.key)
  if not finished(out, job):
    open_folder(out, job)
  for path in paths:
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, {**record, **job.labels})


def open_folder(out: pathlib.Path, job: Job) -> None:
  """Makes the folder of an unfinished job. One of another key is moved aside; one without a key is left to the commands."""
  folder = out / job.id
  key = (_read(folder / NOTE) or (_read(folder / RESULTS) if job.needs else {})).get('key', job.key)
  if key != job.key:
    aside = out / 'replaced' / f'{job.id.replace("/", "-")}-{key}'
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(exist_ok=True)
    folder.rename(aside)
  folder.mkdir(parents=True, exist_ok=True)
  stored = note(out, job)
  stored['done'] = min(stored['done'], len(job.commands) - 1)  # where only the results are lost, they are measured again
  _write(folder / NOTE, stored)


def take(out: pathlib.Path, job: Job) -> IO[str] | None:
  """Holds the job until it is closed here and in the children; None when somebody else does."""
  path = out / 'locks' / job.id.replace('/', '-')
  path.parent.mkdir(parents=True, exist_ok=True)
  lock = open(path, 'w')
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    lock.close()
    return None
  return lock
