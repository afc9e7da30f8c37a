"""Clips whose birds are known, on a small grid, and a method that hears exactly what it is told."""

import dataclasses

import numpy as np

from data_pipeline.formats.detection import Detection
from sgm.audio.spectrogram import Frontend
from sgm.evaluation import calibration as calibration_lib
from sgm.evaluation import detector_answers, detector_methods
from sgm.evaluation import spans as spans_lib

FRONTEND = Frontend(sample_rate=1000, n_fft=128, hop=50, bands=8, low_hz=50.0, high_hz=450.0, scale='linear',
                    db_range=(-80.0, 0.0))
CODES = ('a', 'b', 'c')
T, F, SECONDS = 40, FRONTEND.bands, 2.0  # frames of 0.05 s


@dataclasses.dataclass
class Told:
  """A rule whose mask is the map itself, where it is above 0."""

  fitted: int = 0

  def fit(self, s, maps, masks):
    self.fitted += len(masks)

  def masks(self, s, maps, species):
    return maps > 0


def truth(clips: int = 60, seed: int = 0) -> detector_answers.Truth:
  """Each species in half of the clips, one event of 0.5 s each, in a band of its own; clips with two or more are mixtures."""
  rng = np.random.default_rng(seed)
  presence = rng.random((clips, len(CODES))) < 0.5
  bird = np.argwhere(presence)
  start = rng.integers(0, T - 10, len(bird))
  masks = np.zeros((len(bird), T, F), bool)
  for mask, (_, species), at in zip(masks, bird, start):
    mask[at:at + 10, 2 * species:2 * species + 3] = True
  edges = FRONTEND.band_edges_hz
  events = [[] for _ in range(clips)]
  for (clip, species), at in zip(bird, start):
    events[clip].append(Boxed(CODES[species], 0.05 * at, 0.05 * at + 0.5, 1.0, '', edges[2 * species], edges[2 * species + 3]))
  return detector_answers.Truth(CODES, presence, spans_lib.of_files(events, CODES), SECONDS, presence.sum(1) >= 2, bird, masks,
                                pairs=((0, 1),))


@dataclasses.dataclass(frozen=True)
class Boxed(Detection):
  low_hz: float = 0.0
  high_hz: float = 0.0


def heard(of: detector_answers.Truth, noise: float, seed: int = 1) -> detector_methods.Heard:
  """Scores are presence and noise; maps the true masks, and for absent species a patch in the corner."""
  rng = np.random.default_rng(seed)
  maps = np.zeros((*of.presence.shape, T, F), np.float32)
  maps[..., :4, :4] = 1
  maps[of.presence] = of.masks
  return detector_methods.Heard(of.presence + noise * rng.normal(size=of.presence.shape), maps)


def method() -> detector_methods.Method:
  return detector_methods.Method('told', lambda audio: None, 7, Told())


def calibrated(scores: np.ndarray, presence: np.ndarray) -> calibration_lib.Calibration:
  return calibration_lib.fit(scores, presence, scores[:, 0], species=CODES, fingerprint='', settings={})


def answers(of: detector_answers.Truth, noise: float, known_noise: float | None = None) -> detector_answers.Answers:
  """Calibrated on clips of its own."""
  known = truth(260, seed=5)
  there = heard(known, noise if known_noise is None else known_noise, seed=6)
  return detector_answers.answers(method(), heard(of, noise), np.zeros((len(of.presence), T, F)), of,
                                  calibrated(there.scores, known.presence), FRONTEND)
