import json
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import microphones
from data_pipeline.microphones import Setup


def test_angles():
  setup = Setup(spacing_m=0.2, front_deg=90.0)
  assert setup.sound_speed == pytest.approx(343.2, abs=0.1) and Setup(temperature_c=0.0).sound_speed == pytest.approx(331.3)
  assert setup.widest_us == pytest.approx(582.7, abs=0.1)
  assert setup.azimuth(0) == 0 and setup.azimuth(setup.widest_us / 2) == pytest.approx(-30)  # the left one is earlier
  assert setup.azimuth(-1.05 * setup.widest_us) == 90 and setup.azimuth(1.2 * setup.widest_us) is None
  assert setup.bearings(-30) == (60, 300) and Setup().bearings(0) is None and Setup().azimuth(100) is None


def test_a_record_is_found_beside_its_recordings(tmp_path):
  deep = tmp_path / 'site' / '2024-05-01'
  deep.mkdir(parents=True)
  sound = deep / 'night.wav'
  assert microphones.find(sound, tmp_path) is None
  microphones.write(tmp_path / 'microphones.json', Setup(spacing_m=0.3, device='Song Meter'))
  assert microphones.find(sound, tmp_path / 'site') is None  # above what was given
  assert microphones.read(microphones.find(sound, tmp_path)) == Setup(spacing_m=0.3, device='Song Meter')
  microphones.write(deep / 'microphones.json', Setup(front_deg=0.0))
  assert microphones.read(microphones.find(sound, tmp_path)).front_deg == 0
  microphones.write(deep / 'night.microphones.json', Setup(left_channel=2, right_channel=1))
  assert microphones.read(microphones.find(sound, tmp_path)).left_channel == 2


@pytest.mark.parametrize('content, message', [
    ({'spacing_m': 20}, None), ({'spacing_m': 0}, 'spacing_m is 0: expected m from 0.005 to 100'),
    ({'spacing_m': '0.2'}, "spacing_m is '0.2'"),
    ({'spacing_cm': 20}, "'spacing_cm' is no field of a setup record: expected some of spacing_m"),
    ({'left_channel': 2}, 'right_channel is 2: expected another channel'), ({'left_channel': 0}, 'counted from 1'),
    ({'front_deg': 360}, 'front_deg is 360'), ({'temperature_c': True}, 'temperature_c is True'),
    ({'device': 4}, 'device is 4: expected text'),
    ([1], 'holds a JSON list'),
])
def test_records(tmp_path, content, message):
  path = tmp_path / 'microphones.json'
  path.write_text(json.dumps(content))
  if message is None:
    assert microphones.read(path) == Setup(**content)
    return
  with pytest.raises(ValueError, match=message) as error:
    microphones.read(path)
  assert str(error.value).startswith(str(path))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 2), st.booleans(), st.lists(st.floats(-80, 80), min_size=2, max_size=6), st.integers(0, 99))
def test_calibration(spacing, swapped, azimuths, seed):
  if max(map(abs, azimuths)) < 20:
    azimuths.append(60.0)
  truth = Setup(spacing_m=spacing)
  delays = [-truth.widest_us * math.sin(math.radians(a)) * (-1 if swapped else 1) for a in azimuths]
  fitted, off = microphones.calibrate(Setup(device='x'), delays, azimuths)
  assert fitted.spacing_m == pytest.approx(spacing, abs=1e-4) and (fitted.left_channel == 2) == swapped and fitted.device == 'x'
  assert np.abs(off).max() < 0.5


def test_a_clicker_and_microphones_63_cm_apart():
  """Six clicks outdoors, what was true and what was measured, published by naturerecordists (2003)."""
  true, measured = (0, 22, 29, 57, 63, 74), (0, 19, 35, 56, 60, 72)
  setup = Setup(spacing_m=0.63)
  fitted, off = microphones.calibrate(Setup(), [-setup.widest_us * math.sin(math.radians(a)) for a in measured], true)
  assert fitted.spacing_m == pytest.approx(0.63, rel=0.03) and np.abs(off).max() < 8
  with pytest.raises(ValueError, match='15 degrees or more'):
    microphones.calibrate(Setup(), [1.0, 2], [5, -3])
