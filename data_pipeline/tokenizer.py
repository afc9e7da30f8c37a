"""Prompts as numbers: one token for each word of the grammar and of the species names."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping

import numpy as np

from data_pipeline import phrases
from data_pipeline.taxonomy import Taxonomy

PAD, UNKNOWN, FIRST = 0, 1, 2
# Holds a rendered prompt of three events whose names have four words or fewer.
PROMPT_TOKENS = 48
PROMPT_EVENTS = 3


@dataclasses.dataclass(frozen=True)
class Tokenizer:
  """Word-level tokens, lower-case; separators have none. Word i of `words` has the token FIRST + i."""

  words: tuple[str, ...]
  _ids: dict[str, int] = dataclasses.field(init=False, repr=False, compare=False)

  def __post_init__(self):
    object.__setattr__(self, 'words', tuple(self.words))
    object.__setattr__(self, '_ids', {word: i for i, word in enumerate(self.words, FIRST)})
    for word in self.words:
      if phrases.tokens(word) != [word] or word in phrases.SEPARATORS:
        raise ValueError(f'Tokenizer: {word!r} is not one lower-case word')
    if len(self._ids) != len(self.words):
      raise ValueError('Tokenizer: a word occurs twice')

  @property
  def size(self) -> int:
    """Number of tokens, padding and unknown included."""
    return FIRST + len(self.words)

  def encode(self, text: str, length: int) -> np.ndarray:
    """Text -> (length,) int32, padded with PAD; words that the tokenizer lacks become UNKNOWN.

    Raises ValueError when the text has more than `length` words.
    """
    ids = [self._ids.get(word, UNKNOWN) for word in phrases.tokens(text) if word not in phrases.SEPARATORS]
    if len(ids) > length:
      raise ValueError(f'the prompt {text!r} has {len(ids)} words: expected at most {length}')
    tokens = np.zeros(length, np.int32)
    tokens[:len(ids)] = ids
    return tokens

  def to_json(self) -> dict[str, Any]:
    """A dict for `json.dumps`."""
    return {'words': list(self.words)}

  @classmethod
  def from_json(cls, d: Mapping[str, Any]) -> 'Tokenizer':
    """Inverse of `to_json`. Raises ValueError that names an unknown or missing field."""
    try:
      return cls(**d)
    except TypeError as error:
      raise ValueError(f'not a Tokenizer: {error}') from error


def from_grammar(taxonomy: Taxonomy) -> Tokenizer:
  """Covers every prompt that `prompts.parse` understands with this taxonomy, and so all that `prompts.render` says."""
  words = {word for entry in phrases.lexicon(taxonomy).entries for word in entry}
  return Tokenizer(tuple(sorted(words - set(phrases.SEPARATORS))))
