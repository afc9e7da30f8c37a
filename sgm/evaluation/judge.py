"""The judge: a classifier, trained on a split of its own, that hears rendered audio. It measures; it never selects."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sgm.audio import phase
from sgm.tasks import restore

BATCH = 64
ONSET_PROBABILITY = 0.5


def pcm16(audio: np.ndarray) -> np.ndarray:
  """Audio as a 16-bit wav holds it: clipped to full scale and rounded. Same shape, float32."""
  return (np.round(np.clip(audio, -1.0, 1.0) * 32767.0) / 32767.0).astype(np.float32)


@functools.partial(jax.jit, static_argnames=('frontend', 'iterations'))
def _render(s: jax.Array, keys: jax.Array, frontend: Any, iterations: int) -> jax.Array:
  return phase.audio_from_spectrogram(s, frontend, keys, iterations)


def rendered(s: np.ndarray, frontend: Any, seed: int, iterations: int = 32) -> np.ndarray:
  """S (N, T, F, C) -> audio (N, samples, C) as it would be written to a wav, in batches of one compiled shape."""
  out = []
  for i in range(0, len(s), BATCH):
    part = np.asarray(s[i:i + BATCH], np.float32)
    padded = np.pad(part, [(0, BATCH - len(part))] + [(0, 0)] * (part.ndim - 1))
    keys = jax.vmap(lambda j: jax.random.fold_in(jax.random.key(seed), j))(jnp.arange(i, i + BATCH))
    out.append(pcm16(np.asarray(_render(padded, keys, frontend, iterations)))[:len(part)])
  return np.concatenate(out)


class Judge:
  """A trained classification run, applied to audio as it was in its training."""

  def __init__(self, workdir: str):
    """Raises ValueError when `workdir` holds no classification run."""
    self.run = restore.load(workdir, expect='classification')
    self.classes = len(self.run.labels.taxonomy)
    task = self.run.task
    self._hear = jax.jit(lambda params, audio: task.hear(params, task.planes(audio)))

  def hear(self, audio: np.ndarray) -> dict[str, np.ndarray]:
    """Audio (N, samples, C) -> 'probability' (N, S + 1), 'frame_probability' (N, T', S), 'embedding' (N, E)."""
    out: dict[str, list[np.ndarray]] = {'probability': [], 'frame_probability': [], 'embedding': []}
    for i in range(0, len(audio), BATCH):
      part = audio[i:i + BATCH]
      padded = np.pad(part, ((0, BATCH - len(part)), (0, 0), (0, 0)))
      heard = self._hear(self.run.params, padded)
      for name, column in out.items():
        column.append(np.asarray(heard[name])[:len(part)])
    return {name: np.concatenate(column) for name, column in out.items()}


def heard_onset(frame_probability: np.ndarray, species: np.ndarray, duration: float) -> np.ndarray:
  """Start of the first frame in which the asked species' probability exceeds 0.5.

  Args:
    frame_probability: (N, T', S).
    species: (N,) class indices.
    duration: of the clip in seconds.

  Returns:
    (N,) seconds, nan where it is never heard.
  """
  asked = frame_probability[np.arange(len(species)), :, species] > ONSET_PROBABILITY  # (N, T')
  first = asked.argmax(1) * (duration / frame_probability.shape[1])
  return np.where(asked.any(1), first, np.nan)


def onset_error(heard: np.ndarray, asked: np.ndarray, duration: float) -> np.ndarray:
  """|heard - asked| in seconds, (N,); a miss (nan) counts the clip's whole length."""
  return np.where(np.isnan(heard), duration, np.abs(np.nan_to_num(heard) - asked))
