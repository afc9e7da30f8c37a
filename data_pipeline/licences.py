"""Licences of recordings: what a URL or a phrase says, and what may be done with a data set of several.

Classes are those of Creative Commons, and 'unknown' for everything else: licences of software (MIT, BSD, GPL) that a
recording was shipped with do not say what holds for the sound, and "all rights reserved" or silence permits nothing.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import io
import re
from typing import Iterable

from data_pipeline.formats import files

CLASSES = ('pd', 'by', 'by-sa', 'by-nc', 'by-nc-sa', 'by-nd', 'by-nc-nd', 'unknown')
ATTRIBUTION_COLUMNS = ('path', 'species', 'recordist', 'licence', 'class', 'source url')

_GAP = r'[\s_/-]*'
_VERSION = r'(?:[\s_/(-]*v?(?:ersion )?(?P<version>\d\.\d))?'
_LONG = rf'(?:non{_GAP}commercial|no{_GAP}deriv(?:ative|ate)?s?(?:{_GAP}works)?|share{_GAP}alike)'
# Nothing may follow that would restrict further: 'CC BY-Noncommercial' read as far as 'CC BY' would permit too much.
_END = rf'(?![a-z+]|[-_][a-z]|{_GAP}(?:non|no|share|nc|nd|sa))'
_PATTERNS = tuple(re.compile(p) for p in (
    rf'(?:\bcc\)?{_GAP}|creative{_GAP}commons{_GAP}|licenses/)(?P<clauses>by(?:{_GAP}(?:nc|nd|sa))*){_END}{_VERSION}',
    rf'(?<![a-z/])(?P<clauses>by(?:[-_](?:nc|nd|sa))+){_END}{_VERSION}',
    rf'^(?P<clauses>by){_VERSION}$',
    rf'(?:creative{_GAP}commons,?{_GAP}|\bcc{_GAP})(?P<clauses>attribution(?:{_GAP}{_LONG})*){_END}{_VERSION}',
    rf'^(?P<clauses>attribution(?:{_GAP}{_LONG})*){_VERSION}(?: international| unported| generic)?(?: licen[sc]e)?$',
    rf'(?:\bcc{_GAP}(?:0|zero)|creative{_GAP}commons{_GAP}(?:0|zero)|publicdomain/(?:zero|mark)|cc-pddc|\bpddl|'
    rf'\bpublic{_GAP}domain)(?P<clauses>)(?![a-z0-9.]){_VERSION}'))
_DENIED = re.compile(r'\b(?:not|no|non)\b[\w\s-]{0,12}public[\s-]*domain|all rights reserved')

@dataclasses.dataclass(frozen=True)
class Licence:
  """What a text says: `kind`, one of CLASSES, and `version` such as '4.0', '' where none is given."""

  kind: str
  version: str = ''

  @property
  def commercial(self) -> bool:
    """Whether commercial use is permitted; an unknown licence permits nothing."""
    return self.kind != 'unknown' and 'nc' not in self.kind

  @property
  def derivatives(self) -> bool:
    """Whether changed versions may be shared; an unknown licence permits nothing."""
    return self.kind != 'unknown' and 'nd' not in self.kind

  @property
  def forbids_derivatives(self) -> bool:
    """Whether the licence says so itself (nd), rather than being unknown."""
    return 'nd' in self.kind.split('-')

  @property
  def share_alike(self) -> bool:
    return 'sa' in self.kind

  @property
  def attribution(self) -> bool:
    """Whether the recordist must be named (the public domain only asks for it)."""
    return self.kind.startswith('by')


def parse(text: str | None) -> Licence:
  """The licence that a URL, an SPDX name or a phrase speaks of.

  A text that speaks of two different ones, such as 'CC BY; photos CC BY-ND', is 'unknown': nobody can tell which holds.
  """
  line = ' '.join((text or '').lower().replace('\u2010', '-').replace('\u2011', '-').replace('\u2013', '-').split())
  found: dict[str, str] = {}
  for pattern in _PATTERNS:
    for match in pattern.finditer(line):
      kind = _kind(match['clauses'])
      found[kind] = found.get(kind) or match['version'] or ''
  if len(found) != 1 or _DENIED.search(line):
    return Licence('unknown')
  [(kind, version)] = found.items()
  return Licence(kind, version if kind != 'unknown' else '')


def _kind(clauses: str) -> str:
  """'by-nc-sa' of 'by_sa-nc' or of 'attribution noncommercial share alike', 'pd' of ''."""
  if not clauses:
    return 'pd'
  letters = re.sub(r'[^a-z]', '', clauses)
  marks = [m for m, word in (('nc', 'noncommercial'), ('sa', 'sharealike'), ('nd', 'noderiv'))
           if (word in letters if letters.startswith('attribution') else m in re.findall('..', letters))]
  kind = '-'.join(['by', *marks])
  return kind if kind in CLASSES else 'unknown'  # sa and nd exclude each other


def allows_derivatives(text: str | None) -> bool:
  """Whether mixing, cutting and learning to generate from a recording may be shared: neither nd nor unknown."""
  return parse(text).derivatives


@dataclasses.dataclass(frozen=True)
class Terms:
  """What may be done with a data set made of several recordings: what all its licences permit.

  Attributes:
    counts: class -> recordings, in the order of CLASSES; only those that occur.
    conflict: whether licences exclude each other in one work: share-alike ones demand different terms.
  """

  counts: dict[str, int]
  conflict: bool

  @property
  def commercial(self) -> bool:
    return bool(self.counts) and all(Licence(k).commercial for k in self.counts)

  @property
  def derivatives(self) -> bool:
    return bool(self.counts) and all(Licence(k).derivatives for k in self.counts)

  @property
  def share_alike(self) -> bool:
    return any(Licence(k).share_alike for k in self.counts)

  @property
  def attribution(self) -> bool:
    return any(Licence(k).attribution for k in self.counts)

  @property
  def statement(self) -> str:
    """One line that says all of it."""
    if not self.counts:
      return 'no recordings'
    count = lambda test: sum(n for k, n in self.counts.items() if test(k))
    total, nc, nd = count(lambda k: True), count(lambda k: 'nc' in k), count(lambda k: 'nd' in k)
    parts = ['commercial use ' + ('permitted' if self.commercial else f'not permitted ({nc} nc)' if nc else 'not established'),
             'derivatives ' + ('permitted' if self.derivatives else f'not permitted ({nd} nd)' if nd else 'not established')]
    if self.share_alike:
      parts.append(f'derivatives must be shared alike ({count(lambda k: Licence(k).share_alike)} sa)')
    if self.conflict:
      parts.append('by-sa and nc recordings cannot go into one shared work')
    parts.append('recordists must be named' if self.attribution else 'no names demanded')
    if 'unknown' in self.counts:
      parts.append(f'{self.counts["unknown"]} of unknown licence permit nothing until they are cleared')
    return f'{total} recording{"s" * (total > 1)}: {"; ".join(parts)}'


def terms(texts: Iterable[str | None]) -> Terms:
  """The terms of a data set from the licences of its recordings, one text for each."""
  kinds = collections.Counter(parse(t).kind for t in texts)
  counts = {k: kinds[k] for k in CLASSES if kinds[k]}
  return Terms(counts, 'by-sa' in counts and any('nc' in k for k in counts))


@dataclasses.dataclass(frozen=True)
class Attribution:
  """Whom to thank for one file; '' = not known."""

  path: str
  species: str
  recordist: str
  licence: str
  url: str = ''


def attribution_csv(rows: Iterable[Attribution]) -> str:
  """ATTRIBUTION.csv as text: one row for each file, in the order given, under ATTRIBUTION_COLUMNS."""
  text = io.StringIO(newline='')
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(ATTRIBUTION_COLUMNS)
  writer.writerows([r.path, r.species, r.recordist, r.licence or 'unknown', parse(r.licence).kind, r.url] for r in rows)
  return text.getvalue()


def write_attribution(path: files.Path, rows: Iterable[Attribution]) -> None:
  """Writes ATTRIBUTION.csv, whole or not at all."""
  files.write_text(path, attribution_csv(rows))
