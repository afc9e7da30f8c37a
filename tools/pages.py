"""Self-contained HTML pages from the templates beside this file; page_head.html is what they share."""

from __future__ import annotations

import pathlib
from typing import Any, Callable, Mapping

import jinja2

from data_pipeline.formats import files


def write(path: pathlib.Path, template: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]]) -> None:
  """Renders a template, every value escaped, and writes it whole or not at all. Raises jinja2.UndefinedError: a value lacks."""
  environment = jinja2.Environment(loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent), autoescape=True,
                                   undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
  environment.filters.update(filters)
  files.write_text(path, environment.get_template(template).render(values))
