r"""What the file names of unattended recorders tell: site, start and maker.

AudioMoth           20190522_043000.WAV, 20190522_043000T.WAV (triggered), 20190522_043000_SYNC.WAV, each also with the 16
                    digits of the device or another prefix before it; before 2019 the Unix time as 5CE4B8D0.WAV
Wildlife Acoustics  S4A03895_20190522_043000.wav, SITE_0+1_20190522_043000.wav (SM3: channels), SITE__0__20190522_043000.wav,
                    SITE_20190522$043000.wav, SITE$20190522_043000.wav ($: clock set by GPS), SITE_20190522_043000_1.wav,
                    SITE_20190522_043000_250.wav (milliseconds; also what Kaleidoscope cuts out of longer files)
others              SITE-20190522-043000.wav, 20190522T043000Z_SITE.wav, SITE_20190522_043000_-0400.wav (difference to UTC)

Recorders write the time of their own clock, which is local time, UTC, or was never set; the name seldom says which.
"""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import re

from data_pipeline.recording import SUFFIXES

AUDIOMOTH, WILDLIFE = 'AudioMoth', 'Wildlife Acoustics'

_DATED = re.compile(r"""
    (?:(?P<site>.*?)(?P<before>[_$ -]+?))??              # shortest, so that the channels are not taken for a part of it
    (?:(?P<channels>[01]\+[01](?:_[01])?|_[01]_)_)?
    (?P<date>\d{8})(?P<between>[_$T-])(?P<time>\d{6})
    (?P<zone>Z|_?[+-]\d{4}(?![\d.]))?
    (?:_(?P<milliseconds>\d{3}))?
    (?P<tail>T|[_. -].*)?""", re.VERBOSE | re.ASCII | re.DOTALL)
_SERIAL = re.compile(r'(?:S4[AU]|S5[A-Z]|SM[AMU]|SM[234])\d{5,6}', re.ASCII)
_DEVICE = re.compile(r'[0-9A-F]{16}', re.ASCII)
# Eight hexadecimal digits are also dates and counters; those that mean these years belong to AudioMoths.
_HEXADECIMAL_YEARS = (2016, 2030)
_FIRST_YEAR = 1990  # a clock that was never set begins in 1970


@dataclasses.dataclass(frozen=True)
class RecorderName:
  """What a file name tells.

  Attributes:
    site: its prefix: the name or number of a recorder or a place; '' = it has none.
    started: when the recording began, by the recorder's clock; with a time zone where the name tells one. None = not told.
    maker: AUDIOMOTH, WILDLIFE, or '' where both write such names.
    impossible: what stands in place of a date and a time where there are no such ones, or the clock was never set; else ''.
  """

  site: str = ''
  started: datetime.datetime | None = None
  maker: str = ''
  impossible: str = ''


def parse(name: str) -> RecorderName:
  """What the name of a file tells, with or without the folder and the suffix of a sound file."""
  path = pathlib.PurePosixPath(name)
  stem = path.stem if path.suffix.lower() in SUFFIXES else path.name
  if re.fullmatch(r'[0-9A-Fa-f]{8}', stem):
    return _hexadecimal(int(stem, 16))
  found = _DATED.fullmatch(stem)
  if not found:
    return RecorderName()
  site = (found['site'] or '').strip('_$ -')
  maker = _maker(site, found)
  try:
    started = datetime.datetime.strptime(found['date'] + found['time'], '%Y%m%d%H%M%S')
    started += datetime.timedelta(milliseconds=int(found['milliseconds'] or 0))
    if found['zone']:
      started = started.replace(tzinfo=datetime.datetime.strptime(found['zone'].strip('_'), '%z').tzinfo)
    if started.year < _FIRST_YEAR:
      raise ValueError
  except ValueError:
    return RecorderName(site, None, maker, found['date'] + found['between'] + found['time'] + (found['zone'] or ''))
  return RecorderName(site, started, maker)


def _hexadecimal(seconds: int) -> RecorderName:
  started = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
  first, end = _HEXADECIMAL_YEARS
  return RecorderName('', started, AUDIOMOTH) if first <= started.year < end else RecorderName()


def _maker(site: str, found: re.Match) -> str:
  if found['channels'] or '$' in (found['before'], found['between']) or _SERIAL.fullmatch(site):
    return WILDLIFE
  bare = not site and found['between'] == '_' and not found['zone']
  return AUDIOMOTH if bare or _DEVICE.fullmatch(site) or found['tail'] in ('T', '_SYNC') else ''
