r"""Soundscapes mixed of labelled recordings: the classical baseline that generated ones have to beat.

  python -m tools.mix_soundscapes --data runs/real --backgrounds rain/ --count train=800,test=100 --out runs/mixed
      --config experiments/mixing.py:seconds=60,channels=2

Most fields are distributions: const, choose, weighted, uniform, normal, truncnorm (data_pipeline.mixing_distributions);
what each field means: data_pipeline.mixing_spec. `far=true` places birds at distances, and their SNR falls with them.
"""

import ml_collections

from experiments import common


def get_config(arg=''):
  arg = common.parse_arg(arg, seconds=10.0, sample_rate=32_000, channels=1, far=False)
  c = ml_collections.ConfigDict()
  c.seconds = arg.seconds
  c.sample_rate = arg.sample_rate
  c.channels = arg.channels
  c.peak = 0.99         # of full scale: a clip above it is scaled down as a whole
  c.normalise = False
  c.events = dict(
      count='weighted((0, 1, 2, 3, 4, 5), (1, 4, 5, 4, 2, 1))', species='choose()', source='choose()',
      duration='uniform(2.0, 6.0)', source_time='const(0)', onset=f'uniform(0, {arg.seconds})',
      snr_db='truncnorm(20, 10, -5, 45)', pitch='truncnorm(0, 0.3, -1, 1)', stretch='truncnorm(1, 0.03, 0.9, 1.1)',
      repetitions='weighted((1, 2, 3), (6, 3, 1))', spacing='uniform(0.4, 2.5)', polyphony=(0, 3), reuse=False, retries=200)
  c.contaminants = dict(
      count='weighted((0, 1, 2), (5, 3, 1))', duration='uniform(1.0, 4.0)', onset=f'uniform(0, {arg.seconds})',
      snr_db='truncnorm(5, 6, -10, 20)')
  c.background = dict(
      layers='weighted((1, 2), (3, 1))', level_db='uniform(-54, -30)', crossfade=0.5, self_noise_db='uniform(-68, -58)',
      band_limit=True)
  c.distance = dict(
      metres='truncnorm(30, 30, 5, 150)' if arg.far else '', reference=10.0, celsius=15.0, humidity=70.0, kilopascal=101.325,
      rt60='uniform(0.3, 0.9)', direct_db=15.0)
  c.microphones = dict(azimuth='uniform(-90, 90)', spacing=0.2, baffle_db=3.0)
  return c


def prepared(c, backgrounds):
  """The ops that prepare a clip for training: `clip.prepare` of `c`, with `backgrounds` a new soundscape in the clip's place.

  Args:
    backgrounds: '' = no mixing, 'own' = the data set's clips without birds, 'built-in' = synthetic, else the folder of another
      data set. `c.mixing` then says how soundscapes are mixed, `c.plausibility` of what birds.
  """
  if not backgrounds:
    return c.clip.prepare
  c.mixing = get_config(f'seconds={c.clip.seconds},sample_rate={c.clip.sample_rate}')
  c.mixing.contaminants.count = 'const(0)'  # a data set holds none
  c.plausibility = dict(mode='uniform', avonet='')  # or plausible, implausible; avonet: the table of real birds' habitats
  decode, *level = c.clip.prepare
  named = "" if backgrounds == "own" else backgrounds
  return decode, f'mix_soundscapes({{mixing}}, {named!r}, {{plausibility.mode}}, {{plausibility.avonet}})', *level
