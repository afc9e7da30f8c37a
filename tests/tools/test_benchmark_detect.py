"""sgm.detect watched on seconds of sound: the figures are those of what it printed and of what was seen."""

import sys

import pytest

from tools import benchmark, benchmark_detect

CHILD = '''
import sys, time
print('0:20 of 1:00 heard', flush=True); time.sleep({pause})
held = bytearray(80 * 2 ** 20)
time.sleep({pause} / 2)
print('0:40 of 1:00 heard, 5 times real time, 0:04 left', flush=True); time.sleep({pause} / 2)
print('1 of 1 files: long: 3 events', flush=True)
more = bytearray(40 * 2 ** 20)
time.sleep({pause})
{last}
'''


@pytest.fixture
def child(monkeypatch):
  """child(last line) puts a program in the place of sgm.detect that takes 80 MB early, and 40 MB after its file."""
  real = benchmark_detect.subprocess.Popen
  monkeypatch.setattr(benchmark_detect, 'EVERY_S', 0.02)

  def put(last=''):
    program = CHILD.format(pause=1.0, last=last)
    monkeypatch.setattr(benchmark_detect.subprocess, 'Popen', lambda command, **kw: real([sys.executable, '-c', program], **kw))
  return put


def test_figures(child):
  child()
  figures = benchmark_detect.measure('runs/ldm', 1.0)['detect']
  assert figures['above_first_mb'] == pytest.approx(120, abs=8) and figures['growth_mb'] == pytest.approx(120, abs=8)
  assert figures['first_mb'] + figures['above_first_mb'] == pytest.approx(figures['peak_mb'], abs=0.2)
  assert 1 < figures['times_real_time'] < 40 / 1.1 and figures['seconds'] > 1.8  # 40 s of sound in 1.2 s


def test_growth_is_what_comes_after_the_first_ninth(child):
  child()
  figures = benchmark_detect.measure('runs/ldm', 3.5)['detect']  # a ninth of it: 23 s, so up to the second line
  assert figures['above_first_mb'] == pytest.approx(120, abs=8) and figures['growth_mb'] == pytest.approx(40, abs=8)


def test_what_fails_is_told(child, tmp_path):
  child('sys.exit("sgm.detect: no calibration")')
  with pytest.raises(ValueError, match='^sgm.detect: no calibration'):
    benchmark_detect.measure('runs/ldm', 1.0)
  with pytest.raises(ValueError, match='detect needs --workdir'):
    benchmark.run(['detect'], str(tmp_path / 'x.json'), benchmark.Options())


def test_lines_of_detect_are_understood():
  assert benchmark_detect._seconds('1:02:03 of 2:15:00 heard, 5 times real time') == 3723
  assert benchmark_detect._seconds('0:20 of 1:00 heard') == 20
