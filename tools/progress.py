"""How far a long piece of work is, with the time left."""

from __future__ import annotations

import time
from typing import Callable

from rich import console as rich_console, progress as rich_progress


class Progress:
  """A bar with the time left on a terminal, a line for every tenth elsewhere."""

  def __init__(self, what: str, say: Callable[[str], None]):
    self._what, self._say, self._start, self._tenth = what, say, time.monotonic(), 0
    self._bar = rich_progress.Progress(*rich_progress.Progress.get_default_columns(),
                                       console=rich_console.Console(stderr=True), transient=True)
    self._task = None

  def __enter__(self) -> 'Progress':
    if self._bar.console.is_terminal:
      self._bar.start()
      self._task = self._bar.add_task(self._what)
    return self

  def __exit__(self, *unused) -> None:
    self._bar.stop()

  def __call__(self, done: int, total: int) -> None:
    if self._task is not None:
      self._bar.update(self._task, completed=done, total=total)
    elif 10 * done // total > self._tenth:
      self._tenth = 10 * done // total
      left = (time.monotonic() - self._start) * (total - done) / done
      self._say(f'{self._what}: {done} of {total}, {left:.0f} s left')
