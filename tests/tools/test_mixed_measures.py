"""Measures of mixed clips on clips whose faults are known."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from tools import mixed_measures
from tools.mixed_measures import Labelled, MixedFiles

RATE = 16000
T = np.arange(4 * RATE) / RATE
TONE = np.sin(2 * np.pi * 1000 * T)


def event(onset, offset, asked_db=20.0, db=0.0, label=(0.0, 0.0)):
  """A tone of -20 dB RMS and `db`, and silence but for a hum 60 dB below it; the label is off by `label`."""
  amplitude = np.where((T >= onset) & (T < offset), 1.0, 1e-3) * np.sqrt(2) * 10 ** ((-20 + db) / 20)
  return Labelled(onset + label[0], offset + label[1], asked_db, amplitude * TONE)


def clip(*events, error=0.0):
  background = np.sqrt(2) * 0.01 * TONE  # -40 dB
  mix = background + sum(e.stem for e in events)
  mix[100] += error
  return MixedFiles(mix, background, events, False, RATE)


def test_edges():
  assert mixed_measures.edges(event(1.0, 1.5).stem, RATE) == pytest.approx((1.0, 1.5), abs=mixed_measures.MOMENT_SECONDS)
  assert mixed_measures.edges(np.zeros(100), RATE) is None


def test_sum_error():
  exact = clip(event(1, 2))
  assert mixed_measures.sum_error(dataclasses.replace(exact, mix=exact.background, events=())) == (0.0, -np.inf)
  assert mixed_measures.sum_error(exact)[1] < -250
  error, db = mixed_measures.sum_error(clip(event(1, 2), error=0.01))
  rms = np.sqrt(np.mean(clip(event(1, 2)).mix ** 2))
  assert error == pytest.approx(0.01) and db == pytest.approx(20 * np.log10(0.01 / rms), abs=0.1)


def test_labels_off_by_known_times():
  right = mixed_measures.figures([clip(event(1.0, 2.0))], 1)
  assert right['onset_error_ms_50'] < 5 and right['offset_error_ms_95'] < 5 and right['label_silence_share'] < 0.01
  early = mixed_measures.figures([clip(event(1.0, 2.0, label=(-0.1, 0.3)))], 1)
  assert early['onset_error_ms_50'] == pytest.approx(100, abs=5) and early['offset_error_ms_50'] == pytest.approx(300, abs=5)
  assert early['label_silence_share'] == pytest.approx(0.4 / 1.4, abs=0.01)
  late = mixed_measures.figures([clip(event(1.0, 2.0, label=(0.2, -0.2)))], 1)
  assert late['onset_error_ms_95'] == pytest.approx(200, abs=5) and late['label_silence_share'] == 0


def test_ratios_by_both_definitions():
  """Of two tones of one frequency both definitions know the levels' difference, whatever their weights."""
  made = mixed_measures.figures([clip(event(1.0, 1.3), event(2.0, 3.5, asked_db=26.0, db=3.0))], 1)
  for name in ('cells', 'lufs'):
    assert made[f'snr_error_{name}_db_max'] == pytest.approx(3.0, abs=0.3), name  # the second is at 23 dB
    assert made[f'snr_error_{name}_db_50'] in (made[f'snr_error_{name}_db_max'], pytest.approx(0.0, abs=0.3)), name
  silent = dataclasses.replace(event(1.0, 2.0), stem=np.zeros(len(T)))
  assert mixed_measures.figures([clip(silent)], 1)['silent_events'] == 1


def test_events_at_once():
  clips = [clip(event(0.5, 2.0), event(1.0, 2.5)), clip(event(0.5, 1.0), event(1.0, 2.5))]
  assert [mixed_measures.figures(clips, most)['clips_of_more_at_once'] for most in (1, 2)] == [1, 0]


def test_as_scaper_writes_it(tmp_path):
  background = np.sqrt(2) * 0.01 * TONE
  loud = event(1.0, 2.0, db=20.0).stem  # peaks at 1.41: 32-bit integers end at 1
  rows = [{'time': 0.0, 'duration': 4.0, 'value': {'role': 'background', 'snr': 0, 'label': 'rain'}},
          {'time': 1.0, 'duration': 1.0, 'value': {'role': 'foreground', 'snr': 40.0, 'label': 'wren'}}]
  names = ['background0_rain.wav', 'foreground0_wren.wav']
  told = {'isolated_events_audio_path': [f'/elsewhere/{n}' for n in names], 'peak_normalization_scale_factor': 0.5}
  (tmp_path / 'stems').mkdir()
  (tmp_path / 'mix.jams').write_text(json.dumps({'annotations': [{'data': rows, 'sandbox': {'scaper': told}}]}))
  for path, audio in (('mix.wav', 0.5 * (background + loud)), (f'stems/{names[0]}', background), (f'stems/{names[1]}', loud)):
    soundfile.write(tmp_path / path, audio, RATE, subtype='PCM_32')
  read = mixed_measures.of_scaper(tmp_path)
  assert read.scaled and read.rate == RATE and [(e.onset, e.offset, e.asked_db) for e in read.events] == [(1.0, 2.0, 40.0)]
  np.testing.assert_allclose(read.background, background, atol=1e-9)
  made = mixed_measures.figures([read], 1)
  assert made['samples_at_full_scale'] == 0 and made['stem_samples_at_full_scale'] == np.sum(np.abs(loud) > 1 - 1e-7) > 1000
  assert made['clips_scaled_down'] == 1
