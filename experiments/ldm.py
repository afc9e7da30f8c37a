r"""Text- and roll-conditioned latent diffusion on bird spectrograms.

  python -m sgm.train --config experiments/ldm.py:preset=tiny,data=runs/data,autoencoder=runs/ae --workdir runs/ldm

The front end is the autoencoder's. autoencoder=none trains in pixel space.
"""

from experiments import common


def get_config(arg=''):
  arg = common.parse_arg(arg, preset='base', data='', autoencoder='', scale='mel', level='', judge='')
  c = common.base(arg.preset, arg.scale, arg.level)
  c.total_steps = 1300
  c.batch_size = 96
  c.optim.weight_decay = 0.0
  time_patch = 1
  c.task = dict(
      name='latent_diffusion', autoencoder=arg.autoencoder, prediction='v', schedule=dict(name='cosine', shift=0.0),
      drop_text=0.1, drop_roll=0.3, drop_both=0.05, sampler=dict(name='dpmpp_2m', steps=16, guidance=3.0))
  if arg.autoencoder == 'none':
    c.codec = dict(name='pixel_space', channels=1)
  else:
    stored = common.trained(arg.autoencoder, 'autoencoder')
    c.frontend = stored['frontend']
    c.codec = stored['model']
    time_patch = c.codec.patch[0]
  c.clip.latent_frames = c.clip.frames // time_patch
  c.model = dict(
      name='unet', dims=2, width=32, mults=(1, 2), blocks=1, attention=(False, True), heads=4, text_width=48, text_layers=1)
  c.data = dict(
      dir=common.need_data(arg.data), split='train', cache=18_000,
      ops=(*c.clip.prepare, 'random_crop({clip.samples})', 'gain(db=(-6, 3))', 'prompt', 'partial_prompt',
           'roll({clip.latent_frames})', 'keep("audio", "tokens", "partial_tokens", "roll")'))
  c.evals.loss = dict(name='loss', split='val', every='50%', limit=256, batch_size=64)
  if arg.judge:
    c.evals.label_fidelity = dict(
        name='label_fidelity', split='single', every='50%', limit=96, batch_size=32, judge=arg.judge, condition='both', repeats=1,
        seed=0)
  return c
