"""Named splits and their worker processes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from data_pipeline import series

GEOMETRY = dict(duration=1.0, sample_rate=16000, channels=1)


def test_workers_change_nothing_and_keep_the_order():
  alone = list(series.split_clips(3, 'test', 40, workers=1, **GEOMETRY))
  together = list(series.split_clips(3, 'test', 40, workers=2, **GEOMETRY))
  assert len(alone) == len(together) == 40
  for (a, s, scene, how), (b, t, other, again) in zip(alone, together):
    assert scene == other and how == again and set(how) == {'plausibility'}
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(s, t)


def test_workers_import_no_tensorflow():
  code = ('import sys, data_pipeline.series\n'
          'print([m for m in ("tensorflow", "jax", "tensorflow_datasets") if m in sys.modules])')
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert done.stdout.strip() == '[]'


def test_a_script_that_builds_is_not_run_again_by_its_workers(tmp_path):
  script = tmp_path / 'main.py'
  script.write_text('print("main is read")\nfrom data_pipeline import series\nif __name__ == "__main__":\n'
                    f'  print(len(list(series.split_clips(0, "train", 33, workers=2, **{GEOMETRY!r}))))\n')
  done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True,
                        env={'PYTHONPATH': ':'.join(p for p in sys.path if p)})
  assert done.stdout.split('\n')[:2] == ['main is read', '33']


def test_splits_share_no_clip_and_hold_what_they_promise():
  clips = {split: [series.split_clip(0, split, i, **{**GEOMETRY, 'duration': 2.56}) for i in range(12)]
           for split in series.SPLITS}
  first = [clips[split][0].audio.tobytes() for split in clips]
  assert len(set(first)) == len(first)
  assert all(len(c.scene.events) == 1 for c in clips['single'])
  overlaps = 0
  for clip in clips['pairs']:
    a, b = clip.scene.events
    assert a.species != b.species
    overlaps += min(a.offset, b.offset) > max(a.onset, b.onset)
  assert overlaps >= 10
  assert clips['val'][3].id == 'procedural/val/3'


def test_stems_are_left_out_where_they_are_not_needed():
  for split in series.SPLITS:
    audio, stems, *_ = next(series.split_clips(0, split, 1, workers=1, **GEOMETRY))
    assert audio.dtype == np.int16
    assert (stems is None) == (split in series.WITHOUT_STEMS)


def test_fingerprint_covers_every_argument():
  base = dict(seed=0, sizes=dict(train=3, test=1), clip_seconds=2.56, sample_rate=16000, channels=1)
  changes = [{}, dict(seed=1), dict(sizes=dict(train=4, test=1)), dict(clip_seconds=5.12), dict(sample_rate=32000),
             dict(channels=2), dict(plausibility='plausible')]
  marks = [series.fingerprint(**{**base, **change}) for change in changes]
  assert len(set(marks)) == len(marks)
  assert series.fingerprint(**{**base, 'sizes': dict(test=1, train=3, val=0)}) == marks[0]
  assert series.fingerprint(**base, plausibility='uniform') == marks[0]


@pytest.mark.parametrize('sizes,words', [(dict(tran=3), 'train'), (dict(train=-1), '-1'), (dict(train=0), 'no clips')])
def test_bad_sizes(sizes, words):
  with pytest.raises(ValueError, match=words):
    series.known_sizes(sizes)
