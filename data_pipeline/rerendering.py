"""One scene sounded again and again: what its description leaves open varies as it does in the training data. Pure numpy.

Species, vocalisations, times and levels stay, and the words for the place; individuals, their performance, the background and
how loud it is within its word are drawn anew (`soundscape.render_scene`). The training data are amplified by a random gain too,
after which the words no longer tell how loud the place is: that gain is drawn as well, given the levels.
"""

from __future__ import annotations

from typing import Iterator

import numpy as np

from data_pipeline import environments, sampling, series, soundscape
from data_pipeline.scene import Scene

_GAINS = 200  # values that a gain is drawn from


def two_birds(seed: int, *, duration: float, sample_rate: int) -> Iterator[Scene]:
  """Endless random scenes of two birds of different species that overlap, both of them whole inside of the clip."""
  index = 0
  while True:
    scene = soundscape.generate(soundscape.split_seed(seed, 'rerendering'), index, duration=duration, sample_rate=sample_rate,
                                **series.SPLITS['pairs']).scene
    index += 1
    if all(e.onset > 0 and e.offset < duration for e in scene.events):
      yield scene


def renderings(scene: Scene, count: int, seed: int, *, gain_db: tuple[float, float],
               sample_rate: int) -> Iterator[soundscape.Clip]:
  """`count` soundings of a scene, rendering i a function of (seed, i) and the other arguments.

  Args:
    scene: of built-in birds, with levels as they are after the gain.
    gain_db: range of the gain, in which it is uniform before the levels are known.

  Raises:
    ValueError: levels that no gain of the range leads to, or what `soundscape.render_scene` refuses.
  """
  gains = np.linspace(*gain_db, _GAINS)
  weights = gain_weights(scene, gains)
  if not weights.sum():
    raise ValueError(f'levels of {[round(e.level_db, 1) for e in scene.events]} dB do not occur in a {scene.noise} place '
                     f'after a gain of {gain_db[0]} to {gain_db[1]} dB')
  for i in range(count):
    rng = np.random.default_rng([seed, i])
    gain = rng.choice(gains, p=weights / weights.sum())
    clip = soundscape.render_scene(scene.gain(-gain), int(rng.integers(2**62)), sample_rate)
    amplify = np.float32(10 ** (gain / 20))
    yield soundscape.Clip(clip.audio * amplify, clip.stems * amplify, clip.scene.gain(gain), f'{clip.id}/{i}')


def gain_weights(scene: Scene, gains: np.ndarray) -> np.ndarray:
  """How likely each gain (G,) in dB is, given the levels of the scene's events, up to a factor: (G,).

  The product of the densities of `sampling.draw_level` at what the levels were before the gain.
  """
  before = np.array([e.level_db for e in scene.events]).reshape(-1, 1) - gains  # (E, G)
  lowest = max(sampling.LEVEL_RANGE_DB[0], environments.NOISE_DB[scene.noise] + 2)
  possible = ((before >= lowest) & (before <= sampling.LEVEL_RANGE_DB[1])).all(0)
  z = (before - sampling.USUAL_LEVEL_DB) / sampling.LEVEL_SPREAD_DB
  return possible * np.exp(-0.5 * (z**2).sum(0))
