"""Train a denoiser of latents, conditioned on text and on the label roll; sample from it; let it detect."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Callable

import jax
import jax.numpy as jnp
import numpy as np

from sgm.audio import spectrogram as frontend_lib
from sgm.diffusion import guidance as guidance_lib
from sgm.diffusion import prediction as prediction_lib
from sgm.diffusion import sampler as sampler_lib
from sgm.diffusion import schedule as schedule_lib
from sgm.models import text as text_lib
from sgm.models import unet as unet_lib
from sgm.tasks import codec as codec_lib
from sgm.tasks import task as task_lib

EVAL_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # noise levels t of `eval`
AMPLITUDES = ('expectation', 'sample')
FIT_BATCHES = 8  # training batches from which the latent's mean and scale are measured


@dataclasses.dataclass(frozen=True)
class SamplerConfig:
  """How samples are drawn: `name` in sgm.diffusion.sampler.SAMPLERS, number of steps, guidance scale (1 = none).

  amplitude: what becomes of the decoder's distribution over a cell's amplitude, its 'expectation' or a 'sample'.
  """

  name: str
  steps: int
  guidance: float
  amplitude: str = 'expectation'

  def __post_init__(self):
    if self.amplitude not in AMPLITUDES:
      raise ValueError(f'sampler.amplitude={self.amplitude!r} is not known; known: {", ".join(AMPLITUDES)}')


@dataclasses.dataclass(frozen=True)
class LatentDiffusion:
  """Denoising loss |prediction - target|^2 on latents standardised per channel.

  Batches hold 'latent' (B, T', F', c) or 'spectrogram' or 'audio', and 'tokens' (B, L), 'roll' (B, T', S);
  for training also 'partial_tokens' (B, L), a description that leaves things unsaid: it stands for the text where the roll is
  withheld, so that text alone means 'at least this' (what a detector asks, and users write) while text and roll agree.
  `frozen` = {'autoencoder': params, 'mean': (c,), 'std': (c,)}.

  Attributes:
    autoencoder: see `codec.Codec`.
    prediction: what the network returns: 'eps', 'x0' or 'v'.
    schedule: alpha, sigma, logSNR of t.
    drop_text, drop_roll: probabilities with which a condition is withheld in training, independently.
    drop_both: probability with which both are withheld, on top of that: the reference of guidance and of the detector.
    sampler: defaults of `sample`.
  """

  frontend: frontend_lib.Frontend
  autoencoder: codec_lib.Codec
  model: unet_lib.UNet
  schedule: schedule_lib.Schedule
  prediction: str
  drop_text: float
  drop_roll: float
  drop_both: float
  sampler: SamplerConfig

  # -- frozen part -------------------------------------------------------------------------------------------------

  def restore_frozen(self, batches):
    """The autoencoder's weights, and the latents' mean and standard deviation per channel over some training batches.

    The deviation is that of draws from the posterior, whose means are diffused: what lies below the posterior's own width
    (channels the autoencoder does not use, above all) says nothing, and must not be blown up to unit variance.
    """
    params = self.autoencoder.restore()
    encode = jax.jit(lambda b: self.autoencoder.encode(params, task_lib.spectrogram(self.frontend, b)))
    means, logvars = zip(*(jax.device_get(encode(_arrays(b))) for b in itertools.islice(batches, FIT_BATCHES)))
    means, logvars = np.concatenate(means), np.concatenate(logvars)
    axes = tuple(range(means.ndim - 1))
    return {'autoencoder': params, 'mean': means.mean(axes), 'std': np.sqrt(means.var(axes) + np.exp(logvars).mean(axes)) + 1e-6}

  def encode(self, frozen, s):
    """S (B, T, F, C) -> standardised latent (B, T', F', c), the posterior's mean."""
    return (self.autoencoder.encode(frozen['autoencoder'], s)[0] - frozen['mean']) / frozen['std']

  def decode(self, frozen, z):
    """Standardised latent -> distribution over S (B, T, F, C), see `sgm.models.likelihood`."""
    return self.autoencoder.decode(frozen['autoencoder'], z * frozen['std'] + frozen['mean'])

  def precompute(self, frozen, rng, batch):
    rest = {k: v for k, v in batch.items() if k not in ('audio', 'spectrogram')}
    return {**rest, 'latent': self.encode(frozen, task_lib.spectrogram(self.frontend, batch)).astype(jnp.float16)}

  def _latent(self, frozen, batch):
    if 'latent' in batch:
      return batch['latent'].astype(jnp.float32)
    return self.encode(frozen, task_lib.spectrogram(self.frontend, batch))

  # -- training ----------------------------------------------------------------------------------------------------

  def init(self, rng, batch):
    b, frames = batch['roll'].shape[:2]
    if 'latent' in batch:
      z = batch['latent'].astype(jnp.float32)
    else:
      s = jax.eval_shape(lambda x: task_lib.spectrogram(self.frontend, x), batch)
      z = jnp.zeros(self.autoencoder.latent_shape(s.shape))
    return self.model.init(rng, self.autoencoder.split(z), jnp.zeros(b), batch['tokens'], batch['roll'], jnp.ones(b))['params']

  def loss(self, params, frozen, rng, batch):
    k_t, k_eps, k_text, k_roll, k_both = jax.random.split(rng, 5)
    z0 = self._latent(frozen, batch)  # (B, T', F', c)
    b = z0.shape[0]
    # Stratified t (Kingma et al. 2021, appendix I.1): one uniform draw, spread evenly over the batch.
    t = (jax.random.uniform(k_t) + jnp.arange(b) / b) % 1.0
    some = jax.random.uniform(k_both, (b,)) >= self.drop_both
    has_text = (some & (jax.random.uniform(k_text, (b,)) >= self.drop_text)).astype(jnp.int32)
    has_roll = (some & (jax.random.uniform(k_roll, (b,)) >= self.drop_roll)).astype(jnp.float32)
    tokens = jnp.where(has_roll[:, None] > 0, batch['tokens'], batch['partial_tokens'])
    condition = {'tokens': tokens * has_text[:, None], 'roll': batch['roll'], 'has_roll': has_roll}
    error = self._error(params, z0, t, jax.random.normal(k_eps, z0.shape), condition)
    return error.mean(), {'mse': error}

  def _error(self, params, z0, t, eps, condition):
    """Mean squared error of the prediction, per example: (B,)."""
    alpha, sigma = (_expand(f(t), z0.ndim) for f in (self.schedule.alpha, self.schedule.sigma))
    target = prediction_lib.target(self.prediction, z0, eps, t, self.schedule)
    predicted = self.denoiser(params)(alpha * z0 + sigma * eps, t, condition)
    return ((predicted - target) ** 2).mean(tuple(range(1, z0.ndim)))

  def eval(self, params, frozen, rng, batch):
    """Error at fixed noise levels, both conditions given: {'mse': (B,), 'mse_t0.1': (B,), ...}."""
    z0 = self._latent(frozen, batch)
    condition = {'tokens': batch['tokens'], 'roll': batch['roll'], 'has_roll': jnp.ones(z0.shape[0])}

    def at(i, level):
      eps = jax.random.normal(jax.random.fold_in(rng, i), z0.shape)
      return self._error(params, z0, jnp.full(z0.shape[:1], level), eps, condition)

    # One call of the network for all levels: five would take five times as long to compile.
    errors = jax.vmap(at)(jnp.arange(len(EVAL_LEVELS)), jnp.array(EVAL_LEVELS))  # (K, B)
    return {'mse': errors.mean(0), **{f'mse_t{level}': error for level, error in zip(EVAL_LEVELS, errors)}}

  # -- use ---------------------------------------------------------------------------------------------------------

  def denoiser(self, params) -> Callable[[jax.Array, jax.Array, dict[str, jax.Array]], jax.Array]:
    """fn(z (B, ...), t (B,), condition) -> prediction, with condition = {'tokens', 'roll', 'has_roll'}, rows of z's batch."""
    def apply(z, t, condition):
      z = self.autoencoder.split(z)
      return self.autoencoder.merge(
          self.model.apply({'params': params}, z, t, condition['tokens'], condition['roll'], condition['has_roll']))
    return apply

  def attention(self, params) -> Callable[[jax.Array, jax.Array, dict[str, jax.Array], jax.Array], jax.Array]:
    """fn(z (B, T', F', c), t (B,), condition, words (B, L)) -> (B, T', F'): the attention of each cell to the words of its row.

    Words are weights of the condition's tokens: the result is their weighted mean over the tokens that are no padding, of the
    probability that `unet.text_attention` gives; 0 in rows without words.
    """
    def apply(z, t, condition, words):
      tokens, z = condition['tokens'], self.autoencoder.split(z)
      _, kept = self.model.apply(
          {'params': params}, z, t, tokens, condition['roll'], condition['has_roll'], mutable='intermediates')
      each = unet_lib.text_attention(kept, z.shape[1:-1])[..., 1:]  # (B, *grid, L), without the start
      each = each.mean(tuple(range(3, each.ndim - 1)))  # (B, T', F', L), over the planes of a volume
      words = jnp.where(tokens == text_lib.PAD, 0.0, words)
      total = jnp.einsum('b...l,bl->b...', each, words)
      return total / jnp.maximum(_expand(words.sum(-1), total.ndim), jnp.finfo(total.dtype).tiny)
    return apply

  def null(self, condition):
    """The unconditional rows that belong to `condition`: no text, roll unknown."""
    return jax.tree.map(jnp.zeros_like, condition)

  def sample(self, params, frozen, keys, condition, sampler: SamplerConfig | None = None):
    """Draws one clip per key.

    Args:
      keys: (B,) typed keys; row i of the result depends on keys[i] and row i of the condition only.
      condition: {'tokens' (B, L), 'roll' (B, T', S), 'has_roll' (B,)}.
      sampler: overrides the task's own.

    Returns:
      {'latent': (B, T', F', c) standardised, 'spectrogram': (B, T, F, C) in [0, 1]}.
    """
    how = sampler or self.sampler
    shape = (condition['roll'].shape[1], *self._latent_tail())
    z1 = jax.vmap(lambda k: jax.random.normal(jax.random.fold_in(k, 0), shape))(keys)
    model_fn = guidance_lib.classifier_free_guidance(self.denoiser(params), condition, self.null(condition), how.guidance)
    ts = jnp.linspace(1.0, 0.0, how.steps + 1)
    z0 = sampler_lib.sample(how.name, model_fn, z1, ts, self.schedule, self.prediction,
                            keys=jax.vmap(lambda k: jax.random.fold_in(k, 1))(keys))
    return {'latent': z0, 'spectrogram': self.render(frozen, z0, keys, how.amplitude)}

  def render(self, frozen, z, keys, amplitude='expectation'):
    """Standardised latents -> S (B, T, F, C) in [0, 1]; `amplitude` in AMPLITUDES, 'sample' draws from keys (B,)."""
    decoded = self.decode(frozen, z)
    if amplitude == 'expectation':
      return decoded.amplitude()
    return jax.vmap(lambda each, key: each.sample(jax.random.fold_in(key, 2)))(decoded, keys)

  def _latent_tail(self):
    """(F', c) of the latent, from the front end's geometry."""
    one_frame = (1, self.autoencoder.time_factor, self.frontend.bands, self.autoencoder.channels)
    return self.autoencoder.latent_shape(one_frame)[2:]


def _expand(x, ndim):
  return x.reshape(x.shape + (1,) * (ndim - x.ndim))


def _arrays(batch):
  return {k: v for k, v in batch.items() if k in ('audio', 'spectrogram')}
