from __future__ import annotations

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.training import clock as clock_lib


class Time:
  def __init__(self):
    self.t = 100.0

  def __call__(self):
    return self.t


def test_rates_leave_out_compilation_and_pauses():
  time, out = Time(), io.StringIO()
  clock = clock_lib.Clock(20, 8, spent=50.0, flops_per_step=3e9, out=out, now=time)
  time.t += 30  # compilation
  clock.begin(1)
  assert clock.rates(1) == {}
  time.t += 10
  assert clock.rates(11) == {'examples_per_s': 8.0, 'gflops': 3.0}
  time.t += 2
  with clock.pause():
    time.t += 60
  rates = clock.rates(15)
  assert rates == {'examples_per_s': 16.0, 'gflops': 6.0}
  clock.line(15, 0.5, rates)
  clock.line(16, 0.4, rates)  # too soon
  assert out.getvalue() == 'step 15/20  loss 0.5  16 examples/s  elapsed 2:32  eta 0:25\n'
  clock.line(20, 0.25, {})  # the end is always told
  assert out.getvalue().splitlines()[1].startswith('step 20/20  loss 0.25  elapsed 2:32  eta 0:00')
  assert clock.seconds() == 50 + 102


def test_a_terminal_gets_one_line():
  class Terminal(io.StringIO):
    def isatty(self):
      return True

  time, out = Time(), Terminal()
  clock = clock_lib.Clock(2, 8, spent=0.0, flops_per_step=0.0, out=out, now=time)
  clock.line(1, 1.0, {})
  clock.line(2, 1.0, {})
  assert out.getvalue().count('\r') == 2 and out.getvalue().count('\n') == 1


@pytest.mark.parametrize('seconds, text', [(0.4, '0:00'), (97, '1:37'), (3700, '1:01:40'), (-1, '0:00')])
def test_hours(seconds, text):
  assert clock_lib.hours(seconds) == text


class Dense:
  def loss(self, params, frozen, rng, batch):
    error = ((batch['x'] @ params['kernel']) ** 2).mean(-1)
    return error.mean(), {'error': error}


class Conv(Dense):
  def loss(self, params, frozen, rng, batch):
    y = jax.lax.conv_general_dilated(
        batch['x'], params['kernel'], (1, 1), 'VALID', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
    return (y**2).mean(), {}


def test_flops_of_a_dense_layer():
  shape = lambda *s: jax.ShapeDtypeStruct(s, jnp.float32)
  b, n, m = 64, 256, 128
  flops = clock_lib.loss_flops(Dense(), {'kernel': shape(n, m)}, {}, {'x': shape(b, n)})
  assert flops == pytest.approx(2 * 2 * b * n * m, rel=0.05)  # forward, and the gradient of the kernel


def test_flops_of_a_convolution():
  shape = lambda *s: jax.ShapeDtypeStruct(s, jnp.float32)
  flops = clock_lib.loss_flops(Conv(), {'kernel': shape(3, 3, 16, 32)}, {}, {'x': shape(4, 18, 18, 16)})
  assert flops == pytest.approx(2 * 2 * 4 * 16 * 16 * 9 * 16 * 32, rel=0.05)


def test_matmul_rate_is_measured():
  assert 0.1 < clock_lib.matmul_gflops(size=256) < 1e6


def test_peak_memory_is_that_of_the_process():
  before = clock_lib.peak_memory_mb()
  held = np.ones(2**25)  # 256 MB
  assert before > 100
  assert clock_lib.peak_memory_mb() >= before and held.sum() == 2**25
  status = dict(line.split(':', 1) for line in open('/proc/self/status', encoding='utf-8'))
  assert clock_lib.peak_memory_mb() == pytest.approx(int(status['VmHWM'].split()[0]) / 1024, rel=0.02)
