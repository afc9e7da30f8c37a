"""The declared sweep: its axes, and what is refused."""

import re

import pytest

from experiments import ablate_dims
from experiments import common

GIVEN = 'data=d,judge=j'


def test_declares_the_sweep_of_the_issue():
  c = ablate_dims.get_config(GIVEN)
  parameters, flops = c.arms['parameters'], c.arms['flops']
  assert c.reference == 'scalar'
  assert c.primary.to_dict() == {'metric': 'label_fidelity', 'higher_is_better': True, 'margin': 0.05}
  assert {arm: n.seeds for arm, n in parameters.items()} == {
      'scalar': 6, 'scalar_softmax': 6, 'levels': 6, 'volume': 6, 'factorised': 3, 'volume_filled': 3, 'volume_permuted': 3}
  assert {arm: n.seeds for arm, n in flops.items()} == {'scalar': 6, 'levels': 3, 'volume': 3}
  assert set(parameters) == set(common.REPRESENTATIONS)
  assert parameters.scalar == flops.scalar


@pytest.mark.parametrize('preset', ablate_dims.WIDTHS)
def test_every_arm_that_has_seeds_has_widths(preset):
  c = ablate_dims.get_config(f'{GIVEN},preset={preset}')
  for matching, arms in ablate_dims.SEEDS.items():
    assert set(c.arms[matching]) == set(arms) == set(ablate_dims.WIDTHS[preset][matching])


def test_subsets():
  c = ablate_dims.get_config(f'{GIVEN},arms=volume+scalar,matchings=parameters,seeds=3,level=-26')
  assert list(c.matchings) == ['parameters'] and c.level == '-26'
  seeds = {matching: {arm: n.seeds for arm, n in arms.items()} for matching, arms in c.arms.items()}
  assert seeds == {'parameters': {'scalar': 3, 'volume': 3}}


@pytest.mark.parametrize('arg, message', [
    (f'{GIVEN},arms=scalar+cube', "arms='cube' is not known; known: scalar, scalar_softmax, levels, volume"),
    (f'{GIVEN},arms=scalar+volume+volume', 'arms=scalar+volume+volume: a name is given twice; known: scalar'),
    (f'{GIVEN},arms=volume', 'arms=volume: scalar is missing'),
    (f'{GIVEN},arms=scalar+factorised,matchings=flops', "arms='factorised' is not known; known: scalar, levels, volume"),
    (f'{GIVEN},matchings=memory', "matchings='memory' is not known; known: parameters, flops"),
    (f'{GIVEN},preset=small', "preset='small' is not known; known: tiny, base"),
    (f'{GIVEN},axes=arms', "unknown configuration argument 'axes'; known: arms, data, judge"),
    ('judge=j', 'data=... is empty'),
    ('data=d', 'judge=... is empty: give the work directory of a classifier'),
])
def test_refusals(arg, message):
  with pytest.raises(ValueError, match=re.escape(message)):
    ablate_dims.get_config(arg)
