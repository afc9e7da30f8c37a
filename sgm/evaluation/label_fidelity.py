"""Does a generated clip hold the bird that was asked for, when it was asked for? The judge hears the rendered wav."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline.tokenizer import PROMPT_TOKENS
from sgm.evaluation import evaluator as evaluator_lib
from sgm.evaluation import judge as judge_lib
from sgm.evaluation import metrics

CONDITIONS = ('both', 'text', 'roll')
MAX_EVENTS = 32  # of one clip: more than a recording's syllables, once near ones are merged, can fill


def withhold(condition: dict[str, Any], kind: str) -> dict[str, Any]:
  """A condition with the parts that `kind` names: 'both', 'text' (roll unknown) or 'roll' (no text).

  Raises:
    ValueError: `kind` is none of CONDITIONS.
  """
  if kind not in CONDITIONS:
    raise ValueError(f'condition {kind!r} is not known; known: {", ".join(CONDITIONS)}')
  out = dict(condition)
  if kind == 'text':
    out['roll'], out['has_roll'] = jnp.zeros_like(out['roll']), jnp.zeros_like(out['has_roll'])
  if kind == 'roll':
    out['tokens'] = jnp.zeros_like(out['tokens'])
  return out


def one_species(events: np.ndarray, onset: np.ndarray, count: np.ndarray, split: str) -> tuple[np.ndarray, np.ndarray]:
  """The species of each clip, (N,), and the onset of its first event in s, (N,).

  Args:
    events, onset: (N, MAX_EVENTS) species index, -1 = no event, and seconds.
    count: (N,) events of a clip, those left out counted.
    split: for the message.

  Raises:
    ValueError: a clip of several species, of none, or of more events than were read.
  """
  there = events >= 0
  species = events.max(1)
  several = (there & (events != species[:, None])).any(1)
  for wrong, what in ((several, 'several species'), (count == 0, 'no event'), (count > events.shape[1], 'too many events')):
    if wrong.any():
      raise ValueError(f'label_fidelity needs clips of one species each; split {split!r} has {int(wrong.sum())} of '
                       f'{len(count)} with {what}')
  return species, np.where(there, onset, np.inf).min(1)


@dataclasses.dataclass
class LabelFidelity:
  """Generates a clip for every scene of a split of single-species scenes, renders it, lets the judge listen.

  A scene may hold several events of its species; its onset is the first one's. Each scene is generated `repeats` times: a small
  data set has few of them.

  Metrics: top1 (chance 1 / (S + 1): the judge may say 'none'); onset_error_s (median; a miss counts the clip's length);
  diversity (within-class spread of the judge's embeddings over that of the split's real clips: 1 = as varied).
  `details` has per clip: scene (its number), species, onset, choice, error, embedding, spectrogram, audio; and the same scenes' real clips under
  real_choice, real_error, real_embedding.
  """

  context: evaluator_lib.Context
  split: str
  every: int | str
  limit: int
  batch_size: int
  judge: str
  condition: str
  repeats: int
  seed: int

  def __post_init__(self):
    self._judge = judge_lib.Judge(self.judge)
    self._sample = jax.jit(self._generate)
    self._scenes: dict[str, np.ndarray] | None = None
    self.details: dict[str, np.ndarray] = {}
    withhold({'tokens': jnp.zeros(1), 'roll': jnp.zeros(1), 'has_roll': jnp.zeros(1)}, self.condition)  # fail early

  def _generate(self, params, frozen, keys, condition):
    return self.context.task.sample(params, frozen, keys, condition)['spectrogram']

  def scenes(self) -> dict[str, np.ndarray]:
    """The split's conditions and real clips, and what the judge hears in the real ones: read once."""
    if self._scenes is None:
      frames = self.context.config.clip.latent_frames
      ops = (f'prompt({PROMPT_TOKENS})', f'roll({frames})', f'pad_events({MAX_EVENTS})',
             'keep("audio", "tokens", "text", "roll", "event_species", "event_onset", "event_count")')
      rows: dict[str, list[np.ndarray]] = {}
      for batch in self.context.clips(self.split, ops, self.batch_size, self.limit):
        keep = batch.pop('mask') > 0
        for name, value in batch.items():
          rows.setdefault(name, []).append(value[keep])
      d = {name: np.concatenate(column) for name, column in rows.items()}
      d['species'], d['onset'] = one_species(d.pop('event_species'), d.pop('event_onset'), d.pop('event_count'), self.split)
      heard = self._judge.hear(judge_lib.pcm16(d['audio']))
      d['real_choice'], d['real_embedding'] = heard['probability'].argmax(1), heard['embedding']
      d['real_error'] = self._error(heard, d)
      # Each scene `repeats` times: generated anew every time, the real clip counted as often.
      self._scenes = {name: np.repeat(value, self.repeats, 0) for name, value in d.items() if name != 'audio'}
    return self._scenes

  def _error(self, heard: dict[str, np.ndarray], scenes: dict[str, np.ndarray]) -> np.ndarray:
    seconds = self.context.config.clip.seconds
    onset = judge_lib.heard_onset(heard['frame_probability'], scenes['species'], seconds)
    return judge_lib.onset_error(onset, scenes['onset'], seconds)

  def run(self, params: Any, frozen: Any) -> dict[str, tuple[float, float]]:
    scenes, seconds = self.scenes(), self.context.config.clip.seconds
    n, species = len(scenes['tokens']), scenes['species']
    spectrograms = []
    for i in range(0, n, self.batch_size):
      rows = np.minimum(np.arange(i, i + self.batch_size), n - 1)  # the last batch repeats its last row, which is dropped
      keys = jax.vmap(lambda j: jax.random.fold_in(jax.random.key(self.seed), j))(jnp.arange(i, i + self.batch_size))
      condition = {'tokens': scenes['tokens'][rows], 'roll': scenes['roll'][rows], 'has_roll': np.ones(len(rows), np.float32)}
      s = self._sample(params, frozen, keys, withhold(condition, self.condition))
      spectrograms.append(np.asarray(s)[:n - i])
    s = np.concatenate(spectrograms)
    audio = judge_lib.rendered(s, self.context.task.frontend, self.seed)
    heard = self._judge.hear(audio)
    onset = judge_lib.heard_onset(heard['frame_probability'], species, seconds)
    shuffled = np.random.default_rng(self.seed).permutation(n)
    self.details = {
        'species': species, 'onset': scenes['onset'], 'text': scenes['text'],
        'choice': heard['probability'].argmax(1), 'embedding': heard['embedding'], 'heard_onset': onset,
        'error': self._error(heard, scenes),
        'error_shuffled': judge_lib.onset_error(onset, scenes['onset'][shuffled], seconds),
        'spectrogram': s, 'audio': audio, 'scene': np.arange(n) // self.repeats,
        **{name: scenes[name] for name in ('real_choice', 'real_error', 'real_embedding')},
    }
    once = slice(None, None, self.repeats)
    diversity = metrics.within_class_diversity(heard['embedding'], species, scenes['real_embedding'][once], species[once])
    return {
        'top1': evaluator_lib.mean_of(self.details['choice'] == species),
        'top1_real': evaluator_lib.mean_of(scenes['real_choice'] == species),
        'onset_error_s': (float(np.median(self.details['error'])), 1.0),
        'onset_error_s_shuffled': (float(np.median(self.details['error_shuffled'])), 1.0),
        'onset_error_s_real': (float(np.median(scenes['real_error'])), 1.0),
        'diversity': (diversity.value, 1.0),
    }

  def media(self) -> dict[str, dict[str, Any]]:
    """For TensorBoard: the first four generated clips."""
    rate = self.context.config.clip.sample_rate
    images, audio = {}, {}
    for i in range(min(4, len(self.details['audio']))):
      picture = (255 * self.details['spectrogram'][i, :, ::-1, 0].T).astype(np.uint8)  # (F, T)
      images[f'{i}'] = np.repeat(picture[..., None], 3, -1)
      audio[f'{i}'] = (self.details['audio'][i, :, 0], rate)
    return {'images': images, 'audio': audio}
