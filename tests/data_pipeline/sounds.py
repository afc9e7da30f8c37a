"""Sound files for tests of reading: whole ones, and ways to break them."""

import numpy as np
import pytest
import soundfile

from data_pipeline import stream

RATE = 16000
RNG = np.random.default_rng(0)
SOUND = (0.2 * RNG.standard_normal((10 * RATE, 2))).astype(np.float32)


def write(path, audio=SOUND, rate=RATE, **options):
  soundfile.write(path, audio, rate, **options)
  return path


def joined(path, *arguments, **options):
  return np.concatenate(list(stream.blocks(path, *arguments, **options)))


def until_error(windows):
  """(windows before the error, its message); fails where there is none."""
  before = []
  with pytest.raises(stream.BadRecording) as raised:
    for w in windows:
      before.append(w)
  return before, str(raised.value)


def put(path, at, data):
  content = bytearray(path.read_bytes())
  content[at:at + len(data)] = data
  path.write_bytes(content)
  return path


def cut(path, share):
  path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
  return path


def renamed(path, suffix):
  return path.rename(path.with_suffix(suffix))


def made(path, content):
  path.write_bytes(content)
  return path
