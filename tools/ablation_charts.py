"""Pictures of an ablation: forest strips as inline SVG, quality against compute and amplitude slices as PNG."""

from __future__ import annotations

import io
from typing import Any, Mapping, Sequence

from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from tools import report_charts
from tools import ablation_verdict as verdicts

_WIDTH, _EDGE = 280, 14
_MARKERS = 'os^Dv'


class Forest:
  """Differences to the reference on one axis: `strip` for each row, `scale` for the head of the column."""

  def __init__(self, intervals: Sequence[tuple[float, float]], margin: float | None):
    """margin: of the primary endpoint, shaded; None: there is none."""
    marks = [0.0, *(v for ends in intervals for v in ends), *((margin, -margin) if margin else ())]
    pad = 0.05 * (max(marks) - min(marks)) or 1.0
    self.low, self.high, self.margin = min(marks) - pad, max(marks) + pad, margin

  def _x(self, value: float) -> float:
    return _EDGE + (value - self.low) / (self.high - self.low) * (_WIDTH - 2 * _EDGE)

  def scale(self) -> Markup:
    texts = [f'<text x="{self._x(v):.1f}" y="11" text-anchor="middle">{verdicts.signed(v)}</text>'
             for v in report_charts.ticks(self.low, self.high)]
    return Markup(f'<svg class="forest" viewBox="0 0 {_WIDTH} 14" aria-hidden="true">{"".join(texts)}</svg>')

  def strip(self, mean: float, ci95: tuple[float, float]) -> Markup:
    x = self._x
    parts = [f'<svg class="forest" viewBox="0 0 {_WIDTH} 20" role="img" aria-label="{verdicts.interval(ci95)}">']
    if self.margin:
      left, right = x(-self.margin), x(self.margin)
      parts.append(f'<rect class="margin" x="{left:.1f}" y="0" width="{right - left:.1f}" height="20"/>')
    parts += [f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="20"/>',
              f'<line class="interval" x1="{x(ci95[0]):.1f}" x2="{x(ci95[1]):.1f}" y1="10" y2="10"/>',
              f'<circle class="dot" cx="{x(mean):.1f}" cy="10" r="3.6"/></svg>']
    return Markup(''.join(parts))


def quality_against_compute(answer: Mapping[str, Any]) -> bytes:
  """The primary endpoint, mean and interval, against the arithmetic and the time of the diffusion model."""
  return _scatter(answer, answer['primary']['title'], {
      'MFLOP per example, loss and gradient': lambda row: row['diffusion']['mflop_per_example'],
      'seconds of training': lambda row: row['seconds']})


def rate_distortion(answer: Mapping[str, Any]) -> bytes | None:
  """Every autoencoder as a point; None where none was measured."""
  figure, (ax,) = _figure(1)
  for arm, matching, colour, marker in _points(answer):
    metrics = answer['metrics'][matching]
    rate, distortion = (metrics[m]['arms'][arm]['values'] if m in metrics else {} for m in ('rate', 'distortion'))
    both = sorted(rate.keys() & distortion.keys())
    if both:
      ax.plot([rate[s] for s in both], [distortion[s] for s in both], marker, color=colour, label=_name(arm, matching, answer))
  if not ax.lines:
    return None
  ax.set_xlabel('rate, nats per cell', fontsize=9)
  ax.set_ylabel('distortion, nats per cell', fontsize=9)
  return _finished(figure, [ax])


def slices(rows: Mapping[str, np.ndarray], seconds: float) -> bytes:
  """What each volume (T, F, A) holds at some of its levels, one row a volume, quiet to loud."""
  levels = {volume.shape[-1] for volume in rows.values()}
  shown = np.unique(np.linspace(0, min(levels) - 1, 6).round().astype(int))
  figure = Figure(figsize=(1.9 * len(shown), 1.5 * len(rows) + 0.3), dpi=110, facecolor='white', layout='constrained')
  axes = figure.subplots(len(rows), len(shown), squeeze=False, sharex=True, sharey=True)
  for row, (name, volume) in zip(axes, rows.items()):
    for ax, level in zip(row, shown):
      ax.imshow(volume[..., level].T, origin='lower', aspect='auto', extent=(0, seconds, 0, 1), cmap='magma', vmin=0, vmax=1)
      ax.set_title(f'amplitude {level / (volume.shape[-1] - 1):.2g}', fontsize=7)
      ax.set_yticks([])
      ax.tick_params(labelsize=7)
    row[0].set_ylabel(name, fontsize=8)
  for ax in axes[-1]:
    ax.set_xlabel('seconds', fontsize=7)
  return _png(figure)


def _scatter(answer: Mapping[str, Any], title: str, costs: Mapping[str, Any]) -> bytes:
  figure, axes = _figure(len(costs))
  metric = answer['primary']['metric']
  for arm, matching, colour, marker in _points(answer):
    figures = answer['metrics'][matching][metric]['arms'][arm]
    for ax, cost_of in zip(axes, costs.values()):
      x = cost_of(answer['costs'][matching][arm])
      if x is None or figures['mean'] is None:
        continue
      if figures['ci95']:
        ax.vlines(x, *figures['ci95'], color=colour, linewidth=1.2)
      ax.plot(x, figures['mean'], marker, color=colour, label=_name(arm, matching, answer))
  for ax, label in zip(axes, costs):
    ax.set_xlabel(label, fontsize=9)
    ax.set_ylabel(title, fontsize=9)
  return _finished(figure, axes)


def _points(answer: Mapping[str, Any]):
  """(arm, matching, colour, marker) of each arm that has results; the reference, which both matchings share, once."""
  arms = list(dict.fromkeys(arm for m in answer['matchings'] for arm in answer['costs'][m]))
  for i, matching in enumerate(answer['matchings']):
    for arm in answer['costs'][matching]:
      if arm != answer['reference'] or not i:
        yield arm, matching, f'C{arms.index(arm)}', _MARKERS[i % len(_MARKERS)]


def _name(arm: str, matching: str, answer: Mapping[str, Any]) -> str:
  return arm if arm == answer['reference'] else f'{arm}, {verdicts.matched(matching)}'


def _figure(panels: int):
  figure = Figure(figsize=(5.0 * panels, 3.9), dpi=120, facecolor='white', layout='constrained')
  return figure, figure.subplots(1, panels, squeeze=False)[0]


def _finished(figure: Figure, axes: Sequence[Any]) -> bytes:
  for ax in axes:
    ax.tick_params(labelsize=8)
    ax.spines[['top', 'right']].set_visible(False)
  figure.legend(*axes[0].get_legend_handles_labels(), fontsize=7, loc='outside upper left', ncols=1 + len(axes), frameon=False)
  return _png(figure)


def _png(figure: Figure) -> bytes:
  buffer = io.BytesIO()
  FigureCanvasAgg(figure).print_png(buffer, metadata={'Software': None})
  return buffer.getvalue()
