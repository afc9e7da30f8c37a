"""Every arm: what a network sees loses nothing, and what it gives is a distribution over the same levels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import common
from sgm.models import autoencoder
from sgm.models import likelihood
from sgm.models import representation

LEVELS = 8
ARMS = list(representation.KNOWN)


@pytest.fixture
def s():
  return jax.random.uniform(jax.random.key(0), (2, 4, 3, 2))  # two channels of audio


def raw(r, s, key=1):
  shape = (*s.shape[:-1], *(r.levels,) * r.extra_axes, r.outputs * s.shape[-1])
  return jax.random.normal(jax.random.key(key), shape)


def test_the_experiments_know_every_arm_and_the_axes_of_each():
  assert list(common.REPRESENTATIONS) == ARMS
  for name, geometry in common.REPRESENTATIONS.items():
    r = representation.build(name, LEVELS)
    assert geometry['dims'] == geometry['unet']['dims'] == 2 + r.extra_axes
    assert geometry['unet']['factorised'] == r.factorised


@pytest.mark.parametrize('name', ARMS)
def test_lifting_loses_nothing_and_keeps_the_scale(name, s):
  r = representation.build(name, LEVELS)
  x = r.lift(s)
  assert x.shape == (*s.shape[:-1], *(LEVELS,) * r.extra_axes, r.inputs * s.shape[-1])
  np.testing.assert_allclose(r.lower(x).amplitude(), s, atol=1e-5)
  assert 0.2 < float(jnp.square(x).mean()) < 2.0


@pytest.mark.parametrize('name', ARMS)
def test_a_head_is_a_distribution_over_the_levels(name, s):
  r = representation.build(name, LEVELS)
  d = r.distribution(raw(r, s))
  p = jnp.stack([jnp.exp(-d.nll(jnp.full(s.shape, k / (LEVELS - 1)))) for k in range(LEVELS)], -1)
  assert p.shape == (*s.shape, LEVELS)
  np.testing.assert_allclose(p.sum(-1), 1.0, rtol=1e-4)
  assert d.amplitude().shape == s.shape and (d.amplitude() >= 0).all() and (d.amplitude() <= 1).all()
  drawn = jax.vmap(d.sample)(jax.random.split(jax.random.key(2), 2000))
  np.testing.assert_allclose(drawn * (LEVELS - 1), np.round(drawn * (LEVELS - 1)), atol=1e-5)
  seen = jnp.stack([(jnp.round(drawn * (LEVELS - 1)) == k).mean(0) for k in range(LEVELS)], -1)
  np.testing.assert_allclose(seen, p, atol=0.06)  # five standard errors


@pytest.mark.parametrize('name', [n for n in ARMS if n != 'scalar'])
def test_the_amplitude_is_the_expectation(name, s):
  r = representation.build(name, LEVELS)
  d = r.distribution(raw(r, s))
  p = jnp.stack([jnp.exp(-d.nll(jnp.full(s.shape, k / (LEVELS - 1)))) for k in range(LEVELS)], -1)
  np.testing.assert_allclose(d.amplitude(), p @ jnp.arange(LEVELS) / (LEVELS - 1), rtol=1e-4)


def test_levels_stand_in_their_own_order_and_permuted_ones_do_not(s):
  plain, permuted = (representation.build(n, LEVELS) for n in ('volume', 'volume_permuted'))
  x = np.asarray(plain.lift(s))  # (B, T, F, A, C)
  assert (np.diff(np.sort(np.argsort(x, 3)[:, :, :, -2:], 3), axis=3) == 1).all()  # a cell's mass lies on neighbours
  assert (np.diff(np.sort(np.argsort(permuted.lift(s), 3)[:, :, :, -2:], 3), axis=3) > 1).any()
  logits = raw(plain, s)
  assert (plain.distribution(logits).amplitude() != permuted.distribution(logits).amplitude()).any()


def test_a_filled_volume_is_read_as_a_height():
  """Sure to be filled up to level 3, and sure not to be above."""
  logits = jnp.where(jnp.arange(LEVELS) <= 3, 20.0, -20.0)
  d = likelihood.still_filled(logits)
  np.testing.assert_allclose(d.amplitude(), 3 / (LEVELS - 1), atol=1e-5)
  assert float(d.nll(jnp.float32(3 / (LEVELS - 1)))) < 1e-5


def test_bad_input():
  with pytest.raises(ValueError, match="representation 'cube' is not known; known: scalar, scalar_softmax, levels"):
    representation.build('cube', 8)
  with pytest.raises(ValueError, match='levels is 1'):
    representation.build('volume', 1)
  model = autoencoder.Autoencoder(dims=3, patch=(2, 2, 3), representation='volume', levels=8)
  with pytest.raises(ValueError, match='levels is 8: expected a multiple of the patch 3 along amplitude, nearest 9'):
    jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 4, 4, 1)), jnp.zeros(()))


@pytest.mark.parametrize('name', ARMS)
def test_autoencoders(name):
  geometry = common.REPRESENTATIONS[name]
  dims, planes = geometry['dims'], geometry['planes']
  model = autoencoder.Autoencoder(dims=dims, patch=(4, 4, LEVELS // planes)[:dims], width=8, latent_channels=4 // planes,
                                  representation=name, levels=LEVELS)
  shape = (2, 8, 12, 1)
  latent = model.latent_shape(shape)
  assert latent == ((2, 2, 3, 4) if dims == 2 else (2, 2, 3, 2, 2))  # as many numbers
  args = (jax.ShapeDtypeStruct(shape, jnp.float32), jax.ShapeDtypeStruct(latent, jnp.float32))
  params = jax.eval_shape(model.init, jax.random.key(0), *args)['params']
  decoded, mean, logvar = jax.eval_shape(lambda p, *a: model.apply({'params': p}, *a), params, *args)
  assert mean.shape == logvar.shape == latent
  assert decoded.location.shape == shape if name == 'scalar' else decoded.logits.shape == (*shape, LEVELS)
