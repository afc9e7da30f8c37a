"""Metrics: metrics.jsonl is the record, TensorBoard files beside it are for looking at.

Each line of metrics.jsonl is one object, {"step": 100, "train/loss": 0.1, ...}; steps never run backwards. A value that is
no finite number (an evaluator that saw no example) is null.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
from typing import Any, Mapping

import jax
import numpy as np
import tensorboardX


def read_metrics(workdir: str | pathlib.Path) -> list[dict[str, Any]]:
  """The lines of W/metrics.jsonl, [] when there is none; a last line cut off by a killed process is left out."""
  path = pathlib.Path(workdir) / 'metrics.jsonl'
  if not path.exists():
    return []
  rows, lines = [], path.read_text().splitlines()
  for i, line in enumerate(lines):
    try:
      rows.append(json.loads(line))
    except json.JSONDecodeError as error:
      if i < len(lines) - 1:
        raise ValueError(f'{path} line {i + 1} is not JSON: {error}') from error
  return rows


def last_metrics(workdir: str | pathlib.Path) -> dict[str, Any]:
  """The newest value of every metric, with the newest 'step'."""
  last = {}
  for row in read_metrics(workdir):
    last.update(row)
  return last


class MetricWriter:
  """Writes both records; on the first host only, elsewhere it does nothing."""

  def __init__(self, workdir: str | pathlib.Path, start: int):
    """`start`: the step the run continues from. What was recorded past it is dropped: those steps come again."""
    self._file = self._board = None
    if jax.process_index() != 0:
      return
    workdir = pathlib.Path(workdir)
    path = workdir / 'metrics.jsonl'
    kept = [row for row in read_metrics(workdir) if row['step'] <= start]
    temporary = path.with_name(path.name + '.tmp')
    temporary.write_text(''.join(json.dumps(row) + '\n' for row in kept))
    os.replace(temporary, path)
    self._file = path.open('a', buffering=1)  # line by line, so that it can be watched
    self._board = tensorboardX.SummaryWriter(str(workdir / 'tensorboard'), purge_step=start + 1 if start else None)

  def write(self, step: int, values: Mapping[str, Any]) -> None:
    """Records scalars {name: number} of one step."""
    if self._file is None:
      return
    values = {name: float(x) for name, x in values.items()}
    values = {name: x if math.isfinite(x) else None for name, x in values.items()}
    self._file.write(json.dumps({'step': step, **values}) + '\n')
    for name, x in values.items():
      if x is not None:
        self._board.add_scalar(name, x, step)

  def media(self, step: int, images: Mapping[str, np.ndarray], audio: Mapping[str, tuple[np.ndarray, int]]) -> None:
    """Pictures {name: (H, W, 3) uint8} and sounds {name: ((N,) or (N, C) in [-1, 1], sample rate)}, TensorBoard only."""
    if self._board is None:
      return
    for name, image in images.items():
      self._board.add_image(name, np.asarray(image), step, dataformats='HWC')
    for name, (sound, rate) in audio.items():
      self._board.add_audio(name, np.clip(np.asarray(sound, np.float32), -1, 1), step, sample_rate=rate)

  def close(self) -> None:
    if self._file is not None:
      self._file.close()
      self._board.close()


class Window:
  """The metrics of the steps since the last log line. They stay on the device until someone asks."""

  def __init__(self):
    self._device: list[tuple[int, dict[str, jax.Array]]] = []
    self._host: list[dict[str, np.ndarray]] = []

  def add(self, step: int, metrics: dict[str, jax.Array], ahead: int) -> None:
    """Takes a step's metrics; waits for the one `ahead` steps before, so that the host does not run away."""
    self._device.append((step, metrics))
    if len(self._device) > ahead:
      jax.block_until_ready(self._device[-1 - ahead][1])

  def check(self) -> None:
    """Waits for all steps. Raises FloatingPointError that names the first one with a loss or gradient not finite."""
    fetched = jax.device_get(self._device)
    self._device = []
    for step, metrics in fetched:
      if not metrics.pop('finite'):
        raise FloatingPointError(
            f'not finite at step {step}: loss {float(metrics["loss"])}, gradient norm {float(metrics["grad_norm"])}')
      self._host.append(metrics)

  def mean(self) -> dict[str, float]:
    """Means over the steps since the last call, after `check`."""
    rows, self._host = self._host, []
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
