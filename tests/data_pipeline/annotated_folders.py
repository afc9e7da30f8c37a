"""Folders for the tests of annotated recordings, and short views of what is found in them."""

from __future__ import annotations

import dataclasses

from data_pipeline import annotated_events
from data_pipeline.scene import Event

TIT = Event('gretit1', 'song', 0.5, 1.25, 3000.0, 5000.0, -31.5)
OWL = Event('webowl1', 'call', 2.0, 3.0, 500.0, 4000.0, -20.0)
RAVEN = 'Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)'
KHZ = 'sound.files,selec,start,end,bottom.freq,top.freq\n'


def put(folder, name, text=''):
  """A file: a sound is empty here, nothing opens it."""
  path = folder / name
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text, encoding='utf-8')
  return path


def raven_row(begin, end, *more, low=3000, high=5000):
  return '\t'.join(map(str, ('1', 'Spectrogram 1', 1, begin, end, low, high, *more))) + '\n'


def events_of(listing):
  return {r.name: r.events for r in listing.recordings}


def reasons(listing):
  return {s.name: s.reason for s in listing.skips}


def without(event, **kw):
  """An event of a format that cannot say all of it."""
  return dataclasses.replace(event, **{'level_db': annotated_events.LEVEL_DB} | kw)
