"""How latents are brought to unit scale."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import ldm
from sgm import tasks
from sgm.tasks import codec
from sgm.tasks import latent_diffusion
from tests.sgm.tasks.conftest import Info


class Known(codec.PixelSpace):
  """Channel 0 follows the spectrogram, channel 1 is not used: its posterior is the prior, its mean a trace of the input."""

  def restore(self):
    return {'weights': 1}

  def encode(self, params, s):
    mean = jnp.concatenate([3.0 * s + 1.0, 1e-3 * s], -1)
    return mean, jnp.broadcast_to(jnp.log(jnp.array([0.25, 1.0])), mean.shape)


def test_latents_are_scaled_by_draws_of_the_posterior_so_that_unused_channels_stay_small():
  task = dataclasses.replace(tasks.build(ldm.get_config('preset=tiny,data=d,autoencoder=none'), Info), autoencoder=Known(1))
  s = np.random.default_rng(0).normal(0, 1, (4, 16, 8, 1)).astype(np.float32)
  frozen = task.restore_frozen(iter([{'spectrogram': s[:2]}, {'spectrogram': s[2:]}]))
  assert frozen['autoencoder'] == {'weights': 1}
  expected = np.stack([3 * s[..., 0] + 1, 1e-3 * s[..., 0]], -1)
  np.testing.assert_allclose(frozen['mean'], expected.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(frozen['std'], np.sqrt(expected.var((0, 1, 2)) + [0.25, 1.0]), rtol=1e-4)
  z = np.asarray(task.encode(frozen, s))
  np.testing.assert_allclose(z.mean((0, 1, 2)), 0, atol=1e-4)
  np.testing.assert_allclose(z.std((0, 1, 2)), np.sqrt(1 - [0.25, 1.0] / frozen['std'] ** 2), atol=1e-3)


def volume_task():
  """In pixel space, where the smallest of networks will do."""
  config = ldm.get_config('preset=tiny,data=d,autoencoder=none,representation=volume,levels=4')
  config.model.update(width=8, mults=(1,), attention=(True,), heads=1, text_width=8)
  return tasks.build(config, Info)


def test_a_volumes_planes_are_channels_to_all_but_the_network():
  task = volume_task()
  s = jax.random.uniform(jax.random.key(0), (2, 16, 64, 1))
  z, _ = task.autoencoder.encode({}, s)
  assert z.shape == task.autoencoder.latent_shape(s.shape) == (2, 16, 64, 4)
  assert task.autoencoder.split(z).shape == task.autoencoder.grid_shape(s.shape) == (2, 16, 64, 4, 1)
  np.testing.assert_array_equal(task.autoencoder.merge(task.autoencoder.split(z)), z)
  np.testing.assert_allclose(task.autoencoder.decode({}, z).amplitude(), s, atol=1e-5)


def test_a_volume_is_trained_sampled_and_attended_to_like_a_picture():
  task = volume_task()
  classes = len(Info.taxonomy)
  batch = {'latent': jnp.zeros((2, 16, 64, 4)), 'tokens': jnp.ones((2, 5), jnp.int32), 'partial_tokens': jnp.ones((2, 5), jnp.int32),
           'roll': jnp.zeros((2, 16, classes))}
  condition = {'tokens': batch['tokens'], 'roll': batch['roll'], 'has_roll': jnp.ones(2)}
  frozen = {'autoencoder': {}, 'mean': jnp.zeros(4), 'std': jnp.ones(4)}
  keys = jax.random.split(jax.random.key(0), 2)

  def everything(rng):
    params = task.init(rng, batch)
    loss, terms = task.loss(params, frozen, rng, batch)
    sample = task.sample(params, frozen, keys, condition)
    attention = task.attention(params)(batch['latent'], jnp.ones(2), condition, jnp.ones((2, 5)))
    return params, loss, terms['mse'], sample['latent'], sample['spectrogram'], attention

  params, *shapes = jax.eval_shape(everything, jax.random.key(0))
  assert params['in']['conv']['kernel'].shape == (3, 3, 3, 1, 8)
  assert [x.shape for x in shapes] == [(), (2,), (2, 16, 64, 4), (2, 16, 64, 1), (2, 16, 64)]


def test_an_amplitude_is_the_expectation_or_drawn_by_the_clips_key(diffusion_run):
  _, task, frozen, _, _ = diffusion_run
  z = jax.random.normal(jax.random.key(0), (3, 16, 8, 8))
  keys = jax.random.split(jax.random.key(1), 3)
  draw = jax.jit(lambda z, keys: task.render(frozen, z, keys, 'sample'))
  drawn, mean = draw(z, keys), task.render(frozen, z, keys)
  levels = task.autoencoder.model.levels - 1
  np.testing.assert_allclose(drawn * levels, np.round(drawn * levels), atol=1e-3)
  assert 0 < np.abs(drawn - mean).mean() < 0.2
  np.testing.assert_allclose(draw(z[::-1], keys[::-1])[::-1], drawn, atol=1e-4)  # a clip's own key decides
  with pytest.raises(ValueError, match="sampler.amplitude='median' is not known; known: expectation, sample"):
    latent_diffusion.SamplerConfig('ddim', 4, 2.0, 'median')
