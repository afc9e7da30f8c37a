"""The x0-space difference of a Gaussian model, in closed form."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from sgm.diffusion.denoising_gain import Gain
from sgm.diffusion.x0_difference import X0Difference
from tests.sgm.diffusion.gaussian import B, C, DENOISER, KEYS, NOTHING, Q, QUERIES, SCHEDULE, STD, clips, drawn_noise, templates


@functools.partial(jax.jit, static_argnames=('method', 'max_rows'))
def make(method, z0, queries, keys=KEYS, max_rows=1024):
  return method(DENOISER, z0, queries, NOTHING, keys, max_rows=max_rows)


def scales(t):
  """(data's, noise's) part in the optimal error about x0, whose mean m is `data (x0 - m) - noise eps`."""
  alpha, sigma = float(SCHEDULE.alpha(t)), float(SCHEDULE.sigma(t))
  variance = alpha**2 * STD**2 + sigma**2
  return sigma**2 / variance, alpha * sigma * STD**2 / variance


def test_every_noise_and_level_is_as_written():
  ts, n = (0.5, 0.8), 3
  x = np.asarray(clips())
  levels = []
  for level, t in enumerate(ts):
    data, noise = scales(t)
    eps = noise * drawn_noise(n, level)[:, :, None]  # (n, B, 1, T, F, C)
    error = lambda mean: np.square(data * (x[:, None] - mean) - eps).sum(-1).mean(0)  # (B, ., T, F)
    levels.append((error(0.0) - error(templates())) / (error(0.0) + error(templates())))
  got = make(X0Difference(ts, n, antithetic=False), clips(), QUERIES)
  np.testing.assert_allclose(got, np.mean(levels, 0), rtol=1e-3, atol=1e-4)


def test_closed_form_over_all_noises():
  t = 0.7
  data, noise = scales(t)
  x = np.asarray(clips())[:, None]
  expected = lambda mean: (data**2 * np.square(x - mean)).sum(-1) + C * noise**2
  got = make(X0Difference((t,), 2000), clips(), QUERIES, max_rows=100 * B * (Q + 1))
  reference, query = expected(0.0), expected(templates())
  np.testing.assert_allclose(got, (reference - query) / (reference + query), atol=0.02)


def test_a_loud_cell_counts_no_more_than_a_quiet_one():
  """Two birds that the query describes exactly, one ten times the other: it wins by gain, not by x0 difference."""
  loud, quiet = 20.0 * templates(), 2.0 * templates()
  block = templates()[0].any(-1)
  values = {}
  for name, mean in (('loud', loud), ('quiet', quiet)):
    z0, queries = jnp.asarray(mean[:1]), dict(mean=jnp.asarray(mean[:1]))
    for method in (Gain((0.5,), 20), X0Difference((0.5,), 20)):
      values[name, type(method)] = np.asarray(make(method, z0, queries, KEYS[:1]))[0, 0]
  ratio = lambda method: (values['loud', method][block] / values['quiet', method][block]).max()
  np.testing.assert_allclose(ratio(Gain), 100.0, rtol=0.01)
  assert 1.0 < ratio(X0Difference) < 1.3
  assert (values['quiet', X0Difference][block] > 0.8).all() and np.abs(values['loud', X0Difference]).max() <= 1.0


def test_query_and_reference_swapped_change_the_sign():
  z0, one = clips(), dict(mean=QUERIES['mean'][1:2])
  run = jax.jit(lambda query, reference: X0Difference((0.7,))(DENOISER, z0, query, reference, KEYS))
  forth, back = run(one, NOTHING), run(NOTHING, one)
  np.testing.assert_allclose(forth, -back, atol=1e-6)


def test_a_wrong_query_is_negative_and_an_equal_one_zero():
  absent = np.asarray(make(X0Difference(), clips(), QUERIES))[-1]  # nothing sings in the last clip
  for q in range(Q):
    assert absent[q][templates()[q].any(-1)].mean() < -0.3
  np.testing.assert_array_equal(make(X0Difference(), clips(), NOTHING), 0.0)
