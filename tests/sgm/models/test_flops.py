"""Counted operations against sums of ones: where all inputs are one, a convolution's result is the number of its products."""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings, strategies as st

from sgm.models import autoencoder
from sgm.models import flops
from sgm.models import layers


def test_products():
  a, b = jnp.ones((5, 2, 3)), jnp.ones((5, 3, 7))
  assert flops.count(jnp.matmul, a, b) == 2 * 5 * 2 * 3 * 7
  assert flops.count(lambda a, b: jnp.einsum('bik,bkj->bij', a, b), a, b) == 2 * 5 * 2 * 3 * 7
  assert flops.count(lambda a: jnp.tanh(a) + 1, a) == 0


@settings(max_examples=10, deadline=None)
@given(groups=st.sampled_from([1, 2]), axes=st.lists(min_size=1, max_size=2, elements=st.tuples(
    st.integers(2, 5), *(st.integers(1, most) for most in (3, 2, 2, 2)), st.tuples(*[st.integers(0, 2)] * 2))))
def test_a_convolution_has_the_products_that_meet_a_cell(groups, axes):
  grid, taps, strides, holes, spread, padding = zip(*axes)
  taps = tuple(min(tap, n) // step or 1 for tap, n, step in zip(taps, grid, spread))  # a kernel that fits in
  conv = functools.partial(
      jax.lax.conv_general_dilated, window_strides=strides, padding=padding, lhs_dilation=holes, rhs_dilation=spread,
      feature_group_count=groups)
  x, kernel = jnp.ones((2, 4, *grid)), jnp.ones((6, 4 // groups, *taps))
  assert flops.count(conv, x, kernel) == 2 * int(conv(x, kernel).sum())


@pytest.mark.parametrize('strides', [1, 2])
def test_each_gradient_of_a_convolution_has_as_many_products_as_it_has(strides):
  conv = layers.Conv(5, strides=strides)
  x = jax.ShapeDtypeStruct((2, 7, 6, 3), jnp.float32)
  params = jax.eval_shape(conv.init, jax.random.key(0), x)
  forward = flops.count(conv.apply, params, x)
  loss = lambda p, x: conv.apply(p, x).sum()
  assert forward > 0
  assert flops.count(jax.value_and_grad(loss), params, x) == 2 * forward
  assert flops.count(jax.value_and_grad(loss, argnums=(0, 1)), params, x) == 3 * forward


@pytest.mark.parametrize('planes, share', [(2, 1), (3, 7 / 9), (4, 10 / 16)])
def test_a_banded_convolution_counts_its_zeros(planes, share):
  """`share` of the pairs of planes are linked by a tap."""
  x = jax.ShapeDtypeStruct((1, 6, 5, planes, 3), jnp.float32)
  banded = layers.BandedConv(4, (3, 3, 3), (1, 1, 1), nn.initializers.lecun_normal())
  plain = nn.Conv(4, (3, 3, 3), padding='SAME')
  params = jax.eval_shape(banded.init, jax.random.key(0), x)
  assert flops.count(plain.apply, params, x) == round(share * flops.count(banded.apply, params, x))


def test_turns_and_branches():
  w = jnp.ones((3, 3))
  once = 2 * 3 * 3 * 3
  scanned = lambda w: jax.lax.scan(lambda x, _: (x @ w, None), w, None, length=5)[0]
  assert flops.count(scanned, w) == 5 * once
  assert flops.count(jax.jit(lambda w: scanned(w) @ w), w) == 6 * once
  assert flops.count(lambda w: jax.lax.cond(w[0, 0] > 0, lambda: w @ w @ w, lambda: w @ w), w) == 2 * once
  with pytest.raises(ValueError, match='while loop with products'):
    flops.count(lambda w: jax.lax.while_loop(lambda x: x[0, 0] < 9, lambda x: x @ w, w), w)
  assert flops.count(lambda w: jax.lax.while_loop(lambda x: x[0, 0] < 9, lambda x: x + 1, w) @ w, w) == once


@pytest.mark.parametrize('representation, dims', [('scalar', 2), ('factorised', 3)])
def test_layers_are_named_as_their_parameters(representation, dims):
  model = autoencoder.Autoencoder(
      dims=dims, patch=(4,) * dims, width=8, latent_channels=2, representation=representation, levels=8)
  s = jax.ShapeDtypeStruct((1, 8, 8, 1), jnp.float32)
  eps = jax.ShapeDtypeStruct(model.latent_shape(s.shape), jnp.float32)
  params = jax.eval_shape(model.init, jax.random.key(0), s, eps)
  paths = [[key.key for key in path] for path, _ in jax.tree_util.tree_leaves_with_path(params['params'])]
  kernels = {'/'.join(['Autoencoder', *path[:-1]]) for path in paths if path[-1] == 'kernel'}
  forward = flops.by_layer(model.apply, params, s, eps)
  loss = lambda p, s, eps: model.apply(p, s, eps)[0].location.sum()
  both = flops.by_layer(jax.value_and_grad(loss), params, s, eps)
  assert set(forward) == kernels
  assert set(both) - kernels == ({''} if dims == 3 else set())  # the expectation over levels, outside of the network
  assert both['Autoencoder/encoder/in'] == 2 * forward['Autoencoder/encoder/in']  # the spectrogram needs no gradient
  assert both['Autoencoder/decoder/out'] == 3 * forward['Autoencoder/decoder/out']
