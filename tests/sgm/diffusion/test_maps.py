"""What all methods have in common: the interface, common noise, batching, settings as JSON."""

from __future__ import annotations

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion import maps
from sgm.diffusion import noising
from tests.sgm.diffusion.gaussian import B, C, DENOISER, KEYS, NOTHING, Q, QUERIES, SCHEDULE, STD, clips, predict_v, templates

SPECS = (
    dict(name='contrast', strength=0.7, n=4), dict(name='contrast', strength=(0.7, 0.9), n=2, rescaled=False),
    dict(name='diffusers'), dict(name='gain', ts=(0.8, 0.9), n=2), dict(name='x0_difference', ts=(0.8, 0.9), n=2),
    dict(name='attention', ts=(0.3, 0.5), n=4))
WORDS = np.tile([False, True, True], (Q, 1))
each_method = pytest.mark.parametrize('spec', SPECS, ids=lambda spec: '_'.join(map(str, spec.values())))


def attend(z, t, cond, words):
  """Three tokens: what looks like the query attends to the second, all else to the first."""
  del t
  likeness = (z * cond['mean']).sum(-1)
  probabilities = jax.nn.softmax(jnp.stack([jnp.ones_like(likeness), likeness, jnp.full_like(likeness, -9.0)], -1))
  words = words.reshape(words.shape[0], *(1,) * (likeness.ndim - 1), -1)
  return (probabilities * words).sum(-1) / words.sum(-1)


DENOISER_WITH_TEXT = dataclasses.replace(DENOISER, attend=attend)


@functools.partial(jax.jit, static_argnames=('method', 'max_rows'))
def make(method, z0, queries, reference, keys, max_rows=1024):
  return method(DENOISER_WITH_TEXT, z0, queries, reference, keys, WORDS, max_rows)


@each_method
def test_birds_are_where_they_are(spec):
  values = np.asarray(make(maps.build(spec), clips(), QUERIES, NOTHING, KEYS))
  assert values.shape == (B, Q, *templates().shape[1:-1]) and np.isfinite(values).all()
  for i in range(B - 1):
    block = templates()[i].any(-1)
    assert values[i, i][block].mean() > values[i, i][~block].mean() + 0.05


@each_method
def test_noise_is_common_and_depends_on_the_clip_only(spec):
  method, z0 = maps.build(spec), clips()
  values = make(method, z0, QUERIES, NOTHING, KEYS)
  same = functools.partial(np.testing.assert_allclose, atol=1e-5)
  same(make(method, z0[::-1], QUERIES, NOTHING, KEYS[::-1]), values[::-1])
  same(make(method, z0.at[0].add(1.0), QUERIES, NOTHING, KEYS)[1:], values[1:])
  same(make(method, z0, dict(mean=QUERIES['mean'].at[0].add(1.0)), NOTHING, KEYS)[:, 1:], values[:, 1:])
  per_clip = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (B, *leaf.shape)), QUERIES)
  per_reference = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (B, *leaf.shape[1:])), NOTHING)
  same(make(method, z0, per_clip, per_reference, KEYS, max_rows=1), values)


def test_other_keys_other_noise():
  method = maps.build(dict(name='x0_difference', ts=(0.8, 0.9), n=2))
  assert not np.allclose(*(make(method, clips(), QUERIES, NOTHING, keys) for keys in (KEYS, KEYS[::-1])), atol=1e-3)


@each_method
def test_rows_are_those_that_the_denoiser_is_given(spec):
  seen = []

  def count(fn):
    def counted(z, t, *rest):
      assert z.shape[0] == t.shape[0] == jax.tree.leaves(rest)[0].shape[0]
      seen.append(z.shape[0])
      return fn(z, t, *rest)
    return counted

  method = maps.build(spec)
  denoiser = noising.Denoiser(count(predict_v), SCHEDULE, 'v', count(attend))
  for together in (1, 2):  # noises in one call
    seen.clear()
    branches = Q + (spec['name'] != 'attention')
    jax.eval_shape(lambda z0: method(denoiser, z0, QUERIES, NOTHING, KEYS, WORDS, together * B * branches), clips())
    assert set(seen) == {together * B * branches}
  seen.clear()
  jax.eval_shape(lambda z0: method(denoiser, z0, QUERIES, NOTHING, KEYS, WORDS, 10**6), clips())
  assert set(seen) == {B * method.rows(Q)}  # all noises in one call


@pytest.mark.parametrize('cells', [(6,), (6, 4), (6, 4, 2)])
@each_method
def test_any_number_of_axes(spec, cells):
  queries, nothing = dict(mean=jnp.ones((Q, *cells, C))), dict(mean=jnp.zeros((1, *cells, C)))
  denoiser = noising.Denoiser(functools.partial(predict_v, std=STD), SCHEDULE, 'v', attend)
  shape = jax.eval_shape(
      lambda z0: maps.build(spec)(denoiser, z0, queries, nothing, KEYS, WORDS), jnp.zeros((B, *cells, C))).shape
  assert shape == (B, Q, *cells)


@pytest.mark.parametrize('name', maps.METHODS)
def test_specs_survive_json(name):
  method = maps.build({'name': name, 'n': 6})
  stored = json.loads(json.dumps(maps.describe(method)))
  assert maps.build(stored) == method and stored['n'] == 6 and hash(maps.build(stored)) == hash(method)
  assert maps.build({'name': name}) == maps.METHODS[name]


def test_a_sequence_of_levels_survives_json():
  for spec in (dict(name='gain', ts=[0.5, 0.7]), dict(name='contrast', strength=[0.3, 0.5])):
    assert maps.build(json.loads(json.dumps(maps.describe(maps.build(spec))))) == maps.build(spec)


@pytest.mark.parametrize('spec, message', [
    (dict(name='gian'), "unknown map: 'gian', did you mean 'gain'.*known: contrast, diffusers, gain, x0_difference, attention"),
    (dict(ts=(0.5,)), 'unknown map: None'),
    (dict(name='gain', noises=2), "unknown setting of map 'gain': 'noises'.*known: ts, n, antithetic, weighting"),
    (dict(name='gain', n=3), 'even'),
    (dict(name='gain', n=0), 'positive'),
    (dict(name='x0_difference', ts=(1.5,)), r'in \[0, 1\]'),
    (dict(name='attention', ts=()), r'in \[0, 1\]'),
    (dict(name='contrast', strength=-0.1), r'in \[0, 1\]'),
])
def test_bad_specs(spec, message):
  with pytest.raises(ValueError, match=message):
    maps.build(spec)


@pytest.mark.parametrize('queries, reference, keys, message', [
    (QUERIES, NOTHING, KEYS[:2], 'one key per clip'),
    (QUERIES, dict(mean=QUERIES['mean'][:2]), KEYS, 'conditions must be'),
    (dict(mean=QUERIES['mean'], roll=jnp.zeros((Q + 1, 3))), dict(**NOTHING, roll=jnp.zeros((1, 3))), KEYS, 'as many queries'),
])
def test_bad_arguments(queries, reference, keys, message):
  with pytest.raises(ValueError, match=message):
    maps.build(dict(name='gain'))(DENOISER, clips(), queries, reference, keys)
