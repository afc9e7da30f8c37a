"""The report's sentences, large figures, targets and commands: pure functions of the run's summary."""

from __future__ import annotations

import re
from typing import Any, Mapping

from tools import report_charts
from tools import report_files as files


def in_words(summary: Mapping[str, Any]) -> list[str]:
  """The sentences of the first paragraph: what the run shows, from the figures that are there."""
  get = lambda *keys: files.figure(summary, *keys)
  percent = lambda v: f'{100 * v:.0f}\u202f%'
  said = []
  fidelity, chance, n = get('generation', 'label_fidelity_top1'), get('generation', 'chance'), get('generation', 'n')
  if fidelity is not None:
    text = f'Of {n:.0f} generated clips' if n is not None else 'Of the generated clips'
    text += f', an independent classifier (the judge) recognised the species that was asked for in {percent(fidelity)}'
    said.append(text + (f', where guessing would give {percent(chance)}.' if chance is not None else '.'))
  direct, trip = get('autoencoder', 'judge_top1_direct'), get('autoencoder', 'judge_top1_roundtrip')
  if direct is not None and trip is not None:
    said.append(f'The same judge names {percent(direct)} of untouched test clips correctly, and {percent(trip)} of them '
                'after they went through the autoencoder: that is the ceiling for generated sound.')
  onset, shuffled = get('generation', 'onset_error_s_median'), get('generation', 'onset_error_s_shuffled')
  if onset is not None:
    text = f'A bird typically starts {onset:.2f} s from where it was placed'
    said.append(text + (f' ({shuffled:.2f} s if placements are shuffled).' if shuffled is not None else '.'))
  auroc, bands = get('detector', 'presence_auroc_macro'), get('detector', 'presence_auroc_band_energy')
  if auroc is not None:
    text = ('Used the other way round, as a detector, the generator ranks clips with a species above clips without it '
            f'{percent(auroc)} of the time (guessing: 50\u202f%')
    said.append(text + (f'; a regression on band energies: {percent(bands)}).' if bands is not None else ').'))
  minutes = get('wall_seconds', 'total')
  if minutes is not None:
    said.append(f'The whole run took {minutes / 60:.1f} minutes.')
  return said or ['This run has no figures yet: neither generation nor detection has been evaluated.']


def headlines(summary: Mapping[str, Any]) -> list[dict[str, str]]:
  """The large figures at the top; those that were not measured say so."""
  get = lambda *keys: files.figure(summary, *keys)
  number = report_charts.number

  def tile(title, value, unit, *details):
    return {'title': title, 'value': number(value) if value is not None else 'not run', 'unit': unit if value is not None else '',
            'details': [f'{name} {text}' for name, text in details if text != '–'], 'run': value is not None}

  ci95 = files.interval(files.mapping(summary, 'generation').get('ci95'))
  interval = f'{number(ci95[0])} – {number(ci95[1])}' if ci95 else '–'
  return [
      tile('Asked-for species recognised', get('generation', 'label_fidelity_top1'), '', ('95 % interval', interval),
           ('chance', number(get('generation', 'chance'))), ('text only', number(get('generation', 'text_only_top1')))),
      tile('Start of song, median error', get('generation', 'onset_error_s_median'), 's',
           ('shuffled', number(get('generation', 'onset_error_s_shuffled'))),
           ('real clips', number(get('generation', 'onset_error_s_real')))),
      tile('Detector, presence AUROC', get('detector', 'presence_auroc_macro'), '', ('chance', '0.5'),
           ('band energies', number(get('detector', 'presence_auroc_band_energy')))),
      tile('Detector, mask overlap (IoU)', get('detector', 'mask_iou_mean'), '',
           ('band energies', number(get('detector', 'mask_iou_band_energy')))),
      tile('Judge after the autoencoder', get('autoencoder', 'judge_top1_roundtrip'), '',
           ('before', number(get('autoencoder', 'judge_top1_direct')))),
  ]


def read_target(target: Any) -> tuple[str, float, str] | None:
  """A number to reach, or text such as '>= 0.85' or '< 0.25 s' -> (relation, bound, unit); None for anything else."""
  if files.is_number(target):
    return '≥', float(target), ''
  match = re.fullmatch(r'\s*(>=|<=|>|<|≥|≤)\s*([-+]?\d*\.?\d+)\s*([a-zA-Z%]*)\s*', target) if isinstance(target, str) else None
  return ({'>=': '≥', '<=': '≤'}.get(match[1], match[1]), float(match[2]), match[3]) if match else None


def verdict(value: Any, target: Any) -> bool | None:
  """Whether a figure meets its target; None when there is none that can be compared with it."""
  goal = read_target(target)
  if goal is None or not files.is_number(value):
    return None
  return {'≥': value >= goal[1], '≤': value <= goal[1], '>': value > goal[1], '<': value < goal[1]}[goal[0]]


def commands(summary: Mapping[str, Any]) -> list[str]:
  """How such a run is made, where the summary does not say so itself."""
  prompt = str(summary.get('example_prompt') or 'Forest environment, a Needle tit singing at the start')
  return ['bash tools/quickstart.sh OUT',
          "python -m sgm.sample --workdir OUT/ldm --prompt '" + prompt.replace("'", "'\\''") + "' --num 4 --seed 0 --out OUT/mine",
          'python -m tools.report --runs OUT']


def cost_in_words(costs: list[dict[str, Any]]) -> str:
  """The sentence that compares the rows 'latent ...' and 'pixel ...'; empty when one has no `examples_per_s`."""
  by_space = {str(row.get('space', '')).split(' ')[0].lower(): row for row in costs}
  latent, pixel = by_space.get('latent', {}), by_space.get('pixel', {})
  a, b = latent.get('examples_per_s'), pixel.get('examples_per_s')
  if files.is_number(a) and files.is_number(b) and min(a, b) > 0:
    return f'In the latent space training sees {report_charts.number(a / b)} times as many examples per second as on the spectrogram itself.'
  return ''
