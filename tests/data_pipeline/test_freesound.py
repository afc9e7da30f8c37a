"""Metadata of Freesound as its API gives it, and the sounds beside it."""

import json
import pathlib

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline import freesound, licences, scene
from data_pipeline.recording import Recording

SOUND = {
    'id': 1234, 'url': 'https://freesound.org/people/Ann/sounds/1234/', 'name': 'River, dawn.wav', 'tags': ['river', 'birds'],
    'description': 'By the\r\nriver', 'geotag': '41.4 2.16', 'created': '2014-04-16T20:07:11.145',
    'license': 'https://creativecommons.org/licenses/by/4.0/', 'type': 'wav', 'channels': 2, 'filesize': 44100, 'bitrate': 1411,
    'bitdepth': 16, 'duration': 14.07, 'samplerate': 44100.0, 'username': 'Ann', 'pack': None,
    'download': 'https://freesound.org/apiv2/sounds/1234/download/',
    'previews': {'preview-hq-mp3': 'https://cdn.freesound.org/previews/1/1234_5-hq.mp3',
                 'preview-lq-mp3': 'https://cdn.freesound.org/previews/1/1234_5-lq.mp3'},
    'images': {}, 'num_downloads': 7, 'avg_rating': 4.5, 'num_ratings': 2}


def page(*sounds):
  return {'count': len(sounds), 'next': None, 'previous': None, 'results': list(sounds)}


def test_the_fields():
  r = freesound.record(SOUND)
  assert (r.id, r.name, r.tags, r.description) == ('1234', 'River, dawn.wav', ('river', 'birds'), 'By the river')
  assert (r.latitude, r.longitude, r.created, r.type) == (41.4, 2.16, '2014-04-16', 'wav')
  assert (r.channels, r.sample_rate, r.bit_depth, r.bytes, r.seconds) == (2, 44100, 16, 44100, 14.07)
  assert (r.rating, r.downloads, r.recordist, r.pack) == (4.5, 7, 'Ann', '')
  assert r.preview_url.endswith('1234_5-hq.mp3') and licences.parse(r.licence).kind == 'by' and not r.lossy


@pytest.mark.parametrize('field, cell, attribute, value', [
    ('geotag', None, 'latitude', None), ('geotag', '91 2', 'longitude', None), ('channels', '2', 'channels', 2),
    ('channels', 0, 'channels', None), ('samplerate', '?', 'sample_rate', None), ('num_ratings', 0, 'rating', None),
    ('previews', None, 'preview_url', ''), ('url', None, 'url', 'https://freesound.org/s/1234/'),
    ('license', 'Attribution', 'licence', 'Attribution'), ('tags', None, 'tags', ()), ('duration', float('nan'), 'seconds', None),
    ('download', 'ftp://x/y', 'download_url', ''),
])
def test_odd_cells(field, cell, attribute, value):
  assert getattr(freesound.record(SOUND | {field: cell}), attribute) == value


def test_shapes():
  for shape in (SOUND, page(SOUND), [page(SOUND)], [SOUND]):
    assert freesound.parse(shape, 'x') == ([freesound.record(SOUND)], [])
  records, skips = freesound.parse(page(SOUND, {'id': 'x'}, 5, SOUND | {'name': '', 'tags': []}), 'x.json')
  assert len(records) == 1 and [(s.name, s.reason) for s in skips] == [
      ('x.json sound 2', "id: 'x' is no number of Freesound"), ('x.json sound 3', 'int is no sound'),
      ('x.json sound 4', 'sound 1234 has neither a name nor tags')]


@pytest.mark.parametrize('content, message', [
    ({'detail': 'Invalid token.'}, 'Freesound answered with an error: Invalid token.'), ({}, r'found the keys \(none\)'),
    (3, 'found int'), ({'results': 4, 'count': 1}, 'found the keys count, results'),
])
def test_what_is_no_metadata(tmp_path, content, message):
  (tmp_path / 'x.json').write_text(json.dumps(content))
  with pytest.raises(ValueError, match=f'x.json: .*{message}'):
    freesound.read(tmp_path / 'x.json')
  _, [skip] = freesound.find(str(tmp_path))
  assert skip.name == 'x.json'


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.text(max_size=5)),
                    st.dictionaries(st.text(max_size=3), st.integers()),
                    st.sampled_from(['[', '[' * 300, '9' * 5000, '1 2', '?']))


@settings(deadline=None)
@given(st.lists(st.one_of(SCALARS, st.dictionaries(st.sampled_from(sorted(SOUND)), SCALARS)), max_size=3), st.booleans())
def test_whatever_the_fields_hold_a_sound_is_a_record_or_a_skip(rows, whole):
  rows = [SOUND | r if whole and isinstance(r, dict) else r for r in rows]
  records, skips = freesound.parse(page(*rows), 'x')
  assert len(records) + len(skips) == len(rows) and all('\n' not in s.reason for s in skips)
  for r in records:
    hash(r)


def test_find(tmp_path):
  folder = tmp_path / 'f'
  folder.mkdir()
  (folder / 'page.json').write_text(json.dumps(page(SOUND, SOUND | {'id': 9}, SOUND | {'id': 8})))
  for name in ('1234__ann__river-dawn.wav', '9_5-hq.mp3', '77__x__y.flac', 'river.wav'):
    (folder / name).touch()
  (tmp_path / 'out.wav').touch()
  (folder / '8__x__y.wav').symlink_to(tmp_path / 'out.wav')
  records, skips = freesound.find(str(folder))
  assert [(r.id, r.lossy) for r in records] == [('1234', False), ('9', True)]
  assert {s.name: s.reason for s in skips} == {
      '77__x__y.flac': 'no Freesound metadata of 77', 'river.wav': 'no Freesound number in its name',
      '8__x__y.wav': 'leads out of the folder', 'Freesound 8': 'no audio file'}


def test_listing(tmp_path):
  (tmp_path / 'page.json').write_text(json.dumps(page(
      SOUND, SOUND | {'id': 9, 'name': 'Night', 'tags': ['field-recording']}, SOUND | {'id': 8})))
  for name in ('b/1234__ann__river-dawn.wav', 'b/9_5-hq.mp3', 'a.wav'):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
  found = freesound.listing(str(tmp_path))
  assert found.recordings[0] == Recording(
      path=tmp_path / 'b' / '1234__ann__river-dawn.wav', name='b/1234__ann__river-dawn.wav',
      licence='https://creativecommons.org/licenses/by/4.0/', recordist='Ann', group='FS1234',
      url='https://freesound.org/people/Ann/sounds/1234/', continuous=True, near='river')
  assert [(r.name, r.group, r.environment, r.near) for r in found.recordings[1:]] == [('b/9_5-hq.mp3', 'FS9', '', '')]
  assert {s.name: s.reason for s in found.skips} == {
      'a.wav': 'no Freesound number in its name', 'Freesound 8': 'no audio file'}
  assert [n.split(' sounds ')[0] for n in found.notes] == ['1 of 2', '1 of 2', '1 of 2']
  assert 'speak of birds' in found.notes[0] and 'no word' in found.notes[1] and 'lossy' in found.notes[2]
  for name, message in (('none', 'is no folder'), ('b/9_5-hq.mp3', 'is no folder')):
    with pytest.raises(ValueError, match=message):
      freesound.listing(str(tmp_path / name))


@pytest.mark.parametrize('name, tags, environment, near, birds', [
    ('Forest_Rain 01.wav', [], 'rain', '', False), ('x', ['woods', 'Wind', 'Brook'], 'wind', 'river', False),
    ('x', ['night', 'crickets', 'forest', 'owl'], 'insects', '', True), ('HIGHWAY-in-woodland', [], 'forest', 'road', False),
    ('Dawn chorus', [], '', '', True), ('x', ['dawn-chorus'], '', '', True), ('Chorus at dawn', [], '', '', False),
    ('forest, no birds, no wind', ['without-rain'], 'forest', '', False), ('Train and strain', ['window'], '', '', False),
    ('thunderstorm on our street', ['birdsong'], 'rain', 'road', True), ('Wälder', ['?', ''], '', '', False),
])
def test_words(name, tags, environment, near, birds):
  r = freesound.record(SOUND | {'name': name, 'tags': tags})
  assert (r.environment, r.near, r.speaks_of_birds) == (environment, near, birds)


@given(st.text(max_size=40), st.lists(st.text(max_size=20), max_size=4))
def test_any_words_give_known_surroundings(name, tags):
  r = freesound.record(SOUND | {'name': f'a{name}', 'tags': tags})
  scene.Scene((), r.environment, '', r.near, 1.0)


def test_every_environment_has_words():
  assert set(freesound.ENVIRONMENT_WORDS) == set(scene.ENVIRONMENTS) and set(freesound.NEAR_WORDS) == set(scene.NEARS)


def test_numbers_in_names():
  for name, number in {'12_3-hq.mp3': '12', '012.wav': '12', 'a12.wav': '', '12a.wav': '', '12-x.ogg': '12'}.items():
    assert freesound.number_in(pathlib.Path(name)) == number
