"""A trained latent diffusion run, calibrated, as a detector of windows of sound: which species, how surely, and where.

  tools.calibrate writes W/detector/settings.json and W/detector/calibration.npz; sgm.detect reads them.
"""

from __future__ import annotations

from concurrent import futures
import dataclasses
import functools
import json
import os
import pathlib
from typing import Any, Callable

import jax
import jax.numpy as jnp
import numpy as np

from sgm.diffusion import noising
from sgm.evaluation import calibration as calibration_lib
from sgm.evaluation import detection
from sgm.evaluation import oddity
from sgm.evaluation import queries as queries_lib
from sgm.evaluation import search as search_lib
from sgm.tasks import restore
from sgm.training import workdir as workdir_lib

FOLDER = 'detector'
DEFAULT = search_lib.Settings()
BATCH = 16  # windows that an accelerator hears at a time


@dataclasses.dataclass(frozen=True)
class Heard:
  """What was heard in B windows.

  Attributes:
    scores: (B, S) log odds of presence, before they are calibrated.
    maps: (B, S, T', F') how likely each place of the latent grid is the species' own.
    spectrogram: (B, T, F) in [0, 1].
    features: (B, D), see `oddity.features`; what is ordinary is fitted on them.
    ood: (B,) surprise at them, the larger the odder; nan without a calibration.
  """

  scores: np.ndarray
  maps: np.ndarray
  spectrogram: np.ndarray
  features: np.ndarray
  ood: np.ndarray


class Detector:
  """Scores windows of one channel, of the length and the rate of the training clips.

  Attributes:
    run: the diffusion run. settings: how species are asked for.
    thresholds: (S, 2) of masks, see `detection.predicted_masks`.
    calibration: None for raw scores.
  """

  def __init__(self, run: restore.Run, settings: search_lib.Settings | None = None, thresholds: np.ndarray | None = None,
               calibration: calibration_lib.Calibration | None = None, seed: int = 0):
    self.run, self.settings, self.calibration, self._seed = run, settings or DEFAULT, calibration, seed
    species = len(run.labels.taxonomy)
    self.thresholds = np.tile(detection.UNCHOSEN, (species, 1)) if thresholds is None else np.asarray(thresholds, np.float64)
    # On CPUs one thread of XLA for each window, and one window for each core, gets more done than all threads for one batch.
    on_cpu = jax.default_backend() == 'cpu'
    self._at_once, threads = (1, len(os.sched_getaffinity(0))) if on_cpu else (BATCH, 1)
    self._pool = futures.ThreadPoolExecutor(threads)  # the same threads throughout: each has memory of its own
    self._options = {'xla_cpu_multi_thread_eigen': False} if on_cpu else {}
    self._keys = jnp.broadcast_to(jax.random.key(seed), (self._at_once,))

  @functools.cached_property
  def _compiled(self) -> Callable[..., tuple[jax.Array, ...]]:
    """(params, frozen, audio (at_once, samples, 1), keys (at_once,)) -> scores, maps, spectrogram, features."""
    task = self.run.task
    queries = queries_lib.species_queries(self.run.labels, self.run.config.clip.latent_frames, self.settings.loudness)

    def hear(params, frozen, audio, keys):
      s = task.frontend(audio)  # (B, T, F, 1)
      z0 = task.encode(frozen, s)
      scores, maps = search_lib.search(task, params, z0, keys, queries, self.settings)
      denoiser = noising.Denoiser(task.denoiser(params), task.schedule, task.prediction)
      return scores, maps, s[..., 0], oddity.features(denoiser, z0, queries_lib.nothing(queries), keys)

    audio = jax.ShapeDtypeStruct((self._at_once, self.samples, 1), np.float32)
    return jax.jit(hear, compiler_options=self._options).lower(self.run.params, self.run.frozen, audio, self._keys).compile()

  @property
  def species(self) -> tuple[str, ...]:
    return self.run.labels.taxonomy.codes

  @property
  def samples(self) -> int:
    """Of a window."""
    return self.run.config.clip.samples

  @property
  def sample_rate(self) -> int:
    return self.run.config.clip.sample_rate

  def about(self) -> dict[str, Any]:
    """All that decides a score besides the run, as JSON."""
    clip = self.run.config.clip
    return {'search': json.loads(json.dumps(dataclasses.asdict(self.settings))), 'seed': self._seed,
            'samples': clip.samples, 'sample_rate': clip.sample_rate, 'prepare': list(clip.prepare)}

  def hear(self, audio: np.ndarray) -> Heard:
    """Windows (B, samples, 1), prepared as the training clips were. The same noise for every window: a window's score does not
    depend on the others."""
    padding = np.repeat(audio[-1:], -len(audio) % self._at_once, 0)
    parts = np.split(np.concatenate([audio, padding]), range(self._at_once, len(audio), self._at_once))
    compiled = self._compiled  # here, lest every thread compiles it
    rows = list(self._pool.map(lambda part: jax.device_get(compiled(self.run.params, self.run.frozen, part, self._keys)), parts))
    *heard, features = (np.concatenate(columns)[:len(audio)] for columns in zip(*rows))
    ood = np.full(len(features), np.nan, np.float32) if self.calibration is None else self.calibration.surprise(features)
    return Heard(*heard, features, ood)

  def masks(self, heard: Heard, windows: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Masks (M, T, F) of M pairs of a window and a species, both (M,) indices."""
    return detection.predicted_masks(heard.maps[windows, species], heard.spectrogram[windows], self.thresholds[species])

  def save(self, workdir: str | pathlib.Path) -> None:
    """Stores settings, thresholds and calibration in the work directory."""
    folder = pathlib.Path(workdir) / FOLDER
    folder.mkdir(exist_ok=True)
    self.calibration.save(folder / 'calibration.npz')
    workdir_lib.write_json(folder / 'settings.json', {'settings': self.about(), 'thresholds': self.thresholds.tolist()})


def load(workdir: str | pathlib.Path, calibrated: bool = True) -> Detector:
  """The detector of a work directory.

  Args:
    calibrated: False gives raw scores, with the default settings, where nothing was calibrated.

  Raises:
    ValueError: no diffusion run there; not calibrated, or calibrated for another run.
  """
  run = restore.load(workdir, expect='latent_diffusion')
  folder = pathlib.Path(workdir) / FOLDER
  if not (folder / 'settings.json').is_file():
    if calibrated:
      raise ValueError(f'{workdir} is not calibrated, so a score has no p-value: run python -m tools.calibrate '
                       f'--workdir {workdir}, or ask for raw scores with --uncalibrated')
    return Detector(run)
  stored = json.loads((folder / 'settings.json').read_text())
  about = stored['settings']
  settings = search_lib.Settings(**about['search'])
  detector = Detector(run, settings, np.asarray(stored['thresholds']), seed=about['seed'])
  if calibrated:
    detector.calibration = calibration_lib.load(
        folder / 'calibration.npz', species=detector.species, fingerprint=run.fingerprint, settings=detector.about())
  return detector
