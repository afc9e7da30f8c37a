"""Sources made on the spot: whistles of two invented species, backgrounds of noise, and a spec in which every knob is quiet."""

import numpy as np

from data_pipeline import mixing_cleaning
from data_pipeline.mixing_pools import Pools, Source
from data_pipeline.mixing_spec import MixingSpec
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy

RATE = 16000
PAD = round(mixing_cleaning.PAD_SECONDS * RATE)
TAXONOMY = Taxonomy(PROCEDURAL.species[:2], 'procedural', None)
HZ = dict(zip(TAXONOMY.codes, (2000.0, 5000.0)))


def spec(**changes):
  """One bird of 1 s at 10 dB in a clip of 4 s; changes such as events=dict(count='const(3)') or channels=2."""
  d = dict(
      seconds=4.0, sample_rate=RATE, channels=1, peak=0.99, normalise=False,
      events=dict(count='const(1)', species='choose()', source='choose()', duration='const(9)', source_time='const(0)',
                  onset='uniform(0, 4)', snr_db='const(10)', pitch='const(0)', stretch='const(1)', repetitions='const(1)',
                  spacing='const(0.2)', polyphony=(0, 9), reuse=True, retries=20),
      contaminants=dict(count='const(0)', duration='const(9)', onset='uniform(0, 4)', snr_db='const(5)'),
      background=dict(layers='const(1)', level_db='const(-40)', crossfade=0.1, self_noise_db='', band_limit=True),
      distance=dict(metres='', reference=10.0, celsius=15.0, humidity=70.0, kilopascal=101.325, rt60='const(0.4)',
                    direct_db=10.0),
      microphones=dict(azimuth='const(0)', spacing=0.2, baffle_db=0.0))
  for key, value in changes.items():
    d[key] = d[key] | value if isinstance(value, dict) else value
  return MixingSpec.from_dict(d)


def stored(folder, name, samples, **fields):
  """A Source whose samples (n, C) lie in a file of their own."""
  path = folder / f'{name}.int16'
  np.rint(samples * 32767).astype(np.int16).tofile(path)
  pad = fields.get('pad', 0)
  return Source(name, name, 0.0, (len(samples) - 2 * pad) / RATE, path, frames=len(samples), channels=samples.shape[1],
                **fields)


def whistle(code, seconds=1.0):
  t = np.arange(round(seconds * RATE) + 2 * PAD) / RATE
  glide = 2 * np.pi * (HZ[code] * t + 150 * np.sin(6 * t))
  return mixing_cleaning.faded(0.8 * np.sin(glide), PAD)[:, None]


def pools(folder):
  rng = np.random.default_rng(0)
  birds = [stored(folder, f'{code}{i}', whistle(code), species=code, pad=PAD, common=code, recordist='R', licence='CC BY 4.0')
           for code in HZ for i in range(2)]
  places = [stored(folder, f'rain{c}', 0.05 * rng.standard_normal((round(s * RATE), c)), environment='rain', licence='CC0')
            for c, s in ((1, 2.5), (2, 6.0))]
  stray = stored(folder, 'stray', mixing_cleaning.faded(0.3 * rng.standard_normal(RATE // 2), PAD)[:, None], pad=PAD)
  return Pools(RATE, tuple(birds), tuple(places), (stray,), TAXONOMY)
