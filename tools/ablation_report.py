"""The report of an ablation: OUT/report.html, one file with everything in it, OUT/results.json with all of its numbers, and its
charts as OUT/pictures/*.png."""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
from typing import Any, Callable

from markupsafe import Markup
import numpy as np

from data_pipeline.formats import files
from tools import ablation_analysis, ablation_charts, ablation_results, ablation_verdict, pages, report_charts, report_files

_SCRIPT = pathlib.Path(__file__).with_name('ablation_surface.js')


def build(out: pathlib.Path, say: Callable[[str], None] = print) -> pathlib.Path:
  """Writes OUT/results.json, OUT/report.html and OUT/pictures, returns the page's path.

  Where the work directories of the runs are there, clips are generated from one of each arm: minutes, the first time.

  Args:
    out: a folder with plan.json, see `ablation_results`.
    say: told what is being generated.

  Raises:
    ValueError: a damaged plan, or fewer than two seeds; nothing is written.
  """
  sweep = ablation_results.load(out)
  answer = ablation_analysis.analyse(sweep)
  files.write_text(out / ablation_results.ANSWER, json.dumps(answer, indent=1, allow_nan=False) + '\n')
  script = _SCRIPT.read_text(encoding='utf-8')
  path = out / 'report.html'
  pages.write(path, 'ablation_template.html', {
      'name': out.resolve().name, 'answer': answer, 'forests': _forests(answer), 'sound': _sound(out, sweep, say),
      'compute': _picture(out, 'compute', ablation_charts.quality_against_compute(answer)),
      'rate_distortion': _picture(out, 'rate_distortion', ablation_charts.rate_distortion(answer)),
      'script': Markup(script), 'script_hash': base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
  }, {'number': report_charts.number, 'signed': ablation_verdict.signed, 'interval': ablation_verdict.interval,
      'matched': ablation_verdict.matched})
  return path


def _forests(answer: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
  """{matching: {metric: {'scale': head, 'strips': {arm: strip}}}} of those that have differences."""
  forests: dict[str, dict[str, dict[str, Any]]] = {}
  for matching, tables in answer['metrics'].items():
    for metric, table in tables.items():
      found = {arm: row['difference']['over_seeds'] for arm, row in table['arms'].items() if row['difference']}
      if found:
        margin = answer['primary']['margin'] if metric == answer['primary']['metric'] else None
        forest = ablation_charts.Forest([e['ci95'] for e in found.values()], margin)
        strips = {arm: forest.strip(e['mean'], e['ci95']) for arm, e in found.items()}
        forests.setdefault(matching, {})[metric] = {'scale': forest.scale(), 'strips': strips}
  return forests


def _sound(out: pathlib.Path, sweep: ablation_results.Sweep, say: Callable[[str], None]) -> dict[str, Any] | None:
  """Clips, slices and surfaces; None where no arm has its work directory."""
  runs = sweep.with_workdirs()
  if not runs:
    return None
  from sgm.audio import volume  # JAX, which the numbers need not
  from tools import ablation_clips

  made = ablation_clips.make(out, runs, say)
  reader = report_files.Reader(out)
  embed = lambda path: reader.embed(path.resolve().relative_to(reader.out))
  first = next(iter(made.values()))
  clip = lambda arm, clips, i: {'arm': arm, 'run': clips.run.name, 'image': embed(clips.folders[i] / 'spectrogram.png'),
                                'audio': embed(clips.folders[i] / 'audio.wav')}
  rows = [{'prompt': prompt, 'clips': [clip(*item, i) for item in made.items()]} for i, prompt in enumerate(first.prompts)]
  shown = ablation_clips.SHOWN
  levels = {arm: clips.levels for arm, clips in made.items() if clips.levels is not None}
  slices = None
  if levels:
    bins = volume.triangular(first.s[shown, ..., 0], next(iter(levels.values())).shape[-1])
    slices = _picture(out, 'slices', ablation_charts.slices({'the clip itself': np.asarray(bins), **levels}, first.seconds))
  surfaces = [_surface(arm, clips, clips.s[shown, ..., 0]) for arm, clips in made.items() if arm == 'volume' or clips is first]
  return {'rows': rows, 'slices': slices, 'surfaces': surfaces, 'shown': first.prompts[shown],
          'silent': [arm for m in sweep.plan['matchings'] for arm in sweep.arms(m) if arm not in made]}


def _surface(arm: str, clips: Any, s: np.ndarray) -> dict[str, Any]:
  """S (T, F) as bytes of text for the script."""
  return {'arm': arm, 'frames': s.shape[0], 'bands': s.shape[1], 'seconds': f'{clips.seconds:g}',
          'low': _khz(clips.hz[0]), 'high': _khz(clips.hz[1]),
          'data': base64.b64encode(np.round(255 * s).astype(np.uint8).tobytes()).decode()}


def _khz(hz: float) -> str:
  return f'{hz / 1000:.2g} kHz'


def _picture(out: pathlib.Path, name: str, png: bytes | None) -> str | None:
  """Kept in OUT/pictures, too, for papers."""
  if png:
    (out / 'pictures').mkdir(exist_ok=True)
    files.write_bytes(out / 'pictures' / f'{name}.png', png)
  return png and f'data:image/png;base64,{base64.b64encode(png).decode()}'
