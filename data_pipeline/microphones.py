"""The setup record: what is known of the microphones of a recording, as a small JSON that lies beside it.

  {"spacing_m": 0.2, "left_channel": 1, "right_channel": 2, "front_deg": 90, "temperature_c": 15,
   "microphones": "two omnidirectional capsules on a tree", "device": "Song Meter 4"}

All fields may be left out. `night.microphones.json` is that of night.wav; `microphones.json` that of all recordings in its
folder and below. Angles follow `Event.azimuth`: degrees from straight ahead, negative = left. Two microphones cannot tell what
is ahead from what is behind them, nor above from below: an azimuth is half the opening of a cone around their line, less 90.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from typing import Sequence

import numpy as np

from data_pipeline.formats import files

NAME = 'microphones.json'
SLACK = 1.1  # delays may be this much longer than the spacing allows: bodies and cases make sound go round them


@dataclasses.dataclass(frozen=True)
class Setup:
  """Two microphones.

  Attributes:
    spacing_m: between them; None = not known, and no degrees.
    left_channel, right_channel: channels of the file, counted from 1, seen by who stands behind them and looks ahead.
    front_deg: compass bearing of straight ahead, 0 = north, 90 = east; None = not known.
    temperature_c: of the air: sound is 0.2 % faster with each degree.
    microphones, device: in words.
  """

  spacing_m: float | None = None
  left_channel: int = 1
  right_channel: int = 2
  front_deg: float | None = None
  temperature_c: float = 20.0
  microphones: str = ''
  device: str = ''

  def __post_init__(self):
    def need(ok: bool, field: str, expected: str) -> None:
      if not ok:
        raise ValueError(f'{field} is {getattr(self, field)!r}: expected {expected}')
    number = lambda x: isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)
    need(self.spacing_m is None or (number(self.spacing_m) and 0.005 <= self.spacing_m <= 100), 'spacing_m',
         'm from 0.005 to 100, 0.2 for 20 cm')
    for field in ('left_channel', 'right_channel'):
      need(type(getattr(self, field)) is int and getattr(self, field) >= 1, field, 'a channel of the file, counted from 1')
    need(self.left_channel != self.right_channel, 'right_channel', 'another channel than left_channel')
    need(self.front_deg is None or (number(self.front_deg) and 0 <= self.front_deg < 360), 'front_deg',
         'degrees from 0, below 360')
    need(number(self.temperature_c) and -60 <= self.temperature_c <= 60, 'temperature_c', 'degrees C from -60 to 60')
    for field in ('microphones', 'device'):
      need(isinstance(getattr(self, field), str), field, 'text')

  @property
  def sound_speed(self) -> float:
    """m/s in dry air."""
    return 331.3 * math.sqrt(1 + self.temperature_c / 273.15)

  @property
  def widest_us(self) -> float | None:
    """The delay of a source at one side, None without a spacing."""
    return None if self.spacing_m is None else self.spacing_m / self.sound_speed * 1e6

  def azimuth(self, delay_us: float) -> float | None:
    """Degrees, negative = left, of a delay (positive = left is earlier); None without a spacing, or for a delay that is too
    long for it."""
    if self.widest_us is None or abs(delay_us) > SLACK * self.widest_us:
      return None
    return -math.degrees(math.asin(max(-1.0, min(1.0, delay_us / self.widest_us))))

  def bearings(self, azimuth: float) -> tuple[float, float] | None:
    """The compass bearings of an azimuth: if the source is ahead, and if it is behind. None without front_deg."""
    if self.front_deg is None:
      return None
    return (self.front_deg + azimuth) % 360, (self.front_deg + 180 - azimuth) % 360


def read(path: files.Path) -> Setup:
  """Raises ValueError for anything that is no setup record, naming the file."""
  found = files.read_json_object(path)
  known = [f.name for f in dataclasses.fields(Setup)]
  unknown = sorted(set(found) - set(known))
  if unknown:
    raise ValueError(f'{path}: {unknown[0]!r} is no field of a setup record: expected some of {", ".join(known)}')
  try:
    return Setup(**found)
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error


def write(path: files.Path, setup: Setup) -> None:
  """Writes the fields that are known; the file appears whole or not at all."""
  told = {k: v for k, v in dataclasses.asdict(setup).items() if v not in (None, '')}
  files.write_text(path, json.dumps(told, indent=1) + '\n')


def find(sound: files.Path, top: files.Path) -> pathlib.Path | None:
  """The setup record of a recording: its own, that of its folder, or that of a folder above, up to `top`."""
  sound, top = pathlib.Path(sound).resolve(), pathlib.Path(top).resolve()
  folders = [f for f in sound.parents if f == sound.parent or f.is_relative_to(top)]
  for path in (sound.with_name(f'{sound.stem}.{NAME}'), *(f / NAME for f in folders)):
    if path.is_file():
      return path
  return None


def calibrate(setup: Setup, delays_us: Sequence[float], azimuths: Sequence[float]) -> tuple[Setup, np.ndarray]:
  """The setup whose spacing fits delays of sounds from known directions, by least squares; channels change places if they must.

  Args:
    setup: the rest of the record; its temperature makes metres of microseconds.
    delays_us: measured with the channels as `setup` has them.
    azimuths: true degrees, negative = left.

  Returns:
    (the setup, (n,) degrees by which the measured azimuths are off; NaN for a delay that no direction has)

  Raises ValueError: no sound 15 degrees or more to a side, or a spacing that cannot be.
  """
  delays, sines = np.asarray(delays_us, float), -np.sin(np.radians(np.asarray(azimuths, float)))
  if not len(sines) or np.max(abs(sines)) < math.sin(math.radians(15)):
    raise ValueError('no sound is 15 degrees or more to the left or the right: those ahead say nothing of the spacing')
  slope = float(delays @ sines / (sines @ sines))  # us for a source at the left
  fitted = dataclasses.replace(setup, spacing_m=round(abs(slope) * 1e-6 * setup.sound_speed, 4))
  if slope < 0:
    fitted = dataclasses.replace(fitted, left_channel=setup.right_channel, right_channel=setup.left_channel)
  measured = [fitted.azimuth(math.copysign(1, slope) * d) for d in delays]
  return fitted, np.array([math.nan if m is None else m for m in measured]) - np.asarray(azimuths, float)
