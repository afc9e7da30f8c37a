import numpy as np
import pytest
import soundfile

from tests.tools.xeno_canto_server import LEFT, RATE, RIGHT
from tools import true_stereo


@pytest.mark.parametrize('right, differs', [
    (LEFT, False), (-0.3 * LEFT, False), (np.roll(LEFT, 7), False), (0 * LEFT, False), (RIGHT, True),
    (0.9 * LEFT + 0.05 * RIGHT, True), (np.round(LEFT * 32768) / 32768, False),
])
def test_true_stereo(tmp_path, right, differs):
  soundfile.write(tmp_path / 'x.wav', np.stack([LEFT, right], axis=1), RATE, subtype='FLOAT')
  assert true_stereo.truly_stereo(tmp_path / 'x.wav') == differs
  soundfile.write(tmp_path / 'm.wav', LEFT, RATE)
  assert not true_stereo.truly_stereo(tmp_path / 'm.wav')


def test_the_real_copies_are_found_out(real_data):
  assert true_stereo.truly_stereo(real_data / 'nps_yellowstone' / 'Bird_American_Robin_American_Robin.mp3')
  assert not true_stereo.truly_stereo(real_data / 'nps_yellowstone' / 'Bird_American_Dipper_American_Dipper.mp3')
