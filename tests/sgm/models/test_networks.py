"""Every network initialises, keeps its shapes and takes a training step with one, two and three grid axes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sgm.models import autoencoder
from sgm.models import classifier
from sgm.models import text
from sgm.models import unet


def filled(model, *args):
  """Parameters of a network, every one of them a small random number: to compile its own initialisation takes far longer."""
  rng = np.random.default_rng(0)
  shapes = jax.eval_shape(model.init, jax.random.key(1), *args)['params']
  return jax.tree.map(lambda x: rng.normal(0, 0.1, x.shape).astype(np.float32), shapes)


def one_step(loss, params):
  """Loss before and after one step of gradient descent, jitted as a training is."""
  optimizer = optax.adam(1e-3)

  @jax.jit
  def step(params):
    value, grads = jax.value_and_grad(loss)(params)
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    return value, loss(optax.apply_updates(params, updates))
  return step(params)


@pytest.mark.parametrize('dims', [1, 2, 3])
def test_autoencoder(dims):
  grid = (16, 8, 8)[:dims]
  s = jax.random.uniform(jax.random.key(0), (2, *grid, 1))
  model = autoencoder.Autoencoder(dims=dims, patch=(4,) * dims, width=16, blocks=1, latent_channels=4)
  latent = (2, *(n // 4 for n in grid), 4)
  params = filled(model, s, jnp.zeros(latent))
  assert model.latent_shape(s.shape) == latent
  decoded, mean, logvar = jax.eval_shape(lambda p: model.apply({'params': p}, s, jnp.zeros(latent)), params)
  assert decoded.location.shape == decoded.log_scale.shape == s.shape
  assert mean.shape == logvar.shape == latent
  before, after = one_step(lambda p: jnp.mean((model.apply({'params': p}, s, jnp.zeros(latent))[0].location - s) ** 2), params)
  assert after < before


@pytest.mark.parametrize('dims', [1, 2, 3])
def test_unet(dims):
  grid = (8, 4, 2)[:dims]
  z = jax.random.normal(jax.random.key(0), (2, *grid, 4))
  levels = dict(mults=(1, 2), attention=(False, True)) if dims == 2 else dict(mults=(1,), attention=(True,))
  model = unet.UNet(vocabulary=20, dims=dims, width=16, **levels, heads=2, text_width=16, text_layers=1)
  rest = (jnp.array([0.2, 0.8]), jnp.ones((2, 6), jnp.int32), jnp.ones((2, 8, 3)), jnp.ones(2))
  params = filled(model, z, *rest)
  assert jax.eval_shape(lambda p: model.apply({'params': p}, z, *rest), params).shape == z.shape
  before, after = one_step(lambda p: jnp.mean((model.apply({'params': p}, z, *rest) - z) ** 2), params)
  assert after < before


@pytest.mark.parametrize('dims', [1, 2, 3])
def test_classifier(dims):
  s = jax.random.uniform(jax.random.key(0), (2, *(16, 8, 8)[:dims], 1))
  model = classifier.Classifier(classes=3, dims=dims, width=8, mults=(1, 2), dropout=0.0)
  params = filled(model, s)
  clip, frame = jax.eval_shape(lambda p: model.apply({'params': p}, s), params)
  assert clip.shape == (2, 4) and frame.shape == (2, 8, 3)
  label = jnp.eye(4)[:2]
  before, after = one_step(
      lambda p: optax.sigmoid_binary_cross_entropy(model.apply({'params': p}, s)[0], label).mean(), params)
  assert after < before


@pytest.fixture(scope='module')
def unet_and_inputs():
  model = unet.UNet(vocabulary=20, width=16, mults=(1,), attention=(True,), heads=2, text_width=16, text_layers=1)
  z = jax.random.normal(jax.random.key(0), (1, 8, 4, 4))
  args = [z, jnp.array([0.5]), jnp.array([[3, 4, 0]]), jnp.ones((1, 8, 3)), jnp.ones(1)]
  params = filled(model, *args)
  return jax.jit(lambda *a: model.apply({'params': params}, *a)), args


def test_unet_listens_to_every_condition(unet_and_inputs):
  apply, args = unet_and_inputs
  base = np.asarray(apply(*args))
  changed = {'t': (1, jnp.array([0.9])), 'tokens': (2, jnp.array([[3, 5, 0]])), 'roll': (3, jnp.zeros((1, 8, 3))), 'has': (4, jnp.zeros(1))}
  for name, (i, value) in changed.items():
    other = list(args)
    other[i] = value
    assert np.abs(np.asarray(apply(*other)) - base).max() > 1e-4, name


def test_an_unknown_roll_is_not_an_empty_one(unet_and_inputs):
  apply, args = unet_and_inputs
  empty = apply(args[0], args[1], args[2], jnp.zeros((1, 8, 3)), jnp.ones(1))
  unknown = [np.asarray(apply(args[0], args[1], args[2], roll, jnp.zeros(1))) for roll in (jnp.zeros((1, 8, 3)), jnp.ones((1, 8, 3)))]
  np.testing.assert_allclose(*unknown, atol=1e-6)
  assert np.abs(unknown[0] - np.asarray(empty)).max() > 1e-4


@pytest.mark.parametrize('dims', [1, 2, 3])
def test_attention_to_the_text_comes_out_of_every_unet(dims):
  """Two levels that attend, one at half the grid: the cells of both say, on the latent's grid, where they look."""
  grid = (8, 4, 2)[:dims]
  model = unet.UNet(
      vocabulary=20, dims=dims, width=16, mults=(1, 1), attention=(True, True), heads=2, text_width=16, text_layers=1)
  z = jax.random.normal(jax.random.key(0), (2, *grid, 4))
  args = (z, jnp.array([0.2, 0.8]), jnp.array([[3, 4, 5], [6, 0, 0]]), jnp.ones((2, 8, 3)), jnp.ones(2))
  params = filled(model, *args)

  def run(params):
    out, kept = model.apply({'params': params}, *args, mutable='intermediates')
    return out, unet.text_attention(kept, grid)

  assert jax.eval_shape(run, params)[1].shape == (2, *grid, 4)
  if dims == 2:  # compiling takes long
    out, p = jax.jit(run)(params)
    np.testing.assert_allclose(out, jax.jit(lambda params: model.apply({'params': params}, *args))(params), atol=1e-5)
    np.testing.assert_allclose(p.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(p[1, ..., 2:], 0.0)  # padding


def test_attention_of_layers_is_averaged_on_the_latents_grid():
  fine = jax.nn.softmax(jax.random.normal(jax.random.key(0), (2, 8, 4, 3)))
  coarse = jnp.full((2, 4, 2, 3), 1 / 3).at[0, 0, 0].set(jnp.array([1.0, 0, 0]))
  p = unet.text_attention({'up': {'probabilities': (fine,)}, 'down': {'probabilities': (coarse,)}}, (8, 4))
  np.testing.assert_allclose(p[1], (fine[1] + 1 / 3) / 2, rtol=1e-5)
  np.testing.assert_allclose(p[0, 0, 0], (fine[0, 0, 0] + jnp.array([1.0, 0, 0])) / 2, rtol=1e-5)  # corners keep their place
  np.testing.assert_allclose(p.sum(-1), 1.0, rtol=1e-5)


def test_a_unet_that_attends_to_no_text_says_so():
  with pytest.raises(ValueError, match='no layer of this UNet attends to text'):
    unet.text_attention({}, (8, 4))


def test_padding_of_a_prompt_has_no_influence():
  model = text.TextEncoder(vocabulary=9, width=16, layers=1, heads=2)
  tokens = jnp.array([[4, 5, 0, 0]])
  params = filled(model, tokens)
  out, mask = model.apply({'params': params}, tokens)
  np.testing.assert_array_equal(mask, [[True, True, True, False, False]])
  params['embed']['embedding'][0] += 5.0  # PAD's
  other, _ = model.apply({'params': params}, tokens)
  np.testing.assert_allclose(out[:, :3], other[:, :3], atol=1e-5)


def test_wrong_rank_is_refused_with_the_shape():
  with pytest.raises(ValueError, match=r'dims=3.*\(2, 8, 8, 1\)'):
    jax.eval_shape(classifier.Classifier(classes=2, dims=3).init, jax.random.key(0), jnp.zeros((2, 8, 8, 1)))
