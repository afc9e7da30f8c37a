import types

import pytest

from tests import session


@pytest.fixture
def start(tmp_path, monkeypatch):
  """start(names) -> a Session that has collected tests of these names, and those it will run."""
  monkeypatch.setattr(session, 'NOTE', tmp_path / 'cache' / 'interrupted')
  hook = types.SimpleNamespace(pytest_deselected=lambda items: None)

  def make(*names):
    s = session.Session()
    s._reporter = types.SimpleNamespace(write_line=lambda text: None)
    items = [types.SimpleNamespace(nodeid=name) for name in names]
    s.pytest_collection_modifyitems(types.SimpleNamespace(hook=hook), items)
    return s, [item.nodeid for item in items]
  return make


def ends(s, name, passed):
  s.pytest_runtest_logreport(types.SimpleNamespace(when='call', passed=passed, nodeid=name))
  s.pytest_runtest_logreport(types.SimpleNamespace(when='teardown', passed=True, nodeid=name))


def test_an_interrupted_run_is_continued_with_what_has_not_passed(start):
  s, names = start('a', 'b', 'c')
  ends(s, 'a', True)
  ends(s, 'b', False)
  s.pytest_sessionfinish(pytest.ExitCode.INTERRUPTED)
  assert names == ['a', 'b', 'c']
  assert start('a', 'b', 'c')[1] == ['b', 'c']


def test_a_finished_run_is_not(start):
  s, _ = start('a', 'b')
  ends(s, 'a', True)
  s.pytest_sessionfinish(pytest.ExitCode.TESTS_FAILED)
  assert start('a', 'b')[1] == ['a', 'b']


def test_nor_is_one_of_other_sources(start, monkeypatch):
  s, _ = start('a', 'b')
  ends(s, 'a', True)
  monkeypatch.setattr(session, 'sources', lambda: 'changed')
  assert start('a', 'b')[1] == ['a', 'b']


def test_a_worker_chooses_and_tells_nobody(start):
  s, _ = start('a', 'b', 'c')
  ends(s, 'a', True)
  note = session.NOTE.read_text()
  worker = session.Session(worker=True)
  worker.pytest_sessionstart(types.SimpleNamespace(config=types.SimpleNamespace(
      pluginmanager=types.SimpleNamespace(get_plugin=lambda name: None))))
  items = [types.SimpleNamespace(nodeid=name) for name in ('a', 'b', 'c', session.LONGEST)]
  worker.pytest_collection_modifyitems(
      types.SimpleNamespace(hook=types.SimpleNamespace(pytest_deselected=lambda items: None)), items)
  assert [item.nodeid for item in items] == [session.LONGEST, 'b', 'c']
  ends(worker, 'b', True)
  worker.pytest_sessionfinish(pytest.ExitCode.OK)
  assert session.NOTE.read_text() == note
