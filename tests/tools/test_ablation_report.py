"""The page of an invented sweep, with invented clips, read by a real browser."""

import json
import re
import shutil
import types

import numpy as np
import pytest

from data_pipeline import taxonomy
from data_pipeline.scene import Scene
from sgm import render, sample
from sgm.tasks import restore
from tests.tools import sweeps
from tools import ablation_clips, ablation_results, report

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')


@pytest.fixture
def generated(monkeypatch):
  """Stubs for the networks. Returns the names of the runs that were asked to generate."""
  asked = []
  labels = types.SimpleNamespace(taxonomy=taxonomy.PROCEDURAL, profiles={})
  clip = types.SimpleNamespace(seconds=2.56)
  frontend = types.SimpleNamespace(band_hz=tuple(np.linspace(150, 8000, 16)), db_range=(-100.0, 0.0), sample_rate=16000)

  def load(workdir, expect):
    assert expect == 'latent_diffusion'
    asked.append(workdir.name)
    task = types.SimpleNamespace(frontend=frontend)
    return types.SimpleNamespace(config=types.SimpleNamespace(clip=clip), labels=labels, task=task, attribution='',
                                 fingerprint=restore.fingerprint(workdir))

  def generate(run, requests, seed, kind):
    rng = np.random.default_rng(seed)
    s = rng.random((len(requests), 32, 16, 1)).astype(np.float32)
    return s, rng.uniform(-0.1, 0.1, (len(requests), 4096, 1))

  levels = lambda model, s: np.full((*s.shape[:2], 16), 1 / 16)
  monkeypatch.setattr(restore, 'load', load)
  monkeypatch.setattr(restore.Labels, 'load', lambda workdir: labels)
  monkeypatch.setattr(sample, 'generate', generate)
  monkeypatch.setattr(ablation_clips, '_levels', levels)
  return asked


def test_small_results_make_a_page_that_says_what_it_lacks(tmp_path):
  out = sweeps.write(tmp_path / 'kept', small=True, finished=lambda run: (run['arm'], run['seed']) != ('factorised', 1))
  html = report.build(out).read_text()
  for text in ('Volume against scalar at matched parameters', 'adds something beyond the likelihood',
               'Not run: clips are generated from the work directories', '1 of 39 planned runs are not finished',
               'factorised (parameters) seed 1'):
    assert text in html, text
  visible = re.sub(r'<(script|style).*?</\1>|data:[^"]*', '', html, flags=re.DOTALL)
  assert not re.search(r'\b(nan|inf|None|undefined|True|False)\b', visible)
  assert str(tmp_path) not in html and html.count('data:image/png') == 2  # against compute, rate and distortion
  answer = json.loads((out / 'results.json').read_text())
  assert answer['plan']['hours'] == 9.5 and len(answer['runs']) == 38
  assert len(ablation_results.load(out).runs) == 38  # its own results.json is no run


def test_a_refused_report_leaves_nothing(tmp_path):
  out = sweeps.write(tmp_path / 'o', finished=lambda run: run['seed'] == 0)
  with pytest.raises(SystemExit, match='tools.report: a report needs label_fidelity of two seeds'):
    report.main(['--runs', str(out)])
  assert not (out / 'report.html').exists() and not (out / 'results.json').exists()


def test_clips_are_made_once_and_anew_when_a_run_changes(tmp_path, generated, capsys):
  out = sweeps.add_workdirs(sweeps.write(tmp_path / 'o'), 'scalar-reference-s1', 'volume-parameters-s1')
  report.main(['--runs', str(out)])
  assert generated == ['scalar-reference-s1', 'volume-parameters-s1']
  assert 'clips of volume-parameters-s1' in capsys.readouterr().out
  folder = out / 'clips' / 'volume-parameters-s1'
  assert {p.name for p in (folder / '0001').iterdir()} == set(render.FILES)
  record = json.loads((folder / '0001' / 'scene.json').read_text())
  assert len(Scene.from_dict(record['scene']).events) == 2 and record['seed'] == 0
  assert {p.name for p in (out / 'pictures').iterdir()} == {'compute.png', 'rate_distortion.png', 'slices.png'}
  html = (out / 'report.html').read_text()
  assert 'No work directory, so no clips: scalar_softmax, levels, factorised, volume_filled, volume_permuted.' in html

  def again():
    del generated[:]
    ablation_clips.make(out, ablation_results.load(out).with_workdirs(), print)
    return generated

  assert not again()
  (out / 'runs' / 'volume-parameters-s1' / 'config.json').write_text('{"config_fingerprint": "other"}')
  assert again() == ['volume-parameters-s1']
  (folder.parent / 'scalar-reference-s1' / 'made.json').unlink()  # as if cut off
  assert again() == ['scalar-reference-s1'] and not again()


@pytest.mark.skipif(CHROMIUM is None, reason='no Chromium on this machine: the page was not opened in a browser')
def test_in_a_browser(tmp_path, generated):
  from playwright import sync_api
  out = sweeps.add_workdirs(sweeps.write(tmp_path / 'o'), 'scalar-reference-s1', 'volume-parameters-s1')
  path = report.build(out)
  with sync_api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu'])
    page = browser.new_page(viewport={'width': 390, 'height': 900})
    errors, requests = [], []
    page.on('console', lambda message: errors.append(message.text))
    page.on('pageerror', lambda error: errors.append(str(error)))
    page.on('request', lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function('[...document.querySelectorAll("audio")].every(a => a.duration > 0 || a.error)', timeout=10_000)
    assert len(page.eval_on_selector_all('audio', 'all => all.map(a => a.duration)')) == 4
    assert all(w > 0 for w in page.eval_on_selector_all('img', 'all => all.map(i => i.naturalWidth)'))
    assert page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')
    assert page.eval_on_selector_all('svg.forest', 'all => all.length') > 40

    drawn = 'all => all.map(c => c.toDataURL())'
    page.wait_for_function('document.querySelector("canvas").width > 300')
    page.wait_for_timeout(100)
    before = page.eval_on_selector_all('canvas', drawn)
    assert len(before) == 2
    page.focus('canvas')
    page.keyboard.press('ArrowRight')
    page.wait_for_timeout(200)
    turned = page.eval_on_selector_all('canvas', drawn)
    assert all(a != b for a, b in zip(before, turned))  # both turn together
    page.locator('canvas').first.scroll_into_view_if_needed()
    box = page.locator('canvas').first.bounding_box()
    page.mouse.move(box['x'] + 100, box['y'] + 100)
    page.mouse.down()
    page.mouse.move(box['x'] + 160, box['y'] + 130)
    page.mouse.up()
    page.wait_for_timeout(200)
    assert page.eval_on_selector_all('canvas', drawn) != turned
    browser.close()
  assert not errors
  assert [url for url in requests if not url.startswith('data:')] == [path.as_uri()]
