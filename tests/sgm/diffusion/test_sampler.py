"""Samplers against diffusers' schedulers, and against the closed form for Gaussian data."""

from __future__ import annotations

import math

import diffusers
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion import sampler
from sgm.diffusion.schedule import CosineSchedule, LinearSchedule, timesteps

MEAN, STD = 1.5, 0.5


def gaussian_model(schedule, kind):
  """The optimal predictor for data N(MEAN, STD^2) in every coordinate."""

  def model_fn(z, t):
    t = t.reshape(-1, *(1,) * (z.ndim - 1))
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    whitened = (z - alpha * MEAN) / (alpha**2 * STD**2 + sigma**2)
    x0, eps = MEAN + alpha * STD**2 * whitened, sigma * whitened
    return {'x0': x0, 'eps': eps, 'v': alpha * eps - sigma * x0}[kind]

  return model_fn


def exact_flow(schedule, z, start, end):
  """The probability-flow ODE keeps z's number of standard deviations from the mean."""
  def moments(t):
    alpha, sigma = np.float64(schedule.alpha(t)), np.float64(schedule.sigma(t))
    return alpha * MEAN, np.sqrt(alpha**2 * STD**2 + sigma**2)
  (m1, s1), (m0, s0) = moments(start), moments(end)
  return m0 + s0 * (np.asarray(z, np.float64) - m1) / s1


def toy_model(z, t):
  """Any smooth nonlinear function of z and t."""
  t = t.reshape(-1, *(1,) * (z.ndim - 1))
  return jnp.tanh(1.3 * z + t) - 0.2 * z * jnp.cos(5.0 * t) + 0.1


def run_diffusers(scheduler, n, z, model_fn):
  state = scheduler.set_timesteps(scheduler.create_state(), n, z.shape)
  step = jax.jit(lambda state, out, t, z: scheduler.step(state, out, t, z, return_dict=False))
  for t in np.asarray(state.timesteps):
    z, state = step(state, model_fn(z, jnp.full(z.shape[0], t / 999.0)), jnp.int32(t), z)
  return z, np.asarray(state.timesteps)


@pytest.fixture(autouse=True, scope='module')
def quiet():
  diffusers.logging.set_verbosity_error()


@pytest.mark.parametrize('kind, theirs', [('eps', 'epsilon'), ('x0', 'sample'), ('v', 'v_prediction')])
def test_ddim_equals_diffusers(kind, theirs):
  z1 = jax.random.normal(jax.random.key(0), (3, 4, 2))
  scheduler = diffusers.FlaxDDIMScheduler(clip_sample=False, set_alpha_to_one=False, prediction_type=theirs)
  expected, steps = run_diffusers(scheduler, 20, z1, toy_model)
  ts = jnp.asarray(np.append(steps, 0) / 999.0, jnp.float32)  # its last step leads from step 0 to step 0
  got = jax.jit(lambda z: sampler.ddim(toy_model, z, ts, LinearSchedule(), kind))(z1)
  np.testing.assert_allclose(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('n', [10, 20])
@pytest.mark.parametrize('kind, theirs', [('eps', 'epsilon'), ('x0', 'sample'), ('v', 'v_prediction')])
def test_dpmpp_2m_equals_diffusers(kind, theirs, n):
  z1 = jax.random.normal(jax.random.key(1), (3, 4, 2))
  scheduler = diffusers.FlaxDPMSolverMultistepScheduler(
      algorithm_type='dpmsolver++', solver_order=2, solver_type='midpoint', prediction_type=theirs)
  expected, steps = run_diffusers(scheduler, n, z1, toy_model)
  ts = jnp.asarray(np.append(steps, 0) / 999.0, jnp.float32)
  got = jax.jit(lambda z: sampler.dpmpp_2m(toy_model, z, ts, LinearSchedule(), kind, lower_order_final=n < 15))(z1)
  np.testing.assert_allclose(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('name, order, spacing', [
    ('ddim', 1, 'uniform'), ('ddim', 1, 'logsnr'), ('heun', 2, 'uniform'), ('heun', 2, 'logsnr'), ('dpmpp_2m', 2, 'logsnr')])
def test_order_of_convergence(name, order, spacing):
  schedule = CosineSchedule()
  z1 = jnp.linspace(-2.0, 2.0, 9)[:, None]
  start, end = (1.0, 0.0) if spacing == 'uniform' else (0.97, 0.03)
  expected = exact_flow(schedule, z1, start, end)
  errors = []
  for n in (32, 64, 128):
    ts = timesteps(n, schedule, spacing, start, end)
    got = sampler.sample(name, gaussian_model(schedule, 'v'), z1, ts, schedule, 'v')
    errors.append(np.abs(np.asarray(got) - expected).max())
  measured = np.log2(np.array(errors[:-1]) / errors[1:])
  assert (np.abs(measured - order) < 0.25).all(), (errors, measured)


def test_dpmpp_2m_in_uniform_steps_to_both_ends():
  schedule = CosineSchedule()
  z1 = jnp.linspace(-2.0, 2.0, 9)[:, None]
  expected = exact_flow(schedule, z1, 1.0, 0.0)

  def error(n, **options):
    got = sampler.dpmpp_2m(gaussian_model(schedule, 'v'), z1, timesteps(n, schedule), schedule, 'v', **options)
    return np.abs(np.asarray(got) - expected).max()

  assert error(16) < 0.01 and error(256) < 5e-4
  assert error(16, lower_order_final=False) > 10 * error(16)  # why the last step is of first order


@pytest.mark.parametrize('name, kind, options', [
    ('ddim', 'eps', {}), ('ddim', 'v', dict(eta=1.0)), ('ddpm', 'v', {}), ('ddpm', 'eps', dict(variance='large')),
    ('heun', 'eps', {}), ('heun', 'x0', {}), ('dpmpp_2m', 'v', {})])
def test_gaussian_data_comes_out_with_its_mean_and_variance(name, kind, options):
  schedule = CosineSchedule()
  keys = jax.random.split(jax.random.key(2), 4)
  z1 = sampler.initial_noise(keys, (2500,))
  z1 = (z1 - z1.mean()) / z1.std()
  n = 400 if name == 'ddpm' or options else 100  # with noise the variance is off by O(1 / n), 5 % at 100
  z0 = np.asarray(sampler.sample(
      name, gaussian_model(schedule, kind), z1, timesteps(n, schedule), schedule, kind, keys, **options))
  assert abs(z0.mean() - MEAN) < 0.03 and abs(z0.std() / STD - 1.0) < 0.04, (z0.mean(), z0.std())


@pytest.mark.parametrize('name, schedule', [
    *((name, CosineSchedule(logsnr_min=-math.inf)) for name in sampler.SAMPLERS),
    ('dpmpp_2m', LinearSchedule(zero_terminal=True))], ids=str)
def test_zero_terminal_snr(name, schedule):
  keys = jax.random.split(jax.random.key(3), 3)
  z1 = sampler.initial_noise(keys, (500,))
  z0 = np.asarray(sampler.sample(name, gaussian_model(schedule, 'v'), z1, timesteps(100, schedule), schedule, 'v', keys))
  assert abs(z0.mean() - MEAN) < 0.06 and abs(z0.std() / STD - 1.0) < 0.1
  with pytest.raises(ValueError, match="use 'v'"):
    sampler.sample(name, toy_model, z1, timesteps(4, schedule), schedule, 'eps', keys)


def test_ddpm_is_ddim_with_eta_one_up_to_the_last_noise():
  schedule = CosineSchedule()
  keys = jax.random.split(jax.random.key(4), 3)
  z1 = sampler.initial_noise(keys, (5,))
  ts = timesteps(12, schedule)
  got = sampler.ddpm(toy_model, z1, ts, schedule, 'v', keys)
  np.testing.assert_allclose(got, sampler.ddim(toy_model, z1, ts, schedule, 'v', keys, eta=1.0), atol=5e-3)


@pytest.mark.parametrize('name, options', [('ddim', {}), ('ddim', dict(eta=0.7)), ('ddpm', {}), ('heun', {}), ('dpmpp_2m', {})])
def test_an_example_does_not_depend_on_its_batch_and_there_is_one_scan(name, options):
  schedule = CosineSchedule()
  ts = timesteps(6, schedule)
  keys = jax.random.split(jax.random.key(5), 8)

  @jax.jit
  def run(keys):
    return sampler.sample(name, toy_model, sampler.initial_noise(keys, (4, 2)), ts, schedule, 'v', keys, **options)

  whole = np.asarray(run(keys))
  np.testing.assert_allclose(whole[5:7], run(keys[5:7]), atol=1e-6)
  assert not np.allclose(whole[0], whole[1])
  jaxpr = str(jax.make_jaxpr(lambda z: sampler.sample(name, toy_model, z, ts, schedule, 'v', keys, **options))(
      jnp.zeros((8, 4, 2))))
  assert jaxpr.count('= scan[') == 1 and 'while[' not in jaxpr


@pytest.mark.parametrize('name', sampler.SAMPLERS)
def test_a_bfloat16_network(name):
  keys = jax.random.split(jax.random.key(9), 2)
  z1 = sampler.initial_noise(keys, (3,))
  schedule = CosineSchedule()
  run = lambda dtype: sampler.sample(
      name, lambda z, t: toy_model(z, t).astype(dtype), z1, timesteps(4, schedule), schedule, 'x0', keys)
  assert run(jnp.bfloat16).dtype == jnp.float32
  np.testing.assert_allclose(run(jnp.bfloat16), run(jnp.float32), atol=0.05)


def test_initial_noise_and_step_noise_differ():
  keys = jax.random.split(jax.random.key(6), 2)
  assert not np.isin(sampler.initial_noise(keys, (3,)), sampler._normal(keys, 1, (3,))).any()


def test_inversion_comes_back():
  schedule = CosineSchedule()
  z0 = MEAN + STD * jax.random.normal(jax.random.key(7), (2, 6))
  ts = timesteps(200, schedule, 'uniform', start=0.6)
  model_fn = gaussian_model(schedule, 'v')
  z1, path = sampler.ddim_invert(model_fn, z0, ts, schedule, 'v', path=True)
  np.testing.assert_allclose(z1, exact_flow(schedule, z0, 0.0, 0.6), atol=0.02)
  np.testing.assert_allclose(sampler.ddim(model_fn, z1, ts, schedule, 'v'), z0, atol=0.02)
  assert path.shape == (201, 2, 6)
  np.testing.assert_array_equal(path[-1], z0)
  np.testing.assert_array_equal(path[0], z1)


@pytest.mark.parametrize('name', ['ddim', 'heun'])
def test_clip_bounds_the_result(name):
  schedule = CosineSchedule()
  keys = jax.random.split(jax.random.key(8), 2)
  z1 = sampler.initial_noise(keys, (50,))
  run = lambda clip: sampler.sample(
      name, lambda z, t: 3.0 + 0.0 * z, z1, timesteps(8, schedule), schedule, 'x0', keys, clip=clip)
  assert abs(float(run(None).mean()) - 3.0) < 0.05
  assert float(jnp.abs(run(1.0)).max()) < 1.05


def test_bad_arguments():
  z, ts, schedule = jnp.zeros((2, 3)), timesteps(2, CosineSchedule()), CosineSchedule()
  with pytest.raises(ValueError, match='known: ddim, ddpm, heun, dpmpp_2m'):
    sampler.sample('euler', toy_model, z, ts, schedule, 'v')
  with pytest.raises(ValueError, match='one key per example'):
    sampler.ddpm(toy_model, z, ts, schedule, 'v')
  with pytest.raises(ValueError, match='one key per example'):
    sampler.ddim(toy_model, z, ts, schedule, 'v', eta=0.5)
  with pytest.raises(ValueError, match='known: small, large'):
    sampler.ddpm(toy_model, z, ts, schedule, 'v', jax.random.split(jax.random.key(0), 2), variance='learned')
  with pytest.raises(ValueError, match='known: eps, x0, v'):
    sampler.heun(toy_model, z, ts, schedule, 'score')
  with pytest.raises(ValueError, match='shape'):
    sampler.heun(toy_model, z, ts[:1], schedule, 'v')
