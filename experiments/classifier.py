r"""Spectrogram classifier: the judge of generated clips (trained on a split of its own), or a downstream model.

  python -m sgm.train --config experiments/classifier.py:preset=tiny,data=runs/data --workdir runs/judge
  python -m sgm.train --config experiments/classifier.py:data=runs/data,split=train,mix=built-in --workdir runs/mixed

`mix` trains on soundscapes that are mixed anew of the split's birds instead of on its clips (see experiments/mixing.py, whose
fields are at --config.mixing); its backgrounds are own, built-in, or the folder of another data set.

`stereo=true` hears both channels of a data set of two (build_dataset --channels 2): their levels and the phase between them.
"""

from experiments import common, mixing


def get_config(arg=''):
  arg = common.parse_arg(arg, preset='base', data='', split='judge', scale='mel', level='', mix='', stereo=False)
  c = common.base(arg.preset, arg.scale, arg.level)
  c.total_steps = 500
  c.batch_size = 32
  c.optim.weight_decay = 1e-3
  c.model = dict(name='classifier', dims=2, width=32, mults=(1, 2, 2), time_patch=4, patch=8, dropout=0.2)
  c.task = dict(name='classification', frame_weight=1.0, time_mask=0.1, band_mask=0.1, shift=0.1, stereo=arg.stereo)
  if arg.stereo:
    c.clip.prepare = ('decode(channels=2)', *c.clip.prepare[1:])
  c.clip.frame_targets = c.clip.frames // c.model.time_patch
  c.data = dict(
      dir=common.need_data(arg.data), split=arg.split, cache=6_000,
      ops=(*mixing.prepared(c, arg.mix), 'random_crop({clip.samples})', 'gain(db=(-6, 3))', 'gaussian_noise(snr_db=(5, 40))',
           'label', 'activity({clip.frame_targets})', 'keep("audio", "label", "activity")'))
  c.evals.accuracy = dict(name='accuracy', split='val', every='25%', limit=256, batch_size=64)
  return c
