"""What the loop asks of a task. The loop knows nothing else about a model."""

from __future__ import annotations

from typing import Any, Iterator, Protocol

import jax

Params = Any
Frozen = Any
Batch = dict[str, jax.Array]


class Task(Protocol):
  """Science in four methods; all but `restore_frozen` are pure and traced."""

  def restore_frozen(self, batches: Iterator[Batch]) -> Frozen:
    """Weights that are not trained, and constants fitted to some training batches; {} when there are none."""

  def init(self, rng: jax.Array, batch: Batch) -> Params:
    """Parameters for batches shaped like `batch`. Traced by eval_shape, so that sharding can be planned."""

  def loss(self, params: Params, frozen: Frozen, rng: jax.Array, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Scalar loss (mean over the batch), {name: (B,) per example}."""

  def eval(self, params: Params, frozen: Frozen, rng: jax.Array, batch: Batch) -> dict[str, jax.Array]:
    """{name: (B, ...)} for evaluation."""


class Cached(Protocol):
  """A task whose batches can be reduced once (audio to latents, say) and read back from a cache."""

  def precompute(self, frozen: Frozen, rng: jax.Array, batch: Batch) -> Batch:
    """The batch with its costly part computed; `init`, `loss` and `eval` accept both forms."""


class Generative(Protocol):
  """Autoencoders and diffusion models, not classifiers."""

  def sample(self, params: Params, frozen: Frozen, keys: jax.Array, condition: Batch) -> dict[str, jax.Array]:
    """keys (B,), keys[i] = fold_in(key(seed), i) -> {'spectrogram': (B, T, F, C), ...}; row i depends on keys[i] only."""


def spectrogram(frontend: Any, batch: Batch) -> jax.Array:
  """S (B, T, F, C) of a batch that holds either the spectrogram (cached) or the audio (B, N, C)."""
  if 'spectrogram' in batch:
    return batch['spectrogram'].astype('float32')
  return frontend(batch['audio'])
