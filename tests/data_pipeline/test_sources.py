"""The known sources: one way to all of them, and what is taken from a listing."""

import pathlib

import pytest

from data_pipeline import sources
from data_pipeline.recording import Listing, Recording, Skip
from data_pipeline.scene import Event
from data_pipeline.taxonomy import UnknownSpecies


def test_unknown_sources_and_misplaced_labels(tmp_path):
  with pytest.raises(ValueError, match="unknown source 'xenocanto'; known: procedural, recordings, xeno_canto, birdclef2021"):
    sources.listing('xenocanto', str(tmp_path))
  with pytest.raises(ValueError, match='a map of labels belongs to raven, audacity, annotations, not to woodland'):
    sources.listing('woodland', str(tmp_path), labels={'a': 'b'})


@pytest.mark.parametrize('name', sources.SOURCES)
def test_every_source_refuses_what_is_none_of_it(name, tmp_path):
  with pytest.raises(ValueError, match='is no folder'):
    sources.listing(name, str(tmp_path / 'none'))
  with pytest.raises(ValueError) as error:
    sources.listing(name, str(tmp_path))
  assert '\n' not in str(error.value) and str(tmp_path) in str(error.value)


def test_species_come_from_each_source_in_its_year(tmp_path):
  (tmp_path / 'Barn Owl').mkdir()
  (tmp_path / 'Barn Owl' / 'a.wav').touch()
  found = sources.listing('recordings', str(tmp_path))
  assert [r.common for r in found.recordings] == ['Barn Owl']
  assert sources.of_species(found, ['Tyto alba'], 2021) == found
  with pytest.raises(UnknownSpecies):
    sources.of_species(found, ['Great Tit'], 2021)


def test_annotated_events_of_some_species(tmp_path):
  event = lambda code, onset: Event(code, 'song', onset, onset + 1.0, 1000.0, 2000.0, -30.0)
  parts = [Recording(pathlib.Path('a'), 'a', events=(event('houspa', 0.0), event('gretit1', 2.0))),
           Recording(pathlib.Path('b'), 'b', events=(event('houspa', 0.0),)), Recording(pathlib.Path('c'), 'c', events=())]
  left = sources.of_species(Listing(tuple(parts), ()), ['Parus major'], 2024)
  assert [(r.name, r.events) for r in left.recordings] == [('a', (event('gretit1', 2.0),))]
  assert left.notes == ('2 events of other species are left out, and may be heard in the clips',)


def test_no_derivatives():
  licences = ('CC BY-ND 4.0', 'CC BY 4.0', '', 'https://creativecommons.org/licenses/by-nc-nd/4.0/')
  parts = tuple(Recording(pathlib.Path(f'{i}'), f'{i}', licence=text) for i, text in enumerate(licences))
  left = sources.without_no_derivatives(Listing(parts, (Skip('z', 'bad'),), ('note',)))
  assert [r.name for r in left.recordings] == ['1', '2'] and left.notes == ('note',)
  assert [s.name for s in left.skips] == ['0', '3', 'z'] and 'forbids derivatives' in left.skips[0].reason
