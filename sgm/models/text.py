"""A small text transformer: tokens of a prompt -> one vector per token for cross-attention."""

from __future__ import annotations

from flax import linen as nn
import jax
import jax.numpy as jnp

PAD = 0  # the tokenizer's padding id


class TransformerBlock(nn.Module):
  """Pre-norm transformer encoder block: (B, L, D), (B, 1, 1, L) bool -> (B, L, D)."""

  heads: int

  @nn.compact
  def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
    width = x.shape[-1]
    h = nn.LayerNorm(name='norm_attention')(x)
    x = x + nn.MultiHeadDotProductAttention(self.heads, qkv_features=width, name='attention')(h, h, mask=mask)
    h = nn.LayerNorm(name='norm_mlp')(x)
    return x + nn.Dense(width, name='mlp_out')(nn.gelu(nn.Dense(2 * width, name='mlp_in')(h)))


class TextEncoder(nn.Module):
  """Tokens -> context vectors.

  A learned 'start' vector comes first and is never masked, so that an empty prompt (all PAD: the null condition of
  classifier-free guidance) is a condition of its own and attention never faces an empty set.

  tokens (B, L) int32, PAD = 0 -> context (B, 1 + L, width) float32, mask (B, 1 + L) bool.
  """

  vocabulary: int
  width: int = 64
  layers: int = 2
  heads: int = 4

  @nn.compact
  def __call__(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    b, length = tokens.shape
    x = nn.Embed(self.vocabulary, self.width, embedding_init=nn.initializers.normal(0.5), name='embed')(tokens)  # (B, L, D)
    x = x + self.param('position', nn.initializers.normal(0.1), (1, length, self.width))
    start = self.param('start', nn.initializers.normal(0.5), (1, 1, self.width))
    x = jnp.concatenate([jnp.broadcast_to(start, (b, 1, self.width)), x], axis=1)  # (B, 1 + L, D)
    mask = jnp.concatenate([jnp.ones((b, 1), bool), tokens != PAD], axis=1)  # (B, 1 + L)
    for i in range(self.layers):
      x = TransformerBlock(self.heads, name=f'block_{i}')(x, mask[:, None, None, :])
    return nn.LayerNorm(name='norm')(x), mask
