"""The benchmark on seconds of sound: every figure is there, spectrogram frames are those of the whole recording."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tools import benchmark, benchmark_data, benchmark_mixing, benchmark_mixing_op


def no_environment(cache):
  raise benchmark_mixing.Unavailable('no package registry')


def test_data(tmp_path, monkeypatch):
  monkeypatch.setattr(benchmark_data, 'WINDOW_FRAMES', 100)
  monkeypatch.setattr(benchmark_data, 'OP_CLIPS', 40)
  monkeypatch.setattr(benchmark_mixing_op, 'BATCH', 8)
  for name, value in dict(BIRDS=1, PLACES=1, SECONDS=4.0, PLACE_SECONDS=6.0, environment=no_environment).items():
    monkeypatch.setattr(benchmark_mixing, name, value)
  said = []
  out = tmp_path / 'bench.json'
  results = benchmark.run(['data'], str(out), benchmark.Options(minutes=0.2, recordings=8, batches=2, clips=2),
                          said.append)
  assert json.loads(out.read_text()) == results and [p.name for p in tmp_path.iterdir()] == ['bench.json']
  figures = results['data']['streaming']
  samples = 12 * benchmark_data.RATE
  assert figures['frames'] == (samples - benchmark_data.FRAME) // benchmark_data.HOP + 1
  assert figures['windows'] == 1 + -(-(samples - 99 * benchmark_data.HOP - benchmark_data.FRAME) // (100 * benchmark_data.HOP))
  assert figures['seconds'] > 0 and figures['peak_mb'] > 10
  assert 0 <= figures['growth_mb'] <= figures['above_first_mb'] < 50
  built, training = results['data']['building'], results['data']['training']
  assert built['recordings'] == 8 and built['clips'] > 100
  assert abs(built['recorded_times_real_time'] * built['seconds'] - 8 * 30) < 5
  assert min(training.values()) > 1
  assert results['data']['scaper'] == {'skipped': 'no package registry'} and 'no package registry' in said[0]
  op = results['data']['mixing op']
  assert 0 <= op['snr_error_db_max'] < 0.1
  assert min(v for k, v in op.items() if k != 'snr_error_db_max') > 0 and len(op) == 6
  tool = results['data']['mixing tool']
  assert tool['clips'] == 2 and tool['snr_error_db_max'] < 0.1 and tool['times_real_time'] > 8 / tool['seconds']
  for name in ('mixing, sgm', 'mixing, sgm, pitch and tempo'):
    mixed = results['data'][name]
    assert mixed['events'] == 2 * benchmark_mixing.EVENTS and mixed['silent_events'] == mixed['clips_of_more_at_once'] == 0
    assert mixed['stem_sum_error_max'] < 1e-6 and mixed['snr_error_cells_db_max'] < 0.1
    assert 0 < mixed['onset_error_ms_50'] < 30 and mixed['times_real_time'] > 1 and mixed['times_processor_time'] > 1
  for part in results['data'].values():
    assert all(figure in said[0] for figure in part)


def test_windows_join_without_a_seam():
  audio = np.random.default_rng(0).standard_normal((50000, 2)).astype(np.float32)
  taper = np.ones(benchmark_data.FRAME, np.float32)
  whole = benchmark_data._magnitude(audio, taper)  # (T, C, K)
  hop, window = 20 * benchmark_data.HOP, 19 * benchmark_data.HOP + benchmark_data.FRAME
  parts = [benchmark_data._magnitude(audio[start:start + window], taper) for start in range(0, len(audio) - window + 1, hop)]
  np.testing.assert_allclose(np.concatenate(parts), whole[:20 * len(parts)], rtol=1e-4, atol=1e-4)


def test_refusals(tmp_path):
  with pytest.raises(ValueError, match='dta: expected one or more of data, detect, stereo'):
    benchmark.run(['dta'], str(tmp_path / 'x.json'), benchmark.Options())
  with pytest.raises(OSError):
    benchmark.run(['data'], str(tmp_path / 'no' / 'x.json'), benchmark.Options())
  assert not list(tmp_path.iterdir())
  command = [sys.executable, '-m', 'tools.benchmark', '--out', str(tmp_path / 'x.json')]
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 1 and done.stderr.strip() == 'benchmark: no group: expected one or more of data, detect, stereo'
