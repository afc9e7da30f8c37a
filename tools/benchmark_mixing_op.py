"""How fast the op mix_soundscapes makes the batches of a training, and how near its events are to what was asked."""

from __future__ import annotations

import os
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

import numpy as np

from experiments import mixing as experiment
from tools import build_dataset

RATE, SECONDS, BATCH = 16000, 2.56, 64
SNR_DB = 10.0
EVENTS = 12  # more than any of these clips has


def measure(clips: int, batches: int) -> dict[str, float]:
  """Scenes as experiments/mixing.py draws them, of the built-in birds, all cores at work.

  Args:
    clips: of the data set that is built to mix of.
    batches: of BATCH clips, measured after the first ones.

  Returns:
    times_real_time and textures_times_real_time: sound made per time, on backgrounds of the data set and on synthetic ones;
    cpu_ms and textures_cpu_ms: processor time of a clip in this process, which would train meanwhile; cut_seconds: for making
    the sources ready, once; snr_error_db_max: the worst of some hundred events of SNR_DB against their stems.
  """
  from data_pipeline import heap, mixing_levels, mixing_store, pipeline, registry
  heap.keep()  # as every training does
  c = experiment.get_config(f'seconds={SECONDS},sample_rate={RATE}')
  c.contaminants.count = 'const(0)'

  def stream(folder: str, backgrounds: str, *keep: str):
    ops = ('decode', f'mix_soundscapes({{mixing}}, {backgrounds!r})', f'random_crop({round(SECONDS * RATE)})', *keep)
    return pipeline.train_batches(folder, 'train', registry.resolve(ops, {'mixing': c}), BATCH, 0)

  figures = {}
  with tempfile.TemporaryDirectory() as folder:
    build_dataset.build(build_dataset.Options('procedural', f'{folder}/set', sizes=dict(train=clips), clip_seconds=SECONDS,
                                              sample_rate=RATE, workers=os.cpu_count() or 1), lambda text: None)
    start = time.perf_counter()
    mixing_store.pools(pipeline.open_dataset(f'{folder}/set'), 'train', RATE)
    figures['cut_seconds'] = round(time.perf_counter() - start, 2)
    for name, backgrounds in (('', ''), ('textures_', 'built-in')):
      made = stream(f'{folder}/set', backgrounds, 'label', 'keep("audio", "label")')
      for _ in range(3):
        next(made)
      start, cpu = time.perf_counter(), time.process_time()
      for _ in range(batches):
        next(made)
      figures[f'{name}times_real_time'] = round(batches * BATCH * SECONDS / (time.perf_counter() - start), 1)
      figures[f'{name}cpu_ms'] = round(1000 * (time.process_time() - cpu) / (batches * BATCH), 2)
      made.close()
    c.events.snr_db = f'const({SNR_DB})'
    made = stream(f'{folder}/set', '', f'pad_events({EVENTS})', 'keep("audio", "stems", "event_count")')
    figures['snr_error_db_max'] = round(_error(next(made), mixing_levels), 6)
    made.close()
  return figures


def _error(batch: dict[str, np.ndarray], levels) -> float:
  """Of all events of a batch the largest difference between their ratio, measured on stems (B, EVENTS, N, C), and SNR_DB."""
  errors = []
  for audio, stems, count in zip(batch['audio'], batch['stems'], batch['event_count']):
    background = audio - stems[:count].sum(0)
    errors += [abs(levels.ratio_db(levels.cells_of(stem, RATE), background, RATE) - SNR_DB) for stem in stems[:count]]
  return max(errors)
