"""Windows of several files at once: all of each, in order, whatever is wrong with the others."""

import numpy as np
import pytest
import soundfile

from sgm.evaluation import windows

RATE = 8000


def write(path, seconds, channels=1):
  path.parent.mkdir(parents=True, exist_ok=True)
  x = np.random.default_rng(len(path.name)).uniform(-0.5, 0.5, (int(seconds * RATE), channels))
  soundfile.write(path, x, RATE)
  return path


@pytest.mark.parametrize('workers', [1, 3])
def test_windows_in_are_windows_out(tmp_path, workers):
  paths = [write(tmp_path / 'a.wav', 3.3), write(tmp_path / 'b.wav', 1.0, 2), write(tmp_path / 'c.wav', 0.4)]
  (tmp_path / 'bad.wav').write_text('none')
  paths.insert(1, tmp_path / 'bad.wav')
  got = list(windows.read(paths, RATE, RATE, RATE // 2, 'all', workers))
  ends = {i.path.name: i for i in got if isinstance(i, windows.End)}
  assert {n: (e.channels, round(e.seconds, 2)) for n, e in ends.items()} == {
      'a.wav': (1, 3.3), 'b.wav': (2, 1.0), 'c.wav': (1, 0.4), 'bad.wav': (0, 0.0)}
  assert ends['bad.wav'].flaw.startswith('not audio') and not ends['a.wav'].flaw
  for path in paths:
    mine = [i for i in got if i.path == path]
    assert isinstance(mine[-1], windows.End)  # after all of its windows
    starts = [(i.start, i.channel) for i in mine[:-1]]
    assert starts == sorted(starts)
  a = [i for i in got if i.path.name == 'a.wav'][:-1]
  assert [i.start for i in a] == [0, 4000, 8000, 12000, 16000, 20000] and a[-1].valid == int(3.3 * RATE) - 20000
  stored = soundfile.read(tmp_path / 'b.wav', dtype='float32')[0]
  for i in got:
    if isinstance(i, windows.Item) and i.path.name == 'b.wav':
      np.testing.assert_array_equal(i.samples[:, 0], stored[:, i.channel - 1])


def test_one_channel_or_their_mix(tmp_path):
  path = write(tmp_path / 'b.wav', 1.0, 2)
  stored = soundfile.read(path, dtype='float32')[0]
  [mix, _] = windows.read([path], RATE, RATE, RATE, 'mix', 1)
  np.testing.assert_allclose(mix.samples[:, 0], stored.mean(1), atol=1e-6)
  [second, _] = windows.read([path], RATE, RATE, RATE, '2', 1)
  assert second.channel == 2 and (second.samples[:, 0] == stored[:, 1]).all()
  [end] = windows.read([path], RATE, RATE, RATE, '3', 1)
  assert end.flaw == 'has 2 channel(s), channel 3 was asked'
  with pytest.raises(ValueError, match="channel 'left': expected all, mix or a number from 1"):
    next(windows.read([path], RATE, RATE, RATE, 'left', 1))


def test_who_stops_early_stops_the_threads(tmp_path):
  path = write(tmp_path / 'long.wav', 200.0)
  reader = windows.read([path], RATE, 800, 400, 'all', 2)
  next(reader)
  reader.close()  # would wait for ever on a full queue


def test_lengths(tmp_path):
  bad = tmp_path / 'bad.wav'
  bad.write_text('none')
  assert windows.lengths([write(tmp_path / 'b.wav', 1.5, 2), bad], 2) == {tmp_path / 'b.wav': (1.5, 2), bad: (0.0, 0)}


def test_find(tmp_path):
  write(tmp_path / 'in' / 'a.wav', 0.1)
  write(tmp_path / 'in' / 'deep' / 'b.flac', 0.1)
  (tmp_path / 'in' / 'notes.txt').touch()
  found, skips = windows.find([str(tmp_path / 'in'), str(tmp_path / 'in' / 'a.wav')])
  assert [p.name for p in found] == ['a.wav', 'b.flac'] and not skips
  with pytest.raises(ValueError, match='does not exist'):
    windows.find([str(tmp_path / 'no')])
  (tmp_path / 'empty').mkdir()
  with pytest.raises(ValueError, match='no recordings'):
    windows.find([str(tmp_path / 'empty')])
  with pytest.raises(ValueError, match='give files or folders'):
    windows.find([])


def test_preparation():
  x = np.random.default_rng(0).standard_normal((100, 1)).astype(np.float32)
  assert windows.preparation(('decode(channels=1)',))(x) is x
  assert abs(20 * np.log10(np.sqrt(np.mean(windows.preparation(('decode', 'level(-26.0)'))(x) ** 2))) + 26) < 1e-3
  with pytest.raises(ValueError, match='not resample'):
    windows.preparation(('decode', 'resample(8000)'))
