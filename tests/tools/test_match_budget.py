"""The declared sweep costs what it should; counted FLOPs are the lowered program's; what fits nowhere is refused."""

import types

import jax
import numpy as np
import pytest

from experiments import ablate_dims
from experiments import common
from sgm import tasks
from sgm.training import clock
from tools import match_budget

INFO = types.SimpleNamespace(taxonomy=range(12), tokenizer=types.SimpleNamespace(size=200))


def sweep(preset='tiny'):
  return ablate_dims.get_config(f'preset={preset},data=none,judge=none')


@pytest.fixture(scope='module')
def budget():
  return match_budget.Budget(sweep(), INFO)


def test_declared_widths_match(budget):
  found = list(match_budget.matches(sweep(), budget))
  assert {(m.matching, m.arm) for m in found} == {(matching, arm) for matching, arms in sweep().arms.items() for arm in arms}
  for m in found:
    assert m.channels == m.declared
    assert abs(m.ratio(m.matching) - 1) <= match_budget.TOLERANCE[m.matching]
    assert m.cost.latent == m.reference.latent == 1024
  by_name = {(m.matching, m.arm, m.network): m for m in found}
  assert by_name['parameters', 'volume', 'unet'].ratio('flops') > 1.3  # or one matching would do
  assert 'instead of' not in match_budget.table(found)
  assert 'parameters: volume=dict(autoencoder=54, unet=21, mults=(1.0, 1.9048)),' in match_budget.literals(found).splitlines()


def test_declared_widths_match_at_base():
  base = sweep('base')
  base.arms = {'flops': {arm: base.arms.flops[arm] for arm in ('scalar', 'volume')}}
  base.matchings = ('flops',)
  assert all(m.channels == m.declared and m.fits for m in match_budget.matches(base, match_budget.Budget(base, INFO)))


@pytest.mark.parametrize('network, arm, channels', [
    *(('autoencoder', arm, (54,)) for arm in common.REPRESENTATIONS),
    ('unet', 'scalar', (32, 64)), ('unet', 'factorised', (32, 56)), ('unet', 'volume', (21, 40))])
def test_counted_operations_are_those_of_the_lowered_program(budget, network, arm, channels):
  """XLA's count of the program before optimisation has norms, activations and losses beside the products."""
  config = budget.configuration(network, arm, channels)
  task = tasks.build(config, INFO)
  batch, _ = match_budget.micro_batch(config, task, INFO, rows=2)
  params = jax.eval_shape(task.init, jax.random.key(0), batch)
  lowered = clock.loss_flops(task, params, {}, batch) / 2
  assert 1.0 < lowered / budget.cost(network, arm, channels).flops < 1.10


@pytest.mark.parametrize('matching, network, channels', [('flops', 'autoencoder', (96,)), ('parameters', 'unet', (32, 64))])
def test_a_cost_is_a_polynomial_of_the_channels(monkeypatch, matching, network, channels):
  """So that what is found from a few probes has the cost that it was chosen for."""
  if matching == 'parameters':
    monkeypatch.setattr(match_budget.flops_lib, 'count', lambda *args: 0)  # which takes longest
  budget = match_budget.Budget(sweep(), INFO)
  reference = budget.cost(network, 'scalar', channels)
  found = budget.find(matching, network, 'volume', reference)
  assert match_budget.groups(found) >= match_budget.GROUPS and (network == 'autoencoder' or found[1] % 4 == 0)
  ratio = getattr(budget.cost(network, 'volume', found), matching) / getattr(reference, matching)
  assert abs(ratio - 1) <= match_budget.TOLERANCE[matching]
  probes = match_budget.PROBES[network]
  costs = [getattr(budget.cost(network, 'volume', p), matching) for p in probes]
  polynomial = np.linalg.solve(match_budget.monomials(probes), costs)
  # An odd width has one sinusoid of time fewer, 1e-4 of a denoiser.
  np.testing.assert_allclose(match_budget.monomials([found]) @ polynomial / getattr(reference, matching), ratio, rtol=5e-4)


def test_widths_that_do_not_match_are_replaced_and_shared(budget):
  wrong = sweep()
  wrong.arms = {matching: {arm: wrong.arms[matching][arm] for arm in ('scalar', 'levels')} for matching in wrong.matchings}
  for arms in wrong.arms.values():
    arms.levels.autoencoder = 96
  found = {(m.matching, m.network): m for m in match_budget.matches(wrong, budget) if m.arm == 'levels'}
  assert found['parameters', 'autoencoder'].channels == found['flops', 'autoencoder'].channels == (75,)
  assert 'instead of (96,)' in match_budget.table([found['flops', 'autoencoder']])
  assert found['flops', 'unet'].channels == (32, 64)


def test_what_fits_nowhere_is_refused_with_the_nearest(budget):
  little = match_budget.Cost(parameters=9_000, flops=10**6, latent=1024)
  with pytest.raises(ValueError, match=r'levels: no autoencoder has its parameters within 5% .*; nearest: channels \(8,\)'):
    budget.find('parameters', 'autoencoder', 'levels', little)


def test_layers_add_up(budget):
  cost = budget.cost('autoencoder', 'volume', (54,))
  m = match_budget.Match('parameters', 'volume', 'autoencoder', (54,), (54,), cost, cost)
  title, *lines = match_budget.layers(m, budget, INFO).splitlines()
  assert title == 'parameters volume autoencoder'
  assert sum(float(line.split()[0]) for line in lines) == pytest.approx(cost.flops / 1e6, abs=0.02)
  assert any(line.endswith('encoder/block_0/in/conv') for line in lines)


@pytest.mark.parametrize('channels, groups', [((8,), 8), ((75,), 5), ((54, 40), 6), ((13, 40), 1)])
def test_groups(channels, groups):
  assert match_budget.groups(channels) == groups
