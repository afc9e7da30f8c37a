r"""Does an axis of its own for the amplitude help? Arms x matchings x seeds, and the endpoint they are compared by.

  python -m tools.build_dataset --source procedural --out runs/data
  python -m sgm.train --config experiments/classifier.py:preset=tiny,data=runs/data --workdir runs/judge
  python -m tools.ablate --config experiments/ablate_dims.py:data=runs/data,judge=runs/judge --out runs/dims --dry_run
  python -m tools.report --runs runs/dims

Without --dry_run it trains. On ten real species: `level=-26,arms=scalar+volume,matchings=parameters,seeds=3`.
"""

from typing import Any

import ml_collections

from experiments import common

REFERENCE = 'scalar'
SEEDS = dict(  # of the paired diffusion runs of an arm; the reference takes part in every matching
    parameters=dict(scalar=6, scalar_softmax=6, levels=6, volume=6, factorised=3, volume_filled=3, volume_permuted=3),
    flops=dict(scalar=6, levels=3, volume=3))

# Found by `python -m tools.match_budget`: widths of the autoencoder and of the denoiser, channels of the denoiser's levels.
_SCALAR = dict(autoencoder=96, unet=32, mults=(1.0, 2.0))
_SOFTMAX = dict(autoencoder=84, unet=32, mults=(1.0, 2.0))
_LEVELS = dict(autoencoder=75, unet=32, mults=(1.0, 2.0))  # as many parameters as `scalar`, and as many FLOPs
_VOLUME = dict(autoencoder=54, unet=21, mults=(1.0, 1.905))
_MATCHED = dict(
    parameters=dict(
        scalar=_SCALAR, scalar_softmax=_SOFTMAX, levels=_LEVELS, factorised=dict(autoencoder=72, unet=32, mults=(1.0, 1.75)),
        volume=_VOLUME, volume_filled=_VOLUME, volume_permuted=_VOLUME),
    flops=dict(scalar=_SCALAR, levels=_LEVELS, volume=dict(autoencoder=42, unet=16, mults=(1.0, 2.1875))))
_FLOPS_AT_BASE = _MATCHED['flops'] | dict(volume=dict(autoencoder=42, unet=16, mults=(1.0, 2.0)))
WIDTHS = dict(tiny=_MATCHED, base=_MATCHED | dict(flops=_FLOPS_AT_BASE))


def get_config(arg=''):
  """arms, matchings: names joined by '+', empty = all. seeds: of every arm, 0 = those declared above."""
  arg = common.parse_arg(arg, preset='tiny', data='', judge='', scale='mel', level='', arms='', matchings='', seeds=0)
  if not arg.judge:
    raise ValueError('judge=... is empty: give the work directory of a classifier, trained with experiments/classifier.py')
  widths = WIDTHS[common.choose('preset', arg.preset, WIDTHS)]
  matchings = _some('matchings', arg.matchings, SEEDS)
  arms = _some('arms', arg.arms, dict.fromkeys(arm for matching in matchings for arm in SEEDS[matching]))
  if REFERENCE not in arms:
    raise ValueError(f'arms={arg.arms}: {REFERENCE} is missing, the arm that the others are compared with')
  c = ml_collections.ConfigDict()
  c.preset, c.scale, c.level = arg.preset, arg.scale, arg.level
  c.data, c.judge = common.need_data(arg.data), arg.judge
  c.levels = 16  # amplitude levels A of every arm
  c.autoencoder_examples = 12_000
  c.diffusion_examples = 60_000
  c.cache = 12_000  # augmented encodings of training clips that a diffusion run draws from
  c.autoencoder_seeds = 2  # per arm and matching; diffusion seed s takes autoencoder s % 2
  c.reference = REFERENCE
  c.primary = dict(metric='label_fidelity', higher_is_better=True, margin=0.05)
  c.matchings = matchings
  c.arms = {matching: {arm: dict(seeds=arg.seeds or SEEDS[matching][arm], **widths[matching][arm])
                       for arm in arms if arm in SEEDS[matching]} for matching in matchings}
  return c


def _some(name: str, text: str, known: Any) -> tuple[str, ...]:
  """The names in 'a+b', '' = all; ValueError for one that is unknown or given twice."""
  chosen = tuple(common.choose(name, part, known) for part in text.split('+')) if text else tuple(known)
  if len(set(chosen)) < len(chosen):
    raise ValueError(f'{name}={text}: a name is given twice; known: {", ".join(known)}')
  return chosen
