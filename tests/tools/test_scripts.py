"""The shell entry points: they fail early with one clear line, and hand on what they were given. Nothing is installed here."""

import hashlib
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
  """A copy of what the scripts need, without an environment."""
  (tmp_path / 'sgm' / 'tools').mkdir(parents=True)
  for name in ('quickstart.sh', 'test.sh', 'setup.sh'):
    shutil.copy(ROOT / 'tools' / name, tmp_path / 'sgm' / 'tools' / name)
  (tmp_path / 'sgm' / 'requirements.lock').write_text('nothing==1\n')
  return tmp_path / 'sgm'


def script(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(f'#!/bin/sh\n{text}\n')
  path.chmod(0o755)
  return path


def run(tree, name, *arguments, python=sys.executable):
  return subprocess.run(['bash', f'tools/{name}', *arguments], cwd=tree, capture_output=True, text=True, timeout=60,
                        env={'PATH': '/usr/bin:/bin', 'HOME': str(tree), 'PYTHON': str(python)})


def refused(done):
  """The one line with which a script failed."""
  assert done.returncode == 1 and not done.stdout
  [line] = done.stderr.splitlines()
  return line


@pytest.mark.parametrize('name', ['quickstart.sh', 'test.sh'])
def test_wrong_python(tree, name):
  old = script(tree.parent / 'python3.9', '[ "$1" = --version ] && echo Python 3.9.1 && exit 0; exit 1')
  assert refused(run(tree, name, python=old)) == f'sgm: needs Python 3.11 or 3.12, {old} is Python 3.9.1'
  assert refused(run(tree, name, python=tree / 'none')) == f'sgm: PYTHON={tree}/none: no such program'
  assert not (tree / '.venv').exists()


def test_unwritable_output(tree):
  (tree / 'file').touch()
  for out in ('file', 'file/out'):
    assert refused(run(tree, 'quickstart.sh', out)) == f'sgm: cannot create {out}'
  assert not (tree / '.venv').exists()


@pytest.fixture
def installed(tree):
  """The tree with a finished environment whose Python says what it is called with."""
  script(tree / '.venv' / 'bin' / 'python', 'for a in "$@"; do echo "$a"; done')
  (tree / '.venv' / '.sgm-lock').write_text(hashlib.sha256(b'nothing==1\n').hexdigest() + '\n')
  return tree


def test_quickstart_hands_on_folder_and_flags(installed):
  done = run(installed, 'quickstart.sh', 'deep/out', '--limit', '3')
  assert done.returncode == 0, done.stderr
  module, name, out, path, seconds, spent, *rest = done.stdout.splitlines()
  assert (module, name, out, path) == ('-m', 'tools.quickstart', '--out', str(installed / 'deep' / 'out'))
  assert seconds == '--install_seconds' and int(spent) < 60 and rest == ['--limit', '3']
  default = run(installed, 'quickstart.sh', '--seed=1').stdout.splitlines()
  assert default[3] == str(installed / 'runs' / 'quickstart') and default[-1] == '--seed=1'


def test_tests_are_the_quick_ones_unless_asked(installed):
  common = '-m pytest -p tests.session --numprocesses=2 --dist=loadfile --no-loadscope-reorder'.split()
  assert run(installed, 'test.sh', 'tests/a.py').stdout.splitlines() == [*common, '-m', 'not slow', 'tests/a.py']
  assert run(installed, 'test.sh', '--slow', '-x').stdout.splitlines() == [*common, '-x']
