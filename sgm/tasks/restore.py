"""A finished run, ready for use: everything is in its work directory."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import pathlib
from typing import Any, Iterable

import ml_collections

from data_pipeline import description as description_lib
from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline import tokenizer as tokenizer_lib
from data_pipeline.formats import files
from sgm.tasks import factory
from sgm.training import checkpoint

LABELS = 'labels.json'
ATTRIBUTION = 'ATTRIBUTION.csv'  # whom to thank for the recordings, in a data set, a work directory and beside generated clips


@dataclasses.dataclass(frozen=True)
class Labels:
  """The classes and the vocabulary a model was trained on. Has what `build` asks of a data set's info.

  `profiles`: how long and how high each species sings in the training data, from which unsaid extents are drawn.
  """

  taxonomy: taxonomy_lib.Taxonomy
  tokenizer: tokenizer_lib.Tokenizer
  profiles: description_lib.Profiles

  def save(self, workdir: str | pathlib.Path) -> None:
    path = pathlib.Path(workdir) / LABELS
    partial = path.with_suffix('.tmp')
    partial.write_text(json.dumps({'taxonomy': self.taxonomy.to_json(), 'tokenizer': self.tokenizer.to_json(),
                                   'profiles': {' '.join(k): dict(v) for k, v in self.profiles.items()}}))
    partial.rename(path)

  @classmethod
  def load(cls, workdir: str | pathlib.Path) -> 'Labels':
    stored = json.loads((pathlib.Path(workdir) / LABELS).read_text())
    return cls(taxonomy_lib.Taxonomy.from_json(stored['taxonomy']), tokenizer_lib.Tokenizer.from_json(stored['tokenizer']),
               {tuple(k.split()): v for k, v in stored['profiles'].items()})


@dataclasses.dataclass(frozen=True)
class Run:
  """A trained task: `params` are the averaged weights."""

  config: ml_collections.ConfigDict
  task: Any
  params: Any
  frozen: Any
  labels: Labels
  fingerprint: str  # of its configuration
  attribution: str  # ATTRIBUTION.csv of the data it was trained on, '' where that had none


def keep_attribution(directories: Iterable[str | pathlib.Path], workdir: str | pathlib.Path) -> None:
  """Writes the rows of the ATTRIBUTION.csv of data sets and of other runs into a work directory, each once, in that order.

  Who generates from the run has to pass them on. A directory without the file adds none; without any no file is written.
  """
  found: dict[tuple[str, ...], None] = {}  # the header first: it is the same in all
  for path in (pathlib.Path(d) / ATTRIBUTION for d in directories):
    if path.is_file():
      with open(path, encoding='utf-8', newline='') as f:
        found |= dict.fromkeys(map(tuple, csv.reader(f)))
  if found:
    text = io.StringIO(newline='')
    csv.writer(text, lineterminator='\n').writerows(found)
    files.write_text(pathlib.Path(workdir) / ATTRIBUTION, text.getvalue())


def fingerprint(workdir: str | pathlib.Path) -> str:
  """Of a run's configuration, as its config.json states it."""
  return json.loads((pathlib.Path(workdir) / 'config.json').read_text())['config_fingerprint']


def load(workdir: str | pathlib.Path, *, expect: str | None = None) -> Run:
  """Restores the newest checkpoint of a work directory.

  Raises:
    ValueError: no finished run there, or its task is not `expect`.
  """
  workdir = pathlib.Path(workdir)
  path = workdir / 'config.json'
  if not path.is_file() or not (workdir / LABELS).is_file():
    raise ValueError(f'{workdir}: not a work directory of sgm.train ({path.name} or {LABELS} is missing)')
  record = json.loads(path.read_text())
  config = ml_collections.ConfigDict(record['config'])
  if expect and config.task.name != expect:
    raise ValueError(f'{workdir}: holds a run of task {config.task.name!r}, expected {expect!r}')
  labels = Labels.load(workdir)
  attribution = workdir / ATTRIBUTION
  return Run(config, factory.build(config, labels), checkpoint.restore_params(workdir),
             checkpoint.restore_frozen(workdir) or {}, labels, record['config_fingerprint'],
             attribution.read_text(encoding='utf-8') if attribution.is_file() else '')
