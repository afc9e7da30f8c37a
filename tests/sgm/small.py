"""Small data, small networks and trainings of two steps: for tests of what stands around a model, not of the model."""

from __future__ import annotations

import contextlib

import jax
import numpy as np

from experiments import autoencoder
from experiments import classifier
from experiments import ldm
from sgm.training import sharding

CLIPS = 7  # of every split that is evaluated: no batch size divides it


@contextlib.contextmanager
def unoptimised():
  """Compiling small programs with optimisations is nearly all of their time."""
  before = jax.config.values['jax_disable_most_optimizations']
  jax.config.update('jax_disable_most_optimizations', True)
  try:
    yield
  finally:
    jax.config.update('jax_disable_most_optimizations', before)


def filled(init, *args):
  """Weights shaped as `init(*args)` makes them, small random numbers: to compile a random initialisation takes far longer."""
  rng = np.random.default_rng(0)
  return jax.tree.map(lambda x: rng.normal(0, 0.1, x.shape).astype(np.float32), jax.eval_shape(init, *args))


def one_device(data, fsdp):
  """In the place of `sharding.make_mesh`: fake devices would all do the same work."""
  del data, fsdp
  return sharding_make_mesh(1, 1, jax.devices()[:1])


sharding_make_mesh = sharding.make_mesh


def _short(config):
  config.total_steps = 2
  config.batch_size = 8
  config.data.cache = 1
  for spec in config.evals.values():
    spec.update(every='100%', limit=CLIPS, batch_size=4)
  return config


def autoencoder_config(data):
  config = autoencoder.get_config(f'preset=tiny,data={data}')
  config.model.update(width=16, latent_channels=4)
  return _short(config)


def classifier_config(data):
  config = classifier.get_config(f'preset=tiny,data={data}')
  config.model.update(width=8, mults=(1,))
  return _short(config)


def ldm_config(data, autoencoder_workdir):
  config = ldm.get_config(f'preset=tiny,data={data},autoencoder={autoencoder_workdir}')
  config.model.update(width=8, mults=(1,), attention=(True,), heads=1, text_width=8, text_layers=1)
  config.task.sampler.steps = 2
  return _short(config)
