"""Op strings: 'random_crop(40960)' -> a function on the features of one example.

Configurations are text, so the steps of the data pipeline are too. They are parsed by `ast`, literals only: nothing in a
configuration is ever evaluated. An op is a factory, registered under its name:

  @register('gain', AUGMENTATION)
  def gain(db): -> fn(features: dict, seed: int32 (2,)) -> dict

A factory that names a keyword `info` is given the DataInfo of the data set; one that names `partners` is given the source of
further clips (partners.Partners), for ops that mix two. Ops are deterministic given the seed, and work eagerly as well as
inside tf.data. Augmentations and mixtures take `p=`, the probability that they are applied at all: 'tempo((0.9, 1.1), p=0.3)'.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import os
import re
from typing import Any, Callable, Mapping, NamedTuple, Sequence

Features = dict[str, Any]
Op = Callable[[Features, Any], Features]

# What an op does: SOUND and AUGMENTATION change sound and events, LABEL derives from the events, MIXTURE adds another clip.
SOUND, AUGMENTATION, LABEL, MIXTURE, OTHER = KINDS = ('sound', 'augmentation', 'label', 'mixture', 'other')

_FACTORIES: dict[str, Callable[..., Op]] = {}
_KINDS: dict[str, str] = {}


class Call(NamedTuple):
  """A parsed op string: the op's name and its literal arguments."""

  name: str
  args: tuple[Any, ...]
  kwargs: dict[str, Any]


def register(name: str, kind: str) -> Callable[[Callable[..., Op]], Callable[..., Op]]:
  """Decorator that makes a factory known under `name`, as one of KINDS. Raises ValueError when the name is taken."""
  def add(factory: Callable[..., Op]) -> Callable[..., Op]:
    if name in _FACTORIES or kind not in KINDS:
      raise ValueError(f'op {name!r} is registered twice, or as none of {KINDS}: {kind!r}')
    _FACTORIES[name], _KINDS[name] = factory, kind
    return factory
  return add


def whole_number(op: str, name: str, value: Any) -> int:
  """Checks an op's argument: returns it, or raises ValueError unless it is an int above 0."""
  if not isinstance(value, int) or isinstance(value, bool) or value < 1:
    raise ValueError(f'{op}: {name} is {value!r}, expected a whole number above 0')
  return value


def known() -> dict[str, Callable[..., Op]]:
  """All registered factories by name."""
  # Imported here: the op modules import this one, and parsing alone needs no tensorflow.
  from data_pipeline import ops_audio, ops_colour, ops_label, ops_mix, ops_soundscape, ops_time  # noqa: F401 (they register)
  return dict(_FACTORIES)


def parse(text: str) -> Call:
  """'name', 'name()' or 'name(1, k="a")' -> Call. Raises ValueError for anything but literal arguments."""
  try:
    node = ast.parse(text.strip(), mode='eval').body
  except SyntaxError as error:
    raise ValueError(f'op {text!r} is not of the form name(1, key="a"): {error.msg}') from error
  if isinstance(node, ast.Name):
    return Call(node.id, (), {})
  if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
    raise ValueError(f'op {text!r} is not of the form name(1, key="a")')
  if any(k.arg is None for k in node.keywords):
    raise ValueError(f'op {text!r}: ** is not allowed')
  try:
    args = tuple(ast.literal_eval(a) for a in node.args)
    kwargs = {k.arg: ast.literal_eval(k.value) for k in node.keywords}
  except (ValueError, TypeError, SyntaxError) as error:
    raise ValueError(f'op {text!r}: arguments must be literals (numbers, strings, tuples)') from error
  return Call(node.func.id, args, kwargs)


def resolve(ops: Sequence[str], config: Mapping[str, Any]) -> list[str]:
  """Fills '{clip.samples}' in op strings from a configuration, once all overrides are known; a group of keys becomes a dict.

  Args:
    ops: op strings.
    config: nested mappings (dicts, a ConfigDict).

  Raises ValueError that names an unknown key and the known ones beside it.
  """
  def value(match: re.Match[str]) -> str:
    node, path = config, []
    for key in match.group(1).split('.'):
      if not isinstance(node, Mapping) and not hasattr(node, 'keys'):
        raise ValueError(f'{match.group(0)}: {".".join(path)} is no group of keys')
      if key not in node:
        raise ValueError(f'{match.group(0)}: unknown key {key!r}; known: {", ".join(sorted(node.keys()))}')
      node = node[key]
      path.append(key)
    if hasattr(node, 'to_dict'):
      node = node.to_dict()
    return repr(tuple(node) if isinstance(node, list) else node)
  return [re.sub(r'\{([\w.]+)\}', value, op) for op in ops]  # other braces are those of a literal dict


def data_sets(ops: Sequence[str]) -> list[str]:
  """Folders of data sets that resolved op strings name, such as 'mix_background((0, 20), "runs/places")'."""
  calls = [parse(text) for text in ops]
  texts = [a for c in calls for a in (*c.args, *c.kwargs.values()) if isinstance(a, str) and a]
  return [text for text in texts if os.path.isfile(os.path.join(text, 'dataset.json'))]


def build(ops: Sequence[str], context: Any, partners: Callable[[Sequence[str]], Any] | None = None) -> list[Op]:
  """Op strings -> ops.

  Args:
    ops: resolved op strings.
    context: the DataInfo handed to factories that name `info`.
    partners: makes what is handed to factories that name `partners`, from the op strings before theirs.

  Raises ValueError: an unknown op (listing the known), an unknown or missing argument (listing the op's arguments), an op that
  changes the sound after one that made labels of it, or a mixture where there are no `partners`.
  """
  factories = known()
  built: list[Op] = []
  label = ''
  for i, text in enumerate(ops):
    call = parse(text)
    if call.name not in factories:
      near = difflib.get_close_matches(call.name, factories, n=1)
      hint = f' (did you mean {near[0]}?)' if near else ''
      raise ValueError(f'unknown op {call.name!r}{hint}; known: {", ".join(sorted(factories))}')
    factory, kind = factories[call.name], _KINDS[call.name]
    if label and kind in (SOUND, AUGMENTATION):
      raise ValueError(f'op {text!r} comes after {label!r}, whose labels would no longer be of what is heard: put it before')
    label = text if kind == LABEL else label
    kwargs = dict(call.kwargs)
    sometimes = kind in (AUGMENTATION, MIXTURE)
    p = kwargs.pop('p', 1.0) if sometimes else 1.0
    parameters = dict(inspect.signature(factory).parameters)
    extra = {}
    if parameters.pop('info', None) is not None:
      extra['info'] = context
    if parameters.pop('partners', None) is not None:
      if partners is None:
        raise ValueError(f'op {text!r} mixes clips of a data set, and there is none here')
      extra['partners'] = partners(ops[:i])
    shown = f'known: {call.name}({", ".join([*map(str, parameters.values()), *(["p: float = 1.0"] if sometimes else [])])})'
    for key in kwargs:
      if key not in parameters:
        raise ValueError(f'op {text!r}: unknown argument {key!r}; {shown}')
    try:
      inspect.signature(factory).bind(*call.args, **kwargs, **extra)
    except TypeError as error:
      raise ValueError(f'op {text!r}: {error}; {shown}') from error
    op = factory(*call.args, **kwargs, **extra)
    built.append(op if p == 1.0 else _with_probability(call.name, op, p))
  return built


def _with_probability(name: str, op: Op, p: Any) -> Op:
  if not isinstance(p, float) or not 0.0 < p < 1.0:
    raise ValueError(f'{name}: p is {p!r}, expected a probability above 0, at most 1')
  from data_pipeline.ops_audio import sometimes  # see `known`
  return sometimes(op, p)
