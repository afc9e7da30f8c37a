"""Voices outside of every split: sung by the same generator, and no built-in bird's."""

import itertools

import numpy as np
import pytest

from data_pipeline import soundscape, species, strangers, voices

VOICES = {**strangers.UNLIKE, **strangers.LOOK_ALIKES}


def renditions(pattern, count=12):
  """(count, 16, 32) pictures, log-power over time and frequency, of renditions by as many birds, peak at 0 dB."""
  pictures = []
  for seed in range(count):
    rng = np.random.default_rng(seed)
    who = voices.draw_individual(rng)
    wave, _ = voices.sound(voices.perform(pattern, who, voices.usual_seconds(pattern, who, rng), rng), 0.1, 1.1, 16000)
    frames = np.resize(wave, (64, len(wave) // 64)) * np.hanning(len(wave) // 64)
    power = np.abs(np.fft.rfft(frames, 512)[:, :256]) ** 2
    power = power.reshape(16, 4, 32, 8).sum((1, 3))
    pictures.append(10 * np.log10(np.maximum(power / power.max(), 1e-4)))
  return np.array(pictures)


def test_names_are_their_own_and_patterns_too():
  assert not set(VOICES) & set(species.PATTERNS) and not set(strangers.UNLIKE) & set(strangers.LOOK_ALIKES)
  assert len(VOICES) >= 8 and all(set(kinds) == {'song', 'call'} for kinds in VOICES.values())
  built_in = [p for kinds in species.PATTERNS.values() for p in kinds.values()]
  assert not any(p in built_in for kinds in VOICES.values() for p in kinds.values())


@pytest.mark.parametrize('code,kind', list(itertools.product(VOICES, ('song', 'call'))))
def test_every_voice_can_be_sung_and_heard(code, kind):
  pattern = VOICES[code][kind]
  for seed in range(20):
    rng = np.random.default_rng(seed)
    who = voices.draw_individual(rng)
    controls = voices.perform(pattern, who, voices.usual_seconds(pattern, who, rng), rng)
    hz = controls.hz[controls.amplitude > 0.1]
    assert 150 < np.quantile(hz, 0.02) and np.quantile(hz, 0.98) < 7990  # inside of the spectrogram
    assert 0.13 < controls.offset - controls.onset < 2.1


def test_songs_of_the_unlike_resemble_no_built_in_song_as_much_as_each_other():
  known = {code: renditions(kinds['song']).mean(0) for code, kinds in species.PATTERNS.items()}
  for code, kinds in strangers.UNLIKE.items():
    mine = renditions(kinds['song'])
    away = min(np.abs(mine.mean(0) - other).mean() for other in known.values())
    assert away > 2 * np.abs(mine[::2].mean(0) - mine[1::2].mean(0)).mean(), code


def test_clips_of_strangers_hold_strangers_only():
  for index in range(10):
    clip = soundscape.generate(3, index, density=(0, 0, 1), patterns=VOICES)
    assert {e.species for e in clip.scene.events} <= set(VOICES)
  with pytest.raises(ValueError, match="species 'gltpip' is not built in: expected one of boomer"):
    soundscape.generate(3, 0, species=('gltpip',), patterns=VOICES)


def test_splits_hold_none_of_them():
  codes = {e.species for i in range(40) for e in soundscape.generate(soundscape.split_seed(0, 'train'), i).scene.events}
  assert codes and codes <= set(species.CODES)
