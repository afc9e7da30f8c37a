"""How latents are brought to unit scale."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from experiments import ldm
from sgm import tasks
from tests.sgm.tasks.conftest import Info


class Known:
  """Channel 0 follows the spectrogram, channel 1 is not used: its posterior is the prior, its mean a trace of the input."""

  def restore(self):
    return {'weights': 1}

  def encode(self, params, s):
    mean = jnp.concatenate([3.0 * s + 1.0, 1e-3 * s], -1)
    return mean, jnp.broadcast_to(jnp.log(jnp.array([0.25, 1.0])), mean.shape)


def test_latents_are_scaled_by_draws_of_the_posterior_so_that_unused_channels_stay_small():
  task = dataclasses.replace(tasks.build(ldm.get_config('preset=tiny,data=d,autoencoder=none'), Info), autoencoder=Known())
  s = np.random.default_rng(0).normal(0, 1, (4, 16, 8, 1)).astype(np.float32)
  frozen = task.restore_frozen(iter([{'spectrogram': s[:2]}, {'spectrogram': s[2:]}]))
  assert frozen['autoencoder'] == {'weights': 1}
  expected = np.stack([3 * s[..., 0] + 1, 1e-3 * s[..., 0]], -1)
  np.testing.assert_allclose(frozen['mean'], expected.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(frozen['std'], np.sqrt(expected.var((0, 1, 2)) + [0.25, 1.0]), rtol=1e-4)
  z = np.asarray(task.encode(frozen, s))
  np.testing.assert_allclose(z.mean((0, 1, 2)), 0, atol=1e-4)
  np.testing.assert_allclose(z.std((0, 1, 2)), np.sqrt(1 - [0.25, 1.0] / frozen['std'] ** 2), atol=1e-3)
