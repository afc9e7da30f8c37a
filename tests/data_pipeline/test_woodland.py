"""Folders of unattended recorders: every sound is listed, with site and start as far as its name tells."""

import datetime
import pathlib

from hypothesis import given, settings, strategies as st
import pytest

from data_pipeline import woodland
from data_pipeline.recording import Recording


def fill(folder, *names):
  for name in names:
    path = pathlib.Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_sites_and_starts(tmp_path):
  fill(tmp_path, '20190522_043000.WAV', 'oak/20190522/20190522_043000.WAV', 'oak/20190522/20190522_063000T.WAV',
       'oak/S1_20190523_000000.wav', 'north wood/Åse/5CE4B8D0.WAV', 'oak/CONFIG.TXT', 'oak/._20190522_043000.WAV',
       '.trash/20190522_043000.WAV')
  found = woodland.listing(str(tmp_path))
  assert [(r.name, r.site, r.started, r.group) for r in found.recordings] == [
      ('20190522_043000.WAV', '', '2019-05-22T04:30:00', '2019-05-22'),
      ('north wood/Åse/5CE4B8D0.WAV', 'north wood/Åse', '2019-05-22T02:49:52+00:00', 'north wood/Åse 2019-05-22'),
      ('oak/20190522/20190522_043000.WAV', 'oak', '2019-05-22T04:30:00', 'oak 2019-05-22'),
      ('oak/20190522/20190522_063000T.WAV', 'oak', '2019-05-22T06:30:00', 'oak 2019-05-22'),
      ('oak/S1_20190523_000000.wav', 'S1', '2019-05-23T00:00:00', 'S1 2019-05-23')]
  assert found.recordings[0] == Recording(
      path=tmp_path / '20190522_043000.WAV', name='20190522_043000.WAV', group='2019-05-22', continuous=True,
      started='2019-05-22T04:30:00')
  assert not found.skips and not found.extra and found.notes == (
      '1 of 5 files tell their start with a time zone (+00:00 is UTC), the others by the clock of their recorder: '
      'north wood/Åse/5CE4B8D0.WAV',)


def test_names_that_tell_little(tmp_path):
  fill(tmp_path, 'a/rec1.wav', 'rec2.flac', 'a/S_20191322_043000.wav', *(f'b/n{i}.ogg' for i in range(3)))
  found = woodland.listing(str(tmp_path))
  assert [(r.name, r.site, r.started, r.group) for r in found.recordings] == [
      ('a/S_20191322_043000.wav', 'S', '', 'S_20191322_043000'), ('a/rec1.wav', 'a', '', 'rec1'),
      *((f'b/n{i}.ogg', 'b', '', f'n{i}') for i in range(3)), ('rec2.flac', '', '', 'rec2')]
  assert found.notes == (
      '1 of 6 files name a date or a time that cannot be, so that their start is unknown: a/S_20191322_043000.wav',
      '5 of 6 files have names that tell no start: a/rec1.wav, b/n0.ogg, b/n1.ogg and 2 more; nothing keeps those of one '
      'day in one split')


def test_repeated_starts(tmp_path):
  fill(tmp_path, 'a/S_20190522_043000.wav', 'b/S_20190522_043000.wav', 'a/S_0+1_20190522_043000.wav', 'T_20190522_043000.wav',
       'a/20190522_043000.wav', 'b/20190522_043000.wav', 'S_20190522_043000_250.wav')
  found = woodland.listing(str(tmp_path))
  assert len(found.recordings) == 7 and found.notes == (
      '1 times two or more files say that one site began to record at one moment (copies, or channels apart?), first '
      'a/S_0+1_20190522_043000.wav, a/S_20190522_043000.wav, b/S_20190522_043000.wav',)
  assert {r.started for r in found.recordings} == {'2019-05-22T04:30:00', '2019-05-22T04:30:00.250'}


def test_what_is_not_read(tmp_path):
  folder = tmp_path / 'w'
  fill(folder, 'S_20190522$043000.wac', 'S_20190522_053000.wav')
  (tmp_path / 'out.wav').touch()
  (folder / 'link.wav').symlink_to(tmp_path / 'out.wav')
  (folder / 'up').symlink_to(tmp_path)
  found = woodland.listing(str(folder))
  assert [r.name for r in found.recordings] == ['S_20190522_053000.wav']
  assert [(s.name, s.reason) for s in found.skips] == [
      ('S_20190522$043000.wac', '.wac is not read: convert it to wav or flac'), ('link.wav', 'leads out of the folder')]


def test_folders_of_nothing(tmp_path):
  with pytest.raises(ValueError, match='is no folder'):
    woodland.listing(str(tmp_path / 'none'))
  fill(tmp_path, 'notes.txt', '.hidden.wav')
  with pytest.raises(ValueError, match='holds no sound files'):
    woodland.listing(str(tmp_path))


NAMES = st.builds(
    lambda folder, site, start, tail: f'{folder}{site}{start:%Y%m%d_%H%M%S}{tail}.wav',
    st.sampled_from(('', 'a/', 'a/b/', 'c/20190522/')), st.sampled_from(('', 'S_', 'T-1_0+1_')),
    st.datetimes(datetime.datetime(2019, 5, 21), datetime.datetime(2019, 5, 24)), st.sampled_from(('', '_000', '_1')))


@settings(deadline=None, max_examples=40)
@given(st.sets(st.one_of(NAMES, st.from_regex(r'[a-c]/[A-Z0-9]{1,8}\.(wav|mp3)', fullmatch=True)), min_size=1, max_size=8))
def test_one_day_of_one_site_is_one_group(tmp_path_factory, names):
  folder = tmp_path_factory.mktemp('w')
  fill(folder, *names)
  found = woodland.listing(str(folder))
  assert [r.name for r in found.recordings] == sorted(names) and not found.skips
  days = {}
  for r in found.recordings:
    assert r.continuous and not any(r.species) and r.events is None and r.path.is_file()
    if r.started:
      days.setdefault((r.site, r.started[:10]), set()).add(r.group)
  assert all(len(groups) == 1 for groups in days.values())
  assert len(set().union(*days.values())) == len(days) if days else True


def test_a_real_recorder(real_data):
  found = woodland.listing(str(real_data / 'maad'))
  night = [r for r in found.recordings if r.site == 'S4A03895']
  assert len(night) == 12 and {r.group for r in night} == {'S4A03895 2019-05-22'}
  assert [r.started for r in night] == [f'2019-05-22T{hour:02d}:00:00' for hour in range(0, 24, 2)]
  assert [r.name for r in found.recordings if not r.started] == ['spinetail.wav']
