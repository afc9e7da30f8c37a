"""Building blocks of the spectrogram networks: the same code for one, two or three spatial axes.

Tensors are channels-last, (B, *grid, C), and the grid's axes are (time,), (time, frequency) or (time, frequency, amplitude).
"""

from __future__ import annotations

from typing import Sequence

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

MAX_PERIOD = 10_000.0
# Planes of amplitude up to which `BandedConv` takes a convolution: with gradients, on a CPU, 2, 4 and 8 planes took 1/6, 1/4 and
# 1/2 of the time of the 3D one.
SHORT = 8


def fold(x: jax.Array, patch: Sequence[int]) -> jax.Array:
  """Moves each patch of cells into channels: (B, *grid, C) -> (B, *grid/patch, C * prod(patch)).

  Raises:
    ValueError: an axis that its patch does not divide, with the nearest size that does.
  """
  grid, channels = x.shape[1:-1], x.shape[-1]
  if len(grid) != len(patch):
    raise ValueError(f'patch {tuple(patch)} has {len(patch)} axes, the grid {grid} has {len(grid)}')
  for axis, (n, p) in enumerate(zip(grid, patch)):
    if n % p:
      raise ValueError(f'grid {grid}: axis {axis} of {n} does not divide by patch {p}; nearest: {max(1, round(n / p)) * p}')
  split = [s for n, p in zip(grid, patch) for s in (n // p, p)]
  d = len(grid)
  x = x.reshape(x.shape[0], *split, channels)  # (B, n1, p1, n2, p2, ..., C)
  order = [0] + [1 + 2 * i for i in range(d)] + [2 + 2 * i for i in range(d)] + [1 + 2 * d]
  x = x.transpose(order)  # (B, n1, n2, ..., p1, p2, ..., C)
  return x.reshape(*x.shape[:1 + d], -1)


def unfold(x: jax.Array, patch: Sequence[int], channels: int) -> jax.Array:
  """Inverse of `fold`: (B, *grid, channels * prod(patch)) -> (B, *grid * patch, channels)."""
  d = len(patch)
  grid = x.shape[1:-1]
  x = x.reshape(x.shape[0], *grid, *patch, channels)
  order = [0] + [axis for i in range(d) for axis in (1 + i, 1 + d + i)] + [1 + 2 * d]
  x = x.transpose(order)
  return x.reshape(x.shape[0], *(n * p for n, p in zip(grid, patch)), channels)


def fourier_features(t: jax.Array, features: int) -> jax.Array:
  """Sinusoidal embedding of t in [0, 1] (Vaswani et al. 2017, eq. in 3.5, of 1000 t): (B,) -> (B, features)."""
  half = features // 2
  frequency = jnp.exp(-jnp.log(MAX_PERIOD) * jnp.arange(half) / half)  # (half,)
  angle = 1000.0 * t[:, None] * frequency  # (B, half)
  return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)


def group_norm(x: jax.Array, name: str) -> jax.Array:
  """Group normalisation (Wu & He 2018) in at most eight groups, as many as divide the channels of x (B, *grid, C)."""
  groups = max(g for g in range(1, 9) if x.shape[-1] % g == 0)
  return nn.GroupNorm(num_groups=groups, epsilon=1e-5, name=name)(x)


class BandedConv(nn.Module):
  """`nn.Conv` with 'SAME' padding over three grid axes of which the last is short: (B, T, F, A, C) -> (B, T', F', A', features).

  The planes of the short axis are taken as channels, and the kernel's taps along it become the blocks of a banded matrix: one
  2D convolution, of A A' / (taps that meet a plane) times the products. For two planes and three taps that is none in vain,
  where a 3D convolution's gradient runs at a fraction of the speed on CPUs. Parameters are those of `nn.Conv`.
  """

  features: int
  kernel: tuple[int, int, int]
  strides: tuple[int, int, int]
  kernel_init: nn.initializers.Initializer

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    planes, channels = x.shape[-2:]
    taps, stride = self.kernel[2], self.strides[2]
    kernel = self.param('kernel', self.kernel_init, (*self.kernel, channels, self.features))
    bias = self.param('bias', nn.initializers.zeros_init(), (self.features,))
    out = -(-planes // stride)
    before = max((out - 1) * stride + taps - planes, 0) // 2  # planes of padding
    tap = np.arange(planes)[:, None] - stride * np.arange(out) + before  # (A, A'): which one links the two planes
    linked = ((tap >= 0) & (tap < taps))[..., None, None]
    banded = jnp.where(linked, kernel[:, :, tap.clip(0, taps - 1)], 0.0)  # (kt, kf, A, A', C, features)
    banded = banded.swapaxes(3, 4).reshape(*self.kernel[:2], planes * channels, out * self.features)
    y = jax.lax.conv_general_dilated(
        x.reshape(*x.shape[:3], -1), banded, self.strides[:2], 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
    return y.reshape(*y.shape[:3], out, self.features) + bias


class Conv(nn.Module):
  """Convolution over all grid axes, 'same' padding: (B, *grid, C) -> (B, *ceil(grid / strides), features).

  `factorised`: over all but the last axis, then over the last alone, (2+1)D where there are three (Tran et al. 2018).
  """

  features: int
  kernel: int = 3
  strides: tuple[int, ...] | int = 1
  zero_init: bool = False
  factorised: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    dims = x.ndim - 2
    strides = (self.strides,) * dims if isinstance(self.strides, int) else tuple(self.strides)
    last = nn.initializers.zeros_init() if self.zero_init else nn.initializers.lecun_normal()
    if not self.factorised:
      return self._convolve(x, (self.kernel,) * dims, strides, last, 'conv')
    x = self._convolve(x, (self.kernel,) * (dims - 1) + (1,), strides[:-1] + (1,), nn.initializers.lecun_normal(), 'plane')
    return self._convolve(x, (1,) * (dims - 1) + (self.kernel,), (1,) * (dims - 1) + strides[-1:], last, 'amplitude')

  def _convolve(self, x, kernel, strides, init, name):
    if kernel[-1] == 1 and len(kernel) == 3:  # every plane by itself
      planes = jnp.moveaxis(x, 3, 1).reshape(-1, *x.shape[1:3], x.shape[-1])  # (B A, T, F, C)
      y = nn.Conv(self.features, kernel[:2], strides=strides[:2], padding='SAME', kernel_init=init, name=name)(planes)
      return jnp.moveaxis(y.reshape(x.shape[0], x.shape[3], *y.shape[1:]), 1, 3)
    if x.ndim == 5 and x.shape[3] <= SHORT:
      return BandedConv(self.features, kernel, strides, init, name=name)(x)
    return nn.Conv(self.features, kernel, strides=strides, padding='SAME', kernel_init=init, name=name)(x)


class ResBlock(nn.Module):
  """Pre-norm residual block; an embedding scales and shifts the second norm (Dhariwal & Nichol 2021).

  (B, *grid, C), (B, E) or None -> (B, *grid, features).
  """

  features: int
  factorised: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, embedding: jax.Array | None = None) -> jax.Array:
    h = Conv(self.features, factorised=self.factorised, name='in')(nn.silu(group_norm(x, 'norm_in')))
    h = group_norm(h, 'norm_out')
    if embedding is not None:
      scale_shift = nn.Dense(2 * self.features, kernel_init=nn.initializers.zeros_init(), name='embed')(nn.silu(embedding))
      scale_shift = scale_shift.reshape(x.shape[0], *(1,) * (x.ndim - 2), -1)  # (B, 1.., 2 features)
      scale, shift = jnp.split(scale_shift, 2, axis=-1)
      h = h * (1 + scale) + shift
    h = Conv(self.features, zero_init=True, factorised=self.factorised, name='out')(nn.silu(h))
    skip = x if x.shape[-1] == self.features else nn.Dense(self.features, name='skip')(x)
    return skip + h


class Attention(nn.Module):
  """Multi-head attention over the flattened grid, to itself or to a context.

  x (B, *grid, C), context (B, L, D) or None, mask (B, L) bool or None (True = attend) -> (B, *grid, C), residual included.
  Output projection starts at zero, so that the block starts as the identity.

  Where a caller makes the collection 'intermediates' mutable, attention to a context leaves its 'probabilities' there,
  (B, *grid, L), the mean over heads.
  """

  heads: int = 4

  @nn.compact
  def __call__(self, x: jax.Array, context: jax.Array | None = None, mask: jax.Array | None = None) -> jax.Array:
    channels = x.shape[-1]
    h = group_norm(x, 'norm').reshape(x.shape[0], -1, channels)  # (B, N, C)
    source = h if context is None else nn.LayerNorm(name='norm_context')(context)  # (B, L, D)
    head = channels // self.heads
    q = nn.DenseGeneral((self.heads, head), name='query')(h)  # (B, N, heads, head)
    k = nn.DenseGeneral((self.heads, head), name='key')(source)  # (B, L, heads, head)
    v = nn.DenseGeneral((self.heads, head), name='value')(source)
    logits = jnp.einsum('bnhd,blhd->bhnl', q, k) / head**0.5  # (B, heads, N, L)
    if mask is not None:
      logits = jnp.where(mask[:, None, None, :], logits, -1e9)
    probabilities = jax.nn.softmax(logits)
    if context is not None and self.is_mutable_collection('intermediates'):
      self.sow('intermediates', 'probabilities', probabilities.mean(1).reshape(*x.shape[:-1], -1))
    h = jnp.einsum('bhnl,blhd->bnhd', probabilities, v)  # (B, N, heads, head)
    h = nn.DenseGeneral(channels, axis=(-2, -1), kernel_init=nn.initializers.zeros_init(), name='out')(h)  # (B, N, C)
    return x + h.reshape(x.shape)


class PositionBias(nn.Module):
  """A learned offset per place on all axes but time: birds have a fixed pitch, not a fixed moment. (B, T, ..., C) -> same."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    shape = (1, 1, *x.shape[2:])
    return x + self.param('bias', nn.initializers.normal(0.02), shape)
