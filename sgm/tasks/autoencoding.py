"""Train a spectrogram autoencoder: a rate-distortion trade with an eye on the bird."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from sgm.audio import spectrogram as frontend_lib
from sgm.models import autoencoder as autoencoder_lib
from sgm.models import likelihood
from sgm.tasks import task as task_lib


def _pool(x: jax.Array, factor: int) -> jax.Array:
  """Mean over factor x factor patches: (B, T, F, C) -> (B, T/factor, F/factor, C)."""
  b, t, f, c = x.shape
  return x.reshape(b, t // factor, factor, f // factor, factor, c).mean((2, 4))


@dataclasses.dataclass(frozen=True)
class Autoencoding:
  """Loss = distortion (nats per cell) + kl_weight * rate (nats per cell) + l1_weight * weighted L1 + spectral_weight * multi-scale L1.

  Background fills most cells of a soundscape; a plain likelihood spends the latent on its noise. The L1 term is weighted by
  energy_floor + what a cell has above its band's mean over time, so that the bird counts for more than the hiss.

  Attributes:
    frontend: audio -> S in [0, 1].
    model: the network; its `levels` are those of the likelihood.
    kl_weight: weight of the rate; 1 is the evidence bound.
    likelihood_weight, l1_weight, spectral_weight: of the three distortion terms.
    scales: pooling factors of the multi-scale term.
    latent_noise: standard deviation of noise added to the posterior sample in training, so that the decoder forgives a
      diffusion model's small errors.
  """

  frontend: frontend_lib.Frontend
  model: autoencoder_lib.Autoencoder
  kl_weight: float
  likelihood_weight: float
  l1_weight: float
  spectral_weight: float
  scales: tuple[int, ...]
  energy_floor: float
  latent_noise: float

  def restore_frozen(self, batches):
    return {}

  def precompute(self, frozen, rng, batch):
    rest = {k: v for k, v in batch.items() if k != 'audio'}
    return {**rest, 'spectrogram': self.frontend(batch['audio']).astype(jnp.float16)}

  def init(self, rng, batch):
    s = task_lib.spectrogram(self.frontend, batch)
    k_init, k_eps = jax.random.split(rng)
    return self.model.init(k_init, s, jax.random.normal(k_eps, self.model.latent_shape(s.shape)))['params']

  def loss(self, params, frozen, rng, batch):
    s = task_lib.spectrogram(self.frontend, batch)  # (B, T, F, C)
    mean, logvar = self.encode(params, s)  # (B, T', F'[, A'], c)
    k_eps, k_noise = jax.random.split(rng)
    z = mean + jnp.exp(0.5 * logvar) * jax.random.normal(k_eps, mean.shape)
    z = z + self.latent_noise * jax.random.normal(k_noise, mean.shape)
    terms = self._terms(s, self.model.apply({'params': params}, z, method='decode'), mean, logvar)
    total = (self.likelihood_weight * terms['distortion'] + self.kl_weight * terms['rate']
             + self.l1_weight * terms['l1'] + self.spectral_weight * terms['spectral'])  # (B,)
    return total.mean(), terms

  def _terms(self, s, decoded, mean, logvar):
    axes = tuple(range(1, s.ndim))
    cells = s[0].size
    shown = decoded.amplitude()
    # A logistic's amplitude has no gradient where its location leaves [0, 1]; the likelihood pulls those cells back.
    weight = self.energy_floor + jax.nn.relu(s - s.mean(1, keepdims=True))
    spectral = sum(jnp.abs(_pool(s, k) - _pool(shown, k)).mean(axes) for k in self.scales) / len(self.scales)
    return {
        'distortion': decoded.nll(s).mean(axes),
        'rate': likelihood.gaussian_kl(mean, logvar).sum(tuple(range(1, mean.ndim))) / cells,
        'l1': (weight * jnp.abs(s - decoded.location)).mean(axes) / weight.mean(axes),
        'spectral': spectral,
    }

  def eval(self, params, frozen, rng, batch):
    """Distortion (decoder at the posterior mean), rate, their sum (nats per cell), and the reconstruction S (B, T, F, C)."""
    s = task_lib.spectrogram(self.frontend, batch)
    mean, logvar = self.encode(params, s)
    decoded = self.model.apply({'params': params}, mean, method='decode')
    terms = self._terms(s, decoded, mean, logvar)
    return {**terms, 'nats': terms['distortion'] + terms['rate'], 'spectrogram': s,
            'reconstruction': decoded.amplitude()}

  def encode(self, params, s):
    return self.model.apply({'params': params}, s, method='encode')

  def sample(self, params, frozen, keys, condition):
    """Decodes draws from the prior N(0, 1); `condition` gives only the latent's shape: {'latent': (B, T', F'[, A'], c)}."""
    z = jax.vmap(lambda key: jax.random.normal(key, condition['latent'].shape[1:]))(keys)
    return {'spectrogram': self.model.apply({'params': params}, z, method='decode').amplitude()}
