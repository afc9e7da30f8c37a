"""Pictures of a data set as PNG: its clips, their levels, where its species sing, and the spectrogram of one clip."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sgm import render
from sgm.audio.spectrogram import Frontend
from tools import data_facts

RANGE_DB = 65.0  # below a spectrogram's loudest cell
BANDS = 96
MOST_ROWS = 60   # a chart with more species grows no further


def spectrogram(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, render.Grid]:
  """Audio (N, C), full scale 1 -> (T, BANDS) in [0, 1] of the channels' mean power, equally spaced in Hz up to Nyquist.

  The range is RANGE_DB below the loudest cell: data sets hold anything from -60 dB to full scale. The end of the clip is
  filled up with silence to whole frames.
  """
  n_fft = 2 ** round(np.log2(0.05 * sample_rate))
  hop = n_fft // 8
  frontend = Frontend(sample_rate, n_fft, hop, min(BANDS, n_fft // 4), 0.0, sample_rate / 2, 'linear', (-RANGE_DB, 0.0))
  frames = max(-(-len(audio) // hop), n_fft // hop)
  padded = np.pad(np.asarray(audio, np.float32), ((0, frames * hop - len(audio)), (0, 0)))
  db = 10 * np.log10(np.maximum(np.asarray(frontend.power(padded)).mean(-1), 1e-12))  # (T, BANDS)
  high = 5 * np.ceil(db.max() / 5)
  grid = render.Grid(frames * hop / sample_rate, tuple(frontend.band_hz), (high - RANGE_DB, high))
  return np.clip((db - grid.db_range[0]) / RANGE_DB, 0, 1), grid


def clips(facts: data_facts.Facts) -> bytes:
  """Clips per species, stacked by split."""
  rows, splits = data_facts.species_table(facts), list(facts.info.splits)
  figure, ax = _figure(len(rows))
  left = np.zeros(len(rows))
  for i, split in enumerate(splits):
    n = np.array([r['clips'].get(split, 0) for r in rows])
    ax.barh(range(len(rows)), n, left=left, label=split, color=f'C{i}')
    left += n
  _species_axis(ax, rows, 'clips')
  ax.legend(fontsize=8, ncols=len(splits), loc='lower left', bbox_to_anchor=(0, 1), frameon=False)
  return _png(figure)


def levels(facts: data_facts.Facts) -> bytes:
  """Distribution of the clips' RMS in each split."""
  figure, ax = _figure(8)
  rms = [c.rms_db for c in facts.clips]
  edges = np.linspace(np.floor(min(rms, default=-1)), np.ceil(max(rms, default=0)) + 1, 41)
  for split in facts.info.splits:
    mine = [c.rms_db for c in facts.clips if c.split == split]
    if mine:
      share = np.histogram(mine, edges)[0] / len(mine)
      ax.stairs(100 * share, edges, label=split, linewidth=1.4)
  ax.set_xlabel('RMS of a clip, dB re full scale', fontsize=9)
  ax.set_ylabel('share of the split, %', fontsize=9)
  ax.legend(fontsize=8, frameon=False)
  return _png(figure)


def bands(facts: data_facts.Facts) -> bytes:
  """From the median low to the median high edge of each species' events."""
  rows = [r for r in data_facts.species_table(facts) if r['events']]
  figure, ax = _figure(len(rows))
  low, high = (np.array([r[k] for r in rows]) / 1000 for k in ('low_hz', 'high_hz'))
  ax.barh(range(len(rows)), high - low, left=low, height=0.5, color='C0')
  _species_axis(ax, rows, 'frequency, kHz')
  ax.set_xlim(0, facts.info.sample_rate / 2000)
  return _png(figure)


def _figure(rows: int) -> tuple[Figure, Any]:
  figure = Figure(figsize=(5.4, 0.9 + 0.24 * max(min(rows, MOST_ROWS), 4)), dpi=130, facecolor='white', layout='constrained')
  ax = figure.subplots()
  ax.tick_params(labelsize=8)
  ax.spines[['top', 'right']].set_visible(False)
  return figure, ax


def _species_axis(ax: Any, rows: list[dict[str, Any]], label: str) -> None:
  ax.set_yticks(range(len(rows)), [r['common'].replace('$', r'\$') for r in rows])
  ax.invert_yaxis()
  ax.set_xlabel(label, fontsize=9)


def _png(figure: Figure) -> bytes:
  buffer = io.BytesIO()
  FigureCanvasAgg(figure).print_png(buffer, metadata={'Software': None})
  return buffer.getvalue()
