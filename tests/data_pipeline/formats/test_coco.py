import json

from hypothesis import given
import pytest

from data_pipeline.formats import coco
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy, UnknownSpecies
from tests.data_pipeline.formats import strategies

BAND = (0.0, 16000.0)
ONE = Event('tinpip', 'call', 0.5, 1.25, 3000.0, 5000.0, -31.5, 30.0)
SCENES = {'å.wav': Scene((ONE,), '', '', '', 10.0), 'silent.wav': Scene((), '', '', '', 5.0)}


@strategies.RELAXED
@given(strategies.SCENES)
def test_round_trip(tmp_path_factory, scenes):
  path = tmp_path_factory.mktemp('coco') / 'x.json'
  coco.write(path, scenes, PROCEDURAL, BAND)
  back = coco.read(path, PROCEDURAL)
  assert list(back) == list(scenes)
  fields = ('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db', 'azimuth')
  for name, scene in scenes.items():
    strategies.check(scene.events, back[name], fields, within=1e-9)


def test_content(tmp_path):
  coco.write(tmp_path / 'x.json', SCENES, PROCEDURAL, BAND)
  content = json.loads((tmp_path / 'x.json').read_text())
  assert content['annotations'] == [{
      'id': 1, 'image_id': 1, 'category_id': 2, 'bbox': [0.5, 3000.0, 0.75, 2000.0], 'area': 1500.0, 'iscrowd': 0,
      'vocalisation': 'call', 'level_db': -31.5, 'azimuth': 30.0}]
  assert content['images'][1] == {'id': 2, 'file_name': 'silent.wav', 'width': 5.0, 'height': 16000.0, 'duration_s': 5.0,
                                  'low_hz': 0.0, 'high_hz': 16000.0}
  assert content['categories'][1] == {
      'id': 2, 'name': 'tinpip', 'common_name': 'Tin pipit', 'scientific_name': 'Vitranthus cadens'}
  assert coco.read(tmp_path / 'x.json', PROCEDURAL) == {'å.wav': (ONE,), 'silent.wav': ()}


def edited(tmp_path, edit):
  coco.write(tmp_path / 'x.json', SCENES, PROCEDURAL, BAND)
  content = json.loads((tmp_path / 'x.json').read_text())
  edit(content)
  (tmp_path / 'x.json').write_text(json.dumps(content))
  return tmp_path / 'x.json'


@pytest.mark.parametrize('change, message', [
    ({'bbox': [0, 1, 2]}, 'expected four'), ({'bbox': [0, 1, -2, 5]}, 'not after onset'),
    ({'bbox': [-1, 1, 2, 5]}, 'before the start'), ({'bbox': [0, 1, 2, 'x']}, "'bbox': 'x' is not a number"),
    ({'bbox': None}, 'expected a list'), ({'image_id': 9}, 'no image 9'),
    ({'category_id': 99}, 'no category 99'), ({'image_id': 'a'}, "'image_id' is a str"), ({'level_db': 'loud'}, "'level_db'"),
])
def test_bad_annotations(tmp_path, change, message):
  path = edited(tmp_path, lambda content: content['annotations'][0].update(change))
  with pytest.raises(ValueError, match=f'x.json, annotation 1.*{message}'):
    coco.read(path, PROCEDURAL)
  skips = []
  assert coco.read(path, PROCEDURAL, skips=skips) == {'å.wav': (), 'silent.wav': ()} and len(skips) == 1


@pytest.mark.parametrize('edit, message', [
    (lambda c: c.pop('info'), 'unknown units, pixels perhaps'),
    (lambda c: c['info'].update(units={'bbox': 'px'}), 'unknown units'), (lambda c: c.pop('images'), "no 'images'"),
    (lambda c: c['images'][1].update(id=1), 'images 2: id 1 stands there twice'),
    (lambda c: c['images'][1].update(file_name='å.wav'), 'two images'),
    (lambda c: c['categories'].append(3), 'is not an object'),
])
def test_broken_files(tmp_path, edit, message):
  with pytest.raises(ValueError, match=f'x.json.*{message}'):
    coco.read(edited(tmp_path, edit), PROCEDURAL, skips=[])


def test_another_taxonomy(tmp_path):
  coco.write(tmp_path / 'x.json', SCENES, PROCEDURAL, BAND)
  with pytest.raises(UnknownSpecies, match='annotation 1: .*tinpip'):
    coco.read(tmp_path / 'x.json', Taxonomy.from_rows([('a', 'A bird', '')], 'small'))
  with pytest.raises(ValueError, match='band_hz'):
    coco.write(tmp_path / 'x.json', SCENES, PROCEDURAL, (5.0, 5.0))
