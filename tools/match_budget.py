"""Widths that give every arm of the ablation as many parameters, or as many FLOPs, as the reference; counted, not measured.

  python -m tools.match_budget --config experiments/ablate_dims.py:preset=tiny,data=runs/data,judge=runs/judge

For each arm and matching of the sweep: a width of the autoencoder, one of the denoiser and the factor by which the denoiser's
second level is wider, what they cost beside the reference, and the lines to be written into the sweep. Widths that the sweep
declares are kept where they fit. --layers=ARM also lists where that arm's FLOPs are. Nothing is allocated or compiled. FLOPs
are those of loss and gradient, see `sgm.models.flops`.
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from typing import Any, Iterator

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import jax
from ml_collections import config_flags
import ml_collections
import numpy as np

from data_pipeline import pipeline
from experiments import autoencoder
from experiments import common
from experiments import ldm
from sgm import tasks
from sgm.models import flops as flops_lib
from sgm.training import step
from tools import quickstart_cost

FLAGS = flags.FLAGS
TOLERANCE = {'parameters': 0.05, 'flops': 0.10}  # of each matching, relative
MULTS = (1.75, 2.25)  # channels of the denoiser's second level, in those of its first
MOST = 512  # channels that are looked at
GROUPS = 5  # at least so many groups in every group norm
# Costs are polynomials of second degree in the channels, since no layer multiplies more than two counts of them: three costs
# determine that of the autoencoder, six that of a denoiser of two levels.
PROBES = {'autoencoder': ((8,), (16,), (24,)), 'unet': ((8, 16), (16, 16), (24, 16), (8, 24), (16, 24), (8, 32))}


@dataclasses.dataclass(frozen=True)
class Cost:
  """Of a network that is trained. flops: of loss and gradient for one example. latent: numbers in one latent."""

  parameters: int
  flops: int
  latent: int


@dataclasses.dataclass(frozen=True)
class Match:
  """A network beside the reference. channels: (width,) of the autoencoder, those of both levels of the denoiser."""

  matching: str
  arm: str
  network: str
  channels: tuple[int, ...]
  declared: tuple[int, ...]
  cost: Cost
  reference: Cost

  def ratio(self, name: str) -> float:
    return getattr(self.cost, name) / getattr(self.reference, name)

  @property
  def fits(self) -> bool:
    return abs(self.ratio(self.matching) - 1) <= TOLERANCE[self.matching]


def micro_batch(config: Any, task: Any, info: Any, rows: int = 1) -> tuple[dict[str, jax.ShapeDtypeStruct], int]:
  """Shapes of a batch from the cache of an autoencoder or a diffusion model, and the numbers in one latent."""
  shape = (config.clip.frames, config.frontend.bands)
  if config.task.name == 'autoencoding':
    features = {'spectrogram': (*shape, config.model.channels)}
    latent = task.model.latent_shape((rows, *features['spectrogram']))[1:]
  else:
    latent = task.autoencoder.latent_shape((rows, *shape, config.codec.channels))[1:]
    features = quickstart_cost.diffusion_features(latent, len(info.taxonomy))
  dtype = lambda name: 'int32' if 'tokens' in name else 'float32'
  return {name: jax.ShapeDtypeStruct((rows, *s), dtype(name)) for name, s in features.items()}, math.prod(latent)


def traced(config: Any, info: Any) -> tuple[Any, tuple[Any, ...], int]:
  """A configuration's loss with gradient, shapes of its arguments for one example, and the numbers in one latent."""
  task = tasks.build(config, info)
  batch, latent = micro_batch(config, task, info)
  key = jax.eval_shape(lambda: jax.random.key(0))
  return step.loss_and_grad(task), (jax.eval_shape(task.init, key, batch), {}, key, batch), latent


def cost(config: Any, info: Any) -> Cost:
  """Of a resolved configuration of experiments/autoencoder.py or ldm.py.

  info: has `taxonomy` and `tokenizer`, as a data set and a work directory's labels have, see `tasks.build`.
  """
  fn, args, latent = traced(config, info)
  return Cost(quickstart_cost.count(args[0]), flops_lib.count(fn, *args), latent)


class Budget:
  """Costs of the arms' networks at any width, for the geometry of a sweep."""

  def __init__(self, sweep: ml_collections.ConfigDict, info: Any):
    self._sweep, self._info = sweep, info
    self._costs: dict[Any, Cost] = {}

  def configuration(self, network: str, arm: str, channels: tuple[int, ...]) -> ml_collections.ConfigDict:
    s = self._sweep
    arg = f'preset={s.preset},data={s.data},representation={arm},levels={s.levels}'
    config = autoencoder.get_config(arg)
    if network == 'unet':
      codec, config = config.model, ldm.get_config(f'{arg},autoencoder=none')
      config.codec = codec
      config.clip.latent_frames = config.clip.frames // codec.patch[0]
      config.model.mults = mults(channels)
    config.model.width = channels[0]
    return config

  def cost(self, network: str, arm: str, channels: tuple[int, ...]) -> Cost:
    if network == 'unet':  # which sees the latent alone
      known = common.REPRESENTATIONS
      geometry = lambda arm: (known[arm]['planes'], known[arm]['unet']['dims'], known[arm]['unet']['factorised'])
      arm = next(other for other in known if geometry(other) == geometry(arm))
    key = network, arm, channels
    if key not in self._costs:
      self._costs[key] = cost(self.configuration(*key), self._info)
    return self._costs[key]

  def find(self, matching: str, network: str, arm: str, reference: Cost) -> tuple[int, ...]:
    """Channels within the tolerance of a matching: those with most groups in their norms, of these the nearest to `reference`.

    Raises:
      ValueError: there are none; names the nearest.
    """
    probes = PROBES[network]
    polynomial = np.linalg.solve(monomials(probes), [getattr(self.cost(network, arm, p), matching) for p in probes])
    grid = [(c,) for c in range(8, MOST + 1) if groups((c,)) >= GROUPS]
    if network == 'unet':
      heads = self.configuration(network, arm, probes[0]).model.heads
      second = lambda c: range(math.ceil(MULTS[0] * c), int(MULTS[1] * c) + 1)
      grid = [(c, d) for c, in grid for d in second(c) if groups((d,)) >= GROUPS and d % heads == 0]
    ratio = monomials(grid) @ polynomial / getattr(reference, matching)
    off = np.abs(ratio - 1)
    fits = off <= TOLERANCE[matching]
    best = max(range(len(grid)), key=lambda i: (fits[i], fits[i] and groups(grid[i]), -off[i]))
    if not fits[best]:
      raise ValueError(f'{arm}: no {network} has its {matching} within {TOLERANCE[matching]:.0%} of the reference; nearest: '
                       f'channels {grid[best]}, {ratio[best]:.3f} times as many')
    return grid[best]


def groups(channels: tuple[int, ...]) -> int:
  """The fewest groups that `layers.group_norm` makes of these."""
  return min(max(n for n in range(1, 9) if c % n == 0) for c in channels)


def mults(channels: tuple[int, ...]) -> tuple[float, ...]:
  """(20, 44) -> (1.0, 2.2): what `UNet.mults` says, such that round(width * mult) gives the channels."""
  return tuple(round(c / channels[0], 4) for c in channels)


def monomials(channels: Any) -> np.ndarray:
  """All products of at most two: (n, d) -> (n, (d + 1) (d + 2) / 2)."""
  c = np.column_stack([np.ones(len(channels)), channels])
  i, j = np.triu_indices(c.shape[1])
  return c[:, i] * c[:, j]


def _declared(sweep: ml_collections.ConfigDict, network: str, matching: str, arm: str) -> tuple[int, ...]:
  widths = sweep.arms[matching][arm]
  return (widths.autoencoder,) if network == 'autoencoder' else tuple(round(widths.unet * m) for m in widths.mults)


def matches(sweep: ml_collections.ConfigDict, budget: Budget) -> Iterator[Match]:
  """Every network, matching and arm of a sweep; what was found for one matching serves the next too if it fits: a run less."""
  for network in PROBES:
    own = _declared(sweep, network, sweep.matchings[0], sweep.reference)
    reference = budget.cost(network, sweep.reference, own)
    found: dict[str, tuple[int, ...]] = {}
    for matching in sweep.matchings:
      for arm in sweep.arms[matching]:
        declared = _declared(sweep, network, matching, arm)
        match = lambda channels: Match(
            matching, arm, network, channels, declared, budget.cost(network, arm, channels), reference)
        known = (match(channels) for channels in (declared, found.get(arm, declared)))
        chosen = next((m for m in known if m.fits), None) or match(budget.find(matching, network, arm, reference))
        found[arm] = chosen.channels
        yield chosen


def table(found: list[Match]) -> str:
  lines = [f'{"matching":<11}{"arm":<16}{"network":<12}{"channels":<10}{"parameters":>11} (ratio)'
           f'{"MFLOP/example":>15} (ratio){"latent":>8}']
  for m in found:
    lines.append(f'{m.matching:<11}{m.arm:<16}{m.network:<12}{", ".join(map(str, m.channels)):<10}{m.cost.parameters:>11,} '
                 f'({m.ratio("parameters"):5.3f}){m.cost.flops / 1e6:>15.1f} ({m.ratio("flops"):5.3f}){m.cost.latent:>8}'
                 + (f'  instead of {m.declared}' if m.channels != m.declared else ''))
  return '\n'.join(lines)


def literals(found: list[Match]) -> str:
  """What the sweep's file says, a line for each arm and matching."""
  widths: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
  for m in found:
    widths.setdefault((m.matching, m.arm), {})[m.network] = m.channels
  return '\n'.join(
      f'{matching}: {arm}=dict(autoencoder={w["autoencoder"][0]}, unet={w["unet"][0]}, mults={mults(w["unet"])}),'
      for (matching, arm), w in widths.items())


def layers(m: Match, budget: Budget, info: Any) -> str:
  """Loss and gradient of a network, layer by layer in the order of the program."""
  fn, args, _ = traced(budget.configuration(m.network, m.arm, m.channels), info)
  counted = flops_lib.by_layer(fn, *args)
  lines = [f'{flops / 1e6:10.3f} MFLOP  {layer or "outside of the network"}' for layer, flops in counted.items()]
  return '\n'.join([f'{m.matching} {m.arm} {m.network}', *lines])


def report(sweep: ml_collections.ConfigDict, arm: str) -> str:
  """What is printed; of `arm`, where one is given, layer by layer. Raises ValueError: no such arm, or widths that fit nothing."""
  arms = sorted({arm for arms in sweep.arms.values() for arm in arms})
  if arm and arm not in arms:
    raise ValueError(f'--layers={arm}: the sweep has no such arm; it has {", ".join(arms)}')
  info = pipeline.open_dataset(sweep.data)
  budget = Budget(sweep, info)
  found = list(matches(sweep, budget))
  return '\n\n'.join([table(found), literals(found), *(layers(m, budget, info) for m in found if m.arm == arm)])


def main(argv):
  del argv
  try:
    print(report(FLAGS.config, FLAGS.layers))
  except (ValueError, OSError) as error:
    sys.exit(f'match_budget: {error}')


if __name__ == '__main__':
  config_flags.DEFINE_config_file('config', None, 'experiments/ablate_dims.py:arguments', lock_config=True)
  flags.DEFINE_string('layers', '', 'arm whose FLOPs are listed layer by layer')
  flags.mark_flag_as_required('config')
  app.run(main)
