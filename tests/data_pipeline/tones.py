"""Scenes whose sound is known: a tone for each event and nothing else, and whether labels still say where the tones are."""

import numpy as np
import scipy.signal

from data_pipeline.scene import VOCALISATIONS, Event, Scene
from data_pipeline.taxonomy import PROCEDURAL

RATE = 8000


def scene_of(rows, duration=2.0):
  """Scene of (onset, offset, centre Hz) rows; bands are 200 Hz wide, levels -20 dB."""
  events = [Event(PROCEDURAL.codes[i], VOCALISATIONS[0], a, b, hz - 100.0, hz + 100.0, -20.0)
            for i, (a, b, hz) in enumerate(rows)]
  return Scene(tuple(events), '', '', '', duration)


def sound(features):
  """The features with each event's stem a tone in the middle of its band, of its level; the audio is their sum."""
  n, channels = features['audio'].shape
  t = np.arange(n) / RATE
  stems = np.zeros((len(features['onset']), n, channels), np.float32)
  for i, stem in enumerate(stems):
    hz = (features['low_hz'][i] + features['high_hz'][i]) / 2
    there = (t >= features['onset'][i]) & (t < features['offset'][i])
    stem += (there * np.sqrt(2) * 10 ** (features['level_db'][i] / 20) * np.sin(2 * np.pi * hz * t))[:, None]
  return {**features, 'audio': stems.sum(0), 'stems': stems}


def share_labelled(features, seconds=0.03, hz=60.0):
  """Share of the sound's energy in the boxes of the events, widened by the resolution of the spectrogram."""
  f, t, power = scipy.signal.spectrogram(features['audio'][:, 0], RATE, 'hann', 256, 192, mode='psd')
  inside = np.zeros(power.shape, bool)
  for a, b, low, high in zip(*(features[k] for k in ('onset', 'offset', 'low_hz', 'high_hz'))):
    inside |= ((f >= low - hz) & (f <= high + hz))[:, None] & ((t >= a - seconds) & (t <= b + seconds))
  return power[inside].sum() / power.sum()


def level_in(features, i):
  """RMS in dB of the sound within event i and its band."""
  a, b = (round(float(features[k][i]) * RATE) for k in ('onset', 'offset'))
  x = features['audio'][a:b, 0]
  hz = np.fft.rfftfreq(len(x), 1 / RATE)
  spectrum = np.fft.rfft(x) * ((hz >= features['low_hz'][i] - 30) & (hz <= features['high_hz'][i] + 30))
  return 10 * np.log10(np.mean(np.fft.irfft(spectrum, len(x)) ** 2) + 1e-20)
