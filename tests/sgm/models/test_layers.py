from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sgm.models import layers


@settings(max_examples=20, deadline=None)
@given(grid=st.lists(st.integers(1, 3), min_size=1, max_size=3), patch=st.integers(1, 3), channels=st.integers(1, 3))
def test_unfold_inverts_fold(grid, patch, channels):
  shape = (2, *(n * patch for n in grid), channels)
  x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
  folded = layers.fold(jnp.asarray(x), (patch,) * len(grid))
  assert folded.shape == (2, *grid, channels * patch ** len(grid))
  np.testing.assert_array_equal(layers.unfold(folded, (patch,) * len(grid), channels), x)


def test_fold_keeps_a_patch_together():
  x = np.arange(16.0).reshape(1, 4, 4, 1)
  folded = np.asarray(layers.fold(jnp.asarray(x), (2, 2)))
  np.testing.assert_array_equal(folded[0, 0, 1], [2, 3, 6, 7])


def test_fold_names_the_axis_that_does_not_divide():
  with pytest.raises(ValueError, match='axis 1 of 6 does not divide by patch 4'):
    layers.fold(jnp.zeros((1, 8, 6, 1)), (4, 4))


@pytest.mark.parametrize('planes, kernel, strides', [
    (2, (3, 3, 3), (1, 1, 1)), (2, (3, 3, 3), (2, 2, 1)), (4, (3, 3, 3), (2, 2, 2)), (3, (3, 3, 3), (1, 1, 1)), (2, (1, 1, 3), (1, 1, 1))])
def test_a_banded_convolution_is_the_3d_one(planes, kernel, strides):
  x = jax.random.normal(jax.random.key(0), (2, 6, 4, planes, 3))
  banded = layers.BandedConv(5, kernel, strides, nn.initializers.lecun_normal())
  plain = nn.Conv(5, kernel, strides=strides, padding='SAME')
  params = banded.init(jax.random.key(1), x)
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, plain.init(jax.random.key(1), x))
  value = lambda model: jax.value_and_grad(lambda p: jnp.square(model.apply(p, x)).sum())
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), value(banded)(params), value(plain)(params))


def test_a_factorised_convolution_is_one_of_planes_then_one_of_amplitude():
  x = jax.random.normal(jax.random.key(0), (2, 6, 4, 2, 3))
  conv = layers.Conv(5, factorised=True)
  params = conv.init(jax.random.key(1), x)['params']
  shapes = {name: p['kernel'].shape for name, p in params.items()}
  assert shapes == {'plane': (3, 3, 3, 5), 'amplitude': (1, 1, 3, 5, 5)}
  plane = nn.Conv(5, (3, 3), padding='SAME', use_bias=False).apply({'params': {'kernel': params['plane']['kernel']}},
                                                                   x.transpose(0, 3, 1, 2, 4).reshape(4, 6, 4, 3))
  plane = plane.reshape(2, 2, 6, 4, 5).transpose(0, 2, 3, 1, 4)
  expected = nn.Conv(5, (3,), padding='SAME', use_bias=False).apply({'params': {'kernel': params['amplitude']['kernel'][0, 0]}}, plane)
  np.testing.assert_allclose(conv.apply({'params': params}, x), expected, atol=1e-5)


@pytest.mark.parametrize('channels, groups', [(32, 8), (12, 6), (42, 7), (13, 1)])
def test_a_group_norm_has_as_many_groups_as_divide_its_channels(channels, groups):
  x = jax.random.normal(jax.random.key(0), (2, 4, channels))

  class Norm(nn.Module):

    @nn.compact
    def __call__(self, x):
      return layers.group_norm(x, 'norm')

  y, _ = Norm().init_with_output(jax.random.key(0), x)
  grouped = np.asarray(x).reshape(2, 4, groups, -1)
  centred = grouped - grouped.mean((1, 3), keepdims=True)
  np.testing.assert_allclose(y.reshape(grouped.shape), centred / np.sqrt(centred.var((1, 3), keepdims=True) + 1e-5), atol=1e-4)


@pytest.mark.parametrize('dims', [1, 2, 3])
def test_blocks_start_as_the_identity(dims):
  x = jax.random.normal(jax.random.key(0), (2, *(4,) * dims, 8))
  for block, args in ((layers.ResBlock(8), (jnp.ones((2, 16)),)), (layers.Attention(2), (jnp.ones((2, 5, 6)), jnp.ones((2, 5), bool)))):
    variables = block.init(jax.random.key(1), x, *args)
    np.testing.assert_allclose(block.apply(variables, x, *args), x, atol=1e-6)


def test_masked_context_has_no_influence():
  x = jax.random.normal(jax.random.key(0), (1, 4, 8))
  context = jax.random.normal(jax.random.key(1), (1, 3, 8))
  mask = jnp.array([[True, True, False]])
  block = layers.Attention(2)
  variables = block.init(jax.random.key(2), x, context, mask)
  variables['params']['out']['kernel'] = jnp.ones_like(variables['params']['out']['kernel'])
  changed = block.apply(variables, x, context.at[0, 2].set(9.0), mask)
  np.testing.assert_allclose(block.apply(variables, x, context, mask), changed, atol=1e-6)
  assert not np.allclose(changed, block.apply(variables, x, context.at[0, 1].set(9.0), mask))


def test_fourier_features_separate_neighbouring_times():
  t = jnp.linspace(0, 1, 200)
  f = np.asarray(layers.fourier_features(t, 32))
  assert f.shape == (200, 32)
  assert np.linalg.norm(np.diff(f, axis=0), axis=1).min() > 0.1


@pytest.mark.parametrize('dims', [1, 2, 3])
def test_attention_probabilities(dims):
  """A hand-set attention: each of two heads looks for a token of its own."""
  tokens, heads = 4, 2
  context = jnp.eye(tokens)[None] * 9.0  # (1, L, L)
  mask = jnp.array([[True, True, True, False]])
  x = jax.random.normal(jax.random.key(1), (1, *(3,) * dims, 8))
  block = layers.Attention(heads)
  shapes = jax.eval_shape(block.init, jax.random.key(0), x, context, mask)['params']
  params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
  params['norm_context']['scale'] = jnp.ones(tokens)
  params['query']['bias'] = jnp.array([[6.0, 0, 0, 0], [0, 6.0, 0, 0]])  # head h looks for what key h says
  params['key']['kernel'] = params['key']['kernel'].at[1, 0, 0].set(3.0).at[2, 1, 1].set(3.0)  # token 1 to head 0, 2 to head 1
  out, kept = block.apply({'params': params}, x, context, mask, mutable='intermediates')
  p, = kept['intermediates']['probabilities']
  assert p.shape == (*x.shape[:-1], tokens)
  np.testing.assert_allclose(p.sum(-1), 1.0, rtol=1e-5)
  np.testing.assert_array_equal(p[..., 3], 0.0)  # masked
  np.testing.assert_allclose(p[..., 1:3], 0.5, atol=0.05)  # the mean over heads
  np.testing.assert_array_equal(out, block.apply({'params': params}, x, context, mask))


def test_attention_keeps_nothing_unasked_and_of_itself_never(monkeypatch):
  block, x, context = layers.Attention(2), jnp.ones((1, 4, 8)), jnp.ones((1, 3, 6))
  variables = block.init(jax.random.key(0), x, context)
  assert set(variables) == {'params'}
  itself = block.init(jax.random.key(0), x)
  assert block.apply(itself, x, mutable='intermediates')[1] == {}
  monkeypatch.setattr(layers.Attention, 'sow', lambda *args: pytest.fail('work that nobody asked for'))
  jax.eval_shape(lambda v: block.apply(v, x, context), variables)
