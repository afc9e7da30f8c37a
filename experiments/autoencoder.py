r"""Spectrogram autoencoder: 128 x 64 cells -> 16 x 8 x 8 latents at tiny, with the bird kept.

  python -m tools.build_dataset --source procedural --out runs/data
  python -m sgm.train --config experiments/autoencoder.py:preset=tiny,data=runs/data --workdir runs/ae
  python -m sgm.train --config experiments/autoencoder.py:preset=tiny,data=runs/data,representation=volume,levels=16 --workdir runs/ae3d

representation: what a spectrogram is to the network, see sgm/models/representation.py; a volume's latents are 16 x 8 x 2 x 4.
levels: amplitude levels of the likelihood and of a volume, whose cost grows with them.
"""

from experiments import common


def get_config(arg=''):
  arg = common.parse_arg(arg, preset='base', data='', scale='mel', level='', representation='scalar', levels=64)
  geometry = common.REPRESENTATIONS[common.choose('representation', arg.representation, common.REPRESENTATIONS)]
  planes = geometry['planes']
  if arg.levels % planes or arg.levels < 2:
    raise ValueError(f'levels={arg.levels}: expected a multiple of {planes}, 2 or more, nearest {max(2, arg.levels // planes * planes)}')
  c = common.base(arg.preset, arg.scale, arg.level)
  c.total_steps = 700
  c.batch_size = 32
  c.data = dict(
      dir=common.need_data(arg.data), split='train', cache=6_000,
      ops=(*c.clip.prepare, 'random_crop({clip.samples})', 'gain(db=(-6, 3))', 'keep("audio")'))
  c.model = dict(
      name='autoencoder', dims=geometry['dims'], patch=(8, 8, arg.levels // planes)[:geometry['dims']],
      **geometry['autoencoder'], blocks=1, latent_channels=8 // planes, channels=1,
      representation=arg.representation, levels=arg.levels)
  c.task = dict(
      name='autoencoding', kl_weight=0.1, likelihood_weight=0.02, l1_weight=1.0, spectral_weight=0.5, scales=(4, 8),
      energy_floor=0.01, latent_noise=0.05)
  c.evals.reconstruction = dict(name='reconstruction', split='val', every='25%', limit=256, batch_size=64, judge='')
  return c
