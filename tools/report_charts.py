"""Small inline SVG charts of the report. They take their colours from the page, so they follow its light or dark scheme.

Every function returns markup made of numbers and escaped text only.
"""

from __future__ import annotations

import html
import math
from typing import Mapping, Sequence

from markupsafe import Markup

_WIDTH, _HEIGHT = 320, 172
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 8, 26


def number(value: object) -> str:
  """A figure as people read it: about three digits, thousands apart; an en dash for what is not a number."""
  if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
    return '–'
  if value == 0:
    return '0'
  if isinstance(value, int) or abs(value) >= 1000:
    return f'{value:,.0f}'.replace(',', '\u202f') if abs(value) < 1e15 else f'{value:.2e}'
  if abs(value) < 1e-3:
    return f'{value:.1e}'
  digits = 2 - math.floor(math.log10(abs(value)))
  return f'{value:.{min(max(digits, 0), 3 if abs(value) >= 0.01 else 5)}f}'


def ticks(low: float, high: float, count: int = 4) -> list[float]:
  """About `count` round numbers in [low, high], low < high."""
  raw = (high - low) / count
  power = 10 ** math.floor(math.log10(raw))
  step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
  first = math.ceil(low / step - 1e-9)
  return [k * step for k in range(first, first + 2 * count + 2) if k * step <= high + 1e-9 * step]


def curve(points: Sequence[tuple[float, float]], label: str) -> Markup:
  """(step, value) pairs, two or more and finite, as a line chart; a logarithmic axis where values span 30-fold."""
  xs, ys = [p[0] for p in points], [p[1] for p in points]
  log = min(ys) > 0 and max(ys) / min(ys) > 30
  scale = math.log10 if log else float
  low, high = scale(min(ys)), scale(max(ys))
  pad = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
  low, high = low - pad, high + pad
  left, right = xs[0], xs[-1] if xs[-1] > xs[0] else xs[0] + 1
  x = lambda v: _LEFT + (v - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
  y = lambda v: _TOP + (high - scale(v)) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
  if log:
    first, last = math.floor(low), math.ceil(high)
    stride = max(1, (last - first) // 4)
    marks = [m * 10.0 ** k for k in range(first, last + 1, stride) for m in ((1,) if last - first > 3 else (1, 3))
             if low <= math.log10(m * 10.0 ** k) <= high]
  else:
    marks = ticks(low, high)
  parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(label, quote=True)}">']
  for v in marks:
    parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
                 f'<text x="{_LEFT - 6}" y="{y(v) + 3.5:.1f}" text-anchor="end">{_tick(v)}</text>')
  for v in ticks(left, right, 3):
    parts.append(f'<text x="{x(v):.1f}" y="{_HEIGHT - 9}" text-anchor="middle">{_thousands(v)}</text>')
  path = ' '.join(f'{x(a):.1f},{y(b):.1f}' for a, b in points)
  parts.append(f'<polyline class="line" points="{path}"/>'
               f'<circle class="dot" cx="{x(xs[-1]):.1f}" cy="{y(ys[-1]):.1f}" r="3"/></svg>')
  return Markup(''.join(parts))


def gauge(value: float, chance: float | None, ci95: Sequence[float] | None, target: float | None) -> Markup:
  """A figure in [0, 1] on a scale: dot and interval, a tick at chance, a triangle at the target; '' for other figures."""
  marks = [v for v in (value, chance, target, *(ci95 or ())) if v is not None]
  if any(not math.isfinite(v) or not 0 <= v <= 1 for v in marks):
    return Markup('')
  x = lambda v: 6 + 128 * v
  parts = ['<svg class="gauge" viewBox="0 0 140 18" width="140" height="18" aria-hidden="true">',
           f'<line class="grid" x1="{x(0)}" x2="{x(1)}" y1="10" y2="10"/>']
  if chance is not None:
    parts.append(f'<line class="chance" x1="{x(chance):.1f}" x2="{x(chance):.1f}" y1="4" y2="16"/>')
  if target is not None:
    parts.append(f'<path class="target" d="M{x(target):.1f} 7 l-3.5 -6 h7 z"/>')
  if ci95:
    parts.append(f'<line class="interval" x1="{x(ci95[0]):.1f}" x2="{x(ci95[1]):.1f}" y1="10" y2="10"/>')
  parts.append(f'<circle class="dot" cx="{x(value):.1f}" cy="10" r="3.6"/></svg>')
  return Markup(''.join(parts))


def shares(parts: Mapping[str, float]) -> Markup:
  """Named amounts above 0 as one bar cut into pieces; piece i has the class part-i."""
  total, at, out = sum(parts.values()), 0.0, ['<svg class="shares" viewBox="0 0 1000 22" preserveAspectRatio="none" '
                                              'height="22" aria-hidden="true">']
  for i, amount in enumerate(parts.values()):
    width = 1000 * amount / total
    out.append(f'<rect class="part-{i % 6}" x="{at:.1f}" width="{max(width - 2, 0.5):.1f}" y="0" height="22"/>')
    at += width
  return Markup(''.join(out) + '</svg>')


def _tick(value: float) -> str:
  return f'{value:.0e}'.replace('e-0', 'e-').replace('e+0', 'e') if value and abs(value) < 1e-3 else f'{value:,.4g}'.replace(',', '')


def _thousands(value: float) -> str:
  return f'{value / 1000:g}k' if abs(value) >= 1000 else f'{value:g}'
