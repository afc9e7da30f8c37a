r"""Spectrogram autoencoder: 128 x 64 cells -> 16 x 8 x 8 latents at tiny, with the bird kept.

  python -m tools.build_dataset --source procedural --out runs/data
  python -m sgm.train --config experiments/autoencoder.py:preset=tiny,data=runs/data --workdir runs/ae
"""

from experiments import common


def get_config(arg=''):
  arg = common.parse_arg(arg, preset='base', data='', scale='mel', level='')
  c = common.base(arg.preset, arg.scale, arg.level)
  c.total_steps = 700
  c.batch_size = 32
  c.data = dict(
      dir=common.need_data(arg.data), split='train', cache=6_000,
      ops=(*c.clip.prepare, 'random_crop({clip.samples})', 'gain(db=(-6, 3))', 'keep("audio")'))
  c.model = dict(name='autoencoder', dims=2, patch=(8, 8), width=96, blocks=1, latent_channels=8, channels=1)
  c.task = dict(
      name='autoencoding', levels=64, kl_weight=0.1, likelihood_weight=0.02, l1_weight=1.0, spectral_weight=0.5,
      scales=(4, 8), energy_floor=0.01, latent_noise=0.05)
  c.evals.reconstruction = dict(name='reconstruction', split='val', every='25%', limit=256, batch_size=64, judge='')
  return c
