"""What a calibrated detector finds where it should find nothing, and how much of that it knows to be odd.

Sounds without any of its species: silence, noise, rain, the voices of `data_pipeline.strangers`, and folders of recordings.
"""

from __future__ import annotations

import itertools
from typing import Any, Callable, Iterator, Sequence

import numpy as np

from data_pipeline import environments, soundscape, strangers
from sgm.evaluation import detection, detector as detector_lib, false_alarms, hearing, mask_metrics
from sgm.evaluation import windows as windows_lib
from sgm.tasks import restore

ODD_RATE = hearing.Options.ood_rate  # as sgm.detect does when it is not told otherwise
FEW, MANY = 48, 96  # clips of a kind of sound without birds, and with strange ones
MOST = 256  # windows of a folder
QUIET_DB, LOUD_DB = -60.0, -20.0  # RMS re full scale
STRANGERS = (0.0, 0.4, 0.4, 0.2)  # share of clips with 0 to 3 of them
LEAST_RATE = 16000  # Hz, that the strangers need

Sound = Iterator[np.ndarray]  # (samples, 1)
Maker = Callable[[int, int, np.random.Generator], np.ndarray]  # of a seed, an index, and randomness of both


def sounds(run: restore.Run, seed: int) -> dict[str, tuple[int, Sound]]:
  """Name -> number of clips, clips; made like the built-in ones, and prepared as recordings are."""
  clip = run.config.clip
  prepare = windows_lib.preparation(clip.prepare)

  def made(name: str, count: int, one: Maker) -> tuple[int, Sound]:
    of_name = soundscape.split_seed(seed, f'detector/{name}')
    return count, (prepare(one(of_name, i, np.random.default_rng((of_name, i)))) for i in range(count))

  def noise(seed: int, index: int, rng: np.random.Generator) -> np.ndarray:
    return np.float32(10 ** (rng.uniform(QUIET_DB, LOUD_DB) / 20)) * rng.standard_normal((clip.samples, 1), np.float32)

  def rain(seed: int, index: int, rng: np.random.Generator) -> np.ndarray:
    return environments.background('rain', '', rng.uniform(QUIET_DB, LOUD_DB), clip.samples, clip.sample_rate, 1, rng)

  def sung(patterns: Any) -> Maker:
    return lambda seed, index, rng: soundscape.generate(seed, index, duration=clip.seconds, sample_rate=clip.sample_rate,
                                                        density=STRANGERS, patterns=patterns).audio

  kinds = {'silence': made('silence', 1, lambda seed, index, rng: np.zeros((clip.samples, 1), np.float32)),
           'white noise': made('white noise', FEW, noise), 'rain': made('rain', FEW, rain)}
  if clip.sample_rate >= LEAST_RATE:
    kinds |= {'strangers': made('strangers', MANY, sung(strangers.UNLIKE)),
              'look-alikes': made('look-alikes', MANY, sung(strangers.LOOK_ALIKES))}
  return kinds


def recordings(run: restore.Run, folder: str, say: Callable[[str], None]) -> tuple[int, Sound]:
  """About MOST windows of a folder's recordings, equally spaced, or all. ValueError: there are none."""
  clip = run.config.clip
  paths, skips = windows_lib.find([folder])
  total = sum(seconds for seconds, _ in windows_lib.lengths(paths, workers=1).values()) / clip.seconds
  if not total:
    raise ValueError(f'{folder}: none of its {len(paths)} recordings can be read')
  stride = max(1, round(total / MOST))
  prepare = windows_lib.preparation(clip.prepare)
  for skip in skips:
    say(f'skipped {skip.name}: {skip.reason}')

  def windows() -> Sound:
    def told() -> Iterator[windows_lib.Item]:
      for item in windows_lib.read(paths, clip.sample_rate, clip.samples, clip.samples, 'mix', workers=1):
        if isinstance(item, windows_lib.Item):
          yield item
        elif item.flaw:
          say(f'{item.path}: {item.flaw}')
    yield from (prepare(item.samples) for item in itertools.islice(told(), 0, None, stride))

  return max(1, round(total / stride)), windows()


def check(d: detector_lib.Detector, heard: dict[str, np.ndarray], rates: Sequence[float]) -> dict[str, Any]:
  """Of N clips: share that is odd, and of species with a mask that is not empty.

  Args:
    heard: scores and presence (N, S), ood (N,), maps (N, S, T', F'), spectrogram (N, T, F).
    rates: asked for, of false alarms and of odd windows.

  Returns:
    {'clips': N, 'odd': {rate: share}, 'odd_rate': ..., 'false_masks': {rate: figures}}, for those rates that can be told.
    'odd_rate' is ODD_RATE, or the least that few clips can tell. Figures: 'value' and its 95 % 'interval' of the 'absent'
    (clip, species) pairs; 'ordinary', the same where clips that are odd at that rate are not searched. With present species:
    'found' and 'found_ordinary', their shares, and 'unexpected', the species with another number of alarms than fresh clips
    like the calibration's would give, at 95 % each.
  """
  c = d.calibration
  scores, presence = heard['scores'], heard['presence']
  told = [r for r in rates if r * (len(c.ood) + 1) >= 1]
  rates = [r for r in rates if r * (c.counts.min() + 1) >= 1]
  marked = _marked(d, heard, scores > c.thresholds(max(rates))) if rates else None
  odd_rate = max(ODD_RATE, 1 / (len(c.ood) + 1))
  odd = c.odd(heard['ood'], odd_rate)
  report: dict[str, Any] = {'clips': len(scores), 'odd': {str(r): float(c.odd(heard['ood'], r).mean()) for r in told},
                            'odd_rate': odd_rate, 'false_masks': {}}
  for rate in rates:
    found = scores > c.thresholds(rate)
    every = mask_metrics.false_mask_rate(found & marked, presence)
    ordinary = mask_metrics.false_mask_rate(found & marked & ~odd[:, None], presence)
    figures = {'value': every.value, 'interval': list(every.ci95), 'absent': every.pairs, 'ordinary': ordinary.value}
    if presence.any():
      figures |= {'found': every.found, 'found_ordinary': ordinary.found, 'unexpected': _unexpected(d, found, presence, rate)}
    report['false_masks'][str(rate)] = figures
  return report


def _unexpected(d: detector_lib.Detector, found: np.ndarray, presence: np.ndarray, rate: float) -> list[str]:
  """Species whose false alarms among found (N, S) are more, or fewer, than one calibration may miss the rate by."""
  names = []
  for name, n, alarms, absent in zip(d.species, d.calibration.counts, (found & ~presence).sum(0), (~presence).sum(0)):
    low, high = false_alarms.expected_false_alarms(rate, int(n), int(absent))
    if not low <= alarms <= high:
      names.append(name)
  return names


def _marked(d: detector_lib.Detector, heard: dict[str, np.ndarray], asked: np.ndarray) -> np.ndarray:
  """bool (N, S): the mask is not empty; of the pairs `asked` (N, S) alone."""
  out = np.zeros_like(asked)
  window, species = np.nonzero(asked)
  for i in range(0, len(window), 256):
    w, s = window[i:i + 256], species[i:i + 256]
    out[w, s] = detection.predicted_masks(heard['maps'][w, s], heard['spectrogram'][w], d.thresholds[s]).any((1, 2))
  return out


def table(report: dict[str, dict[str, Any]]) -> str:
  """Name -> what `check` said, as lines to read; of those with present species in words too."""
  first = next(iter(report.values()))
  rates, told = list(first['false_masks']), list(first['odd'])
  wide = max(map(len, report))
  head = ' ' * (wide + 7) + ''.join(f'  {title:<{7 * size}}' for title, size in (
      ('odd at', len(told)), ('false masks at', len(rates)), (f'the same without the odd at {first["odd_rate"]:.2g}', 0)))
  rows = [head.rstrip(), f'{"":{wide}}  clips' + ''.join('  ' + ''.join(f'{rate:<7}' for rate in group)
                                                         for group in (told, rates, rates))]
  for name, one in report.items():
    masks = one['false_masks'].values()
    groups = (one['odd'].values(), [m['value'] for m in masks], [m['ordinary'] for m in masks])
    rows.append(f'{name:{wide}}  {one["clips"]:5d}' + ''.join('  ' + ''.join(f'{x:<7.3f}' for x in group) for group in groups))
  for name, one in report.items():
    for rate, m in one['false_masks'].items():
      if 'found' in m:
        low, high = m['interval']
        rows.append(f'{name} at {rate}: {low:.3f} to {high:.3f} (95 %) of {m["absent"]} pairs; of the present species '
                    f'{m["found"]:.2f}, without the odd {m["found_ordinary"]:.2f}')
        rows += [f'  alarms not as many as expected: {", ".join(m["unexpected"])}'] if m['unexpected'] else []
  return '\n'.join(row.rstrip() for row in rows)
