"""Op strings: parsed safely, unknown names and arguments refused with the known ones listed."""

import inspect

import pytest

from data_pipeline import registry


def test_parse():
  assert registry.parse('label') == ('label', (), {})
  assert registry.parse(' gain(db=(-3, 3.5)) ') == ('gain', (), {'db': (-3, 3.5)})
  assert registry.parse('keep("audio", \'roll\')') == ('keep', ('audio', 'roll'), {})


@pytest.mark.parametrize('text', [
    '__import__("os").system("true")', 'gain(__import__("os"))', 'gain(db=open("x"))', 'gain(**{})', 'gain(1', 'a.b(1)',
    'lambda: 1', '[1]', '', 'gain(x)', 'gain(*[1])', 'gain(1); gain(2)', 'gain(1 if 1 else 2)', 'gain(f"{1}")'])
def test_only_literals(text):
  with pytest.raises(ValueError, match='op '):
    registry.parse(text)


def test_unknown_op_lists_the_known(make_info):
  with pytest.raises(ValueError, match='unknown op \'random_corp\'.*did you mean random_crop.*decode.*roll'):
    registry.build(['random_corp(1)'], make_info())


@pytest.mark.parametrize('text, message', [
    ('random_crop(sample=3)', r"'sample'.*known: random_crop\(samples"),
    ('random_crop()', r'samples.*known: random_crop\(samples'),
    ('random_crop(1, 2)', r'known: random_crop\(samples'),
    ('roll(8, info=3)', r"unknown argument 'info'; known: roll\(frames: 'int'\)"),
    ('random_crop(2.5)', 'samples is 2.5, expected a whole number above 0'),
    ('pad(0)', 'samples is 0'), ('roll(True)', 'frames is True'),
    ('gain((3, -3))', r'db is \(3, -3\)'), ('gain("loud")', "db is 'loud'"),
    ('level((-20, -10))', 'expected one number'), ('level(3)', '0 or below'), ('keep', 'at least one feature'),
    ('decode(channels=3)', 'the data set stores 1')])
def test_arguments_are_closed(text, message, make_info):
  with pytest.raises(ValueError, match=message):
    registry.build([text], make_info())


def test_every_op_has_typed_closed_arguments():
  for name, factory in registry.known().items():
    assert factory.__doc__, name
    for parameter in inspect.signature(factory).parameters.values():
      assert parameter.kind is not parameter.VAR_KEYWORD, name


def test_resolve():
  config = {'clip': {'samples': 40960, 'range': [-3, 3]}, 'name': 'a'}
  assert registry.resolve(['random_crop({clip.samples})', 'gain({clip.range})', 'label'], config) == [
      'random_crop(40960)', 'gain((-3, 3))', 'label']
  with pytest.raises(ValueError, match=r"\{clip.sample\}: unknown key 'sample'; known: range, samples"):
    registry.resolve(['pad({clip.sample})'], config)
  assert registry.resolve(['f({clip})', 'f({"a": 1}, {})'], config) == [
      "f({'samples': 40960, 'range': [-3, 3]})", 'f({"a": 1}, {})']
  with pytest.raises(ValueError, match='no group of keys'):
    registry.resolve(['pad({name.x})'], config)


def test_resolve_reads_a_config_dict(make_info):
  ml_collections = pytest.importorskip('ml_collections')
  config = ml_collections.ConfigDict({'clip': {'samples': 9}})
  assert registry.resolve(['pad({clip.samples})'], config) == ['pad(9)']
  assert len(registry.build(registry.resolve(['pad({clip.samples})'], config), make_info())) == 1


def test_data_sets_that_ops_name(tmp_path):
  (tmp_path / 'places').mkdir()
  other = str(tmp_path / 'places')
  ops = ['decode', f'mix_background((0, 20), {other!r}, p=0.5)', f'mix_soundscapes({{"a": 1}}, backgrounds={other!r})', 'keep("audio")']
  assert registry.data_sets(ops) == []
  (tmp_path / 'places' / 'dataset.json').touch()
  assert registry.data_sets(ops) == [other, other]
  assert registry.data_sets(['mix_soundscapes({}, "built-in")', 'mix_background(3)', 'mix_background(3, "")']) == []
