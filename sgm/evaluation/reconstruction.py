"""Does the autoencoder keep the bird? Nats per cell, log-spectral distance, and what the judge still hears."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from sgm.evaluation import evaluator as evaluator_lib
from sgm.evaluation import judge as judge_lib
from sgm.evaluation import metrics


@dataclasses.dataclass
class Reconstruction:
  """Round trip of a split through the autoencoder, and with a judge through Griffin-Lim to audio and back.

  Metrics: distortion, rate, nats (per cell); log_spectral_distance_db; with `judge` (a work directory, '' = none) its
  top-1 on the clips as they are ('judge_top1_direct'), through spectrogram and Griffin-Lim alone ('judge_top1_rendered')
  and through the autoencoder too ('judge_top1_roundtrip'). A clip with several birds counts as right if the judge's first
  choice is one of them. `details` has all of these per clip, 'spectrogram' and 'reconstruction' (N, T, F, C), 'audio'.
  """

  context: evaluator_lib.Context
  split: str
  every: int | str
  limit: int
  batch_size: int
  judge: str

  def __post_init__(self):
    self._eval = jax.jit(self.context.task.eval)
    self._judge = judge_lib.Judge(self.judge) if self.judge else None
    self.details: dict[str, np.ndarray] = {}

  def run(self, params: Any, frozen: Any) -> dict[str, tuple[float, float]]:
    frontend = self.context.task.frontend
    names = ('distortion', 'rate', 'nats', 'spectrogram', 'reconstruction', 'audio', 'label')
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    ops = ('label', 'keep("audio", "label")')
    for batch in self.context.clips(self.split, ops, self.batch_size, self.limit):
      keep = batch.pop('mask') > 0
      out = {**batch, **self._eval(params, frozen, jax.random.key(0), batch)}
      for name in names:
        rows[name].append(np.asarray(out[name])[keep])
    d = {name: np.concatenate(column) for name, column in rows.items()}
    d['log_spectral_distance_db'] = metrics.log_spectral_distance_db(
        np.asarray(frontend.expand(d['reconstruction'])), np.asarray(frontend.expand(d['spectrogram'])), frontend.db_range[0])
    if self._judge:
      heard = {
          'direct': judge_lib.pcm16(d['audio']),
          'rendered': judge_lib.rendered(d['spectrogram'], frontend, seed=0),
          'roundtrip': judge_lib.rendered(d['reconstruction'], frontend, seed=0),
      }
      for name, audio in heard.items():
        choice = self._judge.hear(audio)['probability'].argmax(1)
        d[f'judge_top1_{name}'] = d['label'][np.arange(len(choice)), choice]
        d[f'audio_{name}'] = audio
    self.details = d
    scalars = [name for name, value in d.items() if value.ndim == 1]
    return {name: evaluator_lib.mean_of(d[name]) for name in scalars}

  def media(self) -> dict[str, dict[str, Any]]:
    """For TensorBoard: original over reconstruction, the first eight clips."""
    pairs = [np.concatenate([self.details[k][i, :, ::-1, 0].T for k in ('spectrogram', 'reconstruction')]) for i in range(
        min(8, len(self.details['audio'])))]
    picture = (255 * np.concatenate(pairs, 1)).astype(np.uint8)  # (2 F, 8 T)
    return {'images': {'original_over_reconstruction': np.repeat(picture[..., None], 3, -1)}, 'audio': {}}
