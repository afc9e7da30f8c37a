"""Schedules against their published formulas."""

from __future__ import annotations

import math

from hypothesis import given, settings, strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion.schedule import CosineSchedule, LinearSchedule, timesteps

SCHEDULES = [
    CosineSchedule(), CosineSchedule(shift=-2.0), CosineSchedule(shift=1.5), CosineSchedule(logsnr_min=-math.inf),
    LinearSchedule(), LinearSchedule(scaled=True, beta_start=0.00085, beta_end=0.012), LinearSchedule(zero_terminal=True),
]


@pytest.mark.parametrize('schedule', SCHEDULES, ids=str)
def test_variance_is_preserved_and_logsnr_is_monotone_and_invertible(schedule):
  t = jnp.linspace(0.0, 1.0, 1001)
  alpha, sigma, logsnr = map(np.asarray, (schedule.alpha(t), schedule.sigma(t), schedule.logsnr(t)))
  np.testing.assert_allclose(alpha**2 + sigma**2, 1.0, atol=1e-6)
  assert (np.diff(logsnr) < 0).all()
  assert (sigma > 0).all() and np.isfinite(logsnr[:-1]).all()
  assert schedule.zero_terminal == (alpha[-1] == 0.0) == np.isneginf(logsnr[-1])
  inner = logsnr[:-1] if schedule.zero_terminal else logsnr
  np.testing.assert_allclose(inner, 2 * np.log(alpha[:len(inner)] / sigma[:len(inner)]), rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(schedule.t(logsnr), t, atol=2e-5)
  assert float(schedule.t(jnp.float32(100.0))) == 0.0 and float(schedule.t(jnp.float32(-100.0))) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.floats(0.0, 1.0, width=32), st.floats(-4.0, 4.0))
def test_any_shift_is_safe_at_any_time(t, shift):
  schedule = CosineSchedule(shift=shift)
  t = jnp.float32(t)
  assert np.isclose(float(schedule.alpha(t)) ** 2 + float(schedule.sigma(t)) ** 2, 1.0, atol=1e-6)
  np.testing.assert_allclose(schedule.logsnr(t), CosineSchedule().logsnr(t) + shift, atol=1e-4)


def test_cosine_is_the_published_formula():
  t = np.linspace(0.0, 1.0, 101)
  np.testing.assert_allclose(CosineSchedule().alpha(t), np.cos(0.5 * np.pi * t), atol=6e-4)
  np.testing.assert_allclose(CosineSchedule().sigma(t), np.sin(0.5 * np.pi * t), atol=6e-4)
  ends = CosineSchedule(logsnr_min=-10.0, logsnr_max=12.0).logsnr(jnp.array([0.0, 1.0]))
  np.testing.assert_allclose(ends, [12.0, -10.0], rtol=1e-5)


def test_linear_holds_ddpm_alphas_cumprod_at_its_steps():
  n = np.arange(1000)
  expected = np.cumprod(1.0 - np.linspace(1e-4, 0.02, 1000))
  np.testing.assert_allclose(LinearSchedule().alpha(n / 999.0) ** 2, expected, rtol=5e-5)
  np.testing.assert_allclose(LinearSchedule().sigma(n / 999.0) ** 2, 1.0 - expected, rtol=5e-5)


def test_zero_terminal_keeps_the_first_step():
  rescaled, plain = LinearSchedule(zero_terminal=True), LinearSchedule()
  np.testing.assert_allclose(rescaled.alpha(jnp.float32(0.0)), plain.alpha(jnp.float32(0.0)), rtol=1e-6)
  assert float(rescaled.sigma(jnp.float32(1.0))) == 1.0


def test_timesteps():
  ts = np.asarray(timesteps(10, CosineSchedule(), 'logsnr', start=0.9, end=0.1))
  np.testing.assert_allclose(np.diff(CosineSchedule().logsnr(ts), 2), 0.0, atol=1e-4)
  assert ts[0] == np.float32(0.9) and ts[-1] == np.float32(0.1)
  np.testing.assert_allclose(timesteps(4, CosineSchedule()), [1.0, 0.75, 0.5, 0.25, 0.0])


@pytest.mark.parametrize('call, message', [
    (lambda: timesteps(4, CosineSchedule(), 'sigmoid'), 'known: uniform, logsnr'),
    (lambda: timesteps(0, CosineSchedule()), 'n >= 1'),
    (lambda: timesteps(4, CosineSchedule(logsnr_min=-math.inf), 'logsnr'), 'zero terminal'),
    (lambda: CosineSchedule(logsnr_min=3.0, logsnr_max=2.0), 'logsnr_min < logsnr_max'),
    (lambda: LinearSchedule(beta_end=2.0), 'beta_start < beta_end'),
])
def test_bad_arguments(call, message):
  with pytest.raises(ValueError, match=message):
    call()


def test_static_under_jit():
  alpha = jax.jit(lambda t, schedule: schedule.alpha(t), static_argnums=1)
  assert float(alpha(jnp.float32(0.5), LinearSchedule())) < float(alpha(jnp.float32(0.5), CosineSchedule()))
