"""What all experiments share: typed arguments, presets of geometry, the fields that the one loop reads."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import ml_collections

# Geometry and nothing else; how long a training lasts is `total_steps` of each experiment.
PRESETS = {
    'tiny': dict(seconds=2.56, sample_rate=16_000, hop=320, n_fft=1024, bands=64),
    'small': dict(seconds=5.12, sample_rate=16_000, hop=320, n_fft=1024, bands=64),
    'base': dict(seconds=5.12, sample_rate=32_000, hop=320, n_fft=2048, bands=128),
}
LOW_HZ = 150.0
DB_RANGE = (-90.0, -10.0)  # band power re a full-scale sine

# What a spectrogram is to the networks (see sgm/models/representation.py): axes of their grid, planes that the latent keeps of
# the amplitude axis, and widths that give every arm as many parameters as `scalar`, within 5 % at 16 levels (tools.match_budget).
PICTURE = dict(dims=2, planes=1, autoencoder=dict(width=96), unet=dict(dims=2, factorised=False, width=32, mults=(1, 2)))
VOLUME = dict(dims=3, planes=2, autoencoder=dict(width=54), unet=dict(dims=3, factorised=False, width=21, mults=(1, 1.905)))
REPRESENTATIONS = {
    'scalar': PICTURE,
    'scalar_softmax': PICTURE | dict(autoencoder=dict(width=84)),
    'levels': PICTURE | dict(autoencoder=dict(width=75)),
    'factorised': VOLUME | dict(autoencoder=dict(width=72), unet=dict(dims=3, factorised=True, width=32, mults=(1, 1.75))),
    'volume': VOLUME, 'volume_filled': VOLUME, 'volume_permuted': VOLUME,
}


def parse_arg(arg: str, **defaults: Any) -> ml_collections.ConfigDict:
  """'a=1,b=x' -> ConfigDict with the types of `defaults`; the set of names is closed.

  Raises:
    ValueError: a name that is not in `defaults` (listed), or a value that is not of its type.
  """
  values = dict(defaults)
  for part in filter(None, (p.strip() for p in (arg or '').split(','))):
    name, equals, text = part.partition('=')
    if name not in defaults:
      raise ValueError(f'unknown configuration argument {name!r}; known: {", ".join(sorted(defaults))}')
    if not equals:
      raise ValueError(f'configuration argument {name!r} has no value: expected {name}=...')
    kind = type(defaults[name])
    try:
      values[name] = {'true': True, 'false': False}[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
      raise ValueError(f'configuration argument {name}={text!r}: expected {kind.__name__}') from None
  return ml_collections.ConfigDict(values)


def choose(name: str, value: str, known: Any) -> str:
  """`value` if it is known, else ValueError naming the known ones."""
  if value not in known:
    raise ValueError(f'{name}={value!r} is not known; known: {", ".join(known)}')
  return value


def base(preset: str, scale: str, level: str) -> ml_collections.ConfigDict:
  """Seed, schedule of the run, clip and front end: the part that is the same for every task.

  Args:
    preset, scale: names.
    level: RMS in dBFS to which every clip is brought, '' = levels as they are. Recordings need it; the built-in birds, whose
      levels mean something, do not.
  """
  p = PRESETS[choose('preset', preset, PRESETS)]
  samples = round(p['seconds'] * p['sample_rate'])
  c = ml_collections.ConfigDict()
  c.seed = 0
  c.total_steps = 1000
  c.batch_size = 64
  c.accumulate = 1  # micro-batches per step
  c.ema = 0.999
  c.log_every = 50
  c.mesh = dict(data=-1, fsdp=1)  # -1: all devices that are left
  c.optim = dict(name='muon', learning_rate=1e-2, warmup_steps='5%', schedule='cosine', weight_decay=1e-4, clip_norm=1.0, b2=0.99)
  c.checkpoint = dict(every='20%', keep=2)
  c.clip = dict(seconds=p['seconds'], sample_rate=p['sample_rate'], samples=samples, frames=samples // p['hop'])
  c.clip.prepare = ('decode(channels=1)',) + ((f'level({float(level)})',) if level else ())
  c.frontend = dict(
      sample_rate=p['sample_rate'], n_fft=p['n_fft'], hop=p['hop'], bands=p['bands'],
      low_hz=LOW_HZ, high_hz=p['sample_rate'] / 2, scale=choose('scale', scale, ('mel', 'linear')), db_range=DB_RANGE)
  c.evals = dict()
  return c


def need_data(data: str) -> str:
  if not data:
    raise ValueError('data=... is empty: give the folder of a data set, made by python -m tools.build_dataset')
  return data


def trained(workdir: str, argument: str) -> dict[str, Any]:
  """The configuration stored in another run's work directory, as a dict.

  Raises:
    ValueError: `workdir` is empty or holds no run.
  """
  if not workdir:
    raise ValueError(f'{argument}=... is empty: give the work directory of a trained run')
  path = pathlib.Path(workdir) / 'config.json'
  if not path.is_file():
    raise ValueError(f'{argument}={workdir}: no run there ({path} does not exist)')
  return json.loads(path.read_text())['config']
