"""Real FFTs over the last axis that stay sharded over the others.

XLA does not partition an FFT: under data parallelism each device would gather and transform the whole batch. These two
tell it that rows are independent (the last axis is not to be sharded). On one device they are jax.numpy's.
"""

from __future__ import annotations

import functools
from typing import Callable

import jax
from jax.experimental.custom_partitioning import custom_partitioning
import jax.numpy as jnp


def rfft(x: jax.Array) -> jax.Array:
  """Real (..., n), n even -> complex (..., n / 2 + 1)."""
  return _rows(jnp.fft.rfft)(x)


def irfft(x: jax.Array) -> jax.Array:
  """Complex (..., K) -> real (..., 2 (K - 1)), the inverse of `rfft`."""
  return _rows(jnp.fft.irfft)(x)


@functools.lru_cache
def _rows(transform: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
  """The transform of independent rows (..., n), with rules for partitioning, vmap and derivatives."""

  def partition(mesh, operands, results):
    del results
    rows = operands[0].sharding  # the rule below has made sure that axis n is whole
    return mesh, transform, rows, (rows,)

  partitioned = custom_partitioning(lambda x: transform(x))  # hides the options of `transform`
  partitioned.def_partition(
      partition=partition, sharding_rule='... n -> ... k', need_replication_factors=('n', 'k'),
      decode_shardings=False)  # a batch cut up for accumulation has shardings that no PartitionSpec can express

  @jax.custom_batching.custom_vmap
  def batched(x):
    return partitioned(x)

  @batched.def_vmap
  def _(axis_size, in_batched, x):
    del axis_size, in_batched  # the one operand is the batched one
    return batched(x), True

  @jax.custom_jvp
  def differentiable(x):
    return batched(x)

  @differentiable.defjvp
  def _(primals, tangents):  # linear; jax.numpy's form has a transpose
    return differentiable(*primals), transform(*tangents)

  return differentiable
