"""The surest events of each species as things to look at and to listen to: a picture and a wav file of each.

They are cut when all files are heard, each file read once more as far as its last chosen event: nothing is held meanwhile.
"""

from __future__ import annotations

import collections
import dataclasses
import gc
import math
import pathlib
from typing import Sequence

import numpy as np
from scipy import signal

from data_pipeline import stream
from data_pipeline.taxonomy import Taxonomy
from sgm import render
from sgm.evaluation.detected_files import FileResult
from sgm.evaluation.localisation import DetectedEvent
from sgm.training import clock

FOLDER = 'pictures'
MARGIN_S = 1.0     # sound before and after an event
LONGEST_S = 12.0   # of a clip; a longer event is shown from its start
RANGE_DB = 65.0    # below the loudest cell of a picture
WINDOW_S = 0.032   # of its spectrogram
LOUDNESS = 0.5     # peak that a clip's sound is brought to: recordings of a quiet night are hard to hear


@dataclasses.dataclass(frozen=True)
class Clip:
  """An event and its files. `picture`, `sound`: below OUT; `gain_db`: what the sound was raised by; `cut`: shown in part."""

  file: FileResult
  event: DetectedEvent
  picture: str
  sound: str
  gain_db: float
  cut: bool


def best(results: Sequence[FileResult], most: int) -> dict[str, list[tuple[FileResult, DetectedEvent]]]:
  """Up to `most` events of each species, the surest first; species with more events come first."""
  of_species = collections.defaultdict(list)
  for result in results:
    for event in result.events:
      of_species[event.species].append((result, event))
  ordered = sorted(of_species.items(), key=lambda item: (-len(item[1]), item[0]))
  return {species: sorted(found, key=_doubt)[:most] for species, found in ordered}


def _doubt(found: tuple[FileResult, DetectedEvent]) -> tuple:
  result, e = found
  return -e.confidence, e.p_value or 0.0, -e.windows, result.name, e.onset, e.channel


def write(out: pathlib.Path, results: Sequence[FileResult], most: int, taxonomy: Taxonomy, high_hz: float,
          mixed: bool) -> dict[str, list[Clip]]:
  """Writes pictures and sounds into OUT/pictures, in the place of an earlier run's; returns them by species, surest first.

  Args:
    most: of each species; 0: none.
    high_hz: up to which frequency a picture goes.
    mixed: the average of all channels was heard, else each by itself.

  Raises BadRecording: a file that can no longer be opened.
  """
  folder = out / FOLDER
  if most:
    folder.mkdir(exist_ok=True)
  for old in folder.glob('*_[0-9][0-9][0-9][0-9].*'):
    old.unlink()
  chosen = best(results, most)
  by_file = collections.defaultdict(list)
  for species, found in chosen.items():
    for rank, (result, event) in enumerate(found):
      by_file[result.path].append((species, rank, result, event))
  clips: dict[str, list[Clip]] = {species: [None] * len(found) for species, found in chosen.items()}
  for path, wanted in by_file.items():
    rate = stream.info(path).sample_rate
    spans = [_span(event) for *_, event in wanted]
    for i, samples in stream.excerpts(path, spans):
      species, rank, result, event = wanted[i]
      channels = samples if mixed else samples[:, event.channel - 1:event.channel]
      clips[species][rank] = _write_one(folder, f'{species}_{rank + 1:04d}', channels.mean(1), rate, result, event, taxonomy,
                                        high_hz)
  return clips


def _span(e: DetectedEvent) -> tuple[float, float]:
  start = max(0.0, e.onset - MARGIN_S)
  return start, min(e.offset + MARGIN_S, start + LONGEST_S)


def _write_one(folder: pathlib.Path, name: str, x: np.ndarray, rate: int, result: FileResult, e: DetectedEvent,
               taxonomy: Taxonomy, high_hz: float) -> Clip:
  """Of the samples x (N,) of an event's span."""
  species, (start, end) = taxonomy.species[taxonomy.index(e.species)].common, _span(e)
  S, grid = spectrogram(x, rate, high_hz, start)
  p = '' if e.p_value is None else f', p {e.p_value:.2g}'
  title = (f'{species}, confidence {e.confidence:.2f}{p}; {pathlib.Path(result.path).name}, {clock.hours(e.onset)}, '
           f'channel {e.channel}')
  box = render.Box(e.onset, e.offset, e.low_hz, e.high_hz, '', 0)
  (folder / f'{name}.png').write_bytes(render.spectrogram_figure(S, grid, title=title, boxes=[box]))
  gc.collect(1)  # a figure refers to itself: by themselves dozens would gather
  gain = LOUDNESS / max(float(np.abs(x).max()), 1e-6)
  (folder / f'{name}.wav').write_bytes(render.encode_wav(gain * x[:, None], rate)[0])
  return Clip(result, e, f'{FOLDER}/{name}.png', f'{FOLDER}/{name}.wav', 20 * math.log10(gain),
              e.offset + MARGIN_S > end)


def spectrogram(x: np.ndarray, rate: int, high_hz: float, start: float) -> tuple[np.ndarray, render.Grid]:
  """x (N,) from `start` seconds of a recording on -> levels (T, K) in [0, 1] of RANGE_DB, and what the cells stand for.

  One cell for each frequency of the transform up to `high_hz`; frame t spans [t, t + 1) hops of the clip.
  """
  n = 2 ** round(math.log2(WINDOW_S * rate))
  hop = n // 8
  padded = np.pad(x, ((n - hop) // 2, n + hop))  # the end: at least one frame, and none is cut
  hz, _, power = signal.spectrogram(padded, rate, 'hann', n, n - hop, detrend=False, scaling='spectrum')  # (K, T)
  frames, bands = max(1, len(x) // hop), slice(1, int(np.searchsorted(hz, high_hz, 'right')))
  db = 10 * np.log10(np.maximum(2 * power[bands, :frames].T, 1e-12))  # a sine of full scale: 0 dB
  top = 5 * math.ceil(db.max() / 5)
  grid = render.Grid(frames * hop / rate, tuple(hz[bands]), (top - RANGE_DB, top), start)
  return np.clip((db - grid.db_range[0]) / RANGE_DB, 0, 1), grid
