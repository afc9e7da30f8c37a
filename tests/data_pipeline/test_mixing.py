"""Mixed clips: sums, ratios, directions, distances, and that a clip is a function of its seed and number."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import signal

from data_pipeline import air, mixing, mixing_levels as levels, mixing_rendering
from data_pipeline.microphone_pair import SOUND_SPEED
from data_pipeline.mixing_placing import Singer
from data_pipeline.scene import Scene
from tests.data_pipeline import sources_to_mix
from tests.data_pipeline.sources_to_mix import RATE, spec

BUSY = dict(events=dict(count='const(4)', repetitions='choose((1, 2))', pitch='uniform(-2, 2)', stretch='uniform(0.7, 1.2)',
                        snr_db='uniform(-5, 25)'),
            contaminants=dict(count='const(2)'), background=dict(layers='choose((1, 2))'))


@pytest.fixture(scope='module')
def pools(tmp_path_factory):
  return sources_to_mix.pools(tmp_path_factory.mktemp('sources'))


@pytest.mark.parametrize('changes', [
    BUSY, BUSY | dict(channels=2), BUSY | dict(channels=2, distance=dict(metres='uniform(5, 80)'), normalise=True)])
def test_stems_add_up_and_ratios_are_as_asked(pools, changes):
  s = spec(**changes)
  for index in range(3):
    m = mixing.mix(pools, s, 7, index)
    stems = [p.stem(len(m.audio)) for p in m.events + m.contaminants]
    assert np.abs(m.background + np.sum(stems, axis=0) - m.audio).max() < 1e-6
    np.testing.assert_array_equal(m.clip.stems, stems[:len(m.events)])
    # The definition, written out over the whole clip.
    beside = levels.power(m.background, RATE)
    for stem, facts in zip(stems, m.provenance['events'] + m.provenance['contaminants']):
      cells = levels.power(stem, RATE)
      strongest = np.sort(cells, axis=None)[::-1]
      mask = cells >= strongest[np.searchsorted(np.cumsum(strongest, dtype=float), 0.95 * cells.sum(dtype=float))]
      reached = 10 * np.log10(cells[mask].sum() / beside[mask].sum())
      assert abs(reached - facts['snr_asked_db']) < 0.02 and abs(reached - facts['snr_db']) < 0.02
      others = levels.power(m.audio - stem, RATE)
      assert abs(10 * np.log10(cells[mask].sum() / others[mask].sum()) - facts['over_all_else_db']) < 0.02
    assert Scene.from_dict(json.loads(json.dumps(m.scene.to_dict()))) == m.scene
    json.dumps(m.provenance, allow_nan=False)


def test_events_lie_where_their_labels_say(pools):
  m = mixing.mix(pools, spec(events=dict(count='const(2)', snr_db='const(30)')), 0, 0)
  for part, event in zip(m.events, m.scene.events):
    stem = part.stem(len(m.audio))[:, 0]
    inside = np.zeros(len(stem), bool)
    inside[round(event.onset * RATE):round(event.offset * RATE)] = True
    assert np.sum(stem[inside] ** 2) > 0.97 * np.sum(stem ** 2)
    assert abs(20 * np.log10(np.sqrt(np.mean(stem[inside] ** 2))) - event.level_db) < 0.01
    assert event.low_hz < sources_to_mix.HZ[event.species] + 1000 and event.high_hz > sources_to_mix.HZ[event.species] - 1000


def test_a_clip_depends_on_seed_split_and_number_only(pools):
  s = spec(**BUSY)
  again = [mixing.mix(pools, s, 1, i, 'train') for i in (3, 1, 3)]
  np.testing.assert_array_equal(again[0].audio, again[2].audio)
  assert again[0].provenance == again[2].provenance and again[0].id == 'mix/train/3'
  others = [again[1], mixing.mix(pools, s, 2, 3, 'train'), mixing.mix(pools, s, 1, 3, 'test')]
  assert all(not np.array_equal(again[0].audio, o.audio) for o in others)


def test_peaks_are_scaled_and_recorded(pools):
  loud = dict(events=dict(count='const(2)', snr_db='const(40)'), background=dict(level_db='const(-20)'))
  m = mixing.mix(pools, spec(**loud), 0, 0)
  p = m.provenance
  assert p['peak_before'] > 1 and np.isclose(np.abs(m.audio).max(), 0.99, atol=1e-5)
  assert np.isclose(p['gain_db'], 20 * np.log10(0.99 / p['peak_before']), atol=1e-4)
  assert np.isclose(10 * np.log10(np.mean(m.background ** 2)), -20 + p['gain_db'], atol=0.01)
  quiet = mixing.mix(pools, spec(), 0, 0)
  assert quiet.provenance['gain_db'] == 0 and quiet.provenance['peak'] < 0.9
  assert np.isclose(np.abs(mixing.mix(pools, spec(normalise=True), 0, 0).audio).max(), 0.99, atol=1e-5)


@pytest.mark.parametrize('azimuth', [-60, 20, 90])
def test_two_microphones_hear_a_delay(pools, azimuth):
  s = spec(channels=2, events=dict(snr_db='const(10)'), microphones=dict(azimuth=f'const({azimuth})', baffle_db=4.0))
  m = mixing.mix(pools, s, 0, 0)
  [part] = m.events
  left, right = np.fft.rfft(part.audio.T.astype(float), 4 * len(part.audio))
  cross = np.fft.irfft(np.conj(left) * right, 16 * 4 * len(part.audio))
  lag = np.argmax(cross)
  lag = (lag - len(cross) * (lag > len(cross) // 2)) / (16 * RATE)
  assert abs(lag + 0.2 * np.sin(np.radians(azimuth)) / SOUND_SPEED) < 1 / (16 * RATE)  # right less left
  level = 20 * np.log10(np.linalg.norm(part.audio[:, 1]) / np.linalg.norm(part.audio[:, 0]))
  assert abs(level - 4 * np.sin(np.radians(azimuth))) < 0.05 and m.scene.events[0].azimuth == azimuth


def test_distance_echoes(pools):
  at = lambda metres: mixing.mix(pools, spec(
      events=dict(onset='const(0.5)', species=f"const('{sources_to_mix.TAXONOMY.codes[1]}')"),
      distance=dict(metres=f'const({metres})')), 0, 0).events[0]
  near, far = at(10), at(80)
  share = lambda p: np.sum(p.audio[round(1.1 * RATE):] ** 2) / np.sum(p.audio ** 2)  # after the end of the song
  assert near.facts['snr_asked_db'] - far.facts['snr_asked_db'] == pytest.approx(20 * np.log10(8))
  assert share(far) > 4 * share(near) > 0


def test_distance_dulls(tmp_path):
  source = sources_to_mix.stored(tmp_path, 'x', 0.1 * np.random.default_rng(0).standard_normal((2 * RATE, 1)))
  s = spec(distance=dict(metres='const(210)'))
  one = Singer(source, 0.0, 2.0, 2.0, (0.0,), 2.0, 1, 0.0, metres=210.0, rt60=0.0)
  far, lead = mixing_rendering.heard(one, s, np.inf, np.random.default_rng(0))
  hz, before = signal.welch(source.read()[:, 0], RATE, nperseg=512)
  _, after = signal.welch(far[lead:lead + 2 * RATE, 0], RATE, nperseg=512)
  lost = -10 * np.log10(after / before)[20:-8]
  np.testing.assert_allclose(lost, 200 * air.absorption_db(hz, 15.0, 70.0)[20:-8], atol=0.4)  # dB beyond the reference


def test_time_and_pitch_change_alone():
  t = np.arange(RATE) / RATE
  for stretch, pitch in ((1.3, 0.0), (0.7, 0.0), (1.0, 5.0), (1.2, -4.0)):
    out = mixing_rendering.stretched(np.sin(2 * np.pi * 1500 * t).astype(np.float32), stretch, pitch, RATE)
    assert len(out) == round(RATE * stretch)
    middle = out[len(out) // 4:-len(out) // 4] * np.hanning(len(out) - len(out) // 4 - len(out) // 4)
    hz = np.argmax(np.abs(np.fft.rfft(middle, 8 * RATE))) / 8
    assert abs(hz / (1500 * 2 ** (pitch / 12)) - 1) < 0.01
  np.testing.assert_array_equal(mixing_rendering.stretched(t.astype(np.float32), 1.0, 0.0, RATE), t.astype(np.float32))


def test_events_hold_nothing_above_their_background(pools):
  dull = dataclasses.replace(pools, background=tuple(dataclasses.replace(b, top_hz=3000.0) for b in pools.background))
  s = spec(events=dict(count='const(6)', species=f"const('{sources_to_mix.TAXONOMY.codes[0]}')"))
  for p in mixing.mix(dull, s, 0, 0).events:
    power = np.abs(np.fft.rfft(p.audio[:, 0])) ** 2
    assert power[np.fft.rfftfreq(len(p.audio), 1 / RATE) > 3000].sum() < 1e-4 * power.sum()
  high = spec(events=dict(species=f"const('{sources_to_mix.TAXONOMY.codes[1]}')"))
  with pytest.raises(ValueError, match=r'a bird sings above all that its background holds \(20 times\)'):
    mixing.mix(dull, high, 0, 0)


def test_self_noise_fills_gaps(pools, tmp_path):
  half = np.zeros((4 * RATE, 1))
  half[:RATE // 2] = 0.1 * np.random.default_rng(0).standard_normal((RATE // 2, 1))
  gaps = dataclasses.replace(pools, background=(sources_to_mix.stored(tmp_path, 'gaps', half),))
  late = dict(onset='const(2)')
  with pytest.raises(ValueError, match='the background is silent where an event is'):
    mixing.mix(gaps, spec(events=late), 0, 0)
  m = mixing.mix(gaps, spec(events=late, background=dict(self_noise_db='const(-60)')), 0, 0)
  assert np.isclose(10 * np.log10(np.mean(m.background[-RATE:] ** 2)), -60, atol=0.3)


def test_what_is_refused(pools):
  with pytest.raises(ValueError, match='sources are at 16000 Hz, clips at 32000 Hz'):
    mixing.mix(pools, spec(sample_rate=32000), 0, 0)
  with pytest.raises(ValueError, match='integers of 0 or more'):
    mixing.mix(pools, spec(), -1, 0)
