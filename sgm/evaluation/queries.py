"""What a detector asks a diffusion model: one condition for each species."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_pipeline import prompts
from data_pipeline.tokenizer import PROMPT_TOKENS


def species_queries(labels: Any, frames: int, loudness: float) -> dict[str, np.ndarray]:
  """One condition per species: leaves 'tokens' (S, L), 'roll' (S, frames, S), 'has_roll' (S,).

  The text says 'a <species> can be heard'. The roll says when, which is what is asked: it has the species in every frame. Since
  a frame of the roll speaks of its own frame, the gain of a query is then positive where the species sings, and negative where
  it does not; and the model knows a species better by the roll than by the text.

  Args:
    labels: has `taxonomy` and `tokenizer`.
    loudness: of the roll, in (0, 1]; 0: the roll is unknown, and text alone asks.
  """
  taxonomy = labels.taxonomy
  texts = [f'{prompts.article_of(s.common)} {s.common} can be heard' for s in taxonomy.species]
  tokens = np.stack([labels.tokenizer.encode(text, PROMPT_TOKENS) for text in texts])
  n = len(taxonomy)
  roll = np.broadcast_to(loudness * np.eye(n, dtype=np.float32)[:, None], (n, frames, n))
  return {'tokens': tokens, 'roll': roll, 'has_roll': np.full(n, float(loudness > 0), np.float32)}


def nothing(queries: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """The reference that names nothing: no text, roll unknown; leaves (1, ...)."""
  return {name: np.zeros_like(leaf[:1]) for name, leaf in queries.items()}


def of_rolls(queries: dict[str, np.ndarray], rolls: Any, like: Any) -> dict[str, Any]:
  """Conditions without text that know the whole roll: rolls (..., frames, S) -> leaves (..., *)."""
  shape = rolls.shape[:-2]
  return {'tokens': like.zeros((*shape, queries['tokens'].shape[-1]), queries['tokens'].dtype), 'roll': rolls,
          'has_roll': like.ones(shape, np.float32)}
