"""HTML pages that open from disk without a server or the network; page_head.html is what their templates share."""

from __future__ import annotations

import pathlib
from typing import Any, Callable, Mapping

import jinja2

from data_pipeline.formats import files

HERE = pathlib.Path(__file__).parent


def write(path: pathlib.Path, template: pathlib.Path, values: Mapping[str, Any],
          filters: Mapping[str, Callable[..., Any]] = {}) -> None:
  """Renders a template, every value escaped, and writes it whole or not at all. Raises jinja2.UndefinedError: a value lacks.

  Pictures and sounds are data within the page, or come from the sources that `values` names as `media`: "'self' file:" for
  files beside it.
  """
  environment = jinja2.Environment(loader=jinja2.FileSystemLoader([template.parent, HERE]), autoescape=True,
                                   undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
  environment.filters.update(filters)
  files.write_text(path, environment.get_template(template.name).render(values))
