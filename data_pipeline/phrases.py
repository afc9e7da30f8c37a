"""The words of the prompt grammar: surface forms of every meaning, and the Lexicon that finds them in a text.

Each table maps a meaning to two tuples: the forms that `render` draws from, and further forms that `parse` understands.
"""

from __future__ import annotations

import functools
import re
from typing import Sequence
import unicodedata

from data_pipeline.taxonomy import Taxonomy

Meaning = tuple[tuple[str, object], ...]  # ((slot, value), ...): 'quiet forest' says two things

TIMING = {
    'at the start': (('at the start', 'at the beginning', 'early on'),
                     ('in the beginning', 'from the start', 'at first', 'near the start', 'near the beginning', 'early')),
    'in the middle': (('in the middle', 'halfway through', 'midway'),
                      ('midway through', 'halfway', 'around the middle', 'near the middle')),
    'towards the end': (('towards the end', 'at the end', 'near the end'),
                        ('toward the end', 'in the end', 'late on', 'late', 'at last')),
    'throughout': (('throughout', 'all the time', 'the whole time'),
                   ('all along', 'continuously', 'constantly', 'throughout the clip', 'the entire time', 'all through')),
}
LOUDNESS = {
    'lightly': (('lightly', 'softly', 'quietly', 'faintly'), ('gently', 'weakly', 'in the distance', 'far away')),
    'loudly': (('loudly', 'strongly'), ('very loudly', 'clearly', 'up close')),
}
ADJECTIVE = {'lightly': (('faint', 'soft'), ('light', 'weak', 'distant')), 'loudly': (('loud', 'strong'), ('clear',))}
ENVIRONMENT = {
    'forest': (('forest environment', 'in a forest', 'in the woods', 'woodland'),
               ('forest', 'woods', 'in the forest', 'in a wood', 'in the wood', 'in woodland', 'woodland environment',
                'forest soundscape', 'forest in the background')),
    'wind': (('windy environment', 'wind', 'in the wind', 'wind in the background'),
             ('windy', 'windy weather', 'wind in the trees', 'a windy day', 'strong wind', 'light wind')),
    'rain': (('rainy environment', 'rain', 'in the rain', 'rain in the background'),
             ('rainy', 'raining', 'rainy weather', 'a rainy day', 'light rain', 'heavy rain', 'rainfall')),
    'insects': (('insects in the background', 'insects', 'chirping insects', 'among insects'),
                ('insect environment', 'insect noise', 'insects chirping', 'crickets', 'crickets in the background',
                 'buzzing insects', 'cicadas')),
}
NOISE = {
    'quiet': (('quiet environment', 'quiet background'), ('quiet surroundings', 'silent background', 'no noise', 'little noise',
                                                          'low noise', 'no background noise')),
    'lightly noisy': (('lightly noisy environment', 'slightly noisy environment', 'a little noise'),
                      ('lightly noisy', 'slightly noisy', 'lightly noisy background', 'slightly noisy background',
                       'some noise', 'some background noise', 'light noise', 'a little background noise')),
    'noisy': (('noisy environment', 'noisy background', 'a lot of noise'),
              ('noisy', 'very noisy', 'very noisy environment', 'loud noise', 'loud background noise', 'heavy noise',
               'strong background noise', 'noise', 'background noise')),
}
NEAR = {
    'river': (('near a river', 'by a stream', 'beside a river', 'running water'), ('river', 'stream', 'flowing water')),
    'road': (('near a road', 'by a road', 'distant traffic', 'traffic'), ('road', 'traffic noise', 'traffic in the distance')),
}
VERB = {  # meaning -> (forms for one bird, for several, before 'of', parse only)
    'song': (('singing', 'sings', 'is singing'), ('singing', 'sing', 'are singing'), ('song of', 'the song of', 'songs of'),
             ('song', 'songs', 'in song', 'a song of')),
    'call': (('calling', 'calls', 'is calling'), ('calling', 'call', 'are calling'), ('call of', 'the call of', 'calls of'),
             ('a call of', 'calling out')),
    '': (('can be heard', 'heard'), ('can be heard', 'heard'), (), ('is heard', 'are heard', 'audible', 'present')),
}
NO_BIRDS = (('no birds', 'without birds', 'no birds singing'), ('no bird', 'no birds can be heard', 'no birds calling',
                                                                'without any birds', 'no singing birds', 'birdless'))
COUNTS = ('one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten')
MORE_COUNTS = {'a': 1, 'an': 1, 'single': 1, 'a single': 1, 'a pair of': 2, 'a couple of': 2}
SEPARATORS = (',', ';', '.', ':', '&')
BREAKS = SEPARATORS + ('and', 'while', 'then', 'plus')
FILLERS = ('the', 'is', 'are', 'with', 'there', 'there is', 'there are', 'also', 'just')

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[,;.:&]")
_IRREGULAR = {'goose': 'geese', 'titmouse': 'titmice', 'grouse': 'grouse', 'dunlin': 'dunlin', 'sheep': 'sheep'}


def tokens(text: str) -> list[str]:
  """Lower-case words and separators of a text; other signs are dropped. Hyphens and apostrophes stay inside words."""
  if not text.isascii():
    text = unicodedata.normalize('NFC', text).replace('\u2019', "'").replace('\u2013', '-')
  return _TOKEN.findall(text.lower())


@functools.lru_cache(maxsize=4096)
def plural(name: str) -> str:
  """English plural of a species name: of its last word."""
  head, last = name[:len(name) - len(name.split()[-1])], name.split()[-1]
  lower = last.lower()
  for singular, many in _IRREGULAR.items():
    if lower.endswith(singular):
      return head + last[:len(last) - len(singular)] + (many if lower != singular or last.islower() else many.capitalize())
  if lower.endswith(('s', 'x', 'z', 'ch', 'sh')):
    return name + 'es'
  if lower.endswith('y') and lower[-2:-1] not in tuple('aeiou'):
    return name[:-1] + 'ies'
  return name + 's'


def _grammar() -> dict[tuple[str, ...], Meaning]:
  """Token sequence -> meaning, for all but the species."""
  grammar: dict[tuple[str, ...], Meaning] = {}

  def add(text: str, *meaning: tuple[str, object]):
    if grammar.setdefault(tuple(tokens(text)), meaning) != meaning:
      raise ValueError(f'the phrase {text!r} has two meanings')

  for slot, table in (('timing', TIMING), ('loudness', LOUDNESS), ('loudness', ADJECTIVE), ('environment', ENVIRONMENT),
                      ('noise', NOISE), ('near', NEAR), ('vocalisation', VERB)):
    for value, groups in table.items():
      for form in sum(groups, ()):
        add(form, (slot, value) if (slot, value) != ('vocalisation', '') else ('filler', ''))
  for form in sum(NO_BIRDS, ()):
    add(form, ('none', True))
  for value, nouns in (('river', ('river', 'stream', 'brook', 'creek')), ('road', ('road', 'street', 'highway'))):
    for noun in nouns:
      for where in ('near', 'by', 'beside', 'next to', 'close to', 'along'):
        for article in ('', 'a', 'the'):
          add(f'{where} {article} {noun}', ('near', value))
  for noise, word in (('quiet', 'quiet'), ('lightly noisy', 'lightly noisy'), ('noisy', 'noisy')):
    for place in ('', 'in a '):
      for environment, noun in (('forest', 'forest'), ('forest', 'woodland'), ('forest', 'forest environment')):
        add(f'{place}{word} {noun}', ('noise', noise), ('environment', environment))
      add(f'{"in a " if place else "a "}{word} environment', ('noise', noise))
  for n, word in enumerate(COUNTS, 1):
    add(word, ('count', n))
    add(str(n), ('count', n))
  for word, n in MORE_COUNTS.items():
    add(word, ('count', n))
  for word in BREAKS:
    add(word, ('break', word))
  for word in FILLERS:
    add(word, ('filler', ''))
  return grammar


GRAMMAR = _grammar()


class Lexicon:
  """Every phrase of the grammar and every name of a taxonomy.

  Raises ValueError for a taxonomy whose common names cannot be told from each other or from the grammar's own phrases.
  """

  def __init__(self, taxonomy: Taxonomy):
    self._species = taxonomy.species
    self.entries: dict[tuple[str, ...], Meaning] = dict(GRAMMAR)
    for s in taxonomy.species:  # first what `render` says, so that nothing else can take its place
      for name, meaning in ((s.common, (('species', s.code),)), (s.scientific, (('species', s.code),)),
                            (plural(s.common), (('species', s.code), ('plural', True)))):
        words = tuple(tokens(name))
        if not words and name:
          raise ValueError(f'species {s.code!r}: the name {name!r} holds no word')
        known = self.entries.setdefault(words, meaning)
        if words and known[0] != meaning[0]:
          raise ValueError(f'species {s.code!r}: {name!r} already means {" ".join(map(str, known[0]))!r} in a prompt')
    self.entries.pop((), None)  # of species without a scientific name
    for s in taxonomy.species:  # then what people may write instead
      one, many = (('species', s.code),), (('species', s.code), ('plural', True))
      for name, meaning in ((s.code, one), (s.common + 's', many), (s.common + 'es', many)):
        for words in _spellings(name):
          self.entries.setdefault(words, meaning)
      for name, meaning in ((s.common, one), (plural(s.common), many)):
        for words in _spellings(name):
          self.entries.setdefault(words, meaning)
    self._longest: dict[str, int] = {}
    for words in self.entries:
      self._longest[words[0]] = max(self._longest.get(words[0], 0), len(words))

  def match(self, words: list[str], start: int) -> tuple[Meaning | None, int]:
    """The longest entry that begins at `start`, and how many words it takes: (None, 1) where there is none."""
    for n in range(self._longest.get(words[start], 0), 0, -1):
      meaning = self.entries.get(tuple(words[start:start + n]))
      if meaning is not None:
        return meaning, n
    return None, 1

  def ending_in(self, words: Sequence[str]) -> tuple[str, ...]:
    """Common names, or their plurals, of which `words` are the end and not the whole, in class order."""
    return self._endings.get(tuple(words), ())

  @functools.cached_property
  def _endings(self) -> dict[tuple[str, ...], tuple[str, ...]]:
    """For errors only, and so not built with the rest."""
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for s in self._species:
      for words in (w for name in (s.common, plural(s.common)) for w in _spellings(name)):
        for k in range(1, len(words)):
          found.setdefault(words[k:], {})[s.common] = None
    return {words: tuple(names) for words, names in found.items()}


def _spellings(name: str) -> list[tuple[str, ...]]:
  """Token sequences for a name: as it is, without full stops and the like, with blanks for hyphens."""
  words = tokens(name)
  bare = [w for w in words if w not in SEPARATORS]
  parts = tokens(' '.join(bare).replace('-', ' '))
  if tuple(parts[:1]) in GRAMMAR:  # 'two barred warblers' are two Barred Warblers, not Two-barred ones
    parts = []
  return [tuple(w) for w in (words, bare, parts) if w]


@functools.lru_cache(maxsize=16)
def lexicon(taxonomy: Taxonomy) -> Lexicon:
  """The Lexicon of a taxonomy, built once."""
  return Lexicon(taxonomy)
