from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sgm.training import optim


@pytest.mark.parametrize('kind, expected', [
    ('cosine', lambda k: 0.5 * (1 + np.cos(np.pi * (k - 4) / 16))),
    ('constant', lambda k: 1.0),
    ('rsqrt', lambda k: (4 / k) ** 0.5)])
def test_schedule_follows_its_formula(kind, expected):
  rate = optim.learning_rate_schedule(20, 0.5, 4, kind)
  np.testing.assert_allclose([rate(k) for k in range(4)], [0.125, 0.25, 0.375, 0.5], rtol=1e-6)
  after = range(4, 21)
  np.testing.assert_allclose([rate(k) for k in after], [0.5 * expected(k) for k in after], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize('warmup', [0, 1])
def test_short_warmups_start_at_the_peak(warmup):
  assert float(optim.learning_rate_schedule(10, 0.5, warmup, 'cosine')(0)) == 0.5


def test_update_equals_adamw_by_hand():
  rate, decay, b1, b2 = 0.1, 0.5, 0.9, 0.99
  optimizer, _ = optim.build(
      10, name='adamw', learning_rate=rate, warmup_steps=0, weight_decay=decay, clip_norm=1.0, b2=b2, schedule='constant')
  params = {'layer': {'kernel': jnp.array([[1.0, -2.0]]), 'bias': jnp.array([3.0])}}
  grads = {'layer': {'kernel': jnp.array([[3.0, 0.0]]), 'bias': jnp.array([4.0])}}  # norm 5, clipped to 1
  state = optimizer.init(params)
  expected = {k: np.asarray(v) for k, v in params['layer'].items()}
  mean, square = {k: 0.0 for k in expected}, {k: 0.0 for k in expected}
  for t in (1, 2, 3):
    updates, state = jax.jit(optimizer.update)(grads, state, params)
    params = jax.tree.map(lambda p, u: p + u, params, updates)
    for k, g in grads['layer'].items():
      g = np.asarray(g) / 5
      mean[k], square[k] = b1 * mean[k] + (1 - b1) * g, b2 * square[k] + (1 - b2) * g**2
      step = mean[k] / (1 - b1**t) / (np.sqrt(square[k] / (1 - b2**t)) + 1e-8)
      expected[k] = expected[k] - rate * (step + (decay * expected[k] if k == 'kernel' else 0.0))
  for k in expected:
    np.testing.assert_allclose(params['layer'][k], expected[k], rtol=1e-5)


def _muon(weight_decay=0.0):
  return optim.build(10, name='muon', learning_rate=0.1, warmup_steps=0, weight_decay=weight_decay, clip_norm=0.0, b2=0.99,
                     schedule='constant')[0]


@pytest.mark.parametrize('path, shape, matrix', [
    (('conv',), (3, 3, 4, 6), (36, 6)), (('in',), (5, 8), (5, 8)), (('query',), (8, 2, 3), (8, 6)), (('out',), (2, 3, 8), (6, 8))])
def test_muon_moves_a_kernel_by_an_orthogonal_matrix(path, shape, matrix):
  params = {path[0]: {'kernel': jnp.zeros(shape)}}
  grads = jax.tree.map(lambda x: jax.random.normal(jax.random.key(0), x.shape), params)
  optimizer = _muon()
  update, _ = jax.jit(optimizer.update)(grads, optimizer.init(params), params)
  u = np.asarray(update[path[0]]['kernel']).reshape(matrix)
  # Newton-Schulz with optax' coefficients brings singular values near 1; scaled so that the update's RMS is that of Adam's.
  values = np.linalg.svd(u, compute_uv=False) / (0.1 * optim.MUON_RMS * max(matrix) ** 0.5)
  assert 0.6 < values.min() and values.max() < 1.25
  # It descends, and along the gradient's own singular vectors.
  left, _, right = np.linalg.svd(np.asarray(grads[path[0]]['kernel']).reshape(matrix), full_matrices=False)
  turned = left.T @ u @ right.T
  np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=2e-3 * np.abs(turned).max())
  assert (np.diag(turned) < 0).all()


def test_muon_moves_the_rest_by_nadam_and_decays_kernels_only():
  params = {'layer': {'kernel': jnp.ones((2, 2)), 'bias': jnp.array([3.0, 1.0])}, 'embed': {'embedding': jnp.ones((3, 2))}}
  grads = {'layer': {'kernel': jnp.eye(2), 'bias': jnp.array([4.0, -2.0])}, 'embed': {'embedding': jnp.full((3, 2), 0.5)}}
  plain, decayed = (jax.jit(o.update)(grads, o.init(params), params)[0] for o in (_muon(), _muon(weight_decay=0.5)))
  nadam = optax.nadam(0.1 * optim.MUON_ADAM_SHARE, b2=0.99)
  expected, _ = nadam.update(grads, nadam.init(params), params)
  np.testing.assert_allclose(plain['layer']['bias'], expected['layer']['bias'], rtol=1e-5)
  np.testing.assert_allclose(plain['embed']['embedding'], expected['embed']['embedding'], rtol=1e-5)
  np.testing.assert_allclose(decayed['layer']['kernel'], plain['layer']['kernel'] - 0.1 * 0.5, rtol=1e-5)
  np.testing.assert_allclose(decayed['layer']['bias'], plain['layer']['bias'])


@pytest.mark.parametrize('change, message', [
    (dict(name='sgd'), r"optim.name 'sgd': expected one of \('adamw', 'muon'\)"),
    (dict(schedule='linear'), r"optim.schedule 'linear': expected one of \('cosine'"),
    (dict(warmup_steps=10), 'optim.warmup_steps is 10: expected'),
    (dict(learning_rate=0.0), 'optim.learning_rate is 0.0'),
    (dict(clip_norm=-1.0), 'optim.clip_norm -1.0'),
    (dict(warmup_steps='none'), "every='none'")])
def test_bad_values_are_named(change, message):
  good = dict(name='muon', learning_rate=1e-3, warmup_steps='10%', weight_decay=0.0, clip_norm=1.0, b2=0.99, schedule='cosine')
  optim.build(10, **good)
  with pytest.raises(ValueError, match=message):
    optim.build(10, **{**good, **change})
