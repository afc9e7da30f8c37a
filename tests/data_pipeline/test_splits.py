"""Groups of recordings are dealt out whole."""

import pytest

from data_pipeline import splits


@pytest.mark.parametrize('n, expected', [(1, (1, 0, 0, 0)), (2, (1, 0, 0, 1)), (3, (1, 0, 1, 1)), (4, (1, 1, 1, 1)),
                                         (5, (2, 1, 1, 1)), (7, (3, 2, 1, 1)), (40, (18, 12, 4, 6))])
def test_assign(n, expected):
  split_of, shares = splits.assign({'a': {f'g{i}' for i in range(n)}}, seed=0)
  counts = tuple(list(split_of.values()).count(s) for s in splits.SPLITS)
  assert counts == expected and shares == (() if expected[1] else ('a',))
  split_of, shares = splits.assign({'a': {f'g{i}' for i in range(n)}}, 0, 'train')
  assert 'judge' not in split_of.values() and shares == ('a',)


def test_a_group_of_two_species_has_one_side():
  groups = {'a': {'x', 'y', 'z', 'w'}, 'b': {'x', 'y', 'p', 'q', 'r'}, 'c': {'x', 'p', '1', '2', '3', '4'}}
  split_of, _ = splits.assign(groups, seed=3)
  assert set(split_of) == set.union(*groups.values())
  for mine in groups.values():
    assert {'train', 'test'} <= {split_of[g] for g in mine}
