"""How well directions and kinds of stereo are told: simulated microphones 20 cm apart at 16 kHz, rooms, real recordings.

Songs are syllables that sweep by 0.4 to 1.5 kHz, around 2 to 6 kHz; noise lies 10 dB under them, over the whole band. Azimuths
are drawn from -75 to 75 degrees. Rooms are made by pyroomacoustics in an environment of its own, which wants a package index;
real recordings are those of a folder with a manifest.csv.
"""

from __future__ import annotations

import csv
import itertools
import pathlib
import subprocess
import tempfile
from typing import Callable
import venv

import numpy as np
from scipy import fft, optimize, signal
import soundfile

from data_pipeline import bird_counts, direction, stereo
from data_pipeline.decoding import BadRecording
from data_pipeline.microphones import SLACK, Setup

RATE, SPACING_M, SNR_DB, WIDEST_DEG = 16000, 0.2, 10.0, 75.0
SETUP = Setup(spacing_m=SPACING_M)
BAND = (500.0, 7600.0)
ROOMS, T60_S, MISMATCH_DB = 'pyroomacoustics==0.10.1', 0.5, 1.0
APART_DEG, SONGS = 30.0, 6
SEED = '1'  # of rooms: others than those by which bird_counts was set
COPY_DB, TRUE_DB = -40.0, -30.0  # stereo_diff_db of the manifest: copies lie below, two microphones above

Pair = np.ndarray  # (N, 2): left, right


def song(rng: np.random.Generator, seconds: float = 1.2) -> np.ndarray:
  """Syllables of 50 to 150 ms that sweep: (N,), peak 1."""
  y, at, base = np.zeros(round(seconds * RATE)), 0.0, rng.uniform(2500, 5500)
  while at < seconds - 0.16:
    n = round(rng.uniform(0.05, 0.15) * RATE)
    u = np.arange(n) / n
    hz = np.clip(base * rng.uniform(0.8, 1.25) + rng.choice((-1, 1)) * rng.uniform(400, 1500) * (u - 0.5), 1200, 7200)
    y[round(at * RATE):round(at * RATE) + n] += np.sin(2 * np.pi * np.cumsum(hz) / RATE) * np.sin(np.pi * u) ** 0.7
    at += n / RATE + rng.uniform(0.02, 0.08)
  return y


def tone(rng: np.random.Generator) -> np.ndarray:
  """A steady tone of 0.3 to 1 s, 2 to 7 kHz."""
  n = round(rng.uniform(0.3, 1.0) * RATE)
  return np.sin(2 * np.pi * rng.uniform(2000, 7000) / RATE * np.arange(n)) * signal.windows.tukey(n, 0.1)


def placed(sound: np.ndarray, azimuth: float) -> Pair:
  """A sound in the free field with a second of silence on either side; exact delays, half of it to each side."""
  delay = -np.sin(np.radians(azimuth)) * SETUP.widest_us * 1e-6  # s by which right is later
  x = np.pad(sound, RATE)
  turn = np.exp(-2j * np.pi * fft.rfftfreq(len(x), 1 / RATE) * np.array([[-0.5], [0.5]]) * delay)
  return fft.irfft(fft.rfft(x) * turn, len(x)).T


def in_room(sound: np.ndarray, responses: np.ndarray) -> Pair:
  """A sound with a second of silence on either side, in a room of impulse responses (2, L)."""
  return signal.fftconvolve(np.pad(sound, RATE)[:, None], responses.T.astype(float), axes=0)


def diffuse(rng: np.random.Generator, samples: int, waves: int = 24) -> Pair:
  """Noise of power 1 that comes from all around, a sphere of plane waves: alike in both channels at low frequencies only."""
  size = fft.next_fast_len(samples, real=True)
  turn = 1j * np.pi * fft.rfftfreq(size, 1 / RATE)
  both = np.zeros((2, len(turn)), complex)
  for delay in rng.uniform(-1, 1, waves) * SETUP.widest_us * 1e-6:
    wave = rng.standard_normal((2, len(turn)))
    both += (wave[0] + 1j * wave[1]) * np.exp(turn * np.array([[-1], [1]]) * delay)
  noise = fft.irfft(both, size)[:, :samples]
  return noise.T / np.sqrt(np.mean(noise ** 2))


def noisy(x: Pair, noise: Pair, seconds: float) -> Pair:
  """`x` with noise SNR_DB under its power in `seconds` from the first second on."""
  power = np.mean(x[RATE:round((1 + seconds) * RATE)] ** 2)
  return x + noise * np.sqrt(power / 10 ** (SNR_DB / 10))


def told(make: Callable[[int], tuple[Pair, float, float]], trials: int, weighting: str) -> dict[str, float | None]:
  """Directions of trials (sound, seconds it lasts from the first second on, azimuth); the ambiguous ones count, too, but for
  `side_right_clear` (None where all are). Sides are those of sources 5 degrees or more from straight ahead."""
  errors, sides, ambiguous = [], [], []
  for i in range(trials):
    x, seconds, azimuth = make(i)
    e = direction.estimate(direction.correlate(x, RATE, (1, 1 + seconds), BAND, SLACK * SETUP.widest_us, weighting))
    errors.append(abs(SETUP.azimuth(np.clip(e.delay_us, -SETUP.widest_us, SETUP.widest_us)) - azimuth))
    ambiguous.append(e.ambiguous)
    sides += [(e.delay_us * azimuth < 0, e.ambiguous)] if abs(azimuth) >= 5 else []
  clear = not all(unclear for _, unclear in sides)
  return {'trials': trials, 'median_error_deg': round(float(np.median(errors)), 2),
          'p90_error_deg': round(float(np.quantile(errors, 0.9)), 2), 'ambiguous': round(float(np.mean(ambiguous)), 3),
          'side_right': round(float(np.mean([right for right, _ in sides])), 3),
          'side_right_clear': round(float(np.mean([right for right, unclear in sides if not unclear])), 3) if clear else None}


def free_field(trials: int, make: Callable[[np.random.Generator], np.ndarray], weighting: str) -> dict[str, float]:
  """Noise of its own in each microphone."""
  rng = np.random.default_rng(1)

  def trial(_: int) -> tuple[Pair, float, float]:
    sound, azimuth = make(rng), float(rng.uniform(-WIDEST_DEG, WIDEST_DEG))
    x = placed(sound, azimuth)
    return noisy(x, rng.standard_normal(x.shape), len(sound) / RATE), len(sound) / RATE, azimuth
  return told(trial, trials, weighting)


def reverberant(rooms: pathlib.Path, make: Callable[[np.random.Generator], np.ndarray], weighting: str) -> dict[str, float]:
  """Rooms of stereo_rooms, diffuse noise, and one microphone 1 dB more sensitive than the other."""
  rng, made = np.random.default_rng(2), np.load(rooms)

  def trial(i: int) -> tuple[Pair, float, float]:
    sound = make(rng)
    x = in_room(sound, made['responses'][i, 0])
    x = noisy(x, diffuse(rng, len(x)), len(sound) / RATE)
    return x * (1, 10 ** (rng.choice((-1, 1)) * MISMATCH_DB / 20)), len(sound) / RATE, float(made['azimuths'][i, 0])
  return told(trial, len(made['azimuths']), weighting)


def make_rooms(folder: pathlib.Path, count: int) -> pathlib.Path:
  """Installs pyroomacoustics in `folder` and makes impulse responses there. Raises CalledProcessError where that fails."""
  venv.create(folder / 'environment', with_pip=True)
  python = str(folder / 'environment' / 'bin' / 'python')
  subprocess.run([python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ROOMS], check=True)
  script = pathlib.Path(__file__).with_name('stereo_rooms.py')
  subprocess.run([python, str(script), str(folder / 'rooms.npz'), str(count), SEED, str(RATE), str(SPACING_M), str(T60_S),
                  str(APART_DEG)], check=True)
  return folder / 'rooms.npz'


def birds(trials: int, count: int, rooms: pathlib.Path | None = None) -> dict[str, float]:
  """Birds of one species, APART_DEG apart, SONGS songs each, diffuse noise: how often `bird_counts` tells their number.

  Args:
    trials: places.
    count: of birds; 1 or 2 in rooms.
    rooms: of stereo_rooms, as many as trials at least; None = the free field.
  """
  rng, counted = np.random.default_rng(3), []
  made = np.load(rooms)['responses'] if rooms else None
  for i in range(trials):
    first = rng.uniform(-WIDEST_DEG, WIDEST_DEG - APART_DEG * (count - 1))
    delays = []
    for k in range(count * SONGS):
      sound = song(rng)
      x = placed(sound, first + APART_DEG * (k % count)) if made is None else in_room(sound, made[i, k % count])
      x = noisy(x, diffuse(rng, len(x)), len(sound) / RATE)
      heard = direction.correlate(x, RATE, (1, 1 + len(sound) / RATE), BAND, SLACK * SETUP.widest_us)
      delays += [e.delay_us for e in direction.pieces(heard) if bird_counts.countable(e)]
    counted.append(len(bird_counts.directions(delays)))
  return {'trials': trials, 'birds': count, 'counted_right': round(float(np.mean(np.array(counted) == count)), 3),
          'too_many': round(float(np.mean(np.array(counted) > count)), 3)}


def kinds(trials: int, coded: bool) -> dict[str, float | str | None]:
  """Files of each kind: the share that `stereo.classify` tells, of all and of the worst kind.

  Args:
    trials: files of each kind.
    coded: with losses, as mp3 and ogg of libsndfile's usual quality, else as wav of 16 bits.
  """
  rng, right = np.random.default_rng(4), {k: 0 for k in stereo.KINDS}
  with tempfile.TemporaryDirectory() as folder:
    for kind in right:
      for i in range(trials):
        rate = (44100, 32000, 16000)[i % 3]
        path = pathlib.Path(folder) / f'x.{("mp3", "ogg")[i % 2] if coded else "wav"}'
        soundfile.write(path, _stereo_file(kind, rng, rate), rate, **({} if coded else {'subtype': 'PCM_16'}))
        right[kind] += stereo.classify(path).kind == kind
  shares = {k: n / trials for k, n in right.items()}
  return {'files': trials * len(right), 'right': round(float(np.mean(list(shares.values()))), 4), 'worst': min(shares.values()),
          'worst_kind': min(shares, key=shares.get)}


def _stereo_file(kind: str, rng: np.random.Generator, rate: int) -> np.ndarray:
  """Six seconds: songs in noise, at -50 to -10 dB."""
  two = np.stack([np.concatenate([song(rng) for _ in range(5)]) for _ in range(2)], axis=1)
  noise = diffuse(rng, len(two)) * 10 ** (rng.uniform(-40, -10) / 20)
  x = sum(placed(two[:, i], rng.uniform(-WIDEST_DEG, WIDEST_DEG))[RATE:-RATE] for i in range(2)) + noise
  x = x / np.sqrt(np.mean(x ** 2)) * 10 ** (rng.uniform(-50, -15) / 20)
  left, gain = x[:, 0], 10 ** (rng.choice((-1, 1)) * rng.uniform(1, 12) / 20)
  late = rng.integers(1, int(0.015 * rate)) + rng.choice((0.0, 0.3))
  hz = fft.rfftfreq(len(left))
  return {'mono': left, 'true': x, 'silent': 0 * x, 'dual mono': np.stack([left, left], 1),
          'scaled': np.stack([left, gain * left], 1) / max(1, gain), 'inverted': np.stack([left, -left], 1),
          'delayed': np.stack([left, fft.irfft(fft.rfft(left) * np.exp(-2j * np.pi * hz * late), len(left))], 1),
          'one dead': np.stack([left, 1e-5 * rng.standard_normal(len(left))], 1)[:, ::rng.choice((-1, 1))]}[kind]


def recordings(real_data: pathlib.Path) -> dict[str, float]:
  """Real files with two channels: `agree` with stereo_diff_db (side over mid, dB), between whose limits nothing is asked."""
  agree = unreadable = 0
  asked = []
  with open(real_data / 'manifest.csv', newline='', encoding='utf-8') as f:
    rows = [r for r in csv.DictReader(f) if r['channels'] == '2']
  for row in rows:
    try:
      kind = stereo.classify(real_data / row['path']).kind
    except BadRecording:
      unreadable += 1
      continue
    difference = float(row['stereo_diff_db'])
    if difference < COPY_DB or difference > TRUE_DB:
      asked.append(row['path'])
      agree += (kind == 'true') == (difference > TRUE_DB)
  return {'files': len(rows), 'asked': len(asked), 'agree': agree, 'unreadable': unreadable}


def array(real_data: pathlib.Path) -> dict[str, float]:
  """Six synchronised recorders some 20 m apart: delays of all pairs against each other and against one place of the bird.

  Returns:
    pairs; possible: of them whose delay is less than sound takes from one to the other; closure_us: median over triples of
    |ab + bc - ca|; position_error_us: median |measured - that of the place that fits best|.
  """
  folder = real_data / 'opensoundscape'
  with open(folder / 'LOCA_2021_aru_coords.csv', newline='', encoding='utf-8') as f:
    places = {pathlib.Path(r['file']).name: np.array([float(r[a]) for a in 'xyz']) for r in csv.DictReader(f) if r['z']}
  names = [n for n in places if (folder / n).exists()]
  sound = {n: soundfile.read(folder / n, dtype='float32')[0] for n in names}
  rate = soundfile.info(folder / names[0]).samplerate
  delays, possible = {}, 0
  for a, b in itertools.combinations(names, 2):
    widest = np.linalg.norm(places[a] - places[b]) / SETUP.sound_speed * 1e6
    x = np.stack([sound[a], sound[b]], axis=1)
    e = direction.estimate(direction.correlate(x, rate, (0, len(x) / rate), (2000, 10000), 1.3 * widest))
    delays[a, b] = e.delay_us
    possible += bool(abs(e.delay_us) <= widest)
  closure = [abs(delays[a, b] + delays[b, c] - delays[a, c]) for a, b, c in itertools.combinations(names, 3)]
  expected = lambda p: np.array([np.linalg.norm(p - places[b]) - np.linalg.norm(p - places[a])
                                 for a, b in delays]) / SETUP.sound_speed * 1e6
  middle = np.mean([places[n] for n in names], axis=0)
  starts = [middle + np.array((dx, dy, 0)) for dx in (-15, 0, 15) for dy in (-15, 0, 15)]
  off = lambda p: (expected(p) - np.array(list(delays.values()))) / 100
  best = min((optimize.least_squares(off, s, loss='soft_l1') for s in starts), key=lambda r: r.cost)
  return {'pairs': len(delays), 'possible': possible, 'closure_us': round(float(np.median(closure)), 1),
          'position_error_us': round(float(np.median(abs(100 * off(best.x)))), 1)}


def measure(trials: int = 100, real_data: pathlib.Path | None = None,
            rooms: bool = True) -> dict[str, dict[str, float | str | None]]:
  """All of it; without `real_data` no real recordings, without `rooms` no reverberation and no package index."""
  figures = {'kinds': kinds(max(3, trials // 4), False), 'kinds, coded': kinds(max(3, trials // 8), True),
             'song': free_field(trials, song, 'phat'),
             'song, band': free_field(trials, song, 'band'), 'tone': free_field(trials, tone, 'phat'),
             'one bird': birds(max(3, trials // 4), 1), 'two birds': birds(max(3, trials // 2), 2)}
  if rooms:
    with tempfile.TemporaryDirectory() as folder:
      made = make_rooms(pathlib.Path(folder), trials)
      figures['song in rooms'] = reverberant(made, song, 'phat')
      figures['song in rooms, band'] = reverberant(made, song, 'band')
      figures['tone in rooms'] = reverberant(made, tone, 'phat')
      figures['one bird in rooms'] = birds(max(3, trials // 2), 1, made)
      figures['two birds in rooms'] = birds(max(3, trials // 2), 2, made)
  if real_data:
    figures['recordings'], figures['array'] = recordings(real_data), array(real_data)
  return figures
