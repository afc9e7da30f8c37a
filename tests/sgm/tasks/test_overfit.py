"""Each task overfits a single batch: if it cannot do that, it can learn nothing."""

import jax
import jax.numpy as jnp
import numpy as np

from sgm.tasks import latent_diffusion


def mean(history, name, rows):
  return np.mean([row[name] for row in history[rows]])


def test_autoencoder(autoencoder_run, batch):
  _, task, history, params = autoencoder_run
  assert mean(history, 'l1', slice(-5, None)) < 0.35 * mean(history, 'l1', slice(0, 3))
  assert mean(history, 'distortion', slice(-5, None)) < mean(history, 'distortion', slice(0, 3)) - 2.0
  out = jax.jit(task.eval)(params, {}, jax.random.key(0), {'audio': batch['audio']})
  s, r = (np.asarray(out[k]) for k in ('spectrogram', 'reconstruction'))
  bird = s > s.mean(1, keepdims=True) + 0.2  # the cells that the loss is about
  assert np.abs(s - r)[bird].mean() < 0.35 * np.abs(s - s.mean(1, keepdims=True))[bird].mean()
  np.testing.assert_allclose(out['nats'], out['distortion'] + out['rate'], rtol=1e-6)


def test_autoencoder_samples_its_prior_row_by_row(autoencoder_run):
  _, task, _, params = autoencoder_run
  keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(3), i))(jnp.arange(4))
  shape = jax.ShapeDtypeStruct((4, 16, 8, 8), jnp.float32)
  sample = jax.jit(lambda keys: task.sample(params, {}, keys, {'latent': shape})['spectrogram'])
  four, two = sample(keys), sample(keys[1:3])
  assert four.shape == (4, 128, 64, 1) and 0 <= float(four.min()) and float(four.max()) <= 1
  np.testing.assert_allclose(four[1:3], two, atol=1e-4)


def test_classifier(classifier_run, batch):
  _, task, history, params = classifier_run
  assert mean(history, 'clip_loss', slice(-3, None)) < 0.3 * mean(history, 'clip_loss', slice(0, 2))
  out = jax.jit(task.eval)(params, {}, jax.random.key(0), {k: batch[k] for k in ('audio', 'label', 'activity')})
  assert np.asarray(out['top1']).mean() == 1.0
  frames = np.asarray(out['frame_probability'])
  on, off = frames[batch['activity'] > 0].mean(), frames[batch['activity'] == 0].mean()
  assert on > off + 0.2


def test_denoiser(diffusion_run):
  _, _, _, history, _ = diffusion_run
  assert mean(history, 'mse', slice(-10, None)) < 0.6 * mean(history, 'mse', slice(0, 3))


def test_cached_batches_give_the_same_loss(diffusion_run, autoencoder_run, batch):
  for _, task, frozen, params in (
      (None, autoencoder_run[1], {}, autoencoder_run[3]), (None, diffusion_run[1], diffusion_run[2], diffusion_run[4])):
    cached = jax.jit(task.precompute)(frozen, jax.random.key(0), batch)
    assert 'audio' not in cached
    # The cache holds half precision.
    compiled = jax.jit(task.loss)
    loss = lambda b: float(compiled(params, frozen, jax.random.key(5), b)[0])
    np.testing.assert_allclose(loss(cached), loss(batch), rtol=2e-3)


def test_sample_i_depends_on_its_key_only(diffusion_run, batch):
  _, task, frozen, _, params = diffusion_run
  keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(1), i))(jnp.arange(4))
  condition = {'tokens': batch['tokens'][:4], 'roll': batch['roll'][:4], 'has_roll': np.ones(4, np.float32)}
  sample = jax.jit(lambda k, c: task.sample(params, frozen, k, c, latent_diffusion.SamplerConfig('ddim', 4, 2.0))['spectrogram'])
  four = sample(keys, condition)
  two = sample(keys[1:3], {k: v[1:3] for k, v in condition.items()})
  assert four.shape == (4, 128, 64, 1)
  np.testing.assert_allclose(four[1:3], two, atol=1e-4)
  assert np.abs(np.asarray(four[0] - four[1])).max() > 1e-3


def test_encode_standardises_and_decode_inverts(diffusion_run, batch):
  _, task, frozen, _, _ = diffusion_run
  s = task.frontend(batch['audio'])
  z = task.encode(frozen, s)
  np.testing.assert_allclose(np.asarray(z).mean((0, 1, 2)), 0.0, atol=1e-4)
  np.testing.assert_allclose(np.asarray(z).std((0, 1, 2)), 1.0, atol=1e-3)
  raw = task.autoencoder.encode(frozen['autoencoder'], s)[0]
  np.testing.assert_allclose(
      task.decode(frozen, z).amplitude(), task.autoencoder.decode(frozen['autoencoder'], raw).amplitude(), atol=1e-4)
