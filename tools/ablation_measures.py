"""What the figures of an ablation are called, which way is better, and how often they were measured anew."""

from __future__ import annotations

from typing import NamedTuple

from tools import report_charts


class Measure(NamedTuple):
  """of_autoencoder: diffusion runs that share an autoencoder repeat it. higher_is_better: None, neither way by itself."""

  title: str
  unit: str = ''
  higher_is_better: bool | None = None
  of_autoencoder: bool = False
  note: str = ''


_KINDS = {'overlap': 'cells where birds overlap', 'single': 'cells of one bird', 'background': 'background cells'}
_AMPLITUDES = {'expectation': 'expected amplitude', 'sample': 'sampled amplitude'}
_LESS_RATE = 'compare it at its rate only'

MEASURES = {
    'label_fidelity': Measure('Label fidelity', '', True, False, 'told by text and roll'),
    'label_fidelity_text': Measure('Label fidelity, told by text only', '', True),
    'onset_error_s': Measure('Onset error', 's', False),
    'diversity': Measure('Within-class diversity', '', None, False, '1 = that of real clips'),
    'detector_auroc': Measure('Detector, presence AUROC', '', True),
    'detector_mask_iou': Measure('Detector, mask IoU', '', True),
    **{f'overlap_{kind}_{amplitude}': Measure(f'Energy distance, {cells}, {how}', '', False, False, 'to re-rendered scenes')
       for kind, cells in _KINDS.items() for amplitude, how in _AMPLITUDES.items()},
    'mse': Measure('Validation loss of the denoiser', '', None, False, 'of latents that differ: arms do not compare'),
    'distortion': Measure('Distortion', 'nats per cell', False, True, _LESS_RATE),
    'rate': Measure('Rate', 'nats per cell', None, True, 'compare it at its distortion only'),
    'nats': Measure('Distortion and rate', 'nats per cell', False, True),
    'log_spectral_distance_db': Measure('Log-spectral distance', 'dB', False, True, _LESS_RATE),
    'judge_roundtrip': Measure('Species kept through the autoencoder', '', True, True),
}
FLOORS = {f'overlap_{kind}_floor' for kind in _KINDS}  # real against real: an anchor of their kind, no result of an arm


def of(metric: str) -> Measure:
  """Of an unknown metric: its own name, no direction."""
  return MEASURES.get(metric, Measure(metric.replace('_', ' ')))


def order(metrics: set[str], primary: str) -> list[str]:
  """As the page shows them: the primary endpoint, the known ones, the others by name."""
  known = [metric for metric in MEASURES if metric in metrics]
  rest = sorted(metrics - set(known) - FLOORS)
  return sorted(known + rest, key=lambda metric: metric != primary)


def anchor(metric: str, chance: float | None, real: float | None, floors: dict[str, float]) -> str:
  """What guessing and real clips get, or the floor of an energy distance, in words; '' where none is known."""
  known = (('chance', chance), ('real clips', real), ('real against real', floors.get(f'{metric.rsplit("_", 1)[0]}_floor')))
  return ', '.join(f'{name} {report_charts.number(value)}' for name, value in known if value is not None)
