"""Maps of every query, one interface for all methods: which cells of a clip show what a query describes?

  method = maps.build({'name': 'gain', 'ts': (0.8, 0.9), 'n': 4})
  values = method(denoiser, z0, queries, reference, keys)  # (B, Q, *cells), larger = more present
  method.rows(12)  # of the denoiser per clip, for 12 queries

A method is a frozen dataclass: its fields are its settings, and it is hashable, so static under jit. Code that compares methods
by their specs needs no branch. `describe` gives the spec back, for JSON.

  contrast       the published DiffEdit mask before its threshold (`diffedit`); diffusers: as that library's pipeline
  gain           how much better the query explains the noise: absolute, a log-likelihood ratio when integrated
  x0_difference  how the errors about the clean latent compare, relative to their size: in [-1, 1], loud cells do not win
  attention      the probability with which cells attend to the query's words
"""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any, Mapping, Protocol

import jax

from sgm.diffusion import attention_map
from sgm.diffusion import denoising_gain
from sgm.diffusion import diffedit
from sgm.diffusion import noising
from sgm.diffusion import x0_difference


class Method(Protocol):
  """What makes maps; `score`, `standardise` and `threshold_map` of `map_reading` read them."""

  def __call__(
      self, denoiser: noising.Denoiser, z0: jax.Array, queries: Any, reference: Any, keys: jax.Array,
      words: jax.Array | None = None, max_rows: int = 1024,
  ) -> jax.Array:
    """Maps (B, Q, *cells), larger = more present; every query of a clip meets the same noise.

    Args:
      z0: (B, *cells, C) clean latents.
      queries: condition pytree, leaves (Q, ...), or (B, Q, ...) where the queries differ between clips.
      reference: the same structure, leaves (1, ...) or (B, ...): what a query is compared with.
      keys: (B,), one per clip, all that its noise depends on.
      words: weights (Q, L), or (B, Q, L), of the tokens that name what a query asks for (`attention_map.name_words`); only
        'attention' reads them.
      max_rows: rows of one call of the denoiser, which bounds memory; B (Q + 1) are needed at least.

    Raises:
      ValueError: mismatched keys, conditions or words.
    """

  def rows(self, queries: int) -> int:
    """Rows of the denoiser that the maps of so many queries take per clip."""


METHODS: dict[str, Method] = {
    'contrast': diffedit.Contrast(),
    'diffusers': diffedit.DIFFUSERS,
    'gain': denoising_gain.Gain(),
    'x0_difference': x0_difference.X0Difference(),
    'attention': attention_map.Attention(),
}


def build(spec: Mapping[str, Any]) -> Method:
  """The method called spec['name'], its settings replaced by the rest of `spec`.

  Raises:
    ValueError: an unknown name or setting (the known and the nearest are listed), or a value that cannot be.
  """
  settings = dict(spec)
  name = settings.pop('name', None)
  _check_known('map', name, METHODS)
  method = METHODS[name]
  for field in settings:
    _check_known(f'setting of map {name!r}', field, [f.name for f in dataclasses.fields(method)])
  return dataclasses.replace(method, **settings)


def describe(method: Method) -> dict[str, Any]:
  """The spec of a method, all settings written out: build(json.loads(json.dumps(describe(m)))) == m."""
  name = next(name for name, known in METHODS.items() if type(known) is type(method))
  return {'name': name, **dataclasses.asdict(method)}


def _check_known(what: str, name: Any, known: Any) -> None:
  if name not in known:
    near = difflib.get_close_matches(str(name), known, n=1)
    raise ValueError(f'unknown {what}: {name!r}{f", did you mean {near[0]!r}?" if near else ""}; known: {", ".join(known)}')
