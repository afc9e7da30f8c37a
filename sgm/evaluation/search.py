"""Which species are in a clip, from denoising gains: all of them asked at once, or searched for greedily.

`independent` asks for every species with the same noises, and weighs the answers against each other place by place
(`local_posterior`). A clip then takes levels x noises x (S + 1) rows of the denoiser.

`greedy` composes: it adds, to what was found, the species that raises the likelihood most, until none does. Asking for all S in
each of the steps would take steps x (S + 1) rows for every noise; `keep` stops early for all but the likeliest: one noise pair
at each of a few levels screens them, as the diffusion classifier's successive rejection does (Li et al. 2023, arXiv 2303.16203,
section 4.2).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sgm.diffusion import local_posterior, map_reading
from sgm.diffusion.denoising_gain import gain
from sgm.evaluation import queries as queries_lib


@dataclasses.dataclass(frozen=True)
class Settings:
  """How species are asked for.

  Attributes:
    ts: noise levels; noises: per level, in antithetic pairs.
    top: cells that are averaged to a score.
    loudness: of the queries' rolls, see `queries.species_queries`.
    sharpness, spread: see `local_posterior.log_odds`.
    screen: noise levels that screen all species, one pair each; (): all are asked with all noises, none is composed.
    keep: species that are composed after the screening.
    steps: of the composition, as many species can be found in it.
  """

  ts: tuple[float, ...] = (0.6, 0.8)
  noises: int = 2
  top: int = 3
  loudness: float = 0.5
  sharpness: float = 8.0
  spread: float = 0.5
  screen: tuple[float, ...] = ()
  keep: int = 4
  steps: int = 3

  def __post_init__(self):
    object.__setattr__(self, 'ts', tuple(self.ts))  # JSON gives lists
    object.__setattr__(self, 'screen', tuple(self.screen))
    if self.screen and not self.loudness:
      raise ValueError('a composition of species is one of rolls: expected loudness > 0 with screen')
    if self.top < 1 or self.sharpness <= 0 or self.spread < 0 or not 0 <= self.loudness <= 1:
      raise ValueError(f'search needs top >= 1, sharpness > 0, spread >= 0 and loudness in 0..1, got {self}')
    if not 1 <= self.steps <= self.keep:
      raise ValueError(f'search needs 1 <= steps <= keep, got {self}')

  def rows(self, species: int) -> int:
    """Rows of the denoiser per clip."""
    if not self.screen:
      return len(self.ts) * self.noises * (species + 1)
    return 2 * len(self.screen) * (species + 1) + self.steps * len(self.ts) * self.noises * (min(self.keep, species) + 1)


class Found(NamedTuple):
  """Scores (B, S), log odds of presence (uncalibrated); maps (B, S, *cells), probability that a place is the species' own."""

  scores: jax.Array
  maps: jax.Array


def search(task: Any, params: Any, z0: jax.Array, keys: jax.Array, queries: dict[str, Any], settings: Settings) -> Found:
  """Asks a LatentDiffusion for the species of `queries` (leaves (S, ...)) in latents z0 (B, *cells, C); keys (B,)."""
  s = settings
  ts, noises = (s.screen, 2) if s.screen else (s.ts, s.noises)
  gains = _gain(task, params, z0, keys, queries, queries_lib.nothing(queries), ts, noises)
  odds = local_posterior.log_odds(gains, s.sharpness, s.spread)
  scores = map_reading.score(odds, s.top)
  if s.screen:
    scores, odds = _compose(task, params, z0, keys, queries, s, scores, odds)
  return Found(scores, jax.nn.sigmoid(odds))


def _gain(task, params, z0, keys, queries, reference, ts, noises):
  return gain(task.denoiser(params), z0, queries, reference, keys, task.schedule, task.prediction, ts=ts, n=noises)


def _compose(task, params, z0, keys, queries, s, scores, odds):
  """Scores and log odds, those of the `keep` likeliest species replaced by what they add to the species found before."""
  batch, species = scores.shape
  keep = min(s.keep, species)
  clips = jnp.arange(batch)
  _, kept = jax.lax.top_k(scores, keep)  # (B, K)
  of_kept = odds[clips[:, None], kept]  # (B, K, *cells)
  loudest = of_kept.max(tuple(range(3, of_kept.ndim)))  # (B, K, T'): does any place of the frame look like it?
  active = loudest >= jnp.minimum(0.0, loudest.max(-1, keepdims=True))
  rolls = s.loudness * active[..., None] * jax.nn.one_hot(kept, species)[:, :, None]  # (B, K, T', S)
  keys = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)  # noises that the screening has not seen

  def step(carry, _):
    roll, found, added = carry
    conditions = queries_lib.of_rolls(queries, jnp.maximum(roll[:, None], rolls), jnp)
    gains = _gain(task, params, z0, keys, conditions, queries_lib.of_rolls(queries, roll, jnp), s.ts, s.noises)
    now = local_posterior.log_odds(gains, s.sharpness, s.spread)  # (B, K, *cells)
    added = jnp.where(_as(found, now), added, now)  # what was found keeps what it added then
    gained = jnp.where(found, -jnp.inf, map_reading.score(now, s.top))  # (B, K)
    best = gained.argmax(1)
    take = gained[clips, best] > 0.0
    roll = jnp.where(take[:, None, None], jnp.maximum(roll, rolls[clips, best]), roll)
    return (roll, found | (take[:, None] & jax.nn.one_hot(best, keep, dtype=bool)), added), None

  start = (jnp.zeros_like(rolls[:, 0]), jnp.zeros((batch, keep), bool), of_kept)
  (_, _, added), _ = jax.lax.scan(step, start, None, length=s.steps)
  both = 0.5 * (added + of_kept)  # two estimates, from noises of their own
  odds = odds.at[clips[:, None], kept].set(both)
  return scores.at[clips[:, None], kept].set(map_reading.score(both, s.top)), odds


def _as(flags, like):
  return flags.reshape(flags.shape + (1,) * (like.ndim - flags.ndim))
