"""Who may import whom (DESIGN: import direction), read from the source of every module."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PURE = {  # of data_pipeline: what the model side may import, and what therefore imports no tensorflow
    'scene', 'taxonomy', 'prompts', 'phrases', 'description', 'tokenizer', 'registry', 'formats', 'species', 'licences', 'habitat', 'homes',
    'stream', 'decoding', 'mp3', 'stereo', 'recording', 'metadata_files', 'cells', 'levels', 'heap'}
FORBIDDEN = {
    'experiments': {'jax', 'flax', 'tensorflow', 'numpy', 'sgm', 'data_pipeline', 'tools', 'tests', 'absl'},
    'data_pipeline': {'jax', 'flax', 'optax', 'orbax', 'sgm', 'experiments', 'tools', 'tests', 'torch'},
    'sgm/audio': {'tensorflow', 'ml_collections', 'absl', 'data_pipeline', 'optax', 'experiments', 'tools', 'tests'},
    'sgm/diffusion': {'tensorflow', 'ml_collections', 'absl', 'data_pipeline', 'optax', 'diffusers', 'experiments', 'tools', 'tests'},
    'sgm/models': {'tensorflow', 'ml_collections', 'absl', 'data_pipeline', 'optax', 'diffusers', 'experiments', 'tools', 'tests'},
    'sgm/training': {'tensorflow', 'data_pipeline', 'experiments', 'tools', 'tests'},
    'sgm/tasks': {'tensorflow', 'experiments', 'tools', 'tests'},
    'sgm/evaluation': {'tensorflow', 'experiments', 'tools', 'tests'},
    'sgm': {'tools', 'tests', 'experiments', 'torch'},
    'tools': {'tests', 'torch'},
}


def imports(path):
  """(dotted module, line) of every import in a file, `from a import b` as a.b."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
      yield from ((f'{node.module}.{alias.name}', node.lineno) for alias in node.names)


@pytest.mark.parametrize('package', FORBIDDEN)
def test_direction(package):
  files = sorted((ROOT / package).rglob('*.py'))
  assert files
  for path in files:
    for module, line in imports(path):
      top = module.split('.')[0]
      assert top not in FORBIDDEN[package], f'{path.relative_to(ROOT)}:{line} imports {module}'


@pytest.mark.parametrize('package', ['sgm/tasks', 'sgm/evaluation'])
def test_the_model_side_imports_only_the_pure_part_of_the_pipeline(package):
  for path in [*(ROOT / package).rglob('*.py'), ROOT / 'sgm/render.py']:
    for module, line in imports(path):
      parts = module.split('.')
      assert parts[0] != 'data_pipeline' or parts[1] in PURE, f'{path.relative_to(ROOT)}:{line} imports {module}'


def test_the_pure_part_imports_no_tensorflow():
  for name in PURE:
    path = ROOT / 'data_pipeline' / name
    for file in [path.with_suffix('.py')] if path.with_suffix('.py').exists() else sorted(path.rglob('*.py')):
      for module, line in imports(file):
        assert module.split('.')[0] not in ('tensorflow', 'tensorflow_datasets'), f'{file}:{line}'


def test_relative_imports_are_not_used():
  for package in ('experiments', 'data_pipeline', 'sgm', 'tools'):
    for path in (ROOT / package).rglob('*.py'):
      for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.ImportFrom) and node.level), path
