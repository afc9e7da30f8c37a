"""What entry points do to their process."""

import jax

from sgm import process


def test_cache_directory_can_be_chosen(tmp_path, monkeypatch):
  before = jax.config.jax_compilation_cache_dir
  monkeypatch.setenv('JAX_COMPILATION_CACHE_DIR', str(tmp_path))
  try:
    process.enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)
  finally:
    jax.config.update('jax_compilation_cache_dir', before)
