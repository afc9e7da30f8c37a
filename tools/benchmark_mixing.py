"""Mixing soundscapes: the tool's own speed and exactness, and side by side with scaper 1.6.5 on the same sources.

Sources are built-in birds, each alone in a file with silence around, and textures: nothing is downloaded for them. scaper runs
in an environment of its own, made here with pip and kept in the user's cache; where that cannot be made, our figures stand
alone and the part 'scaper' says why.

Both mix clips of one background and EVENTS birds with as many processes, and write mix, stems and labels; imports and the first
clip are not counted. scaper is given its best: clips that would clip are scaled down (its default lets them), and in one run
sources that were cut to the bird beforehand, which our tool does by itself when it reads them. Neither is in the speeds of the
two; it is in the `seconds` of the part 'mixing tool'.
"""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from scipy.io import wavfile

from data_pipeline import environments, mixing_sources, species, voices
from data_pipeline.mixing_pools import Pools
from data_pipeline.mixing_spec import MixingSpec
from experiments import mixing as experiment
from tools import mix_soundscapes, mixed_clip, mixed_measures

RATE, SECONDS = 32000, 10.0       # the defaults of experiments/mixing.py
BIRDS, MARGIN_SECONDS = 4, 0.5    # files of each species; silence around each
PLACES, PLACE_SECONDS = 2, 30.0   # files of each texture
EVENTS, AT_ONCE = 4, 2
SNR_DB, BACKGROUND_DB = (5, 25), -30.0
PITCH, STRETCH = (-1, 1), (0.9, 1.1)  # semitones; factor
SEED = 0
# scaper says np.Inf, which numpy 2 has no more. soxbindings has wheels, sox in them, for the first two; else it is compiled.
REQUIREMENTS = ('scaper==1.6.5', 'soxbindings==1.2.3', 'numpy<2')
PYTHONS = ('python3.9', 'python3.8')


class Unavailable(Exception):
  """Why there is no scaper here."""


def measure(clips: int, workers: int) -> dict[str, dict[str, Any]]:
  """All parts.

  Args:
    clips: of each run; workers: processes.

  Returns:
    {'mixing tool': see `tool`, 'scaper': its versions, or {'skipped': why},
     'mixing, <tool><variant>': times_real_time, times_processor_time and mixed_measures.figures}.
  """
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    make_sources(folder / 'sources', SEED)
    figures: dict[str, dict[str, Any]] = {'mixing tool': tool(folder, clips, workers)}
    pools = mixing_sources.gather([str(folder / 'sources' / 'foreground')], [str(folder / 'sources' / 'background')], (),
                                  folder / 'decoded', sample_rate=RATE, channels=1).pools
    for variant, changed in (('', False), (', pitch and tempo', True)):
      figures[f'mixing, sgm{variant}'] = sgm(folder / 'sgm', pools, clips, workers, changed)
    cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'sgm'
    try:
      python = environment(cache)
    except Unavailable as reason:
      return figures | {'scaper': {'skipped': str(reason)}}
    runs = (('', 'sources', False), (', cut sources', 'cut', False), (', pitch and tempo', 'sources', True))
    for variant, sources, changed in runs:
      made, figures['scaper'] = scaper(python, folder / sources, folder / 'scaper', clips, workers, changed)
      figures[f'mixing, scaper{variant}'] = made
  return figures


def make_sources(folder: pathlib.Path, seed: int) -> None:
  """foreground/<species>/*.wav, each one song or call with silence around, and background/<texture>/*.wav, 16 bits, at RATE;
  beside `folder` the folder `cut`, with the birds cut to where they are heard, and the same backgrounds."""
  rng = np.random.default_rng(seed)
  for code, patterns in species.PATTERNS.items():
    for i in range(BIRDS):
      pattern, who = patterns[('song', 'call')[i % 2]], voices.draw_individual(rng)
      controls = voices.perform(pattern, who, voices.usual_seconds(pattern, who, rng), rng)
      length = controls.offset - controls.onset
      sung, first = voices.sound(controls, 0.0, length, RATE)
      sung *= np.float32(0.5 / np.abs(sung).max())
      _write(folder / 'foreground' / code / f'{i}.wav', np.pad(sung, round(MARGIN_SECONDS * RATE)))
      _write(folder.with_name('cut') / 'foreground' / code / f'{i}.wav', sung[-first:round(length * RATE) - first])
  for name in environments.TEXTURES:
    for i in range(PLACES):
      place = environments.background(name, '', BACKGROUND_DB, round(PLACE_SECONDS * RATE), RATE, 1, rng)[:, 0]
      for where in (folder, folder.with_name('cut')):
        _write(where / 'background' / name / f'{i}.wav', place)


def _write(path: pathlib.Path, audio: np.ndarray) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  wavfile.write(path, RATE, np.round(audio * 32767).astype(np.int16))


def tool(folder: pathlib.Path, clips: int, workers: int) -> dict[str, Any]:
  """tools.mix_soundscapes as its users call it, with experiments/mixing.py as it is, and stems.

  Returns:
    seconds: for all of it; times_processor_time: sound per time of one core, for all of it.
    times_real_time: as the tool says it, with the start of the processes, without reading the sources.
    snr_error_db_max: of all events. clips, events, clips_scaled_down.
  """
  out, said, start, used = folder / 'mixed', [], time.perf_counter(), _used(resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
  f = mix_soundscapes.mix(mix_soundscapes.Options(
      [str(folder / 'sources' / 'foreground')], {mix_soundscapes.ALL: clips}, str(out), _spec({}),
      [str(folder / 'sources' / 'background')], seed=SEED, extras=mixed_clip.Extras(stems=True), workers=workers),
      said.append)['figures']
  seconds = time.perf_counter() - start
  used = _used(resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN) - used
  shutil.rmtree(out)
  speed = next(found[1] for found in map(re.compile('([0-9.]+) times real time').search, said) if found)
  return {'clips': clips, 'events': f['events'], 'seconds': round(seconds, 2), 'times_real_time': float(speed),
          'times_processor_time': round(clips * SECONDS / used, 1),
          'snr_error_db_max': mixed_measures.figure(f['snr_error_db_max']), 'clips_scaled_down': f['scaled_down']}


def _spec(changes: dict[str, dict[str, Any]]) -> MixingSpec:
  """experiments/mixing.py with some fields of its groups changed."""
  config = experiment.get_config(f'seconds={SECONDS},sample_rate={RATE}').to_dict()
  return MixingSpec.from_dict({k: v | changes.get(k, {}) if isinstance(v, dict) else v for k, v in config.items()})


def like_scaper(changed: bool) -> MixingSpec:
  """What scaper can do too, and a limit on how many events sound at once, which it can't.

  Args:
    changed: whether pitch and tempo are.
  """
  return _spec({
      'events': dict(
          count=f'const({EVENTS})', duration=f'const({SECONDS})', snr_db=f'uniform{SNR_DB}', repetitions='const(1)',
          pitch=f'uniform{PITCH}' if changed else 'const(0)', stretch=f'uniform{STRETCH}' if changed else 'const(1)',
          polyphony=(0, AT_ONCE), reuse=True),
      'contaminants': dict(count='const(0)'),
      'background': dict(layers='const(1)', level_db=f'const({BACKGROUND_DB})', self_noise_db='', band_limit=False)})


def sgm(out: pathlib.Path, pools: Pools, clips: int, workers: int, changed: bool) -> dict[str, Any]:
  """Speed and mixed_measures.figures of our clips, written to `out` and removed."""
  with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as fresh:  # no tensorflow in it
    seconds, used = fresh.submit(_mixed, out, pools, like_scaper(changed), clips, workers).result()
  made = mixed_measures.figures([mixed_measures.of_sgm(out / 'all' / f'{i:05d}') for i in range(clips)], AT_ONCE)
  shutil.rmtree(out)
  return _speed(clips, seconds, used) | made


def _mixed(out: pathlib.Path, pools: Pools, spec: MixingSpec, clips: int, workers: int) -> tuple[float, float]:
  """s that the clips take, and of the workers' processors, as peers/scaper_mix.py measures them. For a process of its own."""
  job = lambda where, i: (where, pools, spec, SEED, 'all', i, i + 1, mixed_clip.Extras(stems=True))
  mixed_clip.chunk(*job(out / 'first', 0))
  with multiprocessing.get_context('fork').Pool(workers) as pool:
    start = time.perf_counter()
    pool.starmap(mixed_clip.chunk, [job(out, i) for i in range(clips)], chunksize=1)
    seconds = time.perf_counter() - start
    pool.close()
    pool.join()
  return seconds, _used(resource.RUSAGE_CHILDREN)


def _used(*whose: int) -> float:
  """s of processors, of this process or of its children that have ended."""
  return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, whose))


def _speed(clips: int, seconds: float, cpu_seconds: float) -> dict[str, float]:
  """Sound per time, and sound per time of one core: the latter is left alone by what else a machine has to do."""
  return {'times_real_time': round(clips * SECONDS / seconds, 1),
          'times_processor_time': round(clips * SECONDS / cpu_seconds, 1)}


def scaper(python: pathlib.Path, sources: pathlib.Path, out: pathlib.Path, clips: int, workers: int,
           changed: bool) -> tuple[dict[str, Any], dict[str, str]]:
  """The same of scaper's clips, and the versions of what made them. Raises CalledProcessError where scaper fails."""
  job = dict(sources=str(sources), out=str(out), count=clips, workers=workers, seed=SEED, seconds=SECONDS, sample_rate=RATE,
             background_db=BACKGROUND_DB, background_room=PLACE_SECONDS - SECONDS, events=EVENTS, snr_db=SNR_DB,
             pitch=PITCH if changed else None, stretch=STRETCH if changed else None)
  path = out.with_name('job.json')
  path.write_text(json.dumps(job))
  script = pathlib.Path(__file__).with_name('peers') / 'scaper_mix.py'
  # Its warnings would fill the screen: of every clip scaled down, and of a program sox that soxbindings does without.
  done = subprocess.run([python, '-W', 'ignore', script, path], capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(f'{script.name}: {done.stderr.strip()}')
  told = json.loads(done.stdout.splitlines()[-1])
  made = mixed_measures.figures([mixed_measures.of_scaper(out / f'{i:05d}') for i in range(clips)], AT_ONCE)
  shutil.rmtree(out)
  return _speed(clips, told['seconds'], told['cpu_seconds']) | made, told['versions']


def environment(cache: pathlib.Path) -> pathlib.Path:
  """The interpreter of an environment with scaper, made in `cache` where it is not there yet. Raises Unavailable."""
  base = next((p for p in map(shutil.which, PYTHONS) if p and _works(p)), sys.executable)
  version = subprocess.run([base, '-c', 'import platform; print(platform.python_version())'], capture_output=True, text=True,
                           check=True).stdout.strip()
  folder = cache / 'peers' / f'scaper-python{version}'
  python, stamp = folder / 'bin' / 'python', folder / 'requirements.txt'
  wanted = '\n'.join(REQUIREMENTS)
  if stamp.exists() and stamp.read_text() == wanted:
    return python
  for command in ([base, '-m', 'venv', '--clear', folder],
                  [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries', '1', *REQUIREMENTS]):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
      lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
      said = next((line for line in reversed(lines) if line.startswith('ERROR')), lines[-1] if lines else 'no reason given')
      raise Unavailable(f'{" ".join(REQUIREMENTS)} cannot be installed for Python {version}: {said}. Needed: a package '
                        f'registry, and {" or ".join(PYTHONS)} on the PATH, or else a C++ compiler and the library sox '
                        '(Debian: apt-get install g++ libsox-dev)')
  stamp.write_text(wanted)
  return python


def _works(python: str) -> bool:
  """Whether it runs and can make environments: a version manager may have put a mere signpost on the PATH."""
  return not subprocess.run([python, '-c', 'import ensurepip, venv'], capture_output=True).returncode
