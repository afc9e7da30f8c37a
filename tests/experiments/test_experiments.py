"""Configurations: closed arguments, and no knob that nothing reads."""

import json
import pathlib
import re

import ml_collections
import pytest

from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline import tokenizer as tokenizer_lib
from experiments import autoencoder
from experiments import classifier
from experiments import common
from experiments import ldm
from sgm import tasks

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Info:
  taxonomy = taxonomy_lib.PROCEDURAL
  tokenizer = tokenizer_lib.from_grammar(taxonomy_lib.PROCEDURAL)


@pytest.fixture
def trained(tmp_path):
  """A work directory as `experiments.ldm` reads it."""
  config = autoencoder.get_config('preset=tiny,data=d')
  (tmp_path / 'config.json').write_text(json.dumps({'config': config.to_dict()}))
  return tmp_path


@pytest.fixture(params=['autoencoder', 'classifier', 'mixed', 'stereo', 'ldm', 'pixel'])
def config(request, trained):
  return {
      'autoencoder': lambda: autoencoder.get_config('preset=tiny,data=d'),
      'classifier': lambda: classifier.get_config('preset=tiny,data=d'),
      'mixed': lambda: classifier.get_config('preset=tiny,data=d,level=-20,mix=built-in'),
      'stereo': lambda: classifier.get_config('preset=tiny,data=d,stereo=true'),
      'ldm': lambda: ldm.get_config(f'preset=tiny,data=d,autoencoder={trained},judge=j'),
      'pixel': lambda: ldm.get_config('preset=tiny,data=d,autoencoder=none'),
  }[request.param]()


def test_types_come_from_the_defaults():
  arg = common.parse_arg('a=3,b=x,c=true', a=1, b='', c=False, d=0.5)
  assert arg.to_dict() == {'a': 3, 'b': 'x', 'c': True, 'd': 0.5}


@pytest.mark.parametrize('arg, message', [
    ('presett=tiny', "unknown configuration argument 'presett'; known: data, level, levels, preset, representation, scale"),
    ('preset=huge,data=d', "preset='huge' is not known; known: tiny, small, base"),
    ('preset=tiny', 'data=... is empty'),
    ('data', "'data' has no value"),
    ('scale=bark,data=d', "scale='bark' is not known"),
    ('representation=cube,data=d', "representation='cube' is not known; known: scalar, scalar_softmax, levels"),
    ('representation=volume,levels=15,data=d', 'levels=15: expected a multiple of 2, 2 or more, nearest 14'),
    ('representation=levels,levels=1,data=d', 'levels=1: expected a multiple of 1, 2 or more, nearest 2'),
])
def test_bad_arguments(arg, message):
  with pytest.raises(ValueError, match=re.escape(message)):
    autoencoder.get_config(arg)


def test_a_diffusion_model_takes_the_autoencoders_representation(tmp_path):
  config = autoencoder.get_config('preset=tiny,data=d,representation=volume,levels=16')
  (tmp_path / 'config.json').write_text(json.dumps({'config': config.to_dict()}))
  c = ldm.get_config(f'preset=tiny,data=d,autoencoder={tmp_path}')
  assert (c.model.dims, c.codec.representation, c.codec.levels) == (3, 'volume', 16)
  assert c.model == ldm.get_config('preset=tiny,data=d,autoencoder=none,representation=volume,levels=16').model
  for arg, message in (('representation=scalar', f'representation=scalar: the autoencoder {tmp_path} has volume'),
                       ('levels=64', f'levels=64: the autoencoder {tmp_path} has 16')):
    with pytest.raises(ValueError, match=re.escape(message)):
      ldm.get_config(f'preset=tiny,data=d,autoencoder={tmp_path},{arg}')


def test_an_empty_autoencoder_is_refused():
  with pytest.raises(ValueError, match='autoencoder=... is empty'):
    ldm.get_config('data=d')
  with pytest.raises(ValueError, match='no run there'):
    ldm.get_config('data=d,autoencoder=/nowhere')


def test_builds_its_task(config):
  assert tasks.build(config, Info)


def test_unknown_keyword_names_its_owner(config):
  config.model.wdith = 3
  with pytest.raises(TypeError, match=f"model '{config.model.name}'.*wdith"):
    tasks.build(config, Info)


def test_unknown_name_lists_the_known(config):
  config.model.name = 'vit'
  with pytest.raises(ValueError, match='known: autoencoder, classifier, unet'):
    tasks.build(config, Info)


def leaves(node, path=()):
  if isinstance(node, (dict, ml_collections.ConfigDict)):
    for key, value in node.items():
      yield from leaves(value, (*path, key))
  else:
    yield path


def test_every_leaf_is_read(config):
  """Each leaf's name stands in the library as an attribute that is read, a keyword that is bound, or in an op string."""
  source = '\n'.join(p.read_text() for p in sorted((ROOT / 'sgm').rglob('*.py')))
  ops = ' '.join(config.data.ops)
  for path in leaves(config):
    name = path[-1]
    read = re.search(rf'\.{name}\b(?!\s*=[^=])', source) or re.search(rf"'{name}'", source) or re.search(rf'[(,]\s*{name}: ', source)
    filled = any(f'{{{".".join(path[:n])}}}' in ops for n in range(1, len(path) + 1))  # alone, or with its group
    assert read or filled, f'nothing reads {".".join(path)}'


def test_presets_fix_geometry_only():
  a, b = (autoencoder.get_config(f'preset={p},data=d') for p in ('tiny', 'small'))
  a, b = a.to_dict(), b.to_dict()
  assert {k for k in a if a[k] != b[k]} <= {'clip', 'frontend'}
