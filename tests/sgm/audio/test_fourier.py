import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import numpy as np
import pytest

from sgm.audio import fourier
from sgm.audio.spectrogram import Frontend


@pytest.fixture
def x():
  return np.random.default_rng(0).normal(size=(4, 3, 16)).astype(np.float32)


@pytest.mark.parametrize('wrap', [
    lambda f: f, jax.jit, jax.vmap, lambda f: jax.vmap(f, in_axes=1, out_axes=1), lambda f: jax.jit(jax.vmap(jax.vmap(f)))])
def test_values_are_numpys_also_under_vmap(wrap, x):
  spectrum = wrap(fourier.rfft)(x)
  np.testing.assert_allclose(spectrum, np.fft.rfft(x), atol=1e-5)
  np.testing.assert_allclose(wrap(fourier.irfft)(spectrum), x, atol=1e-6)


def test_derivatives_are_those_of_a_linear_map(x):
  energy = lambda transform: lambda x: (jnp.abs(transform(x)) ** 2 * jnp.arange(9)).sum()
  expected = jax.grad(energy(jnp.fft.rfft))(x)
  np.testing.assert_allclose(jax.grad(energy(fourier.rfft))(x), expected, atol=1e-3)
  np.testing.assert_allclose(jax.vmap(jax.grad(energy(fourier.rfft)))(x), expected, atol=1e-3)
  y, tangent = jax.jvp(fourier.rfft, (x,), (2 * x,))
  np.testing.assert_allclose(tangent, 2 * y, atol=1e-5)


def test_a_sharded_batch_stays_sharded():
  """8 devices each transform their own rows, whole batches and batches cut up for accumulation alike."""
  frontend = Frontend(16000, 512, 160, 32, 150, 8000, 'mel', (-90, 0))
  mesh = jax.make_mesh((4, 2), ('data', 'fsdp'), axis_types=(AxisType.Auto,) * 2)
  rows = NamedSharding(mesh, PartitionSpec(('data', 'fsdp')))
  audio = 0.1 * np.random.default_rng(0).normal(size=(16, 3200, 2)).astype(np.float32)
  expected = frontend(audio)
  sharded = jax.jit(frontend.__call__, in_shardings=rows, out_shardings=rows).lower(audio).compile()
  assert 'all-gather' not in sharded.as_text()
  np.testing.assert_allclose(sharded(jax.device_put(audio, rows)), expected, atol=1e-5)

  def total(audio):
    add = lambda carry, part: (carry + frontend(part).sum(), None)
    return jax.lax.scan(add, 0.0, audio.reshape(2, 8, 3200, 2))[0]

  assert float(jax.jit(total, in_shardings=rows)(audio)) == pytest.approx(float(expected.sum()), rel=1e-5)
