"""Recordings to clips: groups never on two sides, clips where something sings, bad files listed and passed over."""

import numpy as np
import pytest
import soundfile
import tensorflow_datasets as tfds

from data_pipeline import folders
from data_pipeline.builders import recordings
from data_pipeline.recording import Listing, Recording
from data_pipeline.scene import Event
from data_pipeline.splits import SPLITS

RATE = 8000


def song(seed, seconds=4.0, hz=2000.0, channels=1):
  """Noise with three tones of 0.3 s."""
  rng = np.random.default_rng(seed)
  t = np.arange(int(seconds * RATE)) / RATE
  x = 0.001 * rng.standard_normal((len(t), channels))
  for onset in (0.5, 1.7, 3.1):
    x[(t >= onset) & (t < onset + 0.3)] += 0.1 * np.sin(2 * np.pi * hz * t[(t >= onset) & (t < onset + 0.3)])[:, None]
  return x.astype(np.float32)


def folder(path, species=('House Sparrow', 'Great Tit'), per_species=6, **options):
  for s, name in enumerate(species):
    for i in range(per_species):
      (path / name).mkdir(parents=True, exist_ok=True)
      soundfile.write(path / name / f'{name[:2]}{i}.wav', song(100 * s + i, hz=1500.0 + 800 * s, **options), RATE)
  return str(path)


def make(out, directory, **changed):
  arguments = dict(year=2024, seed=0, clip_seconds=1.5, sample_rate=RATE, channels=1, workers=2) | changed
  arguments.setdefault('listing', directory and folders.find(directory))
  return recordings.build(str(out), **arguments)


def examples(report, split):
  return list(tfds.as_numpy(tfds.builder_from_directory(report.path).as_dataset(split=split)))


def test_build(tmp_path):
  calls = []
  report = make(tmp_path / 'out', folder(tmp_path / 'in'), progress=lambda done, total: calls.append((done, total)))
  assert report.taxonomy.codes == ('gretit1', 'houspa') and not report.skips and not report.judge_shares_train
  assert calls[-1] == (24, 24) and [c[0] for c in calls] == list(range(1, 25))
  groups = {}
  for split, n in report.splits.items():
    clips = examples(report, split)
    assert len(clips) == n == sum(c[split] for c in report.clips.values())
    groups[split] = {c['group'] for c in clips}
    for c in clips:
      assert c['audio'].shape == (1.5 * RATE, 1) and c['audio'].dtype == np.int16 and len(c['stems']) == 0
      assert len(c['species']) and len(set(c['species'])) == 1 and np.isnan(c['azimuth']).all()
      assert (c['onset'] >= 0).all() and (c['offset'] <= 1.5 + 1e-6).all() and (c['offset'] > c['onset']).all()
      hz = 1500 if report.taxonomy.codes[c['species'][0]] == 'houspa' else 2300
      assert (c['low_hz'] < hz).all() and (hz < c['high_hz']).all()
      assert (np.abs(c['level_db'] + 23) < 2).all()
      assert c['licence'] == b'unknown'
      # The events lie where the tone sounds: 20 dB and more above what is between them.
      inside = np.zeros(len(c['audio']), bool)
      for onset, offset in zip(c['onset'], c['offset']):
        inside[int(onset * RATE) + 100:int(offset * RATE) - 100] = True
      outside = np.ones(len(c['audio']), bool)
      for onset, offset in zip(c['onset'], c['offset']):
        outside[max(0, int(onset * RATE) - 500):int(offset * RATE) + 500] = False
      power = lambda where: np.mean(c['audio'][where].astype(float) ** 2)
      if inside.any() and outside.any():
        assert power(inside) > 100 * power(outside)
  splits = list(groups)
  assert splits == list(SPLITS)
  for a in range(4):
    for b in range(a):
      assert not groups[splits[a]] & groups[splits[b]]


def test_the_build_is_a_function_of_its_arguments(tmp_path):
  directory = folder(tmp_path / 'in')
  ids = []
  for out, workers in (('a', 1), ('b', 3)):
    report = make(tmp_path / out, directory, workers=workers)
    ids.append([(c['id'], c['audio'].tobytes()) for c in examples(report, 'train') + examples(report, 'test')])
  assert ids[0] == ids[1]
  other = make(tmp_path / 'c', directory, seed=1)
  assert {c['group'] for c in examples(other, 'test')} != {i.split(b'/')[1].split(b'.')[0] for i, _ in ids[0]}


def test_stereo_is_kept_when_asked(tmp_path):
  report = make(tmp_path / 'out', folder(tmp_path / 'in', channels=2), channels=2)
  assert examples(report, 'val')[0]['audio'].shape == (1.5 * RATE, 2)
  assert not any('averaged' in note for note in report.notes)


def test_bad_files_are_skipped_and_listed(tmp_path):
  directory = folder(tmp_path / 'in')
  bad = tmp_path / 'in' / 'Great Tit'
  (bad / 'empty.wav').touch()
  (bad / 'text.mp3').write_text('no sound')
  soundfile.write(bad / 'nan.wav', np.full((RATE, 1), np.nan, np.float32), RATE, subtype='FLOAT')
  soundfile.write(bad / 'silent.wav', np.zeros((RATE, 1)), RATE)
  soundfile.write(bad / 'hiss.wav', 0.1 * np.random.default_rng(0).standard_normal((4 * RATE, 1)), RATE)
  report = make(tmp_path / 'out', directory)
  assert {s.name.split('/')[1]: s.reason.split(' (')[0] for s in report.skips} == {
      'empty.wav': 'empty file', 'text.mp3': 'not audio, or damaged', 'nan.wav': 'holds NaN or infinite samples, the first after 0.00 of 1.00 s',
      'silent.wav': 'silent', 'hiss.wav': 'nothing stands out of its noise'}
  assert len(report.used) == 12


def test_all_files_bad(tmp_path):
  (tmp_path / 'in' / 'Great Tit').mkdir(parents=True)
  for i in range(3):
    (tmp_path / 'in' / 'Great Tit' / f'{i}.wav').touch()
  with pytest.raises(ValueError, match='none of 3 files can be used; the first: Great Tit/0.wav: empty file'):
    make(tmp_path / 'out', str(tmp_path / 'in'))


def test_few_recordings(tmp_path):
  report = make(tmp_path / 'out', folder(tmp_path / 'in', per_species=3))
  assert report.judge_shares_train == ('gretit1', 'houspa')
  assert any('judge shares the recordings of train' in n for n in report.notes)
  assert {c['group'] for c in examples(report, 'judge')} == {c['group'] for c in examples(report, 'train')}
  assert not {c['group'] for c in examples(report, 'judge')} & {c['group'] for c in examples(report, 'test')}


def noise(path, seconds=10.0, channels=1):
  soundfile.write(path, 0.01 * np.random.default_rng(0).standard_normal((int(seconds * RATE), channels)), RATE)
  return path


def test_annotated_events_are_taken_as_they_are(tmp_path):
  event = lambda code, onset, offset, low=1000.0, high=3000.0: Event(code, 'song', onset, offset, low, high, -30.0)
  parts = []
  for i in range(4):
    path = noise(tmp_path / f'{i}.wav')
    parts.append(Recording(path, path.name, group=str(i), events=(
        event('houspa', 2.0, 2.5), event('gretit1', 2.2, 3.0), event('gretit1', 9.8, 12.0), event('houspa', 11.0, 12.0),
        event('houspa', 5.0, 6.0, 4500.0, 5000.0), event('houspa', 6.5, 7.0, 3500.0, 5000.0))))
  empty = noise(tmp_path / 'empty.wav', 4.0)
  parts.append(Recording(empty, empty.name, group='none', events=()))
  report = make(tmp_path / 'out', None, listing=Listing(tuple(parts), ()))
  assert report.taxonomy.codes == ('gretit1', 'houspa')
  assert len(report.skips) == 8 and {s.reason.split(' (')[0] for s in report.skips} == {
      'begins after the end of the file', 'lies above 4000 Hz, half the rate of the data set'}
  clips = [c for split in report.splits for c in examples(report, split)]
  assert {c['group'] for c in clips if not len(c['species'])} >= {b'none'}
  for c in clips:
    assert (c['offset'] <= 1.5 + 1e-6).all() and (c['high_hz'] <= 4000).all()
    start = float(c['id'].split(b'@')[1])
    at = [(report.taxonomy.codes[s], round(start + float(o), 3)) for s, o in zip(c['species'], c['onset'])]
    for code, onset in at:
      assert (code, onset) in {('houspa', 2.0), ('gretit1', 2.2), ('gretit1', 9.8), ('houspa', 6.5)} or onset == round(start, 3)
  both = [c for c in clips if set(c['species']) == {0, 1}]
  assert both and sum(sum(c.values()) for c in report.clips.values()) > len([c for c in clips if len(c['species'])])


def test_long_unlabelled_recordings_become_consecutive_clips(tmp_path):
  parts = tuple(Recording(noise(tmp_path / f'{i}.wav', 10.0, 2), f'{i}.wav', group=str(i), continuous=True, environment='rain')
                for i in range(6))
  report = make(tmp_path / 'out', None, listing=Listing(parts, ()), channels=2)
  assert not len(report.taxonomy) and set(report.splits) == {'train', 'val', 'test'} and sum(report.splits.values()) == 6 * 7
  clips = examples(report, 'train')
  assert all(c['environment'] == b'rain' and not len(c['species']) for c in clips)
  one = sorted((float(c['id'].split(b'@')[1]), c['audio']) for c in clips if c['group'] == clips[0]['group'])
  whole = np.concatenate([audio for _, audio in one])
  stored, _ = soundfile.read(tmp_path / f'{clips[0]["group"].decode()}.wav', dtype='int16')
  assert len(whole) == 10 * RATE and np.abs(whole.astype(int) - stored).max() <= 1  # windows in = windows out


def test_a_recording_may_belong_in_a_split_of_its_own(tmp_path):
  directory = folder(tmp_path / 'in')
  found = folders.find(directory)
  extra = Recording(noise(tmp_path / 'x.wav'), 'x.wav', group='x', continuous=True, split='soundscape',
                    events=(Event('houspa', 'song', 0.0, 5.0, 150.0, 3000.0, -30.0),))
  report = make(tmp_path / 'out', None, listing=Listing((*found.recordings, extra), ()))
  assert report.splits['soundscape'] == 7 and report.clips['houspa']['soundscape'] == 4
  assert [len(c['species']) for c in sorted(examples(report, 'soundscape'), key=lambda c: c['id'])] == [1] * 4 + [0] * 3
