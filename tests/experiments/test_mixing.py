"""The mixing configuration: a whole MixingSpec, every field of which something reads."""

import dataclasses
import pathlib
import re

import pytest

from data_pipeline import registry
from data_pipeline.mixing_spec import MixingSpec
from experiments import classifier, mixing

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize('arg', ['', 'seconds=60.0,sample_rate=16000,channels=2,far=true'])
def test_is_a_spec(arg):
  spec = MixingSpec.from_dict(mixing.get_config(arg).to_dict())
  assert bool(spec.distance.metres) == ('far' in arg)


def test_bad_arguments():
  with pytest.raises(ValueError, match="unknown configuration argument 'second'; known: channels, far, sample_rate, seconds"):
    mixing.get_config('second=3')


def test_every_field_is_read():
  source = '\n'.join(p.read_text() for p in sorted((ROOT / 'data_pipeline').glob('mixing*.py')) if p.name != 'mixing_spec.py')
  spec = MixingSpec.from_dict(mixing.get_config().to_dict())
  for group in (spec, *(g for g in vars(spec).values() if dataclasses.is_dataclass(g))):
    for field in dataclasses.fields(group):
      assert re.search(rf'\.{field.name}\b', source), f'nothing reads {field.name}'


@pytest.mark.parametrize('backgrounds, argument', [('own', ''), ('built-in', 'built-in'), ('runs/places', 'runs/places')])
def test_an_experiment_mixes_what_its_configuration_says(backgrounds, argument):
  c = classifier.get_config(f'preset=tiny,data=d,level=-20,mix={backgrounds}')
  c.lock()
  c.mixing.events.snr_db, c.plausibility.mode = 'uniform(0, 5)', 'implausible'
  names = [registry.parse(op) for op in registry.resolve(c.data.ops, c)]
  assert [call.name for call in names[:4]] == ['decode', 'mix_soundscapes', 'level', 'random_crop']
  [fields, named, *plausibility] = names[1].args
  spec = MixingSpec.from_dict(fields)
  assert named == argument and plausibility == ['implausible', ''] and spec.events.snr_db == 'uniform(0, 5)'
  assert (spec.seconds, spec.sample_rate, spec.channels) == (c.clip.seconds, c.clip.sample_rate, 1)
  assert not any('mix' in op for op in classifier.get_config('preset=tiny,data=d').data.ops)
