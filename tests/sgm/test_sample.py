"""Sampling from a work directory, as a user calls it: of two training steps, since only the plumbing is tested."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from data_pipeline import description as description_lib
from data_pipeline import prompts
from data_pipeline.formats import raven
from sgm import sample
from sgm.evaluation import judge as judge_lib
from sgm.tasks import restore
from tests.sgm import small


@pytest.fixture(autouse=True, scope='module')
def quick():
  with small.unoptimised(), pytest.MonkeyPatch.context() as patch:
    patch.setattr(judge_lib, 'BATCH', 4)
    patch.setattr(sample, 'BATCH', 4)
    yield


@pytest.fixture(scope='module')
def run(ldm_workdir):
  return restore.load(ldm_workdir)


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


def test_whatever_a_bird_is_called_the_model_is_told_its_common_name(run):
  requests = sample.plan(run, ['two Glass pipits singing', 'two GLTPIP singing', 'two vitranthus ascendens singing'], 1, 0)
  assert [{e.species for e in r.scene.events} for r in requests] == [{'gltpip'}] * 3
  drawn = [dataclasses.replace(requests[0], prompt=r.prompt) for r in requests]  # else each clip has its own draw
  tokens = sample.condition_of(run, drawn, 'text')['tokens']
  assert (tokens == tokens[0]).all()
  for name in run.labels.taxonomy.species[0].names:
    for seed in range(20):
      [request] = sample.plan(run, [f'a {name} singing'], 1, seed)
      words = [run.labels.tokenizer.words[i - 2] for i in sample.condition_of(run, [request], 'text')['tokens'][0] if i]
      assert 'glass' in words and not {'gltpip', 'vitranthus', 'ascendens'} & set(words)


def test_writes_clips_that_open_elsewhere(run, tmp_path):
  requests = sample.plan(run, ['a Glass pipit singing loudly in the middle'], 2, 0)
  s, audio = sample.generate(run, requests, 0, 'both')
  assert s.shape == (2, 128, 64, 1) and audio.shape == (2, 40960, 1)
  alone, _ = sample.generate(run, requests[1:], 0, 'both')
  np.testing.assert_allclose(alone[0], s[1], atol=1e-4)  # clip i depends on (seed, i) only
  paths = sample.write(run, requests, s, audio, tmp_path / 'out', seed=0, kind='both')
  assert [p.name for p in paths] == ['0000', '0001']
  assert (tmp_path / 'out' / 'ATTRIBUTION.csv').read_text() == run.attribution  # that of the training data, passed on
  assert run.attribution.splitlines()[1] == 'all clips,invented birds,sgm,CC0-1.0,pd,'
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


def test_a_crowded_scene_is_told_by_its_loudest_events(run):
  names = [s.common for s in run.labels.taxonomy.species[:5]]
  prompt = 'Forest environment, ' + ', '.join(f'a {n} singing {how} at the start' for n, how in zip(names, ['lightly'] * 2 + ['loudly'] * 3))
  [request] = sample.plan(run, [prompt], 1, 0)
  condition = sample.condition_of(run, [request], 'both')
  assert (condition['roll'][0].max(0) > 0).sum() == 5  # the roll holds them all
  words = {run.labels.tokenizer.words[i - 2] for i in condition['tokens'][0] if i}
  told = [name for name in names if set(name.lower().split()) <= words]
  assert told == names[2:]
