import itertools
import json
import time

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import phrases, tokenizer
from data_pipeline.description import LOUDNESSES, TIMINGS, DescribedEvent, Description
from data_pipeline.prompts import parse, render
from data_pipeline.scene import ENVIRONMENTS, NEARS, NOISES, VOCALISATIONS
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy
from data_pipeline.tokenizer import PAD, PROMPT_TOKENS, UNKNOWN, Tokenizer, from_grammar

LONG = Taxonomy.from_rows([('a', 'Very Long-tailed Wood Nuthatch', 'Avis longissima'), ('b', 'St. Helena Ground Plover', '')],
                          'long')
TOKENIZERS = {t.name: (t, from_grammar(t)) for t in (PROCEDURAL, LONG)}


def descriptions(taxonomy):
  event = st.builds(DescribedEvent, st.sampled_from(taxonomy.codes), st.sampled_from(VOCALISATIONS + ('',)),
                    st.sampled_from(TIMINGS), st.sampled_from(LOUDNESSES), st.integers(1, 3))
  return st.builds(Description, st.lists(event, max_size=3).map(tuple), st.sampled_from(ENVIRONMENTS + ('',)),
                   st.sampled_from(NOISES + ('',)), st.sampled_from(NEARS + ('',)))


DESCRIPTIONS = {t.name: descriptions(t) for t in (PROCEDURAL, LONG)}


@pytest.mark.parametrize('name', TOKENIZERS)
@settings(deadline=None, max_examples=300)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_rendered_prompts_fit_and_are_known(name, data, seed):
  taxonomy, words = TOKENIZERS[name]
  description = data.draw(DESCRIPTIONS[name])
  text = render(description, np.random.default_rng(seed), taxonomy)
  ids = words.encode(text, PROMPT_TOKENS)
  assert ids.shape == (PROMPT_TOKENS,) and ids.dtype == np.int32
  assert UNKNOWN not in ids and ids.max() < words.size
  filled = np.count_nonzero(ids)
  assert filled > 0 and (ids[:filled] != PAD).all() and (ids[filled:] == PAD).all()


def test_longest_rendered_prompt():
  """From the tables: three times the longest event with a name of four words, and the longest form of all else."""
  def longest(*forms):
    return max(len(phrases.tokens(form)) for form in itertools.chain(*forms))
  verb = max(longest(one, many) for one, many, _, _ in phrases.VERB.values())
  noun = longest(*(noun for _, _, noun, _ in phrases.VERB.values()))
  loudness, adjective, timing, *scene = (longest(*(rendered for rendered, _ in table.values())) for table in (
      phrases.LOUDNESS, phrases.ADJECTIVE, phrases.TIMING, phrases.ENVIRONMENT, phrases.NOISE, phrases.NEAR))
  event = 1 + 4 + max(verb, noun) + max(loudness, adjective) + timing
  assert 3 * event + sum(scene) + 1 == PROMPT_TOKENS  # one 'and'; commas have no token


@pytest.mark.parametrize('name', TOKENIZERS)
def test_every_phrase_that_parses_is_known(name):
  taxonomy, words = TOKENIZERS[name]
  for phrase in phrases.lexicon(taxonomy).entries:
    assert UNKNOWN not in words.encode(' '.join(phrase), 10)


def test_tokens_by_hand():
  words = Tokenizer(('a', 'owl', 'two-barred', "rüppell's"))
  assert words.size == 6
  assert words.encode('A OWL, a Two-barred owl; RÜPPELL\u2019S heron.', 8).tolist() == [2, 3, 2, 4, 3, 5, UNKNOWN, PAD]


def test_too_long():
  words = from_grammar(PROCEDURAL)
  assert PAD not in words.encode('a glass pipit', 3)
  with pytest.raises(ValueError, match="'a glass pipit' has 3 words: expected at most 2"):
    words.encode('a glass pipit', 2)


def test_json_round_trip():
  words = from_grammar(PROCEDURAL)
  assert Tokenizer.from_json(json.loads(json.dumps(words.to_json()))) == words
  for d in ({}, {'words': [], 'size': 3}):
    with pytest.raises(ValueError, match='not a Tokenizer'):
      Tokenizer.from_json(d)


@pytest.mark.parametrize('words', [('a', 'a'), ('A',), ('two words',), ('',), (',',)])
def test_impossible_words(words):
  with pytest.raises(ValueError, match='Tokenizer'):
    Tokenizer(words)


def test_the_grammar_decides_the_tokens():
  assert from_grammar(PROCEDURAL) == from_grammar(Taxonomy.from_json(PROCEDURAL.to_json()))
  assert len(set(from_grammar(PROCEDURAL).words)) == from_grammar(PROCEDURAL).size - 2


def test_speed():
  """It runs once for each training example; the limit is twenty times what an idle core needs."""
  words = from_grammar(PROCEDURAL)
  text = ('Forest environment, a Lesser bell finch singing lightly at the start, lightly noisy environment, near a river, '
          'a Glass pipit singing throughout')
  parse(text, PROCEDURAL)
  best = float('inf')
  for _ in range(20):
    start = time.process_time()
    for _ in range(100):
      words.encode(text, PROMPT_TOKENS)
    best = min(best, (time.process_time() - start) / 100)
  assert best < 200e-6


def test_module_constants():
  assert (tokenizer.PAD, tokenizer.UNKNOWN) == (0, 1)
