"""The diffusion model as a detector: whose presence explains the noise best, and where? (DESIGN: DiffEdit as a detector.)"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from sgm.audio import masks as masks_lib
from sgm.diffusion import map_reading
from sgm.evaluation import band_energy
from sgm.evaluation import evaluator as evaluator_lib
from sgm.evaluation import metrics
from sgm.evaluation import queries as queries_lib
from sgm.evaluation import search as search_lib

MAX_EVENTS = 4
# Candidates for a mask's two thresholds: the map as a fraction of the map's maximum, and S above its band's floor.
FRACTIONS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
CONTRASTS = (0.06, 0.08, 0.1, 0.12, 0.15, 0.18)
SMOOTHING = (0.5, 0.4)  # of maps, standard deviation in latent cells of time and frequency
UNCHOSEN = (0.1, 0.12)  # where no true masks are there to choose by


@dataclasses.dataclass
class Detection:
  """Presence and masks on a split of mixtures, beside band-energy baselines fitted on `fit_split`.

  Metrics: presence_auroc (macro; chance 0.5), top1 (the highest score is one of the birds), mask_iou (mean over the birds
  present, with thresholds per species chosen on `threshold_split`), and the same of the baselines: presence_auroc_band_energy,
  mask_iou_band_energy; presence_auroc_shuffled (scores against other clips' labels). `details` has the arrays. Splits that
  store no stems (recordings) have no true masks: the mask metrics, and 'masks', 'iou*' of `details`, are then absent.
  """

  context: evaluator_lib.Context
  split: str
  every: int | str
  limit: int
  batch_size: int
  search: dict[str, Any]
  fit_split: str
  fit_limit: int
  threshold_split: str
  threshold_limit: int
  floor_db: float
  seed: int

  def __post_init__(self):
    settings = search_lib.Settings(**self.search)
    queries = queries_lib.species_queries(self.context.labels, self.context.config.clip.latent_frames, settings.loudness)
    task = self.context.task
    self._detect = jax.jit(lambda p, f, s, k: search_lib.search(task, p, task.encode(f, s), k, queries, settings))
    self._read: dict[tuple[str, int, bool], dict[str, np.ndarray]] = {}
    self.details: dict[str, np.ndarray] = {}

  def clips(self, split: str, limit: int, stems: bool) -> dict[str, np.ndarray]:
    """'audio', 'spectrogram' (N, T, F), 'presence' (N, S), and with stems, where they are stored, 'masks' (N, S, T, F): read once."""
    if (split, limit, stems) not in self._read:
      frontend = self.context.task.frontend
      classes = len(self.context.labels.taxonomy)
      names = ('audio', 'label') + (('event_species', 'stems') if stems else ())
      ops = ('label', f'pad_events({MAX_EVENTS})', f'keep({", ".join(map(repr, names))})')
      rows: dict[str, list[np.ndarray]] = {}
      compute = jax.jit(frontend)
      unknown = False
      for batch in self.context.clips(split, ops, self.batch_size, limit):
        keep = batch.pop('mask') > 0
        out = {'audio': batch['audio'], 'spectrogram': np.asarray(compute(batch['audio']))[..., 0],
               'presence': batch['label'][:, :-1]}
        if stems:
          unknown |= bool(np.isnan(batch['stems']).any())  # NaN: a stem that is not stored
          events = np.asarray(masks_lib.audible_masks(batch['stems'], batch['audio'], frontend, self.floor_db))
          out['masks'] = np.zeros((len(keep), classes, *events.shape[2:]), bool)
          for e in range(MAX_EVENTS):
            for b in np.flatnonzero(batch['event_species'][:, e] >= 0):
              out['masks'][b, batch['event_species'][b, e]] |= events[b, e]
        for name, value in out.items():
          rows.setdefault(name, []).append(value[keep])
      if unknown:
        del rows['masks']
      self._read[split, limit, stems] = {name: np.concatenate(column) for name, column in rows.items()}
    return self._read[split, limit, stems]

  def scores(self, params: Any, frozen: Any, clips: dict[str, np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Presence scores (N, S) and maps (N, S, T', F') of clips."""
    scores, maps = [], []
    n = len(clips['spectrogram'])
    for i in range(0, n, self.batch_size):
      rows = np.minimum(np.arange(i, i + self.batch_size), n - 1)
      keys = jax.vmap(lambda j: jax.random.fold_in(jax.random.key(seed), j))(jnp.arange(i, i + self.batch_size))
      score, each = self._detect(params, frozen, clips['spectrogram'][rows][..., None], keys)
      scores.append(np.asarray(score)[:n - i])
      maps.append(np.asarray(each)[:n - i])
    return np.concatenate(scores), np.concatenate(maps)

  def run(self, params: Any, frozen: Any) -> dict[str, tuple[float, float]]:
    train = self.clips(self.fit_split, self.fit_limit, stems=False)
    held = self.clips(self.threshold_split, self.threshold_limit, stems=True)
    test = self.clips(self.split, self.limit, stems=True)
    scores, maps = self.scores(params, frozen, test, self.seed)
    presence = test['presence']
    band_scores = band_energy.BandEnergyRegression().fit(train['spectrogram'], train['presence']).scores(test['spectrogram'])
    shuffled = presence[np.random.default_rng(self.seed).permutation(len(presence))]
    top1 = presence[np.arange(len(scores)), scores.argmax(1)]
    self.details = {'scores': scores, 'maps': maps, 'presence': presence, 'band_scores': band_scores, 'shuffled': shuffled,
                    'top1': top1, 'thresholds': np.tile(UNCHOSEN, (presence.shape[1], 1)),
                    'spectrogram': test['spectrogram'], 'audio': test['audio']}
    sums = {
        'presence_auroc': (metrics.macro_auroc(scores, presence).value, 1.0),
        'presence_auroc_band_energy': (metrics.macro_auroc(band_scores, presence).value, 1.0),
        'presence_auroc_shuffled': (metrics.macro_auroc(scores, shuffled).value, 1.0),
        'top1': evaluator_lib.mean_of(top1),
    }
    if 'masks' in test and 'masks' in held:
      self._run_masks(params, frozen, test, held)
      sums |= {'mask_iou': evaluator_lib.mean_of(self.details['iou']),
               'mask_iou_band_energy': evaluator_lib.mean_of(self.details['band_iou'])}
    return sums

  def _run_masks(self, params: Any, frozen: Any, test: dict[str, np.ndarray], held: dict[str, np.ndarray]) -> None:
    """Adds the masks' part of `details`; threshold and baseline are chosen on `held`."""
    _, held_maps = self.scores(params, frozen, held, self.seed + 1)
    thresholds = choose_thresholds(held, held_maps)  # (S, 2)
    clip, species, iou = _ious(test, self.details['maps'], thresholds)
    held_clip, held_species = np.nonzero(held['masks'].any((2, 3)))
    band_masks = band_energy.BandEnergyMask().fit(
        held['spectrogram'][held_clip], held['masks'][held_clip, held_species], held_species, held['masks'].shape[1])
    band_iou = metrics.mask_iou(band_masks.predict(test['spectrogram'][clip], species), test['masks'][clip, species])
    self.details |= {'masks': test['masks'], 'thresholds': thresholds, 'iou': iou, 'band_iou': band_iou,
                     'iou_clip': clip, 'iou_species': species}


def _ious(clips: dict[str, np.ndarray], maps: np.ndarray, thresholds: np.ndarray):
  """Clip and species index and IoU of every audible bird, (M,) each; thresholds (S, 2)."""
  clip, species = np.nonzero(clips['masks'].any((2, 3)))
  predicted = predicted_masks(maps[clip, species], clips['spectrogram'][clip], thresholds[species])
  return clip, species, metrics.mask_iou(predicted, clips['masks'][clip, species])


def choose_thresholds(clips: dict[str, np.ndarray], maps: np.ndarray) -> np.ndarray:
  """(S, 2): for every species the candidates with the best mean IoU over its birds.

  All birds together count as one more bird of each species, which settles ties and those that are rare or not there.
  """
  classes = maps.shape[1]
  candidates = np.array(list(itertools.product(FRACTIONS, CONTRASTS)))  # (K, 2)
  means = np.zeros((len(candidates), classes))
  for k, pair in enumerate(candidates):
    _, species, iou = _ious(clips, maps, np.broadcast_to(pair, (classes, 2)))
    count = np.bincount(species, minlength=classes)
    means[k] = (np.bincount(species, iou, classes) + iou.mean()) / (count + 1)
  return candidates[means.argmax(0)]


def predicted_masks(maps: np.ndarray, s: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
  """Gain maps (M, T', F'), spectrograms S (M, T, F) and thresholds (M, 2) -> masks (M, T, F).

  A single cell's gain is a noisy estimate, so the map is smoothed first. A latent cell is 8 x 8 cells wide, a whistle one: the
  map says which region, the sound itself which cells of it. A cell is marked where the gain reaches the first threshold's
  share of its maximum and S stands the second above its band's floor (`band_energy.above_floor`, which the baseline may use too).
  """
  fraction, contrast = np.moveaxis(thresholds[:, :, None, None], 1, 0)  # (M, 1, 1) each
  smooth = ndimage.gaussian_filter(maps, (0, *SMOOTHING), mode='nearest')
  up = map_reading.upsample_map(jnp.asarray(smooth), s.shape[1:])
  return np.asarray(map_reading.threshold_map(up, fraction)) & (band_energy.above_floor(s) >= contrast)


def pair_auroc(scores: np.ndarray, presence: np.ndarray, pairs: Sequence[tuple[int, int]]) -> float:
  """Can two species be told apart? Over clips that hold exactly one of a pair, the AUROC of score_a - score_b for a.

  The macro AUROC over classes hides confusion: most clips that lack a species lack its double too. Chance: 0.5.

  Args:
    scores, presence: (N, S).
    pairs: class indices.

  Returns:
    The mean over the pairs that have clips of both kinds; nan when none has.
  """
  values = []
  for a, b in pairs:
    one = presence[:, a] != presence[:, b]
    difference = (scores[:, a] - scores[:, b])[one, None]
    values.append(metrics.macro_auroc(difference, presence[one, a, None]).value if one.any() else np.nan)
  known = [v for v in values if np.isfinite(v)]
  return float(np.mean(known)) if known else float('nan')
