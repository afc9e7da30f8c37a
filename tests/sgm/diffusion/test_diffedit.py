"""DiffEdit's contrast against a numpy restatement, and the gain against log-likelihood ratios in closed form."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion import diffedit
from sgm.diffusion.schedule import CosineSchedule

SCHEDULE = CosineSchedule()
B, Q, T, F, C = 3, 4, 6, 5, 2
STD = 0.7  # of the data around its template


def templates():
  """(Q, T, F, C): query q sits on a 2 x 2 block of its own."""
  out = np.zeros((Q, T, F, C), np.float32)
  for q in range(Q):
    out[q, q:q + 2, q % 4:q % 4 + 2] = 1.5
  return out


def gaussian_model(z, t, cond, std=STD):
  """Optimal v prediction where the condition is the mean of the data."""
  t = t.reshape(-1, *(1,) * (z.ndim - 1))
  alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
  whitened = (z - alpha * cond['mean']) / (alpha**2 * std**2 + sigma**2)
  return alpha * sigma * whitened - sigma * (cond['mean'] + alpha * std**2 * whitened)


def clips(seed=0):
  """z0 (B, T, F, C): clip i shows query i, the last clip nothing."""
  present = np.concatenate([templates()[:B - 1], np.zeros((1, T, F, C), np.float32)])
  return jnp.asarray(present + STD * np.random.default_rng(seed).standard_normal(present.shape), jnp.float32)


QUERIES = dict(mean=jnp.asarray(templates()))
NOTHING = dict(mean=jnp.zeros((1, T, F, C)))
KEYS = jax.random.split(jax.random.key(0), B)
gain = functools.partial(jax.jit, static_argnames=('ts', 'n', 'antithetic', 'max_rows'))(
    lambda z0, queries, reference, keys, ts=(0.8, 0.85, 0.9), n=6, antithetic=True, weights=None, max_rows=1024:
    diffedit.gain(gaussian_model, z0, queries, reference, keys, SCHEDULE, 'v', ts, n, antithetic, weights, max_rows))


def wide_levels(n):
  return tuple(float(t) for t in SCHEDULE.t(jnp.linspace(-11.0, 11.0, n)))


def test_gain_integrates_to_the_log_likelihood_ratio_cell_by_cell():
  z0 = clips()
  ts = wide_levels(60)
  maps = gain(z0, QUERIES, NOTHING, KEYS, ts=ts, n=2, weights=diffedit.logsnr_weights(ts, SCHEDULE))
  x, mean = np.asarray(z0, np.float64)[:, None], templates()[None]
  expected = ((x**2 - (x - mean) ** 2) / (2 * STD**2)).sum(-1)  # (B, Q, T, F), in nats
  # a Gaussian's cells are independent, and antithetic pairs are exact for linear predictors
  np.testing.assert_allclose(maps, expected, atol=0.02, rtol=0.005)
  np.testing.assert_allclose(diffedit.log_likelihood_ratio(maps), expected.sum((2, 3)), atol=0.05, rtol=0.005)


def test_gain_of_a_mixture_integrates_to_its_log_likelihood_ratio():
  """A nonlinear predictor: the query says that the cell is at 2 or at 0, the reference that it is at 0."""

  def mixture_model(z, t, cond):
    t = t.reshape(-1, 1, 1, 1)
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    variance = alpha**2 * STD**2 + sigma**2
    peak = cond['peak'].reshape(-1, 1, 1, 1)
    share = jax.nn.sigmoid((z**2 - (z - alpha * peak) ** 2) / (2 * variance))  # of the mode at the peak
    return sigma * (z - alpha * share * peak) / variance  # eps = -sigma * score

  z0 = jnp.array([-0.3, 1.1, 2.2]).reshape(3, 1, 1, 1)
  ts = wide_levels(60)
  maps = jax.jit(lambda keys: diffedit.gain(
      mixture_model, z0, dict(peak=jnp.array([2.0])), dict(peak=jnp.zeros(1)), keys, SCHEDULE, 'eps', ts, 400,
      weights=diffedit.logsnr_weights(ts, SCHEDULE), max_rows=4096))(KEYS)
  density = lambda x, mean: np.exp(-(x - mean) ** 2 / (2 * STD**2))
  x = np.asarray(z0).ravel()
  expected = np.log(0.5 * density(x, 2.0) / density(x, 0.0) + 0.5)
  np.testing.assert_allclose(np.asarray(maps).ravel(), expected, atol=0.1)


def test_gain_tells_presence_and_place():
  maps = gain(clips(), QUERIES, NOTHING, KEYS)
  total = np.asarray(diffedit.score(maps))
  for clip in range(B - 1):
    assert total[clip, clip] > 0 and np.argmax(total[clip]) == clip
    assert (np.delete(total[clip], [clip, (clip + 1) % Q, (clip - 1) % Q]) < 0).all()  # neighbours share a cell
    mask = np.asarray(diffedit.threshold_map(maps, fraction=0.2))[clip, clip]
    block = templates()[clip].any(-1)
    assert (mask & block).sum() / (mask | block).sum() >= 0.5
    assert not (mask & ~block).any()
  assert (total[-1] < 0).all()  # nothing is there
  best = diffedit.score(maps, top=4)
  np.testing.assert_allclose(best, np.sort(np.asarray(maps).reshape(B, Q, -1))[..., -4:].mean(-1), rtol=1e-5)
  assert np.argmax(np.asarray(diffedit.standardise(best))[0]) == 0


def test_noise_is_shared_and_depends_on_the_clip_only():
  z0 = clips()
  maps = gain(z0, QUERIES, NOTHING, KEYS, antithetic=False)
  np.testing.assert_allclose(gain(z0[1:2], QUERIES, NOTHING, KEYS[1:2], antithetic=False), maps[1:2], atol=1e-5)
  one = jax.tree.map(lambda leaf: leaf[2:3], QUERIES)
  np.testing.assert_allclose(gain(z0, one, NOTHING, KEYS, antithetic=False), maps[:, 2:3], atol=1e-5)
  per_clip = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (B, *leaf.shape)), QUERIES)
  per_reference = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (B, *leaf.shape[1:])), NOTHING)
  np.testing.assert_allclose(gain(z0, per_clip, per_reference, KEYS, antithetic=False, max_rows=1), maps, atol=1e-5)
  assert not np.allclose(gain(z0, QUERIES, NOTHING, KEYS[::-1], antithetic=False), maps, atol=1e-3)
  np.testing.assert_allclose(gain(z0, NOTHING, NOTHING, KEYS), 0.0, atol=1e-6)  # the reference against itself


def test_one_call_a_step_with_the_reference_once():
  seen = []

  def model_fn(z, t, cond):
    seen.append((z.shape, t.shape, cond['mean'].shape))
    return gaussian_model(z, t, cond)

  diffedit.gain(model_fn, clips(), QUERIES, NOTHING, KEYS, SCHEDULE, 'v', n=4, max_rows=2 * B * (Q + 1))
  assert set(seen) == {((2 * B * (Q + 1), T, F, C), (2 * B * (Q + 1),), (2 * B * (Q + 1), T, F, C))}


def nonlinear_model(z, t, cond):
  t = t.reshape(-1, 1, 1, 1)
  return jnp.tanh(z + cond['mean']) + 0.3 * t * cond['mean'] * z


def drawn_noise(n, level=0):
  """The noises that clip i's key gives, (n, B, T, F, C)."""
  return np.stack([
      np.stack([jax.random.normal(jax.random.fold_in(key, level * n + j), (T, F, C)) for key in KEYS]) for j in range(n)])


def test_diffusers_preset_is_generate_mask():
  """Step by step as the pipeline does it, with its four branches, for each pair of one clip and one query."""
  z0, strength, n, guidance = clips(), 0.5, 10, 7.5
  result = jax.jit(lambda z0: diffedit.contrast(
      nonlinear_model, z0, QUERIES, NOTHING, KEYS, SCHEDULE, 'eps', diffedit.DIFFUSERS))(z0)
  noise = drawn_noise(n)
  alpha, sigma = np.cos(0.5 * np.pi * strength), np.sin(0.5 * np.pi * strength)
  null = np.full((T, F, C), 0.4, np.float32)  # any shared negative prompt cancels
  unet = lambda z, mean: np.tanh(z + mean) + 0.3 * strength * mean * z
  for clip in range(B):
    for query in range(Q):
      noised = alpha * np.asarray(z0)[clip] + sigma * noise[:, clip]  # (n, T, F, C)
      uncond, source, target = unet(noised, null), unet(noised, 0.0), unet(noised, templates()[query])
      source = uncond + guidance * (source - uncond)
      target = uncond + guidance * (target - uncond)
      guide = np.abs(target - source).mean((0, 3))  # over maps and channels
      magnitude = guide.mean() * 3.0
      semantic = np.clip(guide, 0, magnitude) / magnitude
      np.testing.assert_allclose(result.raw[clip, query], guide, rtol=1e-3, atol=1e-4)
      np.testing.assert_allclose(result.map[clip, query], semantic, rtol=1e-3, atol=1e-4)
      np.testing.assert_array_equal(result.mask[clip, query], ~(semantic <= 0.5))
      np.testing.assert_array_equal(result.mask[clip, query], guide > 1.5 * guide.mean())


@pytest.mark.parametrize('norm', ['l1', 'l2'])
def test_clamping_before_the_mean(norm):
  settings = diffedit.ContrastSettings(n=4, clamp=2.0, order='clamp_then_mean', norm=norm, strength=0.5)
  z0 = clips()
  result = diffedit.contrast(nonlinear_model, z0, QUERIES, NOTHING, KEYS, SCHEDULE, 'eps', settings)
  noised = (np.asarray(z0) + drawn_noise(4)) * np.sqrt(0.5)
  unet = lambda mean: np.tanh(noised + mean) + 0.15 * mean * noised
  d = unet(templates()[1]) - unet(0.0)
  d = np.abs(d).mean(-1) if norm == 'l1' else np.sqrt((d**2).mean(-1))  # (n, B, T, F)
  d = np.minimum(d, 2.0 * d.mean((2, 3), keepdims=True)).mean(0)
  np.testing.assert_allclose(result.raw[:, 1], d, rtol=1e-3, atol=1e-5)
  low, high = d.min((1, 2), keepdims=True), d.max((1, 2), keepdims=True)
  np.testing.assert_allclose(result.map[:, 1], (d - low) / (high - low), rtol=1e-3, atol=1e-4)


def test_x0_space_is_the_same_mask_at_one_level_and_another_map_over_several():
  run = lambda **fields: jax.jit(lambda z0: diffedit.contrast(
      gaussian_model, z0, QUERIES, NOTHING, KEYS, SCHEDULE, 'v', diffedit.ContrastSettings(n=2, **fields)))(clips())
  eps, x0 = run(strength=0.6), run(strength=0.6, space='x0')
  np.testing.assert_allclose(eps.map, x0.map, atol=1e-4)
  ratio = float(SCHEDULE.sigma(0.6) / SCHEDULE.alpha(0.6))
  np.testing.assert_allclose(x0.raw, ratio * eps.raw, rtol=1e-3, atol=1e-5)
  several = run(strength=(0.3, 0.9), space='x0', antithetic=True)
  each = [run(strength=t, space='x0', antithetic=True).raw for t in (0.3, 0.9)]  # this model's differences hold no noise
  np.testing.assert_allclose(several.raw, 0.5 * (each[0] + each[1]), rtol=1e-3, atol=1e-5)


def test_a_query_equal_to_the_reference_marks_nothing():
  for order in diffedit.ORDERS:
    settings = diffedit.ContrastSettings(n=2, order=order)
    result = jax.jit(lambda z0: diffedit.contrast(
        gaussian_model, z0, NOTHING, NOTHING, KEYS, SCHEDULE, 'v', settings))(clips())
    assert np.isfinite(result.map).all() and not np.asarray(result.mask).any()


def test_logsnr_weights_are_the_trapezoid_rule():
  ts = np.array([0.8, 0.83, 0.9])
  logsnr = np.asarray(SCHEDULE.logsnr(ts))
  values = np.array([1.0, 5.0, -2.0])
  expected = -np.trapezoid(values, logsnr)
  np.testing.assert_allclose(values @ np.asarray(diffedit.logsnr_weights(ts, SCHEDULE)), expected, rtol=1e-4)
  np.testing.assert_allclose(diffedit.logsnr_weights(ts[::-1], SCHEDULE).sum(), logsnr[0] - logsnr[-1], rtol=1e-5)


def test_standardise_leaves_one_out():
  scores = np.random.default_rng(1).normal(5.0, 2.0, (2, 6))
  absent = np.array([True, True, False, True, True, True])
  got = np.asarray(diffedit.standardise(jnp.asarray(scores), jnp.asarray(absent)))
  for clip, query in np.ndindex(2, 6):
    others = [j for j in range(6) if j != query and absent[j]]
    rest = scores[clip, others]
    assert np.isclose(got[clip, query], (scores[clip, query] - rest.mean()) / rest.std(ddof=1), rtol=1e-4)
  plain = np.asarray(diffedit.standardise(jnp.asarray(scores), divide=False))
  assert np.isclose(plain[0, 0], scores[0, 0] - scores[0, 1:].mean(), rtol=1e-4)
  np.testing.assert_array_equal(diffedit.standardise(jnp.ones((1, 4))), np.zeros((1, 4)))


def test_upsampling_and_threshold():
  maps = jnp.zeros((2, 4, 4)).at[0, 1, 2].set(1.0).at[1].set(-1.0)
  up = diffedit.upsample_map(maps, (32, 16))
  assert up.shape == (2, 32, 16)
  peak = np.unravel_index(np.argmax(up[0]), (32, 16))
  assert 8 <= peak[0] < 16 and 8 <= peak[1] < 12
  mask = np.asarray(diffedit.threshold_map(up))
  assert mask[0].any() and not mask[1].any()
  assert not np.asarray(diffedit.threshold_map(up, floor=2.0)).any()


@pytest.mark.parametrize('call, message', [
    (lambda: diffedit.ContrastSettings(order='clamp'), 'mean_then_clamp, clamp_then_mean'),
    (lambda: diffedit.ContrastSettings(clamp=0.0), 'clamp > 0'),
    (lambda: gain(clips(), QUERIES, NOTHING, KEYS, n=3), 'even'),
    (lambda: gain(clips(), QUERIES, NOTHING, KEYS[:2]), 'one key per clip'),
    (lambda: gain(clips(), QUERIES, NOTHING, KEYS, weights=jnp.ones(2)), 'one weight per level'),
    (lambda: gain(clips(), QUERIES, NOTHING, KEYS, ts=(1.5,)), r'in \[0, 1\]'),
    (lambda: gain(clips(), QUERIES, dict(mean=jnp.zeros((2, T, F, C))), KEYS), 'conditions must be'),
    (lambda: diffedit.score(jnp.zeros((1, 2, 3, 3)), top=10), r'1\.\.9'),
    (lambda: diffedit.standardise(jnp.zeros((1, 2))), 'two others'),
    (lambda: diffedit.logsnr_weights([0.5], SCHEDULE), 'at least 2 levels'),
])
def test_bad_arguments(call, message):
  with pytest.raises(ValueError, match=message):
    call()
