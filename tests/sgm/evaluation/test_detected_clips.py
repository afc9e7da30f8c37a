"""The surest events as pictures, sounds and a page: the right ones, of the right seconds, opened as a user opens them."""

import dataclasses
import shutil

import numpy as np
import pytest
import soundfile

from data_pipeline.taxonomy import PROCEDURAL
from sgm.evaluation import detected_clips, detected_files, detected_page
from sgm.evaluation.localisation import DetectedEvent

RATE = 8000
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')


def event(species, onset, offset, confidence, channel=1, p=0.01):
  return DetectedEvent(species, onset, offset, 1000.0, 2000.0, confidence, p, channel, 1)


def file(folder, name, events, seconds=40.0, channels=2):
  """A recording whose channel c holds c + its second, as far as 16 bits do."""
  t = np.arange(int(seconds * RATE)) / RATE
  soundfile.write(folder / name, np.stack([0.01 * np.floor(t) + 0.001 * c for c in range(channels)], 1), RATE)
  return detected_files.FileResult(str(folder / name), seconds, channels, 30, 1, False, '', tuple(events),
                                   name.split('.')[0], 'k')


@pytest.fixture
def results(tmp_path):
  one = file(tmp_path, 'one <b>.wav', [event('tinpip', 5.0, 6.0, 0.6), event('tinpip', 0.2, 0.5, 0.9),
                                       event('gltpip', 10.0, 30.0, 0.8)])
  two = file(tmp_path, 'two.flac', [event('tinpip', 39.0, 39.9, 0.6, 2, 0.001), event('tinpip', 20.0, 21.0, 0.7)])
  silent = dataclasses.replace(one, path='/no.wav', name='no', windows=0, events=(), skip='not audio')
  return [one, two, silent]


def test_the_surest_come_first(results):
  best = detected_clips.best(results, 3)
  assert list(best) == ['tinpip', 'gltpip']
  assert [(r.name, e.onset) for r, e in best['tinpip']] == [('one <b>', 0.2), ('two', 20.0), ('two', 39.0)]  # then by p-value


def test_sounds_are_those_of_the_events(results, tmp_path):
  out = tmp_path / 'out'
  out.mkdir()
  clips = detected_clips.write(out, results, 4, PROCEDURAL, 4000.0, mixed=False)
  assert {s: [c.event for c in some] for s, some in clips.items()} == {
      s: [e for _, e in found] for s, found in detected_clips.best(results, 4).items()}
  for some in clips.values():
    for clip in some:
      got, rate = soundfile.read(out / clip.sound)
      whole = soundfile.read(clip.file.path)[0][:, clip.event.channel - 1]
      first, last = max(0, round((clip.event.onset - 1) * RATE)), round((clip.event.offset + 1) * RATE)
      wanted = whole[first:min(last, first + 12 * RATE)]
      assert rate == RATE and len(got) == len(wanted)
      np.testing.assert_allclose(got, wanted * 10 ** (clip.gain_db / 20), atol=1e-4)
      assert abs(got).max() == pytest.approx(0.5, abs=1e-3) and clip.cut == (clip.event.species == 'gltpip')
      assert (out / clip.picture).read_bytes()[:4] == b'\x89PNG'
  again = detected_clips.write(out, results, 1, PROCEDURAL, 4000.0, mixed=True)
  assert len(list((out / 'pictures').iterdir())) == 4
  mixed = soundfile.read(results[0].path)[0].mean(1)[:round(1.5 * RATE)]
  np.testing.assert_allclose(soundfile.read(out / again['tinpip'][0].sound)[0],
                             mixed * 10 ** (again['tinpip'][0].gain_db / 20), atol=1e-4)


def test_a_spectrogram_shows_a_tone_where_it_is():
  t = np.arange(2 * RATE) / RATE
  S, grid = detected_clips.spectrogram(0.5 * np.sin(2 * np.pi * 1500 * t) * (t >= 1), RATE, 3000.0, 7.0)
  assert S.shape == (len(t) // 32, len(grid.band_hz)) and grid.duration == 2.0 and grid.start == 7.0
  frame, band = np.unravel_index(S.argmax(), S.shape)
  assert grid.band_hz[band] == pytest.approx(1500, abs=16) and frame > len(S) / 2 and grid.band_hz[-1] <= 3000
  loudest = grid.db_range[0] + S.max() * detected_clips.RANGE_DB
  assert loudest == pytest.approx(-6.0, abs=0.2) and not S[:len(S) // 2 - 4].any()


def write_page(results, tmp_path, pictures=2):
  out = tmp_path / 'out'
  out.mkdir()
  summary = detected_files.write_all(out, results, PROCEDURAL, lambda rate: ({}, 'at most $5'))
  clips = detected_clips.write(out, results, pictures, PROCEDURAL, 4000.0, mixed=False)
  detected_page.write(out, results, clips, summary, PROCEDURAL)
  return out / 'index.html'


def test_the_page_lists_files_and_events(results, tmp_path):
  page = write_page(results, tmp_path).read_text()
  assert 'At most $5.' in page and 'one &lt;b&gt;' in page and '<b>.' not in page and 'not audio' in page
  assert '4 events; the 2 surest below' in page and 'its beginning only' in page
  assert page.index('<h2 id="tinpip">') < page.index('<h2 id="gltpip">')
  assert page.count('<tr><td class="num">') == 5  # all events, in tables by file


def test_a_page_without_pictures(results, tmp_path):
  page = write_page(results, tmp_path, pictures=0).read_text()
  assert '4 events.</p>' in page and '<img' not in page and not (tmp_path / 'out' / 'pictures').exists()
  assert page.count('<details open>') == 2 and page.count('<tr><td class="num">') == 5


def test_no_events(results, tmp_path):
  page = write_page([dataclasses.replace(r, events=()) for r in results], tmp_path).read_text()
  assert 'No events.' in page and '<img' not in page


@pytest.mark.skipif(not CHROMIUM, reason='no chromium')
def test_a_browser_opens_it_from_disk(results, tmp_path):
  from playwright import sync_api
  path = write_page(results, tmp_path)
  said = []
  with sync_api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu'])
    page = browser.new_page(viewport={'width': 1200, 'height': 3000})
    page.on('console', lambda message: said.append(message.text))
    page.goto(path.as_uri(), wait_until='networkidle')
    pictures = page.evaluate('[...document.images].map(i => i.naturalWidth)')
    seconds = page.evaluate('''() => Promise.all([...document.querySelectorAll('audio')].map(a => new Promise((yes, no) => {
      a.onloadedmetadata = () => yes(a.duration); a.onerror = () => no(a.error.message);
      a.preload = 'metadata'; a.load(); })))''')
    browser.close()
  assert not said and min(pictures) > 500 and len(pictures) == len(seconds) == 3
  assert sorted(seconds) == pytest.approx([1.5, 3.0, 12.0], abs=0.01)
