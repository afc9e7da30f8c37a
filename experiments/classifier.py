r"""Spectrogram classifier: the judge of generated clips (trained on a split of its own), or a downstream model.

  python -m sgm.train --config experiments/classifier.py:preset=tiny,data=runs/data --workdir runs/judge
"""

from experiments import common


def get_config(arg=''):
  arg = common.parse_arg(arg, preset='base', data='', split='judge', scale='mel', level='')
  c = common.base(arg.preset, arg.scale, arg.level)
  c.total_steps = 500
  c.batch_size = 32
  c.optim.weight_decay = 1e-3
  c.model = dict(name='classifier', dims=2, width=32, mults=(1, 2, 2), time_patch=4, patch=8, dropout=0.2)
  c.task = dict(name='classification', frame_weight=1.0, time_mask=0.1, band_mask=0.1, shift=0.1)
  c.clip.frame_targets = c.clip.frames // c.model.time_patch
  c.data = dict(
      dir=common.need_data(arg.data), split=arg.split, cache=6_000,
      ops=(*c.clip.prepare, 'random_crop({clip.samples})', 'gain(db=(-6, 3))', 'gaussian_noise(snr_db=(5, 40))', 'label',
           'activity({clip.frame_targets})', 'keep("audio", "label", "activity")'))
  c.evals.accuracy = dict(name='accuracy', split='val', every='25%', limit=256, batch_size=64)
  return c
