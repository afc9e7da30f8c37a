"""Self-contained HTML pages from the templates beside this file; see sgm.pages."""

from __future__ import annotations

import pathlib
from typing import Any, Callable, Mapping

from sgm import pages


def write(path: pathlib.Path, template: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]]) -> None:
  """Renders a template of this folder; see `sgm.pages.write`."""
  pages.write(path, pathlib.Path(__file__).parent / template, values, filters)
