"""What a random built-in scene holds: surroundings, species, when and how loud. Pure numpy."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from data_pipeline import environments
from data_pipeline.scene import ENVIRONMENTS, NEARS, NOISES

DENSITY = (0.06, 0.55, 0.29, 0.10)  # probabilities of 0, 1, 2, 3 events
LEVEL_RANGE_DB = (-42.0, -16.0)
USUAL_LEVEL_DB, LEVEL_SPREAD_DB = -28.0, 5.5
TWICE = 0.05        # chance that a further event is another bird of the first one's species
THROUGHOUT = 0.12   # chance that a bird goes on for most of the clip
LONG = (0.7, 0.93)  # of the clip, how long it then lasts


def draw_surroundings(rng: np.random.Generator) -> tuple[str, str, str]:
  """(environment, noise, near): uniform, quiet a little oftener, near something in half of the clips."""
  environment = ENVIRONMENTS[rng.integers(len(ENVIRONMENTS))]
  noise = NOISES[rng.choice(len(NOISES), p=(0.4, 0.35, 0.25))]
  near = NEARS[rng.integers(len(NEARS))] if rng.random() < 0.5 else ''
  return environment, noise, near


def draw_noise_db(noise: str, rng: np.random.Generator) -> float:
  """RMS in dB re full scale of a background called `noise` (one of scene.NOISES)."""
  return environments.NOISE_DB[noise] + rng.uniform(-1, 1) * environments.NOISE_SPREAD_DB


def draw_species(count: int, codes: Sequence[str], pairs: Sequence[tuple[str, str]] | None, distinct: bool,
                 rng: np.random.Generator) -> list[str]:
  """`count` of `codes`, mostly without replacement (`distinct`: always), or one of `pairs`."""
  if pairs is not None:
    return list(pairs[rng.integers(len(pairs))])
  chosen = [codes[i] for i in rng.permutation(len(codes))]
  while len(chosen) < count:
    chosen.append(codes[rng.integers(len(codes))])
  chosen = chosen[:count]
  for i in range(1, count):
    if not distinct and rng.random() < TWICE:
      chosen[i] = chosen[0]
  return chosen


def draw_length(usual: float, duration: float, rng: np.random.Generator) -> float:
  """Length in s of a vocalisation that usually lasts `usual`, in a clip of `duration`."""
  if rng.random() < THROUGHOUT:
    return rng.uniform(*LONG) * duration
  return min(usual, 0.9 * duration)


def draw_onset(length: float, duration: float, rng: np.random.Generator) -> float:
  """In s. Mostly the whole vocalisation is inside; one in eight overhangs a border by up to a quarter."""
  edge = min(0.02, 0.2 * max(duration - length, 0.0))
  if rng.random() < 0.125:
    cut = rng.uniform(0.03, 0.25) * length
    return -cut if rng.random() < 0.5 else duration - length + cut
  return rng.uniform(edge, duration - length - edge)


def draw_level(noise_db: float, rng: np.random.Generator) -> float:
  """In dB re full scale. Birds sing up against noise (the Lombard effect): the faintest is just above the background."""
  low, high = max(LEVEL_RANGE_DB[0], noise_db + 2), LEVEL_RANGE_DB[1]
  while True:  # a truncated normal; more than half of the draws are inside
    level = rng.normal(USUAL_LEVEL_DB, LEVEL_SPREAD_DB)
    if low <= level <= high:
      return float(level)
