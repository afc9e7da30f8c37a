"""The cross-attention map: how much do the cells of a noisy latent attend to the words that name a query?

As DAAM (Tang et al., arXiv 2210.04885) and DiffSegmenter (Wang et al., arXiv 2309.02773): the attention's probability of the
words, averaged over heads, over the layers that attend to text (brought to the latent's grid), over noises and noise levels. No
reference is needed. A softmax is over the query's own words: the map tells where, and only weakly whether.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from sgm.diffusion.noising import Denoiser, Levels, conditions


@dataclasses.dataclass(frozen=True)
class Attention(Levels):
  """The cross-attention map as a method of `sgm.diffusion.maps`; it reads `words`."""

  def rows(self, queries: int) -> int:
    """Rows of the denoiser that the maps of so many queries take per clip: none for the reference."""
    return len(self.ts) * self.n * queries

  def __call__(
      self, denoiser: Denoiser, z0: jax.Array, queries: Any, reference: Any, keys: jax.Array, words: jax.Array | None = None,
      max_rows: int = 1024,
  ) -> jax.Array:
    if denoiser.attend is None:
      raise ValueError('an attention map needs Denoiser.attend: this model attends to no text')
    if words is None:
      raise ValueError('an attention map needs words, (Q, L): which tokens of each query name what it asks for')
    cond = conditions((queries, words), (reference, jnp.zeros((1, words.shape[-1]))), z0.shape[0])
    cond = jax.tree.map(lambda leaf: leaf[:, 1:], cond)  # (B, Q, ...)

    attention = lambda z, t, cond: denoiser.attend(z, t, *cond)
    return self.mean(attention, lambda noise, maps: maps, z0, cond, keys, denoiser.schedule, max_rows).mean(0)


def name_words(tokens: np.ndarray, names: Sequence[Sequence[int]]) -> np.ndarray:
  """Which tokens of a query are its species' name: bool (Q, L), for `words`. Start and function words do not count.

  Args:
    tokens: (Q, L), padded with 0.
    names: Q token sequences, each at least one token long and without padding; every place where it stands is marked.

  Raises:
    ValueError: a query that does not hold its name.
  """
  words = np.zeros(np.shape(tokens), bool)
  for row, prompt, name in zip(words, tokens, names, strict=True):
    name = list(name)
    for i in range(len(prompt) - len(name) + 1):
      if list(prompt[i:i + len(name)]) == name:
        row[i:i + len(name)] = True
    if not row.any():
      raise ValueError(f'the query with tokens {list(map(int, prompt))} does not hold its name, tokens {name}')
  return words
