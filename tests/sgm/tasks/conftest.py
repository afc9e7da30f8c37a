"""One compiled task of each kind at the real tiny configuration, shared by the tests of this folder."""

import json

import jax
import numpy as np
import pytest

from data_pipeline import description as description_lib
from data_pipeline import prompts
from data_pipeline import scene as scene_lib
from data_pipeline import soundscape
from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline import tokenizer as tokenizer_lib
from experiments import autoencoder
from experiments import classifier
from experiments import ldm
from sgm import tasks
from sgm.training import optim
from sgm.training import sharding
from sgm.training import step as step_lib
from tests.sgm import small

BATCH = 8


@pytest.fixture(autouse=True, scope='module')
def unoptimised():
  with small.unoptimised():
    yield


class Info:
  taxonomy = taxonomy_lib.PROCEDURAL
  tokenizer = tokenizer_lib.from_grammar(taxonomy_lib.PROCEDURAL)


@pytest.fixture(scope='session')
def batch():
  """Eight clips of the built-in birds with every label a task may ask for."""
  clips = [soundscape.generate(0, i, density=(0.0, 1.0, 0.0, 0.0)) for i in range(BATCH)]
  codes = Info.taxonomy.codes
  rng = np.random.default_rng(0)
  labels = np.zeros((BATCH, len(codes) + 1), np.float32)
  for row, clip in zip(labels, clips):
    row[codes.index(clip.scene.events[0].species)] = 1
  return {
      'audio': np.stack([c.audio for c in clips]),
      'tokens': np.stack([Info.tokenizer.encode(prompts.render(c.scene, rng, Info.taxonomy), 48) for c in clips]),
      'partial_tokens': np.stack([Info.tokenizer.encode(prompts.render(
          description_lib.leave_unsaid(description_lib.project(c.scene), rng), rng, Info.taxonomy), 48) for c in clips]),
      'roll': np.stack([scene_lib.label_roll(c.scene, codes, 16) for c in clips]),
      'activity': np.stack([scene_lib.activity(c.scene, codes, 32) for c in clips]),
      'label': labels,
  }


@pytest.fixture(scope='session')
def fit(batch):
  """fit(config, task, frozen, steps) -> (loss terms of each step, params): trains on the one batch."""
  @small.unoptimised()
  def run(config, task, frozen, steps):
    optimizer, _ = optim.build(steps, **{**config.optim.to_dict(), 'warmup_steps': 5, 'schedule': 'constant'})
    mesh = sharding.make_mesh(1, 1, jax.devices()[:1])
    state = jax.jit(lambda key: step_lib.init_state(task, optimizer, key, batch))(jax.random.key(0))
    shardings = sharding.weight_shardings(mesh, jax.eval_shape(lambda: state))
    state = jax.device_put(state, shardings)
    step = step_lib.make_train_step(task, optimizer, 0.9, 1, mesh, shardings)
    history = []
    for _ in range(steps):
      state, values = step(state, frozen, batch)
      history.append(values)
    history = [{k: float(v) for k, v in row.items()} for row in history]
    return history, state.params
  return run


@pytest.fixture(scope='session')
def autoencoder_run(batch, fit):
  """(config, task, history, params) of an autoencoder that overfits the batch."""
  config = autoencoder.get_config('preset=tiny,data=d')
  task = tasks.build(config, Info)
  return config, task, *fit(config, task, {}, 100)


@pytest.fixture(scope='session')
def classifier_run(batch, fit):
  config = classifier.get_config('preset=tiny,data=d')
  task = tasks.build(config, Info)
  return config, task, *fit(config, task, {}, 30)


@pytest.fixture(scope='session')
def diffusion_run(autoencoder_run, batch, fit, tmp_path_factory):
  """(config, task, frozen, history, params) of a denoiser on the overfitted autoencoder's latents."""
  workdir = tmp_path_factory.mktemp('autoencoder')
  ae_config, ae_task, _, ae_params = autoencoder_run
  (workdir / 'config.json').write_text(json.dumps({'config': ae_config.to_dict()}))
  config = ldm.get_config(f'preset=tiny,data=d,autoencoder={workdir}')
  task = tasks.build(config, Info)
  latent = np.asarray(jax.jit(lambda p, a: ae_task.encode(p, ae_task.frontend(a))[0])(ae_params, batch['audio']))
  frozen = {'autoencoder': ae_params, 'mean': latent.mean((0, 1, 2)), 'std': latent.std((0, 1, 2))}
  return config, task, frozen, *fit(config, task, frozen, 110)
