"""The cache: every clip once per pass, whatever the padding; made once; made anew when anything that decides it changes."""

import itertools

import jax
import numpy as np
import pytest

from sgm.tasks import cache

CLIPS, PASSES, BATCH = 7, 2, 3


class Squares:
  """A task whose costly part is a square; counts how often it is traced."""

  traced = 0

  def precompute(self, frozen, rng, batch):
    self.traced += 1
    noise = jax.random.uniform(rng)
    return {'id': batch['id'], 'square': frozen['scale'] * batch['x'] ** 2, 'noise': 0 * batch['x'][:, 0] + noise}


def batches(passes=PASSES):
  """In pass k clip i holds i + k / 10; the last batch is filled up with copies of the last clip."""
  for k, start in itertools.product(range(passes), range(0, CLIPS, BATCH)):
    rows = np.arange(start, start + BATCH)
    i = np.minimum(rows, CLIPS - 1)
    yield {'id': i.astype(np.int32), 'x': np.stack([i + k / 10, -i], 1).astype(np.float32),
           'mask': (rows < CLIPS).astype(np.float32)}


FROZEN = {'scale': np.float32(2.0)}


def build(directory, task=None, batches=batches, size=CLIPS, frozen=FROZEN):
  return cache.build(task or Squares(), frozen, PASSES, batches, size=size, directory=directory,
                     key=cache.key_of(frozen, passes=PASSES), rng=jax.random.key(0))


def unread():
  pytest.fail('the clips were read again')


def test_rows_are_exact_despite_the_padding(tmp_path):
  arrays = build(tmp_path)
  assert set(arrays) == {'id', 'square', 'noise'} and arrays['square'].shape == (CLIPS, PASSES, 2)
  np.testing.assert_array_equal(arrays['id'], np.repeat(np.arange(CLIPS)[:, None], PASSES, 1))
  i, k = np.mgrid[:CLIPS, :PASSES]
  np.testing.assert_allclose(arrays['square'], 2 * np.stack([(i + k / 10) ** 2, i ** 2], -1), rtol=1e-5)
  assert len(np.unique(arrays['noise'])) == PASSES * 3  # each batch of each pass draws for itself
  assert isinstance(arrays['square'], np.memmap) and not arrays['square'].flags.writeable


def test_a_finished_cache_is_read_back(tmp_path):
  first = build(tmp_path)
  task = Squares()
  again = build(tmp_path, task, batches=unread)
  assert task.traced == 0
  for name in first:
    np.testing.assert_array_equal(first[name], again[name])


def test_an_interrupted_one_is_made_again(tmp_path):
  def dies():
    yield from batches(1)
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    build(tmp_path, batches=dies)
  [partial] = tmp_path.iterdir()
  assert partial.name.endswith('.tmp')
  (partial / 'stray.npy').write_bytes(b'')
  assert set(build(tmp_path)) == {'id', 'square', 'noise'}
  [made] = tmp_path.iterdir()
  assert made.name == cache.key_of(FROZEN, passes=PASSES)
  (made / 'done').unlink()  # and a folder that lost its mark is not trusted
  (made / 'square.npy').write_bytes(b'')
  assert build(tmp_path)['square'].shape == (CLIPS, PASSES, 2)


@pytest.mark.parametrize('size, passes, message', [
    (CLIPS + 1, PASSES, f'0 of {PASSES}: 10 clips read, 8 expected'), (CLIPS - 1, PASSES, f'1 of {PASSES}: 7 clips read, 6 expected'),
    (CLIPS, PASSES - 1, f'1 of {PASSES}: 0 clips read, 7 expected'), (CLIPS, PASSES + 1, f'2 of {PASSES}: 3 clips read, 7 expected')])
def test_a_wrong_number_of_clips_is_an_error(tmp_path, size, passes, message):
  with pytest.raises(RuntimeError, match=f'cache pass {message}'):
    build(tmp_path, size=size, batches=lambda: batches(passes))
  assert not (tmp_path / cache.key_of(FROZEN, passes=PASSES)).exists()


def test_the_key_follows_weights_and_parts():
  parts = dict(data='abc', ops=['a', 'b'], frontend={'bands': 64})
  key = cache.key_of(FROZEN, **parts)
  assert key == cache.key_of({'scale': np.float32(2.0)}, **parts)
  others = [cache.key_of({'scale': np.float32(2.5)}, **parts), cache.key_of({}, **parts),
            cache.key_of(FROZEN, **{**parts, 'ops': ['b', 'a']}), cache.key_of(FROZEN, **{**parts, 'frontend': {'bands': 32}})]
  assert len({key, *others}) == 5


def test_other_weights_get_a_cache_of_their_own(tmp_path):
  build(tmp_path)
  other = build(tmp_path, frozen={'scale': np.float32(3.0)})
  assert other['square'][2, 0, 1] == 12.0 and len(list(tmp_path.iterdir())) == 2
