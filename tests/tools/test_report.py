"""The report of an invented run, read by a real browser; and of runs with parts missing, damaged or hostile."""

import json
import math
import pathlib
import shutil

import matplotlib.image
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings, strategies as st

from tools import report, report_charts, report_words

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
HOSTILE = '<script>document.title = "owned"</script> "quoted" & \'single\''


def write_clip(folder: pathlib.Path, hz: float, scene: dict | None = None):
  folder.mkdir(parents=True)
  time = np.arange(8000) / 16000
  soundfile.write(folder / 'audio.wav', 0.3 * np.sin(2 * np.pi * hz * time), 16000, subtype='PCM_16')
  matplotlib.image.imsave(folder / 'spectrogram.png', np.random.default_rng(0).random((64, 128)), cmap='magma')
  if scene is not None:
    (folder / 'scene.json').write_text(json.dumps(scene))


def write_stage(folder: pathlib.Path, steps: int, total: int):
  folder.mkdir()
  (folder / 'config.json').write_text(json.dumps({
      'config': {'total_steps': total, 'batch_size': 64, 'seed': 3}, 'config_fingerprint': 'abcdef0123456789', 'seed': 3,
      'data_fingerprint': 'd1d2d3', 'versions': {'python': '3.11.2', 'jax': '0.10.2'}, 'git_commit': 40 * 'a' + '+'}))
  rows = [{'step': k, 'train/loss': 0.4 + 40 * math.exp(-k / 300), 'train/examples_per_s': 300.0 + k % 7,
           'train/gflops': 21.5, 'train/seconds': k / 5} for k in range(50, steps + 1, 50)]
  rows.append({'step': steps, 'label_fidelity/top1': 0.91})
  lines = [json.dumps(row) for row in rows] + ['{"step": 10, "trai']  # killed while writing
  (folder / 'metrics.jsonl').write_text('\n'.join(lines))


SUMMARY = {
    'wall_seconds': {'install': 0, 'data': 60, 'autoencoder': 240, 'diffusion': 500, 'evaluation': 130, 'total': 930},
    'autoencoder': {'judge_top1_direct': 0.987, 'judge_top1_roundtrip': 0.973},
    'generation': {'label_fidelity_top1': 0.917, 'chance': 0.0833, 'n': 240, 'ci95': [0.88, 0.95], 'text_only_top1': 0.71,
                   'onset_error_s_median': 0.12, 'onset_error_s_shuffled': 0.61, 'onset_error_s_real': 0.04},
    'detector': {'presence_auroc_macro': 0.962, 'presence_auroc_band_energy': 0.941, 'mask_iou_mean': 0.41,
                 'mask_iou_band_energy': 0.33},
    'throughput': {'matmul_gflops': 90.0},
    'parameters': {'autoencoder': 210_000, 'ldm': 331_234},
    'example_prompt': "Rain, a Needle tit singing at the start; it's loud",
    'config_fingerprint': 'f00dfeed',
    'table': [
        {'group': 'Generation', 'metric': 'label fidelity, top-1', 'value': 0.917, 'chance': 0.0833, 'ci95': [0.88, 0.95],
         'n': 240, 'target': '>= 0.85', 'note': ''},
        {'group': 'Generation', 'metric': 'onset error', 'value': 0.12, 'chance': 0.61, 'ci95': [0.1, 0.14], 'n': 240,
         'target': '< 0.25 s', 'note': 's'},
        {'group': 'Detector', 'metric': 'mask IoU', 'value': 0.41, 'chance': None, 'ci95': None, 'n': 300, 'target': 0.45,
         'note': HOSTILE},
    ],
    'latent_against_pixel': [{'space': 'latent 16 x 8 x 8', 'values': 1024, 'examples_per_s': 300.0},
                             {'space': 'pixel 128 x 64', 'values': 8192, 'examples_per_s': 25.0}],
}


@pytest.fixture
def run(tmp_path):
  out = tmp_path / 'run'
  out.mkdir()
  for name, steps in (('ldm', 1000), ('autoencoder', 600), ('judge', 300)):
    write_stage(out / name, steps, 1200 if name == 'ldm' else steps)
  write_clip(out / 'samples' / '0000', 2000, {'prompt': 'Forest, a Tin pipit ' + HOSTILE, 'seed': 17})
  write_clip(out / 'evaluation' / 'a', 3000)
  clip = lambda section, title, folder, **more: dict(
      section=section, title=title, caption='What it is.', audio=f'{folder}/audio.wav', image=f'{folder}/spectrogram.png', **more)
  gallery = [clip('generated', HOSTILE, 'samples/0000'),
             *(clip('reconstruction', t, 'evaluation/a', group='Clip 4') for t in ('Original', 'Spectrogram', 'Autoencoder')),
             dict(section='detector', title='A mixture', caption='', audio=None, image='evaluation/a/spectrogram.png')]
  (out / 'gallery.json').write_text(json.dumps(gallery))
  (out / 'summary.json').write_text(json.dumps(SUMMARY))
  return out


@pytest.fixture(scope='module')
def browser():
  if CHROMIUM is None:
    pytest.skip('no Chromium on this machine: the report was not opened in a browser')
  from playwright import sync_api
  with sync_api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu'])
    yield browser
    browser.close()


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1280, 390])
def test_in_a_browser(run, browser, scheme, width):
  path = report.build(run)
  page = browser.new_page(color_scheme=scheme, viewport={'width': width, 'height': 900})
  errors, requests = [], []
  page.on('console', lambda message: errors.append(message.text) if message.type in ('error', 'warning') else None)
  page.on('pageerror', lambda error: errors.append(str(error)))
  page.on('request', lambda request: requests.append(request.url))
  page.goto(path.as_uri())
  page.wait_for_function('[...document.querySelectorAll("audio")].every(a => a.duration > 0 || a.error)', timeout=10_000)
  assert [d == pytest.approx(0.5, abs=0.01) for d in page.eval_on_selector_all('audio', 'all => all.map(a => a.duration)')] \
      == [True] * 4
  widths = page.eval_on_selector_all('img', 'all => all.map(i => i.naturalWidth)')
  assert widths == [128] * 5
  assert not errors
  assert [url for url in requests if not url.startswith('data:')] == [path.as_uri()]

  text = page.inner_text('body')
  for figure in ('0.917', '0.083', '0.880 – 0.950', '0.120 s', '≥ 0.45', '240', '331\u202f234', '64\u202f000', '24 %', '0.410', 'unfinished', 10 * 'a' + '+\t'):
    assert figure in text, figure
  assert page.eval_on_selector_all('.panel .mark.met', 'all => all.length') == 2
  assert 'missed' in page.inner_text('tr:has-text("mask IoU")')
  assert '12.0 times as many examples' in text and 'Seed 17.' in text
  assert page.title() == 'sgm report: run' and '<script>document.title' in text  # shown, not run
  assert page.eval_on_selector_all('script', 'all => all.length') == 0
  assert page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')  # no sideways scrolling of the page
  background = page.evaluate('getComputedStyle(document.body).backgroundColor')
  assert (sum(map(int, background[4:-1].split(','))) < 384) == (scheme == 'dark')
  page.close()


def test_self_contained_and_whole(run):
  html = report.build(run).read_text()
  assert 'src="http' not in html and 'href="http' not in html and '@import' not in html and 'url(' not in html
  assert str(run) not in html  # no path of the machine it was made on
  assert html.index('Autoencoder: spectrogram') < html.index('Judge: the') < html.index('Diffusion: from')
  assert '--prompt &#39;Rain, a Needle tit singing at the start; it&#39;\\&#39;&#39;s loud&#39;' in html
  assert not list(run.glob('*.tmp'))
  assert report.build(run).read_text() == html


def test_an_empty_run_says_what_is_missing(tmp_path):
  html = report.build(tmp_path).read_text()
  assert html.count('Not run') >= 6 and 'no figures yet' in html and 'not recorded' in html
  with pytest.raises(FileNotFoundError, match='no such folder'):
    report.build(tmp_path / 'nowhere')
  with pytest.raises(SystemExit, match='no such folder'):
    report.main(['--runs', str(tmp_path / 'nowhere')])


def test_damaged_files_are_named(run):
  (run / 'summary.json').write_text('{"generation": ')
  (run / 'ldm' / 'config.json').write_text('[]')
  (run / 'samples' / '0000' / 'spectrogram.png').unlink()
  gallery = [dict(section='generated', title='x', audio='../../secret.wav', image='samples/0000/spectrogram.png'),
             dict(section='generated', title='y', audio='judge/metrics.jsonl', image=None), 'nonsense', {}]
  (run / 'gallery.json').write_text(json.dumps(gallery))
  html = report.build(run).read_text()
  for problem in ('summary.json cannot be read', 'ldm/config.json holds a list: expected a dict', '../../secret.wav lies outside',
                  'judge/metrics.jsonl: expected one of .wav', 'samples/0000/spectrogram.png cannot be read', 'picture missing',
                  'sound missing'):
    assert problem in html, problem


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6)
ROW = st.dictionaries(st.sampled_from(['group', 'metric', 'value', 'chance', 'ci95', 'n', 'target', 'note', 'met', 'space']), JSON)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from(sorted(SUMMARY)), JSON | st.lists(ROW, max_size=3) | ROW), st.lists(ROW | JSON, max_size=3))
def test_no_summary_breaks_it(tmp_path_factory, summary, gallery):
  out = tmp_path_factory.getbasetemp() / 'any'
  out.mkdir(exist_ok=True)
  (out / 'summary.json').write_text(json.dumps(summary))
  (out / 'gallery.json').write_text(json.dumps(gallery))
  assert '</html>' in report.build(out).read_text()


@pytest.mark.parametrize('value, target, met', [
    (0.9, 0.85, True), (0.8, 0.85, False), (0.85, '>= 0.85', True), (0.2, '< 0.25 s', True), (0.25, '< 0.25', False),
    (3, '≤ 3', True), (None, 0.5, None), (0.5, None, None), (0.5, 'above the band energies', None), (math.nan, 0.5, None),
    (0.5, '>= 1.2.3', None), (5, '> 4 dB', True), (0.5, ['>= 1'], None)])
def test_verdict(value, target, met):
  assert report_words.verdict(value, target) is met


@pytest.mark.parametrize('value, text', [
    (0.9171, '0.917'), (12.34, '12.3'), (207000, '207\u202f000'), (1234.5, '1\u202f234'), (0, '0'), (0.00012, '1.2e-04'), (7, '7'),
    (None, '–'), (math.nan, '–'), (True, '–'), ('x', '–'), (-0.5, '-0.500'), (0.04, '0.040'), (0.0042, '0.00420')])
def test_number(value, text):
  assert report_charts.number(value) == text


FIGURES = st.floats(-1e9, 1e9).filter(lambda v: v == 0 or abs(v) > 1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**7), FIGURES), min_size=2, max_size=30, unique_by=lambda p: p[0]))
def test_curves_stay_on_the_page(points):
  svg = str(report_charts.curve(sorted(points), 'a "label" <b>'))
  assert '<b>' not in svg and 'nan' not in svg
  path = svg.split('points="')[1].split('"')[0]
  for pair in path.split():
    x, y = map(float, pair.split(','))
    assert 45.9 <= x <= 308.1 and 7.9 <= y <= 146.1


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_inside(low, width):
  marks = report_charts.ticks(low, low + width)
  assert 1 <= len(marks) <= 9 and all(low - 1e-6 * abs(low) - 1e-12 <= t <= (low + width) * (1 + 1e-6) + 1e-6 * abs(low) for t in marks[1:-1])
