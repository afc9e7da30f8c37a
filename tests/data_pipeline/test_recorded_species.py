"""What names in a collection mean: by code, scientific and common name, of one edition, and never by a guess."""

import dataclasses
import pathlib

import pytest

from data_pipeline import recorded_species
from data_pipeline.recording import Recording
from data_pipeline.scene import Event


def of(*names, year=2024):
  recordings = [Recording(pathlib.Path(f'{i}.wav'), f'{i}.wav', **n) for i, n in enumerate(names)]
  return recorded_species.of(recordings, year), recordings


def test_any_name_will_do():
  found, recordings = of(dict(common='great tit'), dict(scientific='Parus major'), dict(code='gretit1'), dict(common='gretit1'))
  assert found.taxonomy.codes == ('gretit1',) and (found.taxonomy.name, found.taxonomy.year) == ('eBird', 2024)
  assert {found.code_of[r.species] for r in recordings} == {'gretit1'} and not found.notes and not found.refused


def test_a_rename_is_told():
  found, [r] = of(dict(common='Barn Owl', scientific='Tyto alba'))
  assert found.code_of[r.species] == 'webowl1'
  assert found.notes == ('Barn Owl: taken for Western Barn Owl (Tyto alba, webowl1) of eBird 2024',)
  found, [r] = of(dict(common='Barn Owl', scientific='Tyto alba'), year=2021)
  assert found.code_of[r.species] == 'brnowl' and not found.notes


def test_an_ambiguous_name_lists_the_candidates():
  found, [r] = of(dict(common='Barn Owl'))
  assert r.species not in found.code_of and not len(found.taxonomy)
  assert 'webowl1' in found.refused[r.species] and 'brnowl' in found.refused[r.species]


def test_a_name_of_another_edition_is_not_taken_over():
  # The code is of 2021 alone, and who has it now is for a person to say.
  from data_pipeline import taxonomy
  gone = next(s for s in taxonomy.edition(2021).species if all(taxonomy.edition(2024).get(n) is None for n in s.names))
  found, [r] = of(dict(code=gone.code, common=gone.common, scientific=gone.scientific))
  assert r.species in found.refused and '2021' in found.refused[r.species]


def test_strangers_keep_their_names():
  found, recordings = of(dict(common='Grey Ghost'), dict(common='Great Tit'), dict(common='Ψ'))
  assert (found.taxonomy.name, found.taxonomy.year) == ('as given', None)
  assert [found.code_of[r.species] for r in recordings][:2] == ['greyghost', 'gretit1']
  assert any('2 names are in no edition of eBird' in n for n in found.notes)


def test_a_stranger_takes_no_code_of_ebird():
  found, [r] = of(dict(common='TUI-1'))
  assert found.code_of[r.species] == 'tui1x' and found.taxonomy.resolve('TUI-1').common == 'TUI-1'


def test_annotated_events_and_recordings_of_no_species():
  event = Event('houspa', 'song', 0.0, 1.0, 1000.0, 2000.0, -30.0)
  found, _ = of(dict(events=(event,)), dict())
  assert found.taxonomy.codes == ('houspa',) and not found.code_of
  with pytest.raises(ValueError, match="annotated species 'nobody'"):
    of(dict(events=(dataclasses.replace(event, species='nobody'),)))
