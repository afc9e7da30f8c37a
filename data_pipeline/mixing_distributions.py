"""What a mixed scene is drawn from: 'uniform(0, 10)' and its like, op strings as in `registry`, literals only.

Numbers: const(x), choose((x, y)), weighted((x, y), (3, 1)), uniform(low, high), normal(mean, sd),
  truncnorm(mean, sd, low, high).
Names: const('a'), choose(('a', 'b')), weighted(('a', 'b'), (3, 1)), and choose() for all there are, each alike.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from typing import Any, Callable, Sequence

import numpy as np
from scipy import special

from data_pipeline import registry
from data_pipeline.taxonomy import closest

Rng = np.random.Generator


@dataclasses.dataclass(frozen=True)
class Distribution:
  """What to draw from.

  Attributes:
    text: as it was written.
    draw: (generator, the names there are) -> a value; numbers do without the names.
    low, high: no number is drawn outside of them; None = it draws names.
    values: the names that are drawn, () for numbers and for `choose()`, which takes all there are.
  """

  text: str
  draw: Callable[..., Any]
  low: float | None = None
  high: float | None = None
  values: tuple[str, ...] = ()


def _real(text: str, **values: Any) -> None:
  for name, x in values.items():
    if isinstance(x, bool) or not isinstance(x, (int, float)) or not math.isfinite(x):
      raise ValueError(f'{text}: {name} is {x!r}, expected a number')


def _const(text: str, value: Any) -> Distribution:
  return _weighted(text, (value,), (1,))


def _choose(text: str, values: Sequence[Any] = ()) -> Distribution:
  if isinstance(values, str) or not isinstance(values, Sequence):
    raise ValueError(f'{text}: expected a list of values')
  if values:
    return _weighted(text, values, (1,) * len(values))
  return Distribution(text, lambda rng, known: known[int(rng.integers(len(known)))])


def _weighted(text: str, values: Sequence[Any], weights: Sequence[float]) -> Distribution:
  if isinstance(values, str) or not isinstance(values, Sequence) or not isinstance(weights, Sequence):
    raise ValueError(f'{text}: expected two lists, values and weights')
  if not values or len(values) != len(weights):
    raise ValueError(f'{text}: {len(values)} values and {len(weights)} weights, expected as many, and at least one')
  if len({isinstance(v, str) for v in values}) > 1:
    raise ValueError(f'{text}: names and numbers in one list')
  _real(text, **{f'weight {i}': w for i, w in enumerate(weights)})
  if min(weights) < 0 or sum(weights) <= 0:
    raise ValueError(f'{text}: weights {tuple(weights)}, expected 0 or more, some above 0')
  edges, possible = np.cumsum(weights) / sum(weights), tuple(v for v, w in zip(values, weights) if w)
  last = max(i for i, w in enumerate(weights) if w)  # rounding may leave the last edge below 1
  draw = lambda rng, known=(): values[min(int(np.searchsorted(edges, rng.random(), side='right')), last)]
  if isinstance(values[0], str):
    return Distribution(text, draw, values=possible)
  _real(text, **{f'value {i}': v for i, v in enumerate(values)})
  return Distribution(text, draw, min(possible), max(possible))


def _uniform(text: str, low: float, high: float) -> Distribution:
  _real(text, low=low, high=high)
  if low > high:
    raise ValueError(f'{text}: low {low} is above high {high}')
  return Distribution(text, lambda rng, known=(): float(rng.uniform(low, high)), low, high)


def _normal(text: str, mean: float, sd: float) -> Distribution:
  _real(text, mean=mean, sd=sd)
  if sd < 0:
    raise ValueError(f'{text}: sd is {sd}, expected 0 or more')
  bounds = (mean, mean) if sd == 0 else (-math.inf, math.inf)
  return Distribution(text, lambda rng, known=(): float(rng.normal(mean, sd)), *bounds)


def _truncnorm(text: str, mean: float, sd: float, low: float, high: float) -> Distribution:
  _real(text, mean=mean, sd=sd, low=low, high=high)
  if sd <= 0 or low > high:
    raise ValueError(f'{text}: sd {sd}, low {low}, high {high}: expected sd above 0 and low no higher than high')
  # By the inverse of the normal's distribution function, on the side where that is exact.
  side = -1.0 if low > mean else 1.0
  a, b = sorted((side * (low - mean) / sd, side * (high - mean) / sd))
  pa, pb = special.ndtr(a), special.ndtr(b)
  if low < high and pa >= pb:
    raise ValueError(f'{text}: the range lies too many sd away from the mean')
  draw = lambda rng, known=(): float(np.clip(mean + side * sd * special.ndtri(rng.uniform(pa, pb)), low, high))
  return Distribution(text, draw, low, high)


KNOWN = {'const': _const, 'choose': _choose, 'weighted': _weighted, 'uniform': _uniform, 'normal': _normal,
         'truncnorm': _truncnorm}


@functools.lru_cache(maxsize=None)
def parse(text: str) -> Distribution:
  """The distribution that a text stands for. Raises ValueError: unknown name, or parameters that do not fit."""
  call = registry.parse(text)
  if call.name not in KNOWN:
    near = closest(call.name, KNOWN, n=1)
    raise ValueError(f'{text!r}: unknown distribution {call.name!r}; nearest: {"".join(near)}; known: {", ".join(KNOWN)}')
  make = functools.partial(KNOWN[call.name], text)
  signature = inspect.signature(make)
  try:
    signature.bind(*call.args, **call.kwargs)
  except TypeError as error:
    raise ValueError(f'{text!r}: {error}; expected {call.name}({", ".join(signature.parameters)})') from error
  return make(*call.args, **call.kwargs)


def number(text: str, name: str, low: float = -math.inf, high: float = math.inf) -> Distribution:
  """A distribution of numbers, none of which can lie outside of [low, high]. Raises ValueError that names it."""
  found = parse(text)
  if found.low is None:
    raise ValueError(f'{name}: {text} draws names, expected numbers')
  if found.low < low or found.high > high:
    raise ValueError(f'{name}: {text} can draw {found.low:g} to {found.high:g}, expected {low:g} to {high:g}')
  return found


def choice(text: str, name: str, known: Sequence[str]) -> Distribution:
  """A distribution of names, all of them known ones. Raises ValueError that names the nearest."""
  found = parse(text)
  if found.low is not None:
    raise ValueError(f'{name}: {text} draws numbers, expected names')
  for value in found.values:
    if value not in known:
      near = closest(value, {k.lower(): k for k in known})
      raise ValueError(f'{name}: {text}: unknown {value!r}; nearest: {", ".join(near)}')
  return found
