"""These programs are tiny and many: compiling them with optimisations is nearly all of their time."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture(autouse=True, scope='module')
def unoptimised():
  before = jax.config.values['jax_disable_most_optimizations']
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', before)
