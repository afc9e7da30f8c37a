"""How exact mixed clips are, whoever mixed them: sums of stems, signal-to-noise ratios, labels against energy.

Everything is measured on what was written to disk. Two definitions of a signal-to-noise ratio are at hand: 'cells' is ours (see
data_pipeline.mixing_levels), 'lufs' scaper's: loudness of the event alone, over that of the background.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Sequence

import numpy as np
from scipy import ndimage
import soundfile

from data_pipeline import lufs, mixing_levels as levels
from data_pipeline.mixing_placing import polyphony

EDGE_DB = -40.0          # re the loudest moment of a stem: where its energy begins and ends
MOMENT_SECONDS = 0.005   # over which power is averaged
SHORTEST_LUFS = 0.5      # s, up to which scaper repeats an event before it measures its loudness


@dataclasses.dataclass(frozen=True)
class Labelled:
  """An event as its label has it, s in the clip, the ratio asked for in dB, and its stem (N,)."""

  onset: float
  offset: float
  asked_db: float
  stem: np.ndarray


@dataclasses.dataclass(frozen=True)
class MixedFiles:
  """A clip as it was written: mix and background (N,), its events, and whether it was scaled down as a whole."""

  mix: np.ndarray
  background: np.ndarray
  events: tuple[Labelled, ...]
  scaled: bool
  rate: int


def of_sgm(folder: pathlib.Path) -> MixedFiles:
  """A clip of tools.mixed_clip, mono, with stems and without contaminants."""
  provenance = json.loads((folder / 'scene.json').read_text())['provenance']
  mix, rate = _mono(folder / 'mix.wav')
  stems = sorted((folder / 'stems').glob('event_*.wav'))
  events = tuple(Labelled(e['onset'], e['offset'], e['snr_asked_db'], _mono(path)[0])
                 for e, path in zip(provenance['events'], stems, strict=True))
  return MixedFiles(mix, _mono(folder / 'stems' / 'background.wav')[0], events, provenance['gain_db'] < 0, rate)


def of_scaper(folder: pathlib.Path) -> MixedFiles:
  """A clip of peers/scaper_mix.py."""
  annotation = json.loads((folder / 'mix.jams').read_text())['annotations'][0]
  told = annotation['sandbox']['scaper']
  mix, rate = _mono(folder / 'mix.wav')
  background, events = None, []
  for row, path in zip(annotation['data'], told['isolated_events_audio_path'], strict=True):
    stem = _mono(folder / 'stems' / pathlib.PurePath(path).name)[0]
    if row['value']['role'] == 'background':
      background = stem
    else:
      events.append(Labelled(row['time'], row['time'] + row['duration'], row['value']['snr'], stem))
  return MixedFiles(mix, background, tuple(events), told['peak_normalization_scale_factor'] < 1, rate)


def _mono(path: pathlib.Path) -> tuple[np.ndarray, int]:
  audio, rate = soundfile.read(path, dtype='float64', always_2d=True)
  return audio[:, 0], rate


def sum_error(clip: MixedFiles) -> tuple[float, float]:
  """How far the stems' sum is from the mix at most: (of full scale, dB re the RMS of the mix; -inf where it is exact)."""
  error = float(np.abs(clip.mix - clip.background - sum(e.stem for e in clip.events)).max())
  with np.errstate(divide='ignore'):
    return error, 20 * float(np.log10(error / np.sqrt(np.mean(clip.mix ** 2))))


def edges(stem: np.ndarray, rate: int) -> tuple[float, float] | None:
  """s where the power of a stem first exceeds EDGE_DB re its highest and last does; None where it is silent."""
  power = ndimage.uniform_filter1d(stem ** 2, max(1, round(MOMENT_SECONDS * rate)))
  above = np.flatnonzero(power > power.max() * 10 ** (EDGE_DB / 10))
  return (above[0] / rate, (above[-1] + 1) / rate) if len(above) else None


def snr_cells(event: Labelled, clip: MixedFiles) -> float:
  """dB of an event that sounds; inf where there is no background with it."""
  heard = np.flatnonzero(event.stem)
  around = levels.frames_around(heard[0], heard[-1] + 1 - heard[0], len(event.stem), clip.rate)
  ratio = levels.ratio_db(levels.cells_of(event.stem[around, None], clip.rate), clip.background[around, None], clip.rate)
  return np.inf if ratio is None else ratio


def event_lufs(event: Labelled, rate: int) -> float:
  """Loudness of what lies in the label; -inf where it is too faint to be measured."""
  alone = event.stem[round(event.onset * rate):round(event.offset * rate), None]
  return lufs.integrated(np.tile(alone, (int(np.ceil(SHORTEST_LUFS * rate / len(alone))), 1)), rate)


def figures(clips: Sequence[MixedFiles], most: int) -> dict[str, float | int | None]:
  """Of all clips, in which at most `most` events were to sound at once.

  Returns:
    clips, events; silent_events: of no energy, and in no other figure.
    stem_sum_error_max, stem_sum_error_db_max: see `sum_error`. None: exact.
    snr_error_<definition>_db_50, _95, _max: quantiles of the distance from the ratio asked for. A tool keeps to its own
      definition; by the other's it is seen how far the two are apart.
    onset_error_ms_50, _95, offset_error_ms_50, _95: quantiles of the distance of the label from `edges`.
    label_silence_share: of the labels' time, before the first and after the last energy.
    clips_of_more_at_once, clips_scaled_down; samples_at_full_scale of mixes, stem_samples_at_full_scale.
  """
  sums, ratios, starts, ends, quiet, length, silent = [], {'cells': [], 'lufs': []}, [], [], 0.0, 0.0, 0
  for clip in clips:
    sums.append(sum_error(clip))
    floor = lufs.integrated(clip.background[:, None], clip.rate)
    for e in clip.events:
      found = edges(e.stem, clip.rate)
      if found is None:
        silent += 1
        continue
      starts.append(abs(e.onset - found[0]))
      ends.append(abs(e.offset - found[1]))
      quiet += max(found[0] - e.onset, 0) + max(e.offset - found[1], 0)
      length += e.offset - e.onset
      ratios['cells'].append(abs(snr_cells(e, clip) - e.asked_db))
      ratios['lufs'].append(abs(event_lufs(e, clip.rate) - floor - e.asked_db))
  made: dict[str, float | int | None] = {
      'clips': len(clips), 'events': sum(len(c.events) for c in clips), 'silent_events': silent,
      'stem_sum_error_max': figure(max(s for s, _ in sums)), 'stem_sum_error_db_max': figure(max(db for _, db in sums))}
  for name, values in ratios.items():
    made |= {f'snr_error_{name}_db_{q}': _quantile(values, q) for q in (50, 95)}
    made[f'snr_error_{name}_db_max'] = _quantile(values, 100)
  for name, values in (('onset', starts), ('offset', ends)):
    made |= {f'{name}_error_ms_{q}': _quantile([1000 * v for v in values], q) for q in (50, 95)}
  return made | {
      'label_silence_share': figure(quiet / length) if length else None,
      'clips_of_more_at_once': sum(polyphony([(e.onset, e.offset) for e in c.events]) > most for c in clips),
      'clips_scaled_down': sum(c.scaled for c in clips),
      'samples_at_full_scale': sum(_clipped(c.mix) for c in clips),
      'stem_samples_at_full_scale': sum(_clipped(stem) for c in clips for stem in (c.background, *(e.stem for e in c.events)))}


def _clipped(audio: np.ndarray) -> int:
  """Samples at the ends of an integer format's range; a float format may hold more, and nothing is lost there."""
  return int(np.sum((np.abs(audio) >= 1 - 2.0 ** -23) & (np.abs(audio) <= 1)))


def _quantile(values: Sequence[float], percent: int) -> float | None:
  return figure(float(np.quantile(values, percent / 100, method='higher'))) if values else None


def figure(value: float) -> float | None:
  """To 4 digits; None, which JSON knows, for what is not finite."""
  return float(f'{value:.4g}') if np.isfinite(value) else None
