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
