from hypothesis import given
import pytest

from data_pipeline.formats import sonic_visualiser
from data_pipeline.scene import Event
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy, UnknownSpecies
from tests.data_pipeline.formats import strategies

BAND = (100.0, 8000.0)
ONE = Event('gltpip', 'song', 0.5, 1.5, 2000.0, 4000.0, -30.0)
LAYER = ('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE sonic-visualiser>\n<sv><data>'
         '<model id="1" sampleRate="1000" type="sparse" dimensions="2" dataset="0" subtype="box" units="Hz" />'
         '<dataset id="0" dimensions="2">{}</dataset></data></sv>')
POINT = '<point frame="500" value="2000" duration="1000" extent="2000" label="Glass pipit" />'


def put(tmp_path, text):
  (tmp_path / 'x.svl').write_text(text, encoding='utf-8')
  return tmp_path / 'x.svl'


@strategies.RELAXED
@given(strategies.SOME_EVENTS)
def test_round_trip(tmp_path_factory, some):
  path = tmp_path_factory.mktemp('sv') / 'x.svl'
  sonic_visualiser.write(path, some, PROCEDURAL, 48000)
  fields = ('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz')
  strategies.check(some, sonic_visualiser.read(path, PROCEDURAL, BAND), fields, within=2.01e-3)


def test_names_that_xml_must_escape(tmp_path):
  taxonomy = Taxonomy.from_rows([('odd', 'Rüppell\'s <"&> <!DOCTYPE bird', '')], 'odd')
  event = Event('odd', 'call', 0.5, 1.5, 2000.0, 4000.0, -30.0)
  sonic_visualiser.write(tmp_path / 'x.svl', [event], taxonomy, 1000)
  assert sonic_visualiser.read(tmp_path / 'x.svl', taxonomy, BAND) == (event,)


def test_files_of_people(tmp_path):
  """A box without label, as people draw the boxes of one bird; a BOM; regions; instants, which are no events."""
  path = put(tmp_path, '\ufeff' + LAYER.format(POINT.replace('Glass pipit', '')))
  assert sonic_visualiser.read(path, PROCEDURAL, BAND, species='Glass pipit') == (ONE,)
  with pytest.raises(UnknownSpecies, match='x.svl, layer 1, point 1: no species'):
    sonic_visualiser.read(path, PROCEDURAL, BAND)
  regions = LAYER.replace('"box" units="Hz"', '"region" units=""').replace(
      '</data>', '<model id="3" sampleRate="1000" dimensions="1" dataset="2" />'
      '<dataset id="2"><point frame="9" /></dataset></data>')
  path = put(tmp_path, regions.format('<point frame="500" value="1" duration="1000" label="tinpip call" />'))
  assert sonic_visualiser.read(path, PROCEDURAL, BAND) == (Event('tinpip', 'call', 0.5, 1.5, *BAND, -30.0),)
  assert sonic_visualiser.read(put(tmp_path, LAYER.format('')), PROCEDURAL, BAND) == ()


@pytest.mark.parametrize('old, new, message', [
    ('<!DOCTYPE sonic-visualiser>', '<!DOCTYPE sv [<!ENTITY a "aaaa">]>', 'declares a document type of its own'),
    ('<!DOCTYPE sonic-visualiser>', '<!DOCTYPE sonic-visualiser SYSTEM "http://x/y.dtd">', 'declares a document type'),
    ('<sv>', '<!DOCTYPE sonic-visualiser>\n<sv>', 'declares a document type'),
    ('</sv>', '', 'line 3: not XML'),
    ('"box"', '"note"', "no layer of boxes or regions; it has \\['note'\\]"),
    ('"Hz"', '"bin"', "layer 1: .*units 'bin'"),
    ('sampleRate="1000"', '', "layer 1, 'sampleRate': None is not a number"),
    ('sampleRate="1000"', 'sampleRate="0"', 'rate above 0'),
    ('dataset="0"', 'dataset="7"', "dataset '7'"),
])
def test_broken_files(tmp_path, old, new, message):
  with pytest.raises(ValueError, match=f'x.svl.*{message}'):
    sonic_visualiser.read(put(tmp_path, LAYER.format(POINT).replace(old, new)), PROCEDURAL, BAND, skips=[])


@pytest.mark.parametrize('old, new, message', [
    ('"500"', '"x"', "'frame': 'x' is not a number"), ('frame="500"', '', "'frame': None"),
    ('"500"', '"-500"', 'before the start'),
    ('duration="1000"', 'duration="0"', 'not after onset'), ('extent="2000"', 'extent="-1"', 'not above low_hz'),
    ('Glass pipit', 'Glas pipit', 'nearest: Glass pipit'),
])
def test_bad_points(tmp_path, old, new, message):
  path = put(tmp_path, LAYER.format(POINT.replace(old, new) + POINT))
  with pytest.raises(ValueError, match=f'x.svl, layer 1, point 1.*{message}'):
    sonic_visualiser.read(path, PROCEDURAL, BAND)
  skips = []
  assert sonic_visualiser.read(path, PROCEDURAL, BAND, skips=skips) == (ONE,) and len(skips) == 1


def test_an_event_shorter_than_a_sample(tmp_path):
  with pytest.raises(ValueError, match='shorter than a sample'):
    sonic_visualiser.write(tmp_path / 'x.svl', [Event('gltpip', 'song', 0.5, 0.5001, 1.0, 2.0, -9.0)], PROCEDURAL, 100)
