"""Detectors side by side: each hears windows, scores every species and marks where it is, so that one table can hold them all.

A method says nothing of p-values: `detector_answers` calibrates all methods with the same clips.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from sgm.diffusion import attention_map, diffedit, map_reading, noising
from sgm.evaluation import activation_maps, band_energy, detection
from sgm.evaluation import detector as detector_lib
from sgm.evaluation import queries as queries_lib
from sgm.tasks import restore


class Heard(NamedTuple):
  """Of B windows: scores (B, S), larger = surer; maps (B, S, T', F') on any grid, (B, S, 0, 0) where there are none."""

  scores: np.ndarray
  maps: np.ndarray


class Rule(Protocol):
  """Maps -> masks, which are not empty because a species is there: they say where it is if it is."""

  def fit(self, s: np.ndarray, maps: np.ndarray, masks: np.ndarray) -> None:
    """Chooses what is free on N clips: s (N, T, F), maps (N, S, T', F'), true masks (N, S, T, F)."""

  def masks(self, s: np.ndarray, maps: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Of M pairs of a clip and a species: s (M, T, F), maps (M, T', F'), species (M,) -> (M, T, F) bool."""


class Thresholds:
  """`detection.predicted_masks`, with the two thresholds of each species that fit best."""

  def __init__(self, classes: int):
    self._thresholds = np.tile(detection.UNCHOSEN, (classes, 1))

  def fit(self, s, maps, masks):
    self._thresholds = detection.choose_thresholds({'spectrogram': s, 'masks': masks}, maps)

  def masks(self, s, maps, species):
    return detection.predicted_masks(maps, s, self._thresholds[species])


class Published:
  """The published mask as it is: the map, which is in [0, 1], above a fixed number. Nothing is free."""

  def __init__(self, threshold: float):
    self._threshold = threshold

  def fit(self, s, maps, masks):
    pass

  def masks(self, s, maps, species):
    return np.asarray(map_reading.upsample_map(jnp.asarray(maps), s.shape[1:])) > self._threshold


class Band:
  """`band_energy.BandEnergyMask`, which needs no map. Without `fit`, where no true masks are, what stands out of the noise."""

  def __init__(self, classes: int):
    self._mask, self._classes = None, classes

  def fit(self, s, maps, masks):
    clip, species = np.nonzero(masks.any((2, 3)))
    self._mask = band_energy.BandEnergyMask().fit(s[clip], masks[clip, species], species, self._classes)

  def masks(self, s, maps, species):
    return band_energy.above_floor(s) >= detection.UNCHOSEN[1] if self._mask is None else self._mask.predict(s, species)


@dataclasses.dataclass(frozen=True)
class Method:
  """One row of the comparison.

  Attributes:
    name: as people read it.
    hear: windows (B, samples, 1), prepared as the training clips were -> Heard.
    passes: of its network, per window, for all species: rows of a denoiser, or clips of a classifier, forward or back.
    rule: for its masks.
  """

  name: str
  hear: Callable[[np.ndarray], Heard]
  passes: int
  rule: Rule


def detector(name: str, d: detector_lib.Detector) -> Method:
  """The detector of a work directory, with its settings; its own calibration and thresholds are not used."""
  def hear(audio):
    heard = d.hear(audio)
    return Heard(heard.scores, heard.maps)
  return Method(name, hear, d.settings.rows(len(d.species)), Thresholds(len(d.species)))


def mapped(name: str, run: restore.Run, maps: Any, top: int, seed: int = 0) -> Method:
  """A method of `sgm.diffusion.maps`; the score is the mean of the `top` strongest cells less that of the other species.

  A rescaled contrast is the published mask: its own threshold is the rule.
  """
  task, labels = run.task, run.labels
  queries = queries_lib.species_queries(labels, run.config.clip.latent_frames, loudness=0.0)  # text alone, as published
  reference = queries_lib.nothing(queries)
  names = [[t for t in labels.tokenizer.encode(s.common, queries['tokens'].shape[1]) if t] for s in labels.taxonomy.species]
  words = None
  if isinstance(maps, attention_map.Attention):
    words = attention_map.name_words(queries['tokens'], names).astype(np.float32)

  @jax.jit
  def compiled(params, frozen, audio, keys):
    denoiser = noising.Denoiser(task.denoiser(params), task.schedule, task.prediction, task.attention(params))
    z0 = task.encode(frozen, task.frontend(audio))
    values = maps(denoiser, z0, queries, reference, keys, words)
    return map_reading.standardise(map_reading.score(values, top), divide=False), values

  def hear(audio):
    keys = jnp.broadcast_to(jax.random.key(seed), audio.shape[:1])  # the same noise for every window, as `Detector` has it
    return Heard(*map(np.asarray, compiled(run.params, run.frozen, audio, keys)))

  published = isinstance(maps, diffedit.Contrast) and maps.rescaled
  size = len(labels.taxonomy)
  return Method(name, hear, maps.rows(size), Published(maps.threshold) if published else Thresholds(size))


def classifier(name: str, cnn: restore.Run, settings: activation_maps.Settings) -> Method:
  """A classification run: logits as scores, class-activation maps. Passes: one forward, one back for each species."""
  @jax.jit
  def compiled(params, audio):
    return activation_maps.hear(cnn.task, params, cnn.task.frontend(audio), settings)

  size = len(cnn.labels.taxonomy)
  return Method(name, lambda audio: Heard(*map(np.asarray, compiled(cnn.params, audio))), 1 + size, Thresholds(size))


def band(name: str, frontend: Any, s: np.ndarray, presence: np.ndarray) -> Method:
  """`band_energy.BandEnergyRegression` fitted on training clips: s (N, T, F), presence (N, S)."""
  regression = band_energy.BandEnergyRegression().fit(s, presence)
  spectrogram = jax.jit(frontend)
  size = presence.shape[1]

  def hear(audio):
    return Heard(regression.scores(np.asarray(spectrogram(audio))[..., 0]), np.zeros((len(audio), size, 0, 0), np.float32))
  return Method(name, hear, 0, Band(size))


def check_same(run: restore.Run, cnn: restore.Run) -> None:
  """Raises ValueError where two runs do not hear the same windows of the same species."""
  for what, of in (('species', lambda r: list(r.labels.taxonomy.codes)), ('front end', lambda r: r.task.frontend),
                   ('window', lambda r: (r.config.clip.samples, r.config.clip.sample_rate, list(r.config.clip.prepare)))):
    if of(run) != of(cnn):
      raise ValueError(f'the classifier has another {what} than the diffusion run: {of(cnn)}, expected {of(run)}')
