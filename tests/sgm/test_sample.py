"""Sampling from a work directory, as a user calls it: from a model of one training step, since only the plumbing is tested."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
import soundfile

from data_pipeline import description as description_lib
from data_pipeline import prompts
from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline import tokenizer as tokenizer_lib
from data_pipeline.formats import raven
from experiments import ldm
from sgm import sample
from sgm import tasks
from sgm.tasks import restore


@pytest.fixture(scope='module')
def run():
  """An untrained one-level denoiser in pixel space: the smallest model that samples."""
  labels = restore.Labels(taxonomy_lib.PROCEDURAL, tokenizer_lib.from_grammar(taxonomy_lib.PROCEDURAL), {})
  config = ldm.get_config('preset=tiny,data=d,autoencoder=none')
  config.model.update(width=8, mults=(1,), heads=1, text_width=8, text_layers=1)
  config.task.sampler.steps = 2
  task = tasks.build(config, labels)
  batch = {'spectrogram': jnp.zeros((1, 128, 64, 1)), 'tokens': jnp.zeros((1, 48), jnp.int32), 'roll': jnp.zeros((1, 128, 12))}
  with jax.disable_jit(False):
    params = jax.jit(task.init)(jax.random.key(0), batch)
  return restore.Run(config, task, params, {'autoencoder': {}, 'mean': np.zeros(1), 'std': np.ones(1)}, labels, 'f' * 8)


def test_a_plan_fits_its_prompt_and_follows_the_seed(run):
  text = 'Forest environment, a Glass pipit singing at the start, near a river'
  plans = [sample.plan(run, [text, 'two Glass pipits'], 2, seed) for seed in (1, 1, 2)]
  assert [r.index for r in plans[0]] == [0, 1, 2, 3]
  assert plans[0] == plans[1] != plans[2]
  described = prompts.parse(text, run.labels.taxonomy)
  for request in plans[0][:2]:
    drawn = description_lib.project(request.scene)
    assert (drawn.environment, drawn.near) == ('forest', 'river')
    assert [(e.species, e.timing) for e in drawn.events] == [(e.species, e.timing) for e in described.events]


def test_unknown_species_names_the_nearest(run):
  with pytest.raises(ValueError, match='Glass pipit'):
    sample.plan(run, ['a Glas pipit singing'], 1, 0)


def test_writes_clips_that_open_elsewhere(run, tmp_path):
  requests = sample.plan(run, ['a Glass pipit singing loudly in the middle'], 2, 0)
  s, audio = sample.generate(run, requests, 0, 'both')
  assert s.shape == (2, 128, 64, 1) and audio.shape == (2, 40960, 1)
  alone, _ = sample.generate(run, requests[1:], 0, 'both')
  np.testing.assert_allclose(alone[0], s[1], atol=1e-4)  # clip i depends on (seed, i) only
  paths = sample.write(run, requests, s, audio, tmp_path / 'out', seed=0, kind='both')
  assert [p.name for p in paths] == ['0000', '0001']
  for path, request in zip(paths, requests):
    wav, rate = soundfile.read(path / 'audio.wav')
    assert rate == 16000 and len(wav) == 40960
    stored = json.loads((path / 'scene.json').read_text())
    assert stored['prompt'] == request.prompt and stored['seed'] == 0
    assert stored['scene'] == json.loads(json.dumps(request.scene.to_dict()))
    events = raven.read(path / 'labels.selections.txt', run.labels.taxonomy)
    assert len(events) == len(request.scene.events)
    assert (path / 'spectrogram.png').read_bytes()[:4] == b'\x89PNG'


def test_conditions_are_withheld(run):
  requests = sample.plan(run, ['a Glass pipit singing'], 1, 0)
  assert not sample.condition_of(run, requests, 'text')['has_roll'].any()
  assert not sample.condition_of(run, requests, 'roll')['tokens'].any()
  assert sample.condition_of(run, requests, 'both')['roll'].any()
