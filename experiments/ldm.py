r"""Text- and roll-conditioned latent diffusion on bird spectrograms.

  python -m sgm.train --config experiments/ldm.py:preset=tiny,data=runs/data,autoencoder=runs/ae --workdir runs/ldm

The front end and the representation are the autoencoder's. autoencoder=none trains in pixel space, where representation=... and
levels=... say what a spectrogram is to the network; a volume without an autoencoder is large. mix=... trains on mixed
soundscapes, as in experiments/classifier.py.
"""

from experiments import common, mixing


def get_config(arg=''):
  arg = common.parse_arg(
      arg, preset='base', data='', autoencoder='', scale='mel', level='', judge='', representation='', levels=0, mix='')
  c = common.base(arg.preset, arg.scale, arg.level)
  c.total_steps = 1300
  c.batch_size = 96
  c.optim.weight_decay = 0.0
  time_patch = 1
  c.task = dict(
      name='latent_diffusion', autoencoder=arg.autoencoder, prediction='v', schedule=dict(name='cosine', shift=0.0),
      drop_text=0.1, drop_roll=0.3, drop_both=0.05, sampler=dict(name='dpmpp_2m', steps=16, guidance=3.0, amplitude='expectation'))
  if arg.autoencoder == 'none':
    c.codec = dict(name='pixel_space', channels=1, representation=arg.representation or 'scalar', levels=arg.levels or 64)
  else:
    stored = common.trained(arg.autoencoder, 'autoencoder')
    c.frontend = stored['frontend']
    c.codec = stored['model']
    time_patch = c.codec.patch[0]
    for name in ('representation', 'levels'):
      if arg[name] not in ('', 0, c.codec[name]):
        raise ValueError(f'{name}={arg[name]}: the autoencoder {arg.autoencoder} has {c.codec[name]}')
  c.clip.latent_frames = c.clip.frames // time_patch
  network = common.REPRESENTATIONS[common.choose('representation', c.codec.representation, common.REPRESENTATIONS)]['unet']
  c.model = dict(name='unet', **network, blocks=1, attention=(False, True), heads=4, text_width=48, text_layers=1)
  c.data = dict(
      dir=common.need_data(arg.data), split='train', cache=18_000,
      ops=(*mixing.prepared(c, arg.mix), 'random_crop({clip.samples})', 'gain(db=(-6, 3))', 'prompt', 'partial_prompt',
           'roll({clip.latent_frames})', 'keep("audio", "tokens", "partial_tokens", "roll")'))
  c.evals.loss = dict(name='loss', split='val', every='50%', limit=256, batch_size=64)
  if arg.judge:
    c.evals.label_fidelity = dict(
        name='label_fidelity', split='single', every='50%', limit=96, batch_size=32, judge=arg.judge, condition='both', repeats=1,
        seed=0)
  return c
