"""Plugin of tools/test.sh: says how far the tests are, and continues a run that was interrupted.

The names of tests that passed are noted as they end, under a hash of all sources; a run that ends, well or badly, drops the
note. So only a run that was cut off (Ctrl-C, a reboot) is continued, and only while nothing has changed. Of pytest-xdist's
processes the workers choose the tests, all the same ones, and the controller, which hears of every result, does the rest.
"""

import hashlib
import pathlib
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTE = ROOT / '.pytest_cache' / 'interrupted'
EVERY = 30.0  # seconds between lines
LONGEST = 'test_quickstart.py'  # begins first, lest one process works on it alone at the end


def sources() -> str:
  """Hash of everything a test may depend on."""
  digest = hashlib.sha256()
  for folder in ('data_pipeline', 'experiments', 'sgm', 'tests', 'tools'):
    for path in sorted((ROOT / folder).rglob('*')):
      if path.is_file() and '__pycache__' not in path.parts:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
  for name in ('requirements.lock', 'pyproject.toml'):
    digest.update((ROOT / name).read_bytes())
  return digest.hexdigest()


class Session:

  def __init__(self, worker: bool = False):
    self._worker, self._reporter, self._start, self._said = worker, None, time.monotonic(), 0.0
    self._done = self._total = 0
    lines = NOTE.read_text().splitlines() if NOTE.exists() else []
    self._state = sources()
    self._passed = set(lines[1:]) if lines[:1] == [self._state] else set()
    if not worker:
      NOTE.parent.mkdir(exist_ok=True)
      if not self._passed:
        NOTE.write_text(self._state + '\n')

  def pytest_sessionstart(self, session):
    self._reporter = session.config.pluginmanager.get_plugin('terminalreporter')
    if self._passed and not self._worker:
      self._reporter.write_line(f'continuing an interrupted run: {len(self._passed)} tests passed in it already')

  @pytest.hookimpl(trylast=True)
  def pytest_collection_modifyitems(self, config, items):
    again = [item for item in items if item.nodeid not in self._passed]
    if len(again) < len(items):
      config.hook.pytest_deselected(items=[item for item in items if item.nodeid in self._passed])
    items[:] = sorted(again, key=lambda item: LONGEST not in item.nodeid)
    self._total = len(items)

  @pytest.hookimpl(optionalhook=True)
  def pytest_xdist_node_collection_finished(self, ids):
    self._total = len(ids)

  def pytest_runtest_logreport(self, report):
    if self._worker:
      return
    if report.when == 'call' and report.passed:
      with open(NOTE, 'a') as f:
        f.write(report.nodeid + '\n')
    if report.when == 'teardown':
      self._done += 1
      now = time.monotonic()
      if now - self._said > EVERY and 20 <= self._done < self._total:
        self._said = now
        left = (now - self._start) / self._done * (self._total - self._done)
        self._reporter.write_line(f'  {self._done} of {self._total} tests, {now - self._start:.0f} s, about {left / 60:.0f} min left')

  def pytest_sessionfinish(self, exitstatus):
    if exitstatus != pytest.ExitCode.INTERRUPTED and not self._worker:
      NOTE.unlink(missing_ok=True)


def pytest_configure(config):
  config.pluginmanager.register(Session(worker=hasattr(config, 'workerinput')), 'sgm-session')
