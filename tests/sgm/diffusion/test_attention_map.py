"""Words of a query, and what the map needs. (What a network's attention is: tests/sgm/models and tests/sgm/tasks.)"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline import tokenizer as tokenizer_lib
from data_pipeline.tokenizer import PROMPT_TOKENS
from sgm.diffusion import attention_map
from sgm.diffusion.noising import Denoiser
from tests.sgm.diffusion.gaussian import B, DENOISER, F, KEYS, NOTHING, Q, QUERIES, SCHEDULE, T, clips, predict_v


def test_the_words_of_a_name():
  tokens = np.array([[5, 7, 8, 6, 7, 8, 0], [5, 9, 6, 0, 0, 0, 0]])
  words = attention_map.name_words(tokens, [[7, 8], [9]])
  np.testing.assert_array_equal(words, [[0, 1, 1, 0, 1, 1, 0], [0, 1, 0, 0, 0, 0, 0]])


def test_names_of_all_built_in_species():
  taxonomy = taxonomy_lib.PROCEDURAL
  tokenizer = tokenizer_lib.from_grammar(taxonomy)
  names = [tokenizer.encode(s.common, PROMPT_TOKENS) for s in taxonomy.species]
  names = [name[name > 0].tolist() for name in names]
  tokens = np.stack([tokenizer.encode(f'a {s.common} can be heard', PROMPT_TOKENS) for s in taxonomy.species])
  words = attention_map.name_words(tokens, names)
  for row, prompt, name in zip(words, tokens, names):
    assert prompt[row].tolist() == name and np.flatnonzero(row)[0] == 1  # not the article


@pytest.mark.parametrize('names', [[[8, 7], [9]], [[7, 8], []]])
def test_a_query_without_its_name(names):
  with pytest.raises(ValueError, match='does not hold its name'):
    attention_map.name_words(np.array([[5, 7, 8], [5, 9, 6]]), names)


def test_each_query_gets_the_weights_of_its_words_and_levels_count_the_same():
  """Attention that tells which token it is of, and when."""
  def attend(z, t, cond, words):
    del cond
    value = (words * jnp.arange(3.0)).sum(-1) + t
    return jnp.broadcast_to(value[:, None, None], z.shape[:-1])

  denoiser = Denoiser(predict_v, SCHEDULE, 'v', attend)
  words = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0.5, 0.5]])
  expected = np.array([0.0, 1.0, 2.0, 1.5]) + 0.4
  run = lambda words: attention_map.Attention((0.3, 0.5), 2)(denoiser, clips(), QUERIES, NOTHING, KEYS, words)
  np.testing.assert_allclose(run(words), np.broadcast_to(expected[:, None, None], (B, Q, T, F)), rtol=1e-5)
  per_clip = np.stack([words, words[::-1], words])
  np.testing.assert_allclose(run(per_clip)[1, :, 0, 0], expected[::-1], rtol=1e-5)


@pytest.mark.parametrize('denoiser, words, message', [
    (DENOISER, np.ones((Q, 3)), 'attends to no text'),
    (Denoiser(predict_v, SCHEDULE, 'v', lambda z, t, cond, words: z[..., 0]), None, 'needs words'),
    (Denoiser(predict_v, SCHEDULE, 'v', lambda z, t, cond, words: z[..., 0]), np.ones((Q - 1, 3)), 'as many queries'),
])
def test_bad_arguments(denoiser, words, message):
  with pytest.raises(ValueError, match=message):
    jax.eval_shape(lambda z0: attention_map.Attention()(denoiser, z0, QUERIES, NOTHING, KEYS, words), clips())
