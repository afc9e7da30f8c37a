"""The published contrast: against diffusers' pipeline, against a numpy restatement, and what every field is said to do."""

from __future__ import annotations

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion import diffedit
from sgm.diffusion.diffedit import DIFFUSERS, Contrast
from sgm.diffusion.noising import Denoiser
from tests.sgm.diffusion.gaussian import KEYS, NOTHING, QUERIES, SCHEDULE, clips, drawn_noise, templates

RECORDED = np.load(pathlib.Path(__file__).parent / 'data/generate_mask.npz')
CASES = sorted({name.removesuffix('_map') for name in RECORDED.files if name.endswith('_map')})


@pytest.mark.parametrize('case', CASES)
def test_the_diffusers_variant_is_the_pipelines_mask(case):
  """On the same predictions: StableDiffusionDiffEditPipeline.generate_mask of diffusers 0.39.0 with torch 2.15.0 and
  transformers 5.23.0, recorded by record_generate_mask.py."""
  reference, query, guidance, clamp, rescaled, mask = (
      RECORDED[f'{case}_{name}'] for name in ('reference', 'query', 'guidance', 'clamp', 'map', 'mask'))
  n = len(query)
  method = dataclasses.replace(DIFFUSERS, n=n, guidance=float(guidance), clamp=float(clamp))
  predictions = np.stack([reference, query], 1).reshape(-1, *query.shape[1:])  # rows (n, 1 clip, 1 + 1 query)
  denoiser = Denoiser(lambda z, t, cond: jnp.asarray(predictions), SCHEDULE, 'eps')
  condition = jnp.zeros((1, 1))
  maps = jax.jit(lambda z0: method(denoiser, z0, condition, condition, KEYS[:1]))(jnp.zeros((1, *query.shape[1:])))
  if case == 'nothing':  # query = reference: 0 / 0, of which the pipeline makes a mask of every cell
    assert np.isnan(rescaled).all() and mask.all()
    assert not np.asarray(maps).any() and not np.asarray(method.mask(maps)).any()
    return
  np.testing.assert_allclose(maps[0, 0], rescaled, rtol=0, atol=1e-5)
  np.testing.assert_array_equal(method.mask(maps)[0, 0], mask)


def test_recorded_cases_are_worth_testing():
  shares = {case: RECORDED[f'{case}_mask'].mean() for case in CASES}
  assert sum(0 < share < 1 for share in shares.values()) >= 6
  assert sorted({len(RECORDED[f'{case}_query']) for case in CASES}) == [1, 3, 10]
  assert {1.0, 7.5} <= {float(RECORDED[f'{case}_guidance']) for case in CASES}
  assert (RECORDED['ties_at_the_threshold_map'] == 0.5).any()


def nonlinear_eps(z, t, cond):
  t = t.reshape(-1, 1, 1, 1)
  return jnp.tanh(z + cond['mean']) + 0.3 * t * cond['mean'] * z


@functools.cache
def make(**fields):
  """Maps (B, Q, T, F) of the nonlinear model."""
  method, denoiser = Contrast(**fields), Denoiser(nonlinear_eps, SCHEDULE, 'eps')
  return np.asarray(jax.jit(lambda z0: method(denoiser, z0, QUERIES, NOTHING, KEYS))(clips()))


def differences(noise, t):
  """|eps_q - eps_ref| of the nonlinear model in numpy, (n, B, Q, T, F, C), for noise (n, B, T, F, C)."""
  noised = (np.cos(0.5 * np.pi * t) * np.asarray(clips()) + np.sin(0.5 * np.pi * t) * noise)[:, :, None]
  eps = lambda mean: np.tanh(noised + mean) + 0.3 * t * mean * noised
  return np.abs(eps(templates()) - eps(0.0))


close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4)
RAW = dict(order='mean_then_clamp', rescaled=False)  # clamps nothing yet


@pytest.mark.parametrize('norm, channels', [('l1', lambda d: d.mean(-1)), ('l2', lambda d: np.sqrt((d**2).mean(-1)))])
def test_clamping_before_the_mean_is_the_papers_order(norm, channels):
  d = channels(differences(drawn_noise(4), 0.5))  # (n, B, Q, T, F)
  d = np.minimum(d, 2.0 * d.mean((3, 4), keepdims=True)).mean(0)
  raw = make(n=4, clamp=2.0, norm=norm, rescaled=False)
  close(raw, d)
  low, high = d.min((2, 3), keepdims=True), d.max((2, 3), keepdims=True)
  close(Contrast().rescale(raw), (d - low) / (high - low))


def test_defaults_are_the_papers():
  paper = Contrast()
  assert (paper.strength, paper.n, paper.order, paper.guidance, paper.threshold) == (0.5, 10, 'clamp_then_mean', 1.0, 0.5)
  np.testing.assert_array_equal(make(n=4, clamp=2.0), paper.rescale(make(n=4, clamp=2.0, rescaled=False)))  # rescaled


def test_the_mean_before_clamping_is_diffusers_order():
  raw = make(n=4, **RAW)
  d = differences(drawn_noise(4), 0.5).mean((0, -1))
  close(raw, d)
  for clamp in (1.2, 3.0):
    limit = clamp * d.mean((2, 3), keepdims=True)
    close(Contrast(order='mean_then_clamp', clamp=clamp).rescale(raw), np.minimum(d, limit) / limit)
  rule = DIFFUSERS.mask(DIFFUSERS.rescale(raw))
  np.testing.assert_array_equal(rule, raw > 1.5 * raw.mean((2, 3), keepdims=True))
  assert np.asarray(rule).any((2, 3)).all()  # it marks something in every clip for every query: no presence


def test_strength_is_the_level_and_several_are_averaged():
  each = [differences(drawn_noise(2, level), t).mean((0, -1)) for level, t in enumerate((0.3, 0.8))]
  close(make(n=2, strength=(0.3, 0.8), **RAW), np.mean(each, 0))
  close(make(n=2, strength=0.3, **RAW), each[0])


def test_antithetic_noises_come_in_pairs():
  noise = drawn_noise(1)
  expected = differences(np.concatenate([noise, -noise]), 0.5).mean((0, -1))
  close(make(n=2, antithetic=True, **RAW), expected)


def test_guidance_scales_the_difference_and_leaves_the_map():
  plain, guided = make(n=4, **RAW), make(n=4, guidance=7.5, **RAW)
  np.testing.assert_allclose(guided, 7.5 * plain, rtol=1e-4)
  for order in diffedit.ORDERS:
    close(Contrast(order=order).rescale(guided), Contrast(order=order).rescale(plain))


def test_the_mask_is_the_map_above_its_threshold():
  maps = np.arange(11).reshape(1, 1, 11) / 10
  for threshold, size in ((0.0, 10), (0.3, 7), (0.5, 5), (0.8, 2)):
    assert Contrast(threshold=threshold).mask(maps).sum() == size


@pytest.mark.parametrize('order', diffedit.ORDERS)
def test_where_nothing_differs_nothing_is_marked(order):
  maps = np.asarray(Contrast(order=order).rescale(jnp.zeros((1, 1, 3, 3))))
  assert not maps.any() and not Contrast(order=order).mask(maps).any()


@pytest.mark.parametrize('fields, message', [
    (dict(order='clamp'), 'mean_then_clamp, clamp_then_mean'),
    (dict(norm='l3'), 'l1, l2'),
    (dict(clamp=0.0), 'clamp > 0'),
    (dict(guidance=0.0), 'guidance > 0'),
    (dict(threshold=1.0), 'threshold < 1'),
    (dict(n=3, antithetic=True), 'even'),
    (dict(strength=1.5), r'in \[0, 1\]'),
])
def test_bad_settings(fields, message):
  with pytest.raises(ValueError, match=message):
    Contrast(**fields)
