"""Label ops equal the functions of the Scene they come from."""

import numpy as np
import pytest

from data_pipeline import description, prompts, scene as scenes, tokenizer
from data_pipeline.ops_label import scene_of
from data_pipeline.taxonomy import PROCEDURAL


@pytest.fixture
def rng():
  return np.random.default_rng(1)


@pytest.mark.parametrize('frames', [1, 7, 16, 25, 128])
def test_rolls_equal_the_scene(run, random_scene, features_of, rng, frames):
  for i in range(12):
    scene = random_scene(rng, 2.0)
    one = features_of(scene, rng)
    expected = scenes.label_roll(scene, PROCEDURAL.codes, frames)
    np.testing.assert_allclose(run(f'roll({frames})', one, graph=i < 2)['roll'], expected, atol=1e-7)
    expected = scenes.activity(scene, PROCEDURAL.codes, frames)
    np.testing.assert_array_equal(run(f'activity(frames={frames})', one, graph=i < 2)['activity'], expected)


def test_label(run, random_scene, features_of, rng):
  for events in (0, 1, 4):
    scene = random_scene(rng, 2.0, events)
    label = run('label', features_of(scene, rng))['label']
    heard = {e.species for e in scene.events}
    assert label.shape == (13,) and label.dtype == np.float32
    np.testing.assert_array_equal(label, [c in heard for c in PROCEDURAL.codes] + [not heard])


def test_scene_survives_the_features(random_scene, features_of, rng):
  for _ in range(10):
    scene = random_scene(rng, 2.0)
    one = {k: v.encode() if isinstance(v, str) else v for k, v in features_of(scene, rng).items()}
    assert scene_of(one, PROCEDURAL.codes) == scene


def test_prompt(run, random_scene, features_of, make_info, rng):
  info = make_info(tokenizer=tokenizer.from_grammar(PROCEDURAL))
  texts = set()
  for seed in range(8):
    scene = random_scene(rng, 2.0, 2)
    out = run('prompt(length=60)', features_of(scene, rng), seed, info, graph=seed < 2)
    text = out['text'].decode()
    assert prompts.parse(text, PROCEDURAL) == description.project(scene)
    np.testing.assert_array_equal(out['tokens'], info.tokenizer.encode(text, 60))
    assert out['tokens'].dtype == np.int32
  for seed in range(12):  # the wording follows the seed
    texts.add(run('prompt(60)', features_of(scene, rng), seed, info, graph=seed < 2)['text'])
  assert len(texts) > 3


def test_partial_prompt_says_a_part_of_the_scene(run, random_scene, features_of, make_info, rng):
  info = make_info(tokenizer=tokenizer.from_grammar(PROCEDURAL))
  shorter = 0
  for seed in range(8):
    scene = random_scene(rng, 2.0, 2)
    out = run('partial_prompt(60)', features_of(scene, rng), seed, info, graph=seed < 1)
    said, full = prompts.parse(out['partial_text'].decode(), PROCEDURAL), description.project(scene)
    np.testing.assert_array_equal(out['partial_tokens'], info.tokenizer.encode(out['partial_text'].decode(), 60))
    assert said.events and {e.species for e in said.events} <= {e.species for e in full.events}
    for slot in ('environment', 'noise', 'near'):
      assert getattr(said, slot) in ('', getattr(full, slot))
    shorter += said != full
  assert shorter >= 5


@pytest.mark.parametrize('stems', [True, False])
def test_pad_events(run, random_scene, features_of, rng, stems):
  scene = random_scene(rng, 1.0, 3)
  one = features_of(scene, rng, stems=stems)
  out = run('pad_events(5)', one)
  assert out['event_count'] == 3
  np.testing.assert_array_equal(out['event_species'], [*one['species'], -1, -1])
  assert out['event_species'].dtype == np.int32
  for key in ('onset', 'offset', 'low_hz', 'high_hz', 'level_db'):
    np.testing.assert_array_equal(out[f'event_{key}'], [*one[key], 0, 0])
  assert out['stems'].shape == (5, 8000, 1) and not out['stems'][3:].any()
  if stems:
    np.testing.assert_array_equal(out['stems'][:3], one['stems'])
  else:
    assert np.isnan(out['stems'][:3]).all()  # unknown is not silence
  fewer = run('pad_events(2)', one)
  loudest = np.sort(np.argsort(-one['level_db'])[:2])
  np.testing.assert_array_equal(fewer['event_species'], one['species'][loudest])
  assert fewer['event_count'] == 3 and fewer['stems'].shape == (2, 8000, 1)


def test_keep(run, random_scene, features_of, rng):
  one = features_of(random_scene(rng, 1.0), rng)
  assert set(run('keep("audio", "onset")', one)) == {'audio', 'onset'}
  with pytest.raises(ValueError, match="no feature 'tokens'; there are: audio, azimuth"):
    run('keep("tokens")', one)
