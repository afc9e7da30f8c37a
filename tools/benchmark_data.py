"""How fast recordings become batches: streaming a long one, building a data set from mp3, the training pipeline, mixing."""

from __future__ import annotations

import os
import pathlib
import resource
import sys
import tempfile
import time
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

from absl import logging
import librosa
import numpy as np
from scipy import fft, signal
import soundfile

from data_pipeline import stream
from tools import benchmark_mixing, benchmark_mixing_op, build_dataset

RATE = 16000
FRAME, HOP = 1024, 256      # of the spectrogram
WINDOW_FRAMES = 1875        # spectrogram frames per window: 30 s of sound
EARLY_MINUTES = 15.0        # from here on resident memory is to stay where it is
CLIP_SECONDS = 2.56
MP3_RATE, MP3_SECONDS = 44100, 30.0
BATCH = 64
OP_CLIPS = 400            # of the data set that the mixing op draws from


def streaming(minutes: float) -> dict[str, float]:
  """A long stereo recording from disk to the magnitudes of the spectrograms of both its channels, window by window.

  Returns:
    seconds: for all of it; times_real_time: sound per time.
    peak_mb: resident memory at its highest; above_first_mb: of it, above that after the first window.
    growth_mb: highest resident memory over the whole recording less that over its first 15 minutes (of a recording shorter
      than 135 minutes: its first ninth).
    minutes, windows, frames: what was streamed; frames of one channel.

  Raises RuntimeError where other windows come out than `stream.count` tells.
  """
  # Windows overlap by a frame less a hop, so that the frames of all windows are those of the whole recording.
  window, hop = (WINDOW_FRAMES - 1) * HOP + FRAME, WINDOW_FRAMES * HOP
  taper = signal.get_window('hann', FRAME).astype(np.float32)
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'long.wav'
    _write_recording(path, minutes)
    expected = stream.count(stream.info(path).frames_at(RATE), window, hop)
    early = min(EARLY_MINUTES, minutes / 9) * 60 * RATE  # samples
    windows = frames = 0
    first = early_peak = peak = 0.0
    start = time.perf_counter()
    for w in stream.windows(path, RATE, window, hop):
      magnitude = _magnitude(w.samples, taper)  # (T, C, K)
      frames += min(len(magnitude), max(0, (w.valid - FRAME) // HOP + 1))
      windows += 1
      peak = max(peak, _resident_mb())
      first = first or peak
      early_peak = peak if w.start <= early else early_peak
    seconds = time.perf_counter() - start
  if windows != expected:
    raise RuntimeError(f'streaming: {windows} windows came out, {expected} were expected')
  return {'minutes': minutes, 'seconds': round(seconds, 2), 'times_real_time': round(60 * minutes / seconds, 1),
          'peak_mb': round(peak, 1), 'above_first_mb': round(peak - first, 1), 'growth_mb': round(peak - early_peak, 1),
          'windows': windows, 'frames': frames}


def building(recordings: int, workers: int, folder: pathlib.Path) -> dict[str, float]:
  """Stereo mp3 of 44.1 kHz, half a minute each, to a data set: decoded, regions found, clips cut and written.

  Args:
    recordings: how many; ten of them give some 300 clips.
    workers: threads that decode.
    folder: where the recordings and the data set go (`built`).

  Returns:
    clips, recordings, seconds, of which none are import_seconds (tensorflow); recorded_times_real_time: sound of the recordings
    per time; clip_times_real_time: of the clips.
  """
  rng = np.random.default_rng(0)
  t = np.arange(round(MP3_SECONDS * MP3_RATE)) / MP3_RATE
  for i in range(recordings):
    path = folder / 'mp3' / ('Great Tit', 'House Sparrow')[i % 2] / f'{i}.mp3'
    path.parent.mkdir(parents=True, exist_ok=True)
    song = 0.1 * np.sin(2 * np.pi * (3000 * t + 500 * np.sin(5 * t + i))) * (np.sin(2 * np.pi * t / 3 + i) > 0)
    noise = 0.003 * rng.standard_normal((len(t), 2))
    soundfile.write(path, song[:, None] * (1.0, 0.6) + noise, MP3_RATE)
  logging.set_verbosity(logging.ERROR)  # tfds tells of its folders
  start = time.perf_counter()
  import tensorflow as _  # noqa: F401 (once a process, whatever it builds)
  imported = time.perf_counter() - start
  start = time.perf_counter()
  made = build_dataset.build(build_dataset.Options(
      'recordings', str(folder / 'built'), clip_seconds=CLIP_SECONDS, sample_rate=RATE, workers=workers,
      directory=str(folder / 'mp3')), lambda text: None)
  seconds = time.perf_counter() - start
  clips = sum(made['splits'].values())
  return {'clips': clips, 'recordings': recordings, 'seconds': round(seconds, 2), 'import_seconds': round(imported, 2),
          'recorded_times_real_time': round(recordings * MP3_SECONDS / seconds, 1),
          'clip_times_real_time': round(clips * CLIP_SECONDS / seconds, 1)}


def training(folder: pathlib.Path, batches: int) -> dict[str, float]:
  """Decoding, a random crop and three augmentations (gain, noise, level) of the clips of `building`, against a loop of librosa.

  Args:
    folder: as `building` left it.
    batches: of BATCH clips, measured after the first ones.

  Returns:
    times_real_time of this pipeline and of the loop, which reads the same clips from wav files; clips_per_s of both.
  """
  from data_pipeline import pipeline
  samples = round(CLIP_SECONDS * RATE) * 3 // 4
  ops = ('decode', f'random_crop({samples})', 'gain(db=(-6, 6))', 'gaussian_noise(snr_db=(10, 40))', 'level(-20)',
         'keep("audio")')
  stream_of = pipeline.train_batches(str(folder / 'built'), 'train', ops, BATCH, 0)
  first = [next(stream_of) for _ in range(4)]
  wavs = []
  for i, audio in enumerate(np.concatenate([b['audio'] for b in first])):
    wavs.append(folder / f'{i}.wav')
    soundfile.write(wavs[-1], np.pad(audio[:, 0], (0, round(CLIP_SECONDS * RATE) - samples)) / 2, RATE)
  ours = _clips_per_s(lambda: next(stream_of), batches)
  rng = np.random.default_rng(0)

  def batch() -> np.ndarray:
    rows = []
    for path in rng.choice(wavs, BATCH):
      offset = rng.uniform(0, CLIP_SECONDS / 4)
      x, _ = librosa.load(path, sr=RATE, offset=offset, duration=samples / RATE)
      x = librosa.util.fix_length(x, size=samples) * 10 ** (rng.uniform(-6, 6) / 20)
      rms = np.sqrt(np.mean(x ** 2)) + 1e-9
      x = x + rng.standard_normal(samples) * rms * 10 ** (-rng.uniform(10, 40) / 20)
      rows.append(x * 10 ** (-20 / 20) / (np.sqrt(np.mean(x ** 2)) + 1e-9))
    return np.stack(rows)

  loop = _clips_per_s(batch, max(1, batches // 4))
  seconds = samples / RATE
  return {'clips_per_s': round(ours, 1), 'times_real_time': round(ours * seconds, 1),
          'librosa_clips_per_s': round(loop, 1), 'librosa_times_real_time': round(loop * seconds, 1)}


def _clips_per_s(batch, count: int) -> float:
  start = time.perf_counter()
  for _ in range(count):
    batch()
  return count * BATCH / (time.perf_counter() - start)


def measure(minutes: float, recordings: int, batches: int, clips: int, workers: int) -> dict[str, dict[str, Any]]:
  """{'streaming', 'building', 'training', 'mixing op'}, and what benchmark_mixing.measure gives."""
  figures = {'streaming': streaming(minutes)}  # first: the others leave their memory behind
  with tempfile.TemporaryDirectory() as folder:
    figures['building'] = building(recordings, workers, pathlib.Path(folder))
    figures['training'] = training(pathlib.Path(folder), batches)
  figures['mixing op'] = benchmark_mixing_op.measure(OP_CLIPS, max(1, batches // 10))
  return figures | benchmark_mixing.measure(clips, workers)


def _write_recording(path: pathlib.Path, minutes: float) -> None:
  """Noise with a whistle that sweeps, stereo, 16 bits; each minute is the same."""
  rng, left = np.random.default_rng(0), round(minutes * 60 * RATE)
  t = np.arange(60 * RATE) / RATE
  whistle = 0.1 * np.sin(2 * np.pi * (3000 * t + 500 * np.sin(t)))[:, None]
  minute = (whistle * (1.0, 0.5) + 0.01 * rng.standard_normal((len(t), 2))).astype(np.float32)  # (N, 2)
  with soundfile.SoundFile(path, 'w', RATE, 2, 'PCM_16') as f:
    while left > 0:
      f.write(minute[:left])
      left -= len(minute)


def _magnitude(samples: np.ndarray, taper: np.ndarray) -> np.ndarray:
  """(N, C) -> (T, C, FRAME // 2 + 1) float32, no padding at the borders."""
  framed = np.lib.stride_tricks.sliding_window_view(samples, FRAME, axis=0)[::HOP]  # (T, C, FRAME)
  return np.abs(fft.rfft(framed * taper))


def _resident_mb() -> float:
  """Resident memory of this process now; where the system does not tell, its highest so far."""
  statm = pathlib.Path('/proc/self/statm')
  if statm.exists():
    return int(statm.read_text().split()[1]) * resource.getpagesize() / 2 ** 20
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak / (2 ** 20 if sys.platform == 'darwin' else 2 ** 10)
