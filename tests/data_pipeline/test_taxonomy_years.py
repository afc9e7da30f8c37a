"""Editions of eBird against each other: known splits, lumps and renamings, and what all of 2021 became by 2024."""

import collections
import subprocess
import sys

import pytest

from data_pipeline import taxonomy_years
from data_pipeline.taxonomy import UnknownSpecies, from_ebird
from data_pipeline.taxonomy_years import AmbiguousSpecies, changes, edition, report, resolve


def one(name, old=2021, new=2024):
  [change] = changes([name], old, new)
  return change


def codes(change):
  return [c.species.code for c in change.candidates]


def test_barn_owls():
  assert resolve('Barn Owl', 2021).code == resolve('tyto ALBA', 2021).code == resolve(' BRNOWL ', 2021).code == 'brnowl'
  western = resolve('Tyto alba', 2024)
  assert (western.code, western.common) == ('webowl1', 'Western Barn Owl')
  assert resolve('brnowl', 2024).common == 'American Barn Owl'
  with pytest.raises(AmbiguousSpecies) as error:
    resolve('barn owl', 2024)
  assert {s.code for s in error.value.candidates} == {'webowl1', 'eabowl1', 'brnowl'}
  for text in ('webowl1 Western Barn Owl (Tyto alba)', 'eabowl1 Eastern Barn Owl (Tyto javanica)',
               'brnowl American Barn Owl (Tyto furcata)', 'In 2021, 2022, 2023 it was brnowl Barn Owl (Tyto alba)'):
    assert text in str(error.value)


def test_a_long_list_of_candidates_is_cut():
  with pytest.raises(AmbiguousSpecies, match=r'; and \d+ more$') as error:
    resolve('Owl', 2024)
  assert len(error.value.candidates) > taxonomy_years.LISTED and len(str(error.value)) < 600


def test_unknown_names_tell_of_other_editions():
  with pytest.raises(UnknownSpecies, match=r'nearest: .*In 2021, 2022 it was norgos Northern Goshawk \(Accipiter gentilis\)'):
    resolve('Northern Goshawk', 2024)
  with pytest.raises(UnknownSpecies, match=r'unknown species .zzz.*nearest: [^.]*$'):
    resolve('zzz', 2024)
  with pytest.raises(UnknownSpecies):
    resolve('  ', 2024)
  with pytest.raises(ValueError, match=r'no eBird taxonomy of 1999: expected one of \[2021, 2022, 2023, 2024\]'):
    resolve('Barn Owl', 1999)
  with pytest.raises(ValueError, match='no eBird taxonomy of 2020'):
    changes([], 2021, 2020)


def test_a_code_that_stayed_but_means_less_is_a_split():
  change = one('Barn Owl')
  assert change.fate == 'split' and not change.safe and change.new.common == 'American Barn Owl'
  assert codes(change) == ['webowl1', 'eabowl1'] and change.candidates[0].why == 'same scientific name'
  goshawk = one('norgos')  # its genus changed in the same year, so only the epithet tells
  assert goshawk.fate == 'split' and codes(goshawk) == ['norgos1'] and goshawk.candidates[0].why == 'same epithet'


def test_lumps_name_what_they_went_into():
  for name in ('Common Redpoll', 'Lesser Redpoll', 'Hoary Redpoll'):
    assert (one(name).fate, one(name).new, codes(one(name))) == ('lumped', None, ['redpol1'])
  assert (one('arcbuz1').fate, codes(one('arcbuz1'))) == ('lumped', ['augbuz2'])  # Archer's into Augur Buzzard,
  assert (one('augbuz1').fate, codes(one('augbuz1'))) == ('lumped', ['augbuz2'])  # which has a new code since
  assert (one('ligwoo1').fate, codes(one('ligwoo1'))) == ('lumped', ['grbwoo2'])
  assert one('grbwoo2').fate == 'lumped'  # the code stayed and took over the other's scientific name


def test_renamings_keep_the_code():
  change = one('Crested Goshawk')
  assert change.fate == 'renamed' and change.safe and not change.candidates
  assert (change.old.scientific, change.new.scientific) == ('Accipiter trivirgatus', 'Lophospiza trivirgata')
  swapped = one('sthcra1')  # two extinct rails exchanged their common names
  assert swapped.fate == 'renamed' and [(c.species.code, c.why) for c in swapped.candidates] == [('sthrai1', 'same common name')]
  assert one('Eurasian Blackbird').fate == 'same'


def test_all_of_2021_in_2024():
  old, new = edition(2021), edition(2024)
  found = changes(old.codes, 2021, 2024)
  assert [c.asked for c in found] == list(old.codes) == [c.old.code for c in found]
  gone = [c for c in found if c.new is None]
  kept = [c for c in found if c.new is not None]
  assert len(gone) == 238 and sum(c.new.scientific != c.old.scientific for c in kept) == 477
  assert sum(c.new.common != c.old.common for c in kept) == 304
  assert collections.Counter(c.fate for c in found).keys() == set(taxonomy_years.FATES)
  for c in found:
    assert (c.fate == 'same') == (c.new == c.old)
    assert c.new is None or c.new.code == c.old.code
    assert c.fate != 'gone' or c.new is None
    assert all(k.species == new.species[new.index(k.species.code)] and k.species != c.new for k in c.candidates)
  # Wherever a name lives on under another code, that code is among the candidates.
  scientific, common = ({getattr(s, field): s.code for s in new.species} for field in ('scientific', 'common'))
  for c in found:
    for code in (scientific.get(c.old.scientific), common.get(c.old.common)):
      assert code in (None, c.old.code, *codes(c)), c


@pytest.mark.parametrize('old, new', [(2021, 2021), (2024, 2021), (2022, 2023)])
def test_any_two_editions(old, new):
  found = changes(edition(old).codes[::7], old, new)
  assert (old != new) == any(c.fate != 'same' for c in found)
  assert all(c.safe or c.candidates or c.fate == 'gone' or c.new for c in found)


def test_backwards_a_split_is_a_lump():
  assert one('American Barn Owl', 2024, 2021).fate == 'lumped'
  assert (one('webowl1', 2024, 2021).fate, codes(one('webowl1', 2024, 2021))) == ('lumped', ['brnowl'])
  assert one('redpol1', 2024, 2021).fate == 'split'


def test_report():
  lines = report(changes(['Barn Owl', 'Crested Goshawk', 'Eurasian Blackbird', 'comred'], 2021, 2024))
  assert lines[0] == '4 names: 1 same, 1 renamed, 1 split, 1 lumped, 0 gone'
  assert lines[1].startswith('renamed: cregos1 Crested Goshawk (Accipiter trivirgatus): the code now names Crested Goshawk (Loph')
  assert lines[2] == (
      'split: brnowl Barn Owl (Tyto alba): the code now names American Barn Owl (Tyto furcata); may be webowl1 Western Barn Owl '
      '(Tyto alba): same scientific name; eabowl1 Eastern Barn Owl (Tyto javanica): new code, carries the old common name')
  assert lines[3].startswith('lumped: comred') and 'the code is gone; may be redpol1' in lines[3] and len(lines) == 4
  assert report([]) == ['0 names: 0 same, 0 renamed, 0 split, 0 lumped, 0 gone']


def test_agrees_with_the_taxonomy_of_a_data_set():
  assert from_ebird(['webowl1'], 2024).species[0] == resolve('Western Barn Owl', 2024)


def test_pandas_is_loaded_only_when_asked():
  code = "import sys; from data_pipeline import taxonomy_years; sys.exit('pandas' in sys.modules or 'tensorflow' in sys.modules)"
  assert subprocess.run([sys.executable, '-c', code]).returncode == 0
