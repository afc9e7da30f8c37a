"""Floating-point operations of a program, layer by layer, from shapes alone: nothing is allocated, compiled or run.

Counted are matrix products and convolutions, two operations per multiply-add, and nothing else: norms, activations and the
optimiser are a few percent in these networks (XLA's own count of the same program says how many, see `clock.loss_flops`).

* The program is counted as it is: `value_and_grad` of a loss has the products of both passes, and none towards inputs that need
  no gradient, so it comes to somewhat less than three forward passes.
* A convolution has the products of kernel taps with cells that exist; taps that meet padding, or the holes of a dilation, are
  left out, as XLA leaves them out.
* A banded convolution (`layers.BandedConv`) has the products with its whole matrix, the zero blocks outside the band included:
  they are multiplied too. With two planes and three taps there are none.
* The body of a scan counts once for each turn; of a conditional, the costliest branch.
"""

from __future__ import annotations

import collections
import math
import re
from typing import Any, Callable, Iterator

import jax
import numpy as np

_TRANSFORMED = re.compile(r'\w+\(([^()]*)\)')  # transpose(jvp(UNet))/in -> UNet/in
_METHOD = re.compile(r'(\w+)\.\w+')  # flax's scope of a method other than __call__: in/in._convolve


def by_layer(fn: Callable[..., Any], *args: Any) -> dict[str, int]:
  """FLOPs of fn(*args) by layer, as 'UNet/down_0_0/in/conv'; products outside of all modules are under ''.

  Args:
    fn: any function that JAX can trace, the gradient of one included.
    *args: arrays or `ShapeDtypeStruct`s.

  Raises:
    ValueError: products in a while loop, whose number of turns is unknown.
  """
  total = collections.Counter()
  for name, flops in _products(jax.make_jaxpr(fn)(*args).jaxpr, ''):
    total[_layer(name)] += flops
  return dict(total)


def count(fn: Callable[..., Any], *args: Any) -> int:
  """FLOPs of fn(*args), the sum of `by_layer`."""
  return sum(by_layer(fn, *args).values())


def _layer(name: str) -> str:
  while _TRANSFORMED.search(name):
    name = _TRANSFORMED.sub(r'\1', name)
  parts = []
  for part in filter(None, name.split('/')):
    method = _METHOD.fullmatch(part)
    if not method:
      parts.append(part)
    elif method[1] not in parts[-1:]:
      parts.append(method[1])
  return '/'.join(parts)


def _products(jaxpr: Any, outer: str) -> Iterator[tuple[str, int]]:
  """(scope, FLOPs) of every product in a jaxpr and the jaxprs inside it."""
  for eqn in jaxpr.eqns:
    scope = f'{outer}/{eqn.source_info.name_stack}'
    kind = eqn.primitive.name
    if kind in _FLOPS:
      yield scope, _FLOPS[kind](eqn)
    bodies = [list(_products(body, scope)) for body in _inner(eqn)]
    if kind == 'while' and any(bodies):
      raise ValueError(f'{scope.strip("/")}: a while loop with products in it: expected a scan, whose turns are known')
    if kind == 'cond':
      bodies = [max(bodies, key=lambda body: sum(flops for _, flops in body))]
    turns = eqn.params['length'] if kind == 'scan' else 1
    for body in bodies:
      yield from ((name, turns * flops) for name, flops in body)


def _inner(eqn: Any) -> Iterator[Any]:
  for value in jax.tree.leaves(tuple(eqn.params.values()), is_leaf=lambda x: hasattr(x, 'eqns')):
    if hasattr(value, 'eqns'):
      yield value


def _product_flops(eqn: Any) -> int:
  (contracted, _), _ = eqn.params['dimension_numbers']
  lhs = eqn.invars[0].aval.shape
  return 2 * math.prod(eqn.outvars[0].aval.shape) * math.prod(lhs[axis] for axis in contracted)


def _convolution_flops(eqn: Any) -> int:
  lhs, rhs = (v.aval.shape for v in eqn.invars)
  out = eqn.outvars[0].aval.shape
  p = eqn.params
  spec = p['dimension_numbers']
  pairs = 1  # of a place in the result and a kernel tap that meets a cell
  for i, (stride, (before, _), holes, spread) in enumerate(
      zip(p['window_strides'], p['padding'], p['lhs_dilation'], p['rhs_dilation']), start=2):
    cells, taps, places = lhs[spec.lhs_spec[i]], rhs[spec.rhs_spec[i]], out[spec.out_spec[i]]
    met = stride * np.arange(places)[:, None] + spread * np.arange(taps) - before  # (places, taps)
    pairs *= int(((met >= 0) & (met <= (cells - 1) * holes) & (met % holes == 0)).sum())
  return 2 * pairs * out[spec.out_spec[0]] * out[spec.out_spec[1]] * rhs[spec.rhs_spec[1]]


_FLOPS = {'dot_general': _product_flops, 'conv_general_dilated': _convolution_flops}
