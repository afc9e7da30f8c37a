"""Is what a model draws for one scene as varied as the scene's own renderings? The overlap test (DESIGN, section 5).

A condition leaves things open: which individual sings, how, and what the wind does. So each cell has a distribution of
amplitudes over renderings of one scene, which can have several modes where birds overlap. Here it is held against that of a
model's samples.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from sgm.tasks import latent_diffusion

KINDS = ('overlap', 'single', 'background')
OFTEN, SELDOM = 0.5, 0.05  # shares of the renderings


def energy_distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """2 E|X - Y| - E|X - X'| - E|Y - Y'| = 2 integral (F - G)^2 of every cell's two distributions, from samples of them.

  Unbiased (the U-statistic: pairs of a sample with itself do not count), so that equal distributions give 0 on average
  whatever the numbers of samples, and a model gains nothing by drawing less varied ones. Single cells can lie below 0.

  Args:
    x, y: (N, ...) and (M, ...), two samples or more of each.

  Returns:
    (...) in the unit of x. Source: Szekely & Rizzo (2013), Energy statistics, J. Statistical Planning and Inference 143.

  Raises:
    ValueError: fewer than two samples, or cells that differ.
  """
  x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
  if min(len(x), len(y)) < 2 or x.shape[1:] != y.shape[1:]:
    raise ValueError(f'energy_distance: shapes {x.shape} and {y.shape}: expected two samples or more of each, of equal cells')
  n, m = len(x), len(y)
  within_x, within_y = _sum_over_pairs(x), _sum_over_pairs(y)
  between = _sum_over_pairs(np.concatenate([x, y])) - within_x - within_y
  return 2 * (between / (n * m) - within_x / (n * (n - 1)) - within_y / (m * (m - 1)))


def _sum_over_pairs(x: np.ndarray) -> np.ndarray:
  """Sum of |x_i - x_j| over i < j: (N, ...) -> (...)."""
  # The k-th smallest, from 0, is added k times and subtracted N - 1 - k times.
  weights = 2.0 * np.arange(len(x)) - (len(x) - 1)
  return np.tensordot(weights, np.sort(x, axis=0), 1)


def kinds_of_cells(audible: np.ndarray) -> dict[str, np.ndarray]:
  """Which cells belong to both birds, to one of them, to none.

  Args:
    audible: (R, 2, T, F) bool, where each bird stands out of the background in each rendering.

  Returns:
    {kind of KINDS: (T, F) bool}: both are audible in at least half of the renderings; one is, but not both; there is a bird
    in at most one of twenty. Cells in between are of no kind.
  """
  if audible.ndim != 4 or audible.shape[1] != 2:
    raise ValueError(f'kinds_of_cells: audible has shape {audible.shape}: expected (renderings, 2 birds, T, F)')
  both, some = audible.all(1).mean(0), audible.any(1).mean(0)  # (T, F)
  overlap = both >= OFTEN
  return {'overlap': overlap, 'single': ~overlap & (some >= OFTEN), 'background': some <= SELDOM}


def quantised(s: np.ndarray, levels: int) -> np.ndarray:
  """S in [0, 1] as the nearest of A = `levels` amplitudes, in which every head's likelihood is counted."""
  return np.round(np.asarray(s, np.float32) * (levels - 1)) / (levels - 1)


def generated(task: Any, params: Any, frozen: Any, conditions: Mapping[str, np.ndarray], count: int, seed: int,
              batch_size: int = 32) -> dict[str, np.ndarray]:
  """`count` clips of each of K conditions; every latent is drawn once and read in both ways.

  Without guidance, which leaves the distribution that was learnt: guided birds are louder than the condition says.

  Args:
    conditions: {'tokens' (K, L), 'roll' (K, T', S), 'has_roll' (K,)}.

  Returns:
    {'expectation', 'sample'}: (K, count, T, F), of the first audio channel; a clip depends on (seed, its number) only.
  """
  unguided = dataclasses.replace(task.sampler, guidance=1)

  @jax.jit
  def draw(params, frozen, keys, condition):
    latent = task.sample(params, frozen, keys, condition, unguided)['latent']
    return {how: task.render(frozen, latent, keys, how)[..., 0] for how in latent_diffusion.AMPLITUDES}

  total = count * len(conditions['tokens'])
  rows: dict[str, list[np.ndarray]] = {how: [] for how in latent_diffusion.AMPLITUDES}
  for i in range(0, total, batch_size):
    number = np.arange(i, i + batch_size)
    keys = jax.vmap(lambda j: jax.random.fold_in(jax.random.key(seed), j))(jnp.asarray(number))
    which = np.minimum(number, total - 1) // count
    for how, s in draw(params, frozen, keys, {name: x[which] for name, x in conditions.items()}).items():
      rows[how].append(np.asarray(s)[:total - i])
  return {how: np.concatenate(parts).reshape(-1, count, *parts[0].shape[1:]) for how, parts in rows.items()}
