import csv

import numpy as np
import pytest
from scipy import fft
import soundfile

from data_pipeline import stereo
from data_pipeline.decoding import BadRecording

RATE = 16000
RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.standard_normal((2, 3 * RATE)) * 0.05


def late(x, samples):
  return fft.irfft(fft.rfft(x) * np.exp(-2j * np.pi * fft.rfftfreq(len(x)) * samples), len(x))


@pytest.fixture
def kind_of(tmp_path):
  def write(left, right, subtype='PCM_16'):
    soundfile.write(tmp_path / 'x.wav', np.stack([left, right], axis=1), RATE, subtype=subtype)
    return stereo.classify(tmp_path / 'x.wav')
  return write


@pytest.mark.parametrize('right, kind', [
    (LEFT, 'dual mono'), (1.0005 * LEFT, 'dual mono'), (0.3 * LEFT, 'scaled'), (-0.3 * LEFT, 'inverted'), (RIGHT, 'true'),
    (np.roll(LEFT, 1), 'delayed'), (late(LEFT, 0.3), 'delayed'), (-0.5 * late(LEFT, 250.5), 'delayed'), (0 * LEFT, 'one dead'),
    (1e-3 * RIGHT, 'one dead'), (0.9 * LEFT + 0.05 * RIGHT, 'true'), (0.9 * LEFT + 0.005 * RIGHT, 'scaled'),
])
def test_kinds(kind_of, right, kind):
  told = kind_of(LEFT, right)
  assert told.kind == kind and told.shares == {kind: 1.0}
  swapped = kind_of(right, LEFT)
  assert swapped.kind == kind and swapped.gain_db == pytest.approx(-told.gain_db, abs=1e-6)


def test_what_a_copy_is(kind_of):
  told = kind_of(LEFT, -0.5 * late(LEFT, 12.25), 'FLOAT')
  assert told.lag_us == pytest.approx(12.25 / RATE * 1e6, abs=1) and told.gain_db == pytest.approx(-6.02, abs=0.05)
  assert told.residual_db < -38
  assert kind_of(LEFT, RIGHT).residual_db > -1


def test_a_copy_so_quiet_that_rounding_is_most_of_it(kind_of):
  dither = RNG.uniform(-0.5, 0.5, (2, len(LEFT))) / 32768
  assert kind_of(0.001 * LEFT + dither[0], 0.0005 * LEFT + dither[1]).kind == 'scaled'  # -86 dB: 1.6 steps
  assert kind_of(0 * LEFT, 0 * LEFT).kind == 'silent'


def test_a_microphone_that_fails_shows_in_the_shares(kind_of):
  left, right = np.tile(LEFT, 8), np.tile(RIGHT, 8)
  right[len(right) // 4:] = 0
  told = kind_of(left, right)
  assert told.kind == 'one dead' and told.shares['one dead'] == pytest.approx(2 / 3, abs=0.1)  # a block holds both parts
  right = np.tile(RIGHT, 8)
  right[-len(right) // 4:] = 0
  assert kind_of(left, right).kind == 'true'


def test_a_lag_that_moves_is_no_copy(kind_of):
  parts = [late(RNG.standard_normal(4 * RATE) * 0.05, 0) for _ in range(4)]
  right = [late(p, d) for p, d in zip(parts, (-6, -2, 2, 6))]
  assert kind_of(np.concatenate(parts), np.concatenate(right)).kind == 'true'


def test_channels(tmp_path):
  soundfile.write(tmp_path / 'm.wav', LEFT, RATE)
  assert stereo.classify(tmp_path / 'm.wav').kind == 'mono'
  with pytest.raises(ValueError, match='channels 1 and 2 were asked: expected two different ones of the 1 there are'):
    stereo.classify(tmp_path / 'm.wav', (0, 1))
  soundfile.write(tmp_path / 'four.wav', np.stack([LEFT, RIGHT, LEFT, 0 * LEFT], axis=1), RATE)
  with pytest.raises(ValueError, match='has 4 channel.s.: expected two, or the numbers'):
    stereo.classify(tmp_path / 'four.wav')
  kinds = [stereo.classify(tmp_path / 'four.wav', pair).kind for pair in ((0, 1), (0, 2), (3, 1))]
  assert kinds == ['true', 'dual mono', 'one dead']
  with pytest.raises(BadRecording, match='missing'):
    stereo.classify(tmp_path / 'none.wav')


def test_real_recordings(real_data):
  """`stereo_diff_db` of the manifest is side over mid: below -40 dB one channel twice, above -30 two microphones."""
  with open(real_data / 'manifest.csv', newline='', encoding='utf-8') as f:
    rows = [(r['path'], float(r['stereo_diff_db'])) for r in csv.DictReader(f)
            if r['channels'] == '2' and float(r['seconds']) < 13]
  asked = [(path, difference) for path, difference in rows if difference < -40 or difference > -30]
  assert len(asked) >= 20
  for path, difference in asked[::4]:  # all of them: tools.benchmark_stereo
    assert (stereo.classify(real_data / path).kind == 'true') == (difference > -30), path
