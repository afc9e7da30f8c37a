"""The benchmark on seconds of sound: every figure is there, spectrogram frames are those of the whole recording."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tools import benchmark


def test_data(tmp_path, monkeypatch):
  monkeypatch.setattr(benchmark, 'WINDOW_FRAMES', 100)
  said = []
  out = tmp_path / 'bench.json'
  results = benchmark.run(['data'], str(out), benchmark.Options(minutes=0.2), said.append)
  assert json.loads(out.read_text()) == results and [p.name for p in tmp_path.iterdir()] == ['bench.json']
  figures = results['data']
  samples = 12 * benchmark.RATE
  assert figures['frames'] == (samples - benchmark.FRAME) // benchmark.HOP + 1
  assert figures['windows'] == 1 + -(-(samples - 99 * benchmark.HOP - benchmark.FRAME) // (100 * benchmark.HOP))
  assert figures['seconds'] > 0 and figures['peak_mb'] > 10
  assert 0 <= figures['growth_mb'] <= figures['above_first_mb'] < 50
  for figure in figures:
    assert figure in said[0]


def test_windows_join_without_a_seam():
  audio = np.random.default_rng(0).standard_normal((50000, 2)).astype(np.float32)
  taper = np.ones(benchmark.FRAME, np.float32)
  whole = benchmark._magnitude(audio, taper)  # (T, C, K)
  hop, window = 20 * benchmark.HOP, 19 * benchmark.HOP + benchmark.FRAME
  parts = [benchmark._magnitude(audio[start:start + window], taper) for start in range(0, len(audio) - window + 1, hop)]
  np.testing.assert_allclose(np.concatenate(parts), whole[:20 * len(parts)], rtol=1e-4, atol=1e-4)


def test_refusals(tmp_path):
  with pytest.raises(ValueError, match='dta: expected one or more of data'):
    benchmark.run(['dta'], str(tmp_path / 'x.json'), benchmark.Options())
  with pytest.raises(OSError):
    benchmark.run(['data'], str(tmp_path / 'no' / 'x.json'), benchmark.Options())
  assert not list(tmp_path.iterdir())
  command = [sys.executable, '-m', 'tools.benchmark', '--out', str(tmp_path / 'x.json')]
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 1 and done.stderr.strip() == 'benchmark: no group: expected one or more of data'
