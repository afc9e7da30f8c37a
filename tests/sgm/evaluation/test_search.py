"""The search with a model whose optimal denoiser is known: a clip is its species' spectra, in their frames, and noise."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgm.diffusion import schedule as schedule_lib
from sgm.evaluation import search

FRAMES, BANDS, SPECIES, SPREAD = 8, 6, 5, 0.3
SPECTRA = 3.0 * np.eye(SPECIES, BANDS, dtype=np.float32)
SPECTRA[1] = 0.6 * SPECTRA[0]  # the look-alike of species 0
SCHEDULE = schedule_lib.CosineSchedule()


def denoiser(params, calls=None):
  """E[eps | z] where x0 ~ N(sum of the roll's species, SPREAD^2); an unknown roll is a broad prior around silence."""
  del params

  def predict(z, t, condition):
    if calls is not None:
      jax.debug.callback(functools.partial(calls.append, len(z)))
    alpha, sigma = (f(t)[:, None, None, None] for f in (SCHEDULE.alpha, SCHEDULE.sigma))
    mean = (condition['roll'] > 0).astype(z.dtype) @ SPECTRA  # (R, T, F)
    variance = jnp.where(condition['has_roll'] > 0, SPREAD**2, 1.0)[:, None, None, None]
    return sigma * (z - alpha * mean[..., None]) / (alpha**2 * variance + sigma**2)
  return predict


def searching(settings, calls=None):
  """(clips (B, T, F, 1), keys (B,)) -> Found, compiled once."""
  task = types.SimpleNamespace(denoiser=functools.partial(denoiser, calls=calls), schedule=SCHEDULE, prediction='eps')
  queries = {'tokens': np.zeros((SPECIES, 3), np.int32), 'has_roll': np.ones(SPECIES, np.float32),
             'roll': np.broadcast_to(0.5 * np.eye(SPECIES, dtype=np.float32)[:, None], (SPECIES, FRAMES, SPECIES))}
  return jax.jit(lambda clips, keys: search.search(task, None, clips, keys, queries, settings))


_searching = functools.cache(searching)


def found(clips, settings, calls=None):
  keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(jnp.arange(len(clips)))
  return (_searching(settings) if calls is None else searching(settings, calls))(clips, keys)


def clips():
  """One of species 0 and 3 at different times, one of species 2 and 4 together, one of the look-alike, one of nothing."""
  roll = np.zeros((4, FRAMES, SPECIES), np.float32)
  roll[0, 1:4, 0] = roll[0, 4:7, 3] = roll[1, 2:5, 2] = roll[1, 2:5, 4] = roll[2, 1:6, 1] = 1
  noise = SPREAD * np.random.default_rng(1).normal(size=(4, FRAMES, BANDS))
  return (roll @ SPECTRA + noise)[..., None].astype(np.float32), roll.any(1)


INDEPENDENT = search.Settings(ts=(0.4, 0.5), noises=4, sharpness=12.0)
GREEDY = search.Settings(ts=(0.4, 0.5), noises=4, sharpness=12.0, screen=(0.4,), keep=3, steps=2)


@pytest.mark.parametrize('settings', [INDEPENDENT, GREEDY])
def test_the_species_of_mixtures_are_found_where_they_are(settings):
  z0, present = clips()
  scores, maps = map(np.asarray, found(z0, settings))
  assert scores.shape == present.shape and maps.shape == (4, SPECIES, FRAMES, BANDS)
  for clip in range(4):
    assert scores[clip][present[clip]].min(initial=9) > scores[clip][~present[clip]].max() + 1, clip
  assert (scores[3] < 0.5).all()
  assert maps[0, 0, 1:3, 0].min() > 0.5 > maps[0, 0, 5:, 0].max()  # species 0 sings in the first half, 3 in the second
  assert maps[0, 3, 5:7, 3].min() > 0.5 > maps[0, 3, :3, 3].max()


def test_the_look_alike_is_weighed_against_the_bird():
  z0, _ = clips()
  scores = np.asarray(found(z0, INDEPENDENT).scores)
  assert scores[2, 1] > 1 > scores[2, 0] + 1 and scores[0, 0] > scores[0, 1] + 1


@pytest.mark.parametrize('settings', [INDEPENDENT, GREEDY])
def test_rows_are_those_of_the_denoiser(settings):
  z0, _ = clips()
  calls = []
  jax.block_until_ready(found(z0[:1], settings, calls))
  jax.effects_barrier()
  assert sum(calls) == settings.rows(SPECIES)


def test_a_clip_does_not_depend_on_the_others():
  z0, _ = clips()
  others = np.concatenate([z0[:1], z0[:0:-1]])
  np.testing.assert_array_equal(found(z0, GREEDY).scores[0], found(others, GREEDY).scores[0])


@pytest.mark.parametrize('wrong, message', [
    (dict(screen=(0.8,), loudness=0.0), 'loudness > 0 with screen'), (dict(top=0), 'top >= 1'),
    (dict(keep=2, steps=3), '1 <= steps <= keep'), (dict(sharpness=0.0), 'sharpness > 0')])
def test_bad_settings_are_refused(wrong, message):
  with pytest.raises(ValueError, match=message):
    search.Settings(**wrong)
