"""Prompts: `render` says a Scene in words, `parse` reads them back: `parse(render(s, rng, tax), tax) == project(s)`.

  Forest environment, a Barn owl singing lightly at the start, near a river, two Black grouse calling throughout

A prompt is a list of clauses, parted by commas or "and", in any order; phrases.py has the words. `parse` knows a species by
common name, scientific name or code; `render` says the common name only. Whatever either knows, `tokenizer.from_grammar` has a
token for, but a model has met the words of `render` alone: what it is told is rendered anew from what was parsed.
"""

from __future__ import annotations

import functools
from typing import Sequence

import numpy as np

from data_pipeline import phrases
from data_pipeline import taxonomy as taxonomy_lib
from data_pipeline.description import (  # what a prompt means is part of this module's face
    LOUDNESSES, MAX_COUNT, TIMINGS, DescribedEvent, Description, project, realise)
from data_pipeline.phrases import lexicon, plural
from data_pipeline.scene import Scene
from data_pipeline.taxonomy import Species, Taxonomy, closest

__all__ = ['LOUDNESSES', 'MAX_COUNT', 'TIMINGS', 'DescribedEvent', 'Description', 'PromptError', 'parse', 'project', 'realise',
           'render']

LISTED = 8  # of many candidates an error names so many
_EVENT_SLOTS = ('vocalisation', 'timing', 'loudness')
_SCENE_SLOTS = ('environment', 'noise', 'near')


class PromptError(ValueError):
  """A prompt that cannot be understood; the message names the phrase and the nearest ones that can."""


class _Draws:
  """Uniform draws from one block: a call of the generator costs more than the words it picks."""

  def __init__(self, rng: np.random.Generator, size: int):
    self._values = iter(rng.random(size).tolist())

  def pick(self, options: Sequence) -> object:
    return options[int(next(self._values) * len(options))]

  def uniform(self) -> float:
    return next(self._values)


def render(scene: Scene | Description, rng: np.random.Generator, taxonomy: Taxonomy) -> str:
  """Says a scene in words that the generator picks: the order of the clauses and each surface form are random.

  Args:
    scene: a Scene (its `project` is said) or a Description; what is '' in it stays unsaid.
    rng: source of the choices.
    taxonomy: of the species codes.

  Raises:
    UnknownSpecies: a code that the taxonomy lacks.
  """
  description = project(scene) if isinstance(scene, Scene) else scene
  draws = _Draws(rng, 16 + 12 * len(description.events))
  clauses = [_event(e, taxonomy.species[taxonomy.index(e.species)], draws) for e in description.events]
  if not clauses:
    clauses.append(draws.pick(phrases.NO_BIRDS[0]))
  for slot, table in (('environment', phrases.ENVIRONMENT), ('noise', phrases.NOISE), ('near', phrases.NEAR)):
    value = getattr(description, slot)
    if value:
      clauses.append(draws.pick(table[value][0]))
  order = [clause for _, clause in sorted((draws.uniform(), clause) for clause in clauses)]
  last = draws.pick((', ', ', ', ' and ')).join(order[-2:])
  text = ', '.join([*order[:-2], last])
  return text[0].upper() + text[1:]


def article_of(name: str) -> str:
  """'a' or 'an', as a species name wants it."""
  return 'an' if name[0] in 'AEIOUaeiou' and not name.lower().startswith(('eu', 'uni')) else 'a'


def _event(event: DescribedEvent, species: Species, draws: _Draws) -> str:
  """One event in words, without separators."""
  if event.count > 1:
    who = f'{phrases.COUNTS[event.count - 1]} {plural(species.common)}'
  else:
    article = article_of(species.common)
    who = f'{draws.pick((article, article, article, "one"))} {species.common}'
  one, many, noun, _ = phrases.VERB[event.vocalisation]
  timing = draws.pick(phrases.TIMING[event.timing][0]) if event.timing else ''
  order = draws.uniform()
  if noun and order < 0.2:
    adjective = draws.pick(phrases.ADJECTIVE[event.loudness][0]) if event.loudness else ''
    # 'the loud song of': the article comes before the adjective
    of = draws.pick(noun)
    parts = ('the', adjective, of[4:], who, timing) if of.startswith('the ') else (adjective, of, who, timing)
  else:
    verb = draws.pick(many if event.count > 1 else one)
    loudness = draws.pick(phrases.LOUDNESS[event.loudness][0]) if event.loudness else ''
    if order < 0.7:
      parts = (who, verb, loudness, timing)
    elif order < 0.85:
      parts = (who, loudness, verb, timing)
    else:
      parts = (timing, who, verb, loudness)
  return ' '.join(part for part in parts if part)


def parse(text: str, taxonomy: Taxonomy) -> Description:
  """Reads a prompt. Case, order of clauses and most small words do not matter; what is not said is ''.

  Raises:
    PromptError: a phrase that is neither in the grammar nor a name of the taxonomy, with the nearest ones, or those that end in
      it (a 'barn owl' may be several), and what it is called by eBird; two environments, two timings of one event and the
      like; an attribute without a bird; an empty text.
  """
  words = phrases.tokens(text)
  if all(word in phrases.BREAKS for word in words):
    raise PromptError(f'the prompt {text!r} is empty: say at least "no birds"')
  known = lexicon(taxonomy)
  reader = _Reader(text)
  i = 0
  while i < len(words):
    meaning, n = known.match(words, i)
    if meaning is None:
      end = i + 1
      while end < len(words) and known.match(words, end)[0] is None:
        end += 1
      raise _unknown(words, i, end, taxonomy)
    reader.read(meaning, ' '.join(words[i:i + n]))
    i += n
  return reader.description()


class _Reader:
  """Gathers the meanings of a prompt, clause by clause."""

  def __init__(self, text: str):
    self._text = text
    self._scene: dict[str, str] = {}
    self._events: list[dict] = []
    self._clause: dict = {}
    self._ahead: dict = {}  # attributes said before their bird: 'at the start, a Glass pipit'
    self._none = False
    self._article = False  # the last word was an article

  def read(self, meaning: phrases.Meaning, said: str):
    for slot, value in meaning:
      if slot == 'break':
        self._end_clause()
      elif slot == 'none':
        self._none = True
      elif slot in _SCENE_SLOTS:
        if self._article:  # 'a quiet forest' counts no birds
          del self._clause['count']
          self._article = False
        if self._scene.setdefault(slot, value) != value:
          raise PromptError(f'{said!r} contradicts the {slot} {self._scene[slot]!r} in {self._text!r}')
      elif slot == 'plural':
        self._clause.setdefault('count', 2)  # 'Glass pipits calling'
      elif slot != 'filler':
        if slot in ('species', 'count') and 'species' in self._clause:
          self._end_clause()
        if slot in self._clause:
          raise PromptError(f'{said!r} is a second {slot} beside {self._clause[slot]!r} in {self._text!r}')
        self._clause[slot] = value
    self._article = said in ('a', 'an') and 'count' in self._clause

  def _end_clause(self):
    clause, self._clause = self._clause, {}
    if 'species' in clause:
      twice = sorted(clause.keys() & self._ahead.keys())
      if twice:
        raise PromptError(f'{self._ahead[twice[0]]!r} belongs to no bird in {self._text!r}')
      self._events.append({**self._ahead, **clause})
      self._ahead = {}
    elif clause:
      # An attribute between commas belongs to the bird before it, or, where that has one already, to the next.
      before = self._events and 'count' not in clause and not clause.keys() & self._events[-1].keys()
      target = self._events[-1] if before else self._ahead
      if clause.keys() & target.keys():
        raise PromptError(f'{next(iter(clause.values()))!r} belongs to no bird in {self._text!r}')
      target.update(clause)

  def description(self) -> Description:
    self._end_clause()
    if self._ahead:
      raise PromptError(f'{next(iter(self._ahead.values()))!r} belongs to no bird in {self._text!r}')
    if self._none and self._events:
      raise PromptError(f'{self._text!r} says that there are no birds, and names some')
    events = tuple(DescribedEvent(e['species'], *(e.get(slot, '') for slot in _EVENT_SLOTS), e.get('count', 1))
                   for e in self._events)
    return Description(events, *(self._scene.get(slot, '') for slot in _SCENE_SLOTS))


def _unknown(words: list[str], start: int, end: int, taxonomy: Taxonomy) -> PromptError:
  """The error for the words [start, end), which mean nothing."""
  first, last = start, end
  while first > 0 and words[first - 1] not in phrases.BREAKS:
    first -= 1
  while last < len(words) and words[last] not in phrases.BREAKS:
    last += 1
  phrase, clause = ' '.join(words[start:end]), ' '.join(words[first:last])
  # A name may begin or end with a word of the grammar: of 'a song thrush' only 'thrush' means nothing.
  spans = [tuple(words[a:b]) for a in range(first, end) for b in range(max(a, start) + 1, last + 1)]
  length, real = _real_bird(sorted(spans, key=len, reverse=True), taxonomy)
  message = f'unknown phrase {phrase!r} in {clause!r}{real}'
  # 'thrush' is short for 'Tumble thrush', but not where a song thrush was asked for.
  full = lexicon(taxonomy).ending_in(words[start:end]) if length <= end - start else ()
  if full:
    more = f', and {len(full) - LISTED} more' if len(full) > LISTED else ''
    return PromptError(f'{message}; give the full name: {", ".join(full[:LISTED])}{more}')
  forms = [' '.join(form) for form in phrases.GRAMMAR if form[0] not in phrases.BREAKS]
  similar = closest(phrase, forms, cutoff=0.5)
  return PromptError(f'{message}; nearest species: {", ".join(taxonomy.nearest(phrase))}'
                     + (f'; nearest phrases: {", ".join(similar)}' if similar else ''))


def _real_bird(spans: Sequence[tuple[str, ...]], taxonomy: Taxonomy) -> tuple[int, str]:
  """The words in the first of `spans` that is a name of eBird's, and that in words, as part of a message; (0, '') for none.

  The edition of the taxonomy goes first, then the newest. Reading them needs pandas: for errors only.
  """
  years = sorted(taxonomy_lib.editions(), key=lambda year: (year != taxonomy.year, -year))
  for span, year in ((span, year) for span in spans for year in years if span in _ebird_names(year)):
    real = _ebird_names(year)[span]
    edition = f'{taxonomy.name} {taxonomy.year}' if taxonomy.year else taxonomy.name
    names = {name.lower() for name in real.names}
    akin = ''.join(f', where {_spelled(s)} shares a name with it' for s in taxonomy.species
                   if names & {name.lower() for name in s.names})
    return len(span), (f'; {" ".join(span)!r} is {_spelled(real)} of eBird {year}, not among the {len(taxonomy)} species of '
                       f'{edition!r}{akin}')
  return 0, ''


@functools.lru_cache(maxsize=None)
def _ebird_names(year: int) -> dict[tuple[str, ...], Species]:
  """The birds of an edition by their names in tokens: code, common name and its plural, scientific name."""
  return {tuple(phrases.tokens(name)): s for s in taxonomy_lib.edition(year).species for name in (*s.names, plural(s.common))}


def _spelled(s: Species) -> str:
  return f'{s.common} ({", ".join(filter(None, (s.code, s.scientific)))})'
