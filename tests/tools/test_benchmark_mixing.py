"""How scaper's environment is made, or refused, with programs in the place of Python; the sources."""

import sys

import numpy as np
import pytest
import soundfile

from data_pipeline import species
from tools import benchmark_mixing

PYTHON = '''#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *platform*) echo 3.9.1;;
  "-m venv --clear "*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python";;
  "-m pip install "*) {pip};;
esac
'''


@pytest.fixture
def pythons(tmp_path, monkeypatch):
  """pythons(what pip does) puts a signpost named python3.9 and a python3.8 on the PATH; returns what lists its calls."""
  monkeypatch.setenv('PATH', str(tmp_path), prepend=':')

  def put(pip):
    for name, text in (('python3.9', '#!/bin/sh\nexit 127\n'), ('python3.8', PYTHON.format(log=tmp_path / 'log', pip=pip))):
      (tmp_path / name).write_text(text)
      (tmp_path / name).chmod(0o755)
    return tmp_path / 'log'
  return put


def test_an_environment_is_made_once(pythons, tmp_path, monkeypatch):
  log = pythons('exit 0')
  python = benchmark_mixing.environment(tmp_path / 'cache')
  assert python.exists() and python.parents[1].name == 'scaper-python3.9.1'
  installed = f'-m pip install --quiet --disable-pip-version-check --retries 1 {" ".join(benchmark_mixing.REQUIREMENTS)}'
  assert installed in log.read_text()
  log.unlink()
  assert benchmark_mixing.environment(tmp_path / 'cache') == python and 'install' not in log.read_text()
  monkeypatch.setattr(benchmark_mixing, 'REQUIREMENTS', ('scaper==1.6.6',))
  benchmark_mixing.environment(tmp_path / 'cache')
  assert 'scaper==1.6.6' in log.read_text()


def test_no_registry_is_told(pythons, tmp_path):
  pythons('echo "ERROR: No matching distribution found for scaper==1.6.5" >&2; echo "[notice] more" >&2; exit 1')
  for _ in range(2):  # a failure is not taken for an environment the next time
    with pytest.raises(benchmark_mixing.Unavailable, match='Python 3.9.1: ERROR: No matching distribution found.*libsox-dev'):
      benchmark_mixing.environment(tmp_path / 'cache')


def test_a_scaper_that_fails_is_an_error(tmp_path):
  with pytest.raises(RuntimeError, match="scaper_mix.py: (.|\n)*No module named 'scaper'"):
    benchmark_mixing.scaper(sys.executable, tmp_path, tmp_path / 'out', 1, 1, False)


def test_sources(tmp_path, monkeypatch):
  for name, value in dict(BIRDS=2, PLACES=1, PLACE_SECONDS=1.0).items():
    monkeypatch.setattr(benchmark_mixing, name, value)
  for name in ('a', 'b'):
    benchmark_mixing.make_sources(tmp_path / name / 'sources', 3)
  files = sorted((tmp_path / 'a').rglob('*.wav'))
  birds = [p for p in files if 'foreground' in p.parts and 'sources' in p.parts]
  assert len(birds) == 2 * len(species.PATTERNS)
  for path in files:
    assert path.read_bytes() == (tmp_path / 'b' / path.relative_to(tmp_path / 'a')).read_bytes()
  for path in birds:
    audio, rate = soundfile.read(path)
    cut, _ = soundfile.read(tmp_path / 'a' / 'cut' / path.relative_to(tmp_path / 'a' / 'sources'))
    margin = round(benchmark_mixing.MARGIN_SECONDS * rate)
    assert rate == benchmark_mixing.RATE and not audio[:margin].any() and not audio[-margin:].any()
    first = next(i for i in range(margin, len(audio)) if np.array_equal(audio[i:i + len(cut)], cut))  # cut out of it, whole
    beside = np.concatenate([audio[:first], audio[first + len(cut):]])
    assert np.abs(beside).max() < 0.05 * np.abs(cut).max()  # -30 dB, overtones aside
