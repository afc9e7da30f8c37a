"""Pictures of `compare_detectors` as PNG: what a method costs, confusable pairs, clips with what every method says of them."""

from __future__ import annotations

import io
from typing import Any, Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
import numpy as np
from scipy import ndimage

from sgm import render
from sgm.evaluation.spans import Spans
from tools.comparison_files import Comparison

_KHZ = (0.25, 0.5, 1, 2, 4, 8, 16)
_MARKERS = 'osD^vP*X'


def cost(c: Comparison) -> bytes:
  """Milliseconds per window against macro AUROC, with its interval."""
  figure = Figure(figsize=(5.4, 3.6), dpi=130, facecolor='white', layout='constrained')
  ax = figure.subplots()
  auroc = {r.method: r.figures['auroc'] for r in c.main}
  for i, x in enumerate(c.costs):
    f = auroc[x.method]
    ax.vlines(x.milliseconds, *f.ci95, color=f'C{i}')
    ax.plot(x.milliseconds, f.value, _MARKERS[i % len(_MARKERS)], color=f'C{i}', label=f'{x.method}, {x.passes} passes')
  ax.axhline(0.5, color='0.6', linestyle=':', linewidth=1)
  ax.set_xscale('log')
  ax.set_xlabel('milliseconds per window, all species', fontsize=9)
  ax.set_ylabel('macro AUROC', fontsize=9)
  return _finished(figure, ax)


def pairs(c: Comparison) -> bytes:
  """AUROC within each confusable pair."""
  figure = Figure(figsize=(5.4, 3.6), dpi=130, facecolor='white', layout='constrained')
  ax = figure.subplots()
  for i, x in enumerate(c.costs):
    f = next(r.figures['pair_auroc'] for r in c.main if r.method == x.method)
    height = np.arange(len(c.pairs)) + 0.08 * (i - len(c.costs) / 2)  # beside each other
    ax.plot(f.per_class, height, _MARKERS[i % len(_MARKERS)], color=f'C{i}', label=x.method)
  ax.axvline(0.5, color='0.6', linestyle=':', linewidth=1)
  ax.set_yticks(range(len(c.pairs)), [' / '.join(c.species[s] for s in pair) for pair in c.pairs])
  ax.invert_yaxis()
  ax.set_xlabel('AUROC of one against the other', fontsize=9)
  return _finished(figure, ax)


def clip(s: np.ndarray, grid: render.Grid, names: Mapping[int, str], truth: Spans, said: Mapping[str, Spans],
         masks: Mapping[str, Mapping[int, np.ndarray]], maps: Mapping[str, Mapping[int, np.ndarray]]) -> bytes:
  """A clip: above, the events that are there and those that each method reports; below, a row for each bird, where it is.

  Args:
    s: (T, F) in [0, 1].
    names: of all classes. truth: the clip's events; said: those of each method.
    masks: {method: {species: (T, F)}}, of the birds that are there; 'truth' among the methods.
    maps: {method: {species: (T', F')}}, shown behind the masks where a method has any.
  """
  birds = list(masks.get('truth', {}))
  size = 2.5 * (1 + len(said)), 1.9 * (1 + len(birds)) + 0.3
  figure = Figure(figsize=size, dpi=110, facecolor='white', layout='constrained')
  axes = figure.subplots(1 + len(birds), 1 + len(said), squeeze=False, sharex=True, sharey=True)
  extent = (0, grid.duration, -0.5, len(grid.band_hz) - 0.5)
  for column, (name, spans) in enumerate({'truth': truth, **said}.items()):
    ax = axes[0, column]
    ax.imshow(s.T, origin='lower', aspect='auto', extent=extent, cmap='gray', vmin=0, vmax=1)
    ax.set_title(name, fontsize=8)
    _boxes(ax, spans, grid, names)
    for row, bird in enumerate(birds, 1):
      ax = axes[row, column]
      values = maps.get(name, {}).get(bird)
      ax.imshow(s.T if values is None else np.maximum(values, 0).T, origin='lower', aspect='auto', extent=extent,
                cmap='gray' if values is None else 'magma', **(dict(vmin=0, vmax=1) if values is None else {}))
      _outline(ax, masks['truth'][bird], extent, 'white')
      if name != 'truth':
        _outline(ax, masks[name][bird], extent, render.COLOURS[0])
      if not column:
        ax.text(0.02, 0.97, names[bird], transform=ax.transAxes, fontsize=7, color='white', va='top',
                bbox={'facecolor': 'black', 'alpha': 0.6, 'edgecolor': 'none', 'pad': 1})
  shown = [khz for khz in _KHZ if grid.band_hz[0] <= 1000 * khz <= 1.02 * grid.band_hz[-1]]
  for ax in axes[:, 0]:
    ax.set_yticks([grid.band(1000 * khz) for khz in shown], [f'{khz:g}' for khz in shown])
    ax.set_ylabel('kHz', fontsize=8)
  for ax in axes[-1]:
    ax.set_xlabel('seconds', fontsize=8)
  for ax in axes.flat:
    ax.tick_params(labelsize=7)
  return _png(figure)


def _boxes(ax: Any, spans: Spans, grid: render.Grid, names: Mapping[int, str]) -> None:
  for i in range(len(spans)):
    colour = render.COLOURS[spans.species[i] % len(render.COLOURS)]
    low, high = grid.band(spans.low_hz[i]), grid.band(spans.high_hz[i])
    ax.add_patch(Rectangle((spans.onset[i], low), spans.seconds[i], high - low, fill=False, edgecolor=colour, linewidth=1.1))
    ax.text(spans.onset[i], high, names[spans.species[i]], fontsize=6, color=colour, va='bottom', clip_on=True,
            bbox={'facecolor': 'black', 'alpha': 0.5, 'edgecolor': 'none', 'pad': 0.5})


def _outline(ax: Any, mask: np.ndarray, extent: tuple[float, ...], colour: str) -> None:
  """Along the borders of the cells: each becomes 4 x 4 points, with a rim so that outlines close at the edges."""
  if mask.any():
    fine = np.pad(ndimage.zoom(mask.T.astype(float), 4, order=0), 1)
    x, y = np.linspace(extent[0], extent[1], fine.shape[1]), np.linspace(extent[2], extent[3], fine.shape[0])
    ax.contour(x, y, fine, levels=[0.5], colors=[colour], linewidths=0.9)


def _finished(figure: Figure, ax: Any) -> bytes:
  ax.tick_params(labelsize=8)
  ax.spines[['top', 'right']].set_visible(False)
  figure.legend(fontsize=7, loc='outside upper left', ncols=2, frameon=False)
  return _png(figure)


def _png(figure: Figure) -> bytes:
  buffer = io.BytesIO()
  FigureCanvasAgg(figure).print_png(buffer, metadata={'Software': None})
  return buffer.getvalue()
