"""comparison.html: the table of `compare_detectors`, its charts, and clips with what every method says of them."""

from __future__ import annotations

import base64
import pathlib
from typing import Sequence

from sgm.evaluation import detector_metrics
from tools import comparison_charts, pages, report_charts
from tools.comparison_files import Comparison

ANCHOR_FIGURES = ('auroc', 'cmap', 'event_f1', 'mask_iou', 'calibration_error')  # and those of false masks


def write(c: Comparison, pictures: Sequence[tuple[str, bytes]], path: pathlib.Path) -> None:
  """Writes the page. `pictures`: (caption, PNG) of clips."""
  few = [name for name in c.names if name in ANCHOR_FIGURES or name.startswith('false_masks_0')]
  charts = [('What it costs', comparison_charts.cost(c))]
  if c.pairs:
    charts.append(('Species that are easily confused', comparison_charts.pairs(c)))
  pages.write(path, 'comparison_template.html', dict(
      about=c.about, methods=[r.method for r in c.main], costs=c.costs,
      rows=[(detector_metrics.words_of(name), [r.figures.get(name) for r in c.main]) for name in c.names],
      few=[detector_metrics.words_of(name) for name in few],
      anchors=[(r.method, r.on, [r.figures.get(name) for name in few]) for r in c.results if r not in c.main],
      charts=[(title, _uri(png)) for title, png in charts], pictures=[(title, _uri(png)) for title, png in pictures],
  ), {'number': report_charts.number})


def _uri(png: bytes) -> str:
  return f'data:image/png;base64,{base64.b64encode(png).decode()}'
