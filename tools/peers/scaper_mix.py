"""Mixes clips with scaper 1.6.5, in the environment that tools.benchmark_mixing makes: nothing of this project is imported.

  python scaper_mix.py JOB

JOB is a JSON file: sources (a folder with foreground/<label>/*.wav and background/<label>/*.wav), out, count, workers, seed,
seconds, sample_rate, background_db (LUFS), events, snr_db (low, high), pitch and stretch (low, high, or null for neither),
background_room (s at the end of a background where no clip begins). Clip i becomes OUT/<i>/mix.wav, mix.jams and stems/. Prints
{"seconds": all clips, imports and the first one not counted; "cpu_seconds": of the workers; "versions": ...}.
"""

from importlib import metadata
import json
import multiprocessing
import os
import platform
import resource
import sys
import time

import scaper

PACKAGES = ('scaper', 'soxbindings', 'pyloudnorm', 'numpy')


def mix(job, index, folder):
  """One clip; scaper scales one down that would clip (its default is to let it)."""
  s = scaper.Scaper(job['seconds'], os.path.join(job['sources'], 'foreground'), os.path.join(job['sources'], 'background'),
                    random_state=job['seed'] + index)
  s.sr, s.n_channels, s.ref_db = job['sample_rate'], 1, job['background_db']
  s.add_background(label=('choose', []), source_file=('choose', []), source_time=('uniform', 0, job['background_room']))
  drawn = lambda limits: None if limits is None else ('uniform', *limits)
  for _ in range(job['events']):
    s.add_event(label=('choose', []), source_file=('choose', []), source_time=('const', 0),
                event_time=('uniform', 0, job['seconds']), event_duration=('const', job['seconds']),  # a source is used whole
                snr=drawn(job['snr_db']), pitch_shift=drawn(job['pitch']), time_stretch=drawn(job['stretch']))
  os.makedirs(folder)
  s.generate(os.path.join(folder, 'mix.wav'), os.path.join(folder, 'mix.jams'), fix_clipping=True, save_isolated_events=True,
             isolated_events_path=os.path.join(folder, 'stems'), disable_instantiation_warnings=True)


def numbered(task):
  job, index = task
  mix(job, index, os.path.join(job['out'], '%05d' % index))


def main(path):
  with open(path) as f:
    job = json.load(f)
  mix(job, 0, os.path.join(job['out'], 'first'))
  with multiprocessing.get_context('fork').Pool(job['workers']) as pool:
    start = time.perf_counter()
    pool.map(numbered, [(job, i) for i in range(job['count'])], chunksize=1)
    seconds = time.perf_counter() - start
    pool.close()
    pool.join()
  used = resource.getrusage(resource.RUSAGE_CHILDREN)
  versions = {'python': platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}
  print(json.dumps({'seconds': seconds, 'cpu_seconds': used.ru_utime + used.ru_stime, 'versions': versions}))


if __name__ == '__main__':
  main(sys.argv[1])
