"""Homes: AVONET's table, where NA is not known and another table is an error; and lists of birds that are heard together."""

import pytest

from data_pipeline import homes, species, taxonomy
from data_pipeline.homes import Home

TAXONOMY = taxonomy.Taxonomy.from_rows((('barowl', 'Barn Owl', 'Tyto alba'), ('bkgrou', 'Black Grouse', 'Lyrurus tetrix'),
                                        ('nobird', 'No Bird', 'Avis nulla'), ('seabir', 'Sea Bird', 'Avis maris')), 'test')
HEADER = 'Sequence,Species1,Habitat,Habitat.Density,Min.Latitude,Max.Latitude\n'


def table(tmp_path, *rows, header=HEADER):
  path = tmp_path / 'avonet.csv'
  path.write_text('\ufeff' + header + '\n'.join(rows) + '\n', encoding='utf-8')
  return path


def test_every_built_in_bird_has_a_home():
  assert homes.BUILT_IN.keys() == set(species.CODES)


def test_read_avonet(tmp_path):
  path = table(tmp_path, '1,Tyto alba,Human Modified,3,-55.72,58.07', '2,Lyrurus tetrix,Forest,3,NA,NA',
               '3,Avis nulla,NA,1,1,2', '4,Corvus corax,Nowhere,9,1,2')
  assert homes.read_avonet(path, TAXONOMY) == {
      'barowl': Home('Human Modified', 3, (-55.72, 58.07)), 'bkgrou': Home('Forest', 3, None)}


@pytest.mark.parametrize('row, message', [
    ('1,Tyto alba,Moon,3,1,2', r'avonet.csv row 2: .*expected a habitat among Forest, .* and a density among \(1, 2, 3\)'),
    ('1,Tyto alba,Forest,NA,1,2', 'row 2: .*density'), ('1,Tyto alba,Forest,3,9,2', 'row 2: .*latitudes'),
    ('1,Tyto alba,Forest,3,9,2,7', 'row 2: has 7 cells')])
def test_broken_rows(tmp_path, row, message):
  with pytest.raises(ValueError, match=message):
    homes.read_avonet(table(tmp_path, row), TAXONOMY)


def test_another_table(tmp_path):
  with pytest.raises(ValueError, match='avonet.csv: expected the columns Species1, Habitat'):
    homes.read_avonet(table(tmp_path, '1', header='a,b\n'), TAXONOMY)


def test_the_real_table(real_data):
  path = real_data / 'avonet' / 'AVONET1_BirdLife.csv'
  if not path.exists():
    pytest.skip('no AVONET beside the recordings')
  ebird = taxonomy.edition(2021)
  found = homes.read_avonet(path, ebird)
  assert len(found) / len(ebird) > 0.85
  assert found[ebird.resolve('Tyto alba').code] == Home('Human Modified', 3, (-55.72, 58.07))
  assert found[ebird.resolve('Cinclus cinclus').code].habitat == 'Riverine'


def test_heard_together():
  lists = [('Tyto alba', ('Lyrurus tetrix', 'Unheard of')), ('Lyrurus tetrix', ('Tyto alba', 'Avis nulla')), ('Avis maris', ()),
           ('Unheard of', ('Tyto alba', 'Tyto alba'))]
  assert homes.heard_together(lists, TAXONOMY) == {
      frozenset(('barowl', 'bkgrou')): 2, frozenset(('bkgrou', 'nobird')): 1, frozenset(('barowl', 'nobird')): 1}
