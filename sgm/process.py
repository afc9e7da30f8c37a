"""What entry points do to their process before anything else."""

from __future__ import annotations

import logging
import os
import pathlib

from absl import logging as absl_logging
import jax

from data_pipeline import heap


def prepare() -> None:
  """What every entry point that trains or samples begins with: a heap that is kept, quiet libraries, the compilation cache."""
  heap.keep()
  quiet_libraries()
  enable_compilation_cache()


def enable_compilation_cache() -> None:
  """Keeps compiled programs between processes, under $JAX_COMPILATION_CACHE_DIR or ~/.cache/sgm/jax. For entry points."""
  directory = os.environ.get('JAX_COMPILATION_CACHE_DIR') or str(pathlib.Path.home() / '.cache' / 'sgm' / 'jax')
  jax.config.update('jax_compilation_cache_dir', directory)


def quiet_libraries() -> None:
  """Keeps what orbax and tfds tell of their own steps off the terminal; their errors, and all of ours, stay. For entry points."""
  def ours_or_grave(record) -> bool:
    return record.levelno >= logging.ERROR or not any(f'/{name}/' in record.pathname for name in ('orbax', 'tensorflow_datasets'))
  absl_logging.get_absl_handler().addFilter(ours_or_grave)
