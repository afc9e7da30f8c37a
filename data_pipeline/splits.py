"""Splits by recording group: what was recorded together never comes to lie on two sides."""

from __future__ import annotations

import zlib

import numpy as np

SPLITS = ('train', 'judge', 'val', 'test')


def assign(groups: dict[str, set[str]], seed: int, judge_groups: str = 'own') -> tuple[dict[str, str], tuple[str, ...]]:
  """Which split each recording group goes to: one of SPLITS, the same for all species in it.

  Of a species' n groups one or more go to test (15 %), then to val (10 %); of the rest two fifths to judge, train keeps
  at least one. With fewer than four groups there is none for judge, with fewer than three none for val, with one only train.

  Args:
    groups: species code -> its groups.
    seed: of the order in which a species' groups are dealt out.
    judge_groups: 'own', or 'train': the judge learns from the groups of train, for small data.

  Returns:
    group -> split, and the species whose judge clips have to come from train's groups.
  """
  if judge_groups not in ('own', 'train'):
    raise ValueError(f'judge_groups {judge_groups!r}: expected own or train')
  split_of: dict[str, str] = {}
  shares = []
  for code in sorted(groups, key=lambda c: (len(groups[c]), c)):  # those with few groups choose first
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, zlib.crc32(code.encode())])))
    mine = sorted(groups[code])
    order = [mine[i] for i in rng.permutation(len(mine))]
    n = len(order)
    want = {'test': max(1, round(0.15 * n)) if n > 1 else 0, 'val': max(1, round(0.1 * n)) if n > 2 else 0}
    rest = n - sum(want.values())
    want['judge'] = max(1, int(0.4 * rest)) if rest > 1 and judge_groups == 'own' else 0
    for group in order:
      if group in split_of:  # another species, heard in the same recording, placed it
        want[split_of[group]] = want.get(split_of[group], 0) - 1
    free = [g for g in order if g not in split_of]
    for split in ('test', 'val', 'judge'):
      for _ in range(max(0, want[split])):
        if free:
          split_of[free.pop()] = split
    split_of.update({g: 'train' for g in free})
    if not any(split_of[g] == 'judge' for g in mine):
      shares.append(code)
  return split_of, tuple(sorted(shares))
