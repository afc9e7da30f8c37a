from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

from sgm.training import metrics


def test_record_resumes_without_repeating_steps(tmp_path):
  writer = metrics.MetricWriter(tmp_path, 0)
  for step in (1, 2, 3):
    writer.write(step, {'train/loss': np.float32(step)})
  writer.write(3, {'val/mse': jnp.float32(0.5), 'val/nothing': float('nan')})
  writer.close()
  assert metrics.last_metrics(tmp_path) == {'step': 3, 'train/loss': 3.0, 'val/mse': 0.5, 'val/nothing': None}
  writer = metrics.MetricWriter(tmp_path, 2)
  writer.write(3, {'train/loss': 9.0})
  writer.close()
  rows = [json.loads(line) for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()]
  assert rows == [{'step': k, 'train/loss': x} for k, x in ((1, 1.0), (2, 2.0), (3, 9.0))] == metrics.read_metrics(tmp_path)


def test_reader_forgives_a_cut_last_line_only(tmp_path):
  assert metrics.read_metrics(tmp_path) == [] and metrics.last_metrics(tmp_path) == {}
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1}\n{"step": 2, "tr')
  assert metrics.read_metrics(tmp_path) == [{'step': 1}]
  path.write_text('{"step": 1\n{"step": 2}\n')
  with pytest.raises(ValueError, match='metrics.jsonl line 1 is not JSON'):
    metrics.read_metrics(tmp_path)


def test_tensorboard_gets_scalars_pictures_and_sound(tmp_path):
  writer = metrics.MetricWriter(tmp_path, 0)
  writer.write(5, {'train/loss': 0.25, 'train/nan': float('nan')})
  tone = np.sin(np.arange(800) / 5)
  sounds = {'val/tone': (2 * tone, 16_000), 'val/two': (np.stack([tone] * 2, 1), 16_000)}
  writer.media(5, {'val/picture': np.zeros((4, 6, 3), np.uint8)}, sounds)
  writer.close()
  events = event_accumulator.EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
  assert [(e.step, e.value) for e in events.Scalars('train/loss')] == [(5, 0.25)]
  assert events.Tags()['scalars'] == ['train/loss']
  assert (events.Images('val/picture')[0].height, events.Images('val/picture')[0].width) == (4, 6)
  assert events.Audio('val/tone')[0].sample_rate == 16_000 and len(events.Audio('val/two')) == 1


def test_window_means_and_first_bad_step():
  window = metrics.Window()
  step = lambda loss: {'loss': jnp.float32(loss), 'grad_norm': jnp.float32(1), 'finite': jnp.isfinite(loss)}
  window.add(1, step(1.0), ahead=1)
  window.check()
  window.add(2, step(2.0), ahead=1)
  window.add(3, step(6.0), ahead=1)
  window.check()
  assert window.mean() == {'loss': 3.0, 'grad_norm': 1.0}
  for k, loss in ((4, 1.0), (5, np.nan), (6, np.nan)):
    window.add(k, step(loss), ahead=1)
  with pytest.raises(FloatingPointError, match='not finite at step 5: loss nan, gradient norm 1.0'):
    window.check()
