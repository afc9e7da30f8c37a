"""Fetching from a server on the loopback that plays the API and all its moods; nothing goes further than this machine."""

import contextlib
import logging
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

import numpy as np
import pytest

from data_pipeline import xeno_canto
from tools import fetch_xeno_canto, polite_http, xeno_canto_folder
from tools.polite_http import Client, HttpError
from tests.tools.xeno_canto_server import KEY, LEFT, RIGHT, Server, sound
from tools.xeno_canto_folder import Options

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def server(monkeypatch):
  monkeypatch.setenv('NO_PROXY', '127.0.0.1')
  server = Server()
  thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01), daemon=True)
  thread.start()
  yield server
  server.shutdown()
  server.server_close()


@pytest.fixture
def fetch(server, tmp_path):
  """fetch(**options, key=KEY, client=dict()) -> Report; .said: lines, .slept: seconds waited, .out: the folder."""
  def run(key=KEY, client=None, **options):
    options = dict(query='gen:Strix', out=str(run.out), base_url=server.url) | options
    with Client((key,), **dict(sleep=run.slept.append, now=lambda: 0.0, timeout=5.0, retries=2) | (client or {})) as c:
      return fetch_xeno_canto.fetch(Options(**options), key, c, run.said.append)
  run.out, run.said, run.slept = tmp_path / 'owls', [], []
  return run


def waits(fetch):
  """What was waited besides the second between two requests."""
  return [s for s in fetch.slept if s != 1.0]


def test_pages_metadata_and_a_second_run_that_fetches_nothing(server, fetch):
  for number in (11, 12, 13, 14, 15):
    server.add(number)
  report = fetch()
  assert report.new == ('11', '12', '13', '14', '15') and not report.failed and not report.passed
  assert [q['page'] for q in server.queries] == ['1', '2', '3'] and server.queries[0]['query'] == 'gen:Strix'
  assert len(fetch.slept) == 7 and set(fetch.slept) == {1.0}  # 3 pages and 5 sounds, the first at once
  records, skips = xeno_canto.find(str(fetch.out))
  assert [r.id for r in records] == ['11', '12', '13', '14', '15'] and not skips
  assert records[0].path == fetch.out / 'Strix aluco' / 'XC11.wav' and records[0].path.read_bytes() == sound()
  text = '\n'.join(fetch.said)
  assert 'by-nc-sa 4.0' in text and 'commercial use not permitted (5 nc)' in text
  assert fetch.said[-1].startswith('5 new, 0 already')
  assert (fetch.out / 'ATTRIBUTION.csv').read_text().splitlines()[1] == (
      'Strix aluco/XC11.wav,Strix aluco,Ann,https://creativecommons.org/licenses/by-nc-sa/4.0/,by-nc-sa,'
      'https://xeno-canto.org/11')
  before, server.asked[:] = sorted(p.name for p in fetch.out.iterdir()), []
  server.recordings.insert(0, dict(server.recordings[0], id='16', file=f'{server.url}/16/download'))  # moves all the pages
  server.sounds['/16/download'] = sound()
  assert fetch().new == ('16',) and server.files() == ['16']
  server.asked.clear()
  report = fetch()
  assert not report.new and len(report.had) == 6 and not server.files()
  assert sorted(p.name for p in fetch.out.iterdir()) == sorted([*before, 'xeno_canto_0004.json'])


def test_the_first_so_many(server, fetch):
  for number in range(1, 8):
    server.add(number, length='5:00' if number == 2 else '0:01')
  assert fetch(limit=3, max_seconds=60.0).new == ('1', '3', '4')
  assert fetch(limit=3, max_seconds=60.0).new == () and len(server.files()) == 3
  report = fetch(limit=4, max_seconds=60.0)
  assert report.new == ('5',) and [s.reason for s in report.passed] == ['longer than 60 s']


def test_restricted_and_broken_rows_are_passed_over(server, fetch):
  server.add(1, file='restricted_species')
  server.add(2, id='')
  server.add(3, gen='../../x', sp='/y')
  server.add(4, file='https://elsewhere.example/4.wav')
  report = fetch()
  assert report.new == ('3',) and (fetch.out / 'x y' / 'XC3.wav').is_file()
  assert xeno_canto.restricted(list(report.passed)) == 1 and len(report.passed) == 2
  assert 'its sound lies at elsewhere.example, expected 127.0.0.1 or xeno-canto.org' in report.failed[0].reason
  assert any(line.startswith('passed over: 1 (restricted species') for line in fetch.said)


@pytest.mark.parametrize('error', [{'error': 'client_error', 'message': f'bad key={KEY} given'},
                                   {'error': {'code': 'client_error', 'message': f'bad key={KEY} given'}}])
@pytest.mark.parametrize('status', [200, 401, 404])
def test_errors_of_the_api_in_its_words(server, fetch, status, error):
  server.moods['/api/3/recordings'] = [(status, error, {})]
  with pytest.raises(ValueError, match=r'page 1 .*client_error: bad key=\*\*\*') as caught:
    fetch()
  assert KEY not in str(caught.value) and len(server.asked) == 1


def test_a_wrong_key(server, fetch):
  with pytest.raises(ValueError, match="client_error: Missing or invalid 'key' parameter"):
    fetch(key='wrong')


@pytest.mark.parametrize('after, expected', [('7', 7.0), ('Wed, 21 Oct 2015 07:28:00 GMT', 0.0), (None, 1.0), ('soon', 1.0)])
def test_too_many_requests(server, fetch, after, expected):
  server.add(1)
  server.moods['/1/download'] = [(429, {}, {'Retry_After': after} if after else {})]
  assert fetch(client=dict(interval=0.5)).new == ('1',)
  assert [s for s in fetch.slept if s != 0.5] == [expected]


def test_a_server_that_wants_to_be_left_alone(server, fetch):
  server.moods['/api/3/recordings'] = [(429, {}, {'Retry_After': '86400'}), ...]
  with pytest.raises(HttpError, match='status 429.*come back in 86400 s'):
    fetch()
  assert len(server.asked) == 1


def test_failures_that_pass_and_that_do_not(server, fetch):
  server.add(1)
  server.add(2)
  server.add(3)
  server.moods['/1/download'] = [(503, {}, {}), (500, {'message': 'busy'}, {})]
  server.moods['/2/download'] = [(502, {'message': 'down'}, {}), ...]
  del server.sounds['/3/download']
  report = fetch(client=dict(interval=0.0, first_wait=3.0))
  assert report.new == ('1',) and [s.name for s in report.failed] == ['XC2', 'XC3']
  assert [s for s in fetch.slept if s] == [3.0, 6.0, 3.0, 6.0]  # twice as long each time
  assert 'status 502' in report.failed[0].reason and 'down' in report.failed[0].reason
  assert 'after 3 attempts' in report.failed[0].reason
  assert 'status 404' in report.failed[1].reason and server.files() == ['1'] * 3 + ['2'] * 3 + ['3']
  server.moods.clear()
  assert fetch().new == ('2',)  # tried again by the next run


def test_short_bodies(server, fetch):
  server.add(1)
  server.add(2)
  cut = lambda handler: handler.reply(200, sound()[:1000], 'audio/wav', length=len(sound()))
  server.moods['/1/download'] = [cut]
  server.moods['/2/download'] = [cut, ...]
  server.moods['/api/3/recordings'] = [lambda h: h.reply(200, b'{"recordings": [', 'application/json', length=400),
                                       lambda h: h.reply(200, b'{"recordings": [', 'application/json')]
  report = fetch()
  assert report.new == ('1',) and 'short body' in report.failed[0].reason
  assert [p.name for p in (fetch.out / 'Strix aluco').iterdir()] == ['XC1.wav']  # nothing half made


def drip(handler):
  handler.send_response(200)
  handler.send_header('Content-Type', 'audio/wav')
  handler.send_header('Content-Length', '100000')
  handler.end_headers()
  with contextlib.suppress(OSError):
    for _ in range(60):
      handler.wfile.write(b'x')
      handler.wfile.flush()
      time.sleep(0.1)
  handler.close_connection = True


def stall(handler):
  handler.server.asked.append('stalled')
  time.sleep(1.5)
  handler.close_connection = True


def test_slow_bodies(server, fetch):
  server.add(1)
  server.add(2)
  server.moods['/1/download'] = [drip]
  server.moods['/2/download'] = [stall]
  assert fetch(client=dict(timeout=0.7, total=0.5)).new == ('1', '2')
  server.moods['/2/download'] = [stall, ...]
  (fetch.out / 'Strix aluco' / 'XC2.wav').unlink()
  report = fetch(client=dict(timeout=0.3, retries=1))
  assert 'no answer within 0.3 s, after 2 attempts' in report.failed[0].reason


def test_what_is_no_sound(server, fetch):
  server.add(1)
  server.add(2, b'<html>please prove that you are no robot</html>')
  server.add(3, sound(LEFT[:100]), length='1:00')
  server.moods['/1/download'] = [lambda h: h.reply(200, b'<html></html>', 'text/html; charset=utf-8')]
  reasons = {s.name: s.reason for s in fetch().failed}
  assert 'got text/html instead of audio' in reasons['XC1'] and reasons['XC2'].startswith('not audio that can be decoded')
  assert reasons['XC3'].startswith('truncated: 0.0 of 60 s')
  assert not (fetch.out / 'Strix aluco').exists()
  server.asked.clear()
  report = fetch()  # what came whole and is no sound is not asked for again
  assert report.new == ('1',) and sorted(server.files()) == ['1', '3'] and [s.name for s in report.passed] == ['XC2']


def test_only_true_stereo(server, fetch):
  server.add(1)
  server.add(2, sound(np.stack([LEFT, 0.5 * LEFT], axis=1)))
  server.add(3, sound(np.stack([LEFT, RIGHT], axis=1)))
  report = fetch(stereo=True)
  assert report.new == ('3',) and [s.reason for s in report.passed] == [xeno_canto_folder.MONO] * 2 and not report.failed
  server.asked.clear()
  assert not fetch(stereo=True).new and not server.files()
  assert fetch().new == ('1', '2') and len(fetch(stereo=True).passed) == 2


def test_an_interrupted_run_goes_on(server, fetch):
  for number in (1, 2, 3):
    server.add(number)

  def interrupt(handler):
    raise KeyboardInterrupt
  server.handle_error = lambda *unused: None
  fetch.out.mkdir()
  with pytest.raises(KeyboardInterrupt):
    count = []
    fetch(client=dict(sleep=lambda s: count.append(s) if len(count) < 2 else interrupt(None)))
  assert [r.id for r in xeno_canto.find(str(fetch.out))[0]] == ['1', '2']
  assert fetch().new == ('3',) and [r.id for r in xeno_canto.find(str(fetch.out))[0]] == ['1', '2', '3']
  next(fetch.out.glob('xeno_canto_*.json')).unlink()  # as a killed run leaves sounds without metadata
  assert not fetch().new and len(xeno_canto.find(str(fetch.out))[0]) == 3


def test_two_runs_do_not_mix(server, fetch):
  with fetch_xeno_canto._locked(fetch.out):
    with pytest.raises(BlockingIOError, match='another run is writing'):
      fetch()


def test_the_key_is_never_shown(server, tmp_path, caplog):
  """As the command line shows it: answers that repeat the key, and a server that is not there, with all logging on."""
  caplog.set_level(logging.DEBUG)
  with Client((KEY,), retries=0) as client:
    client.json(f'{server.url}/api/3/recordings', dict(key=KEY, page='1'))
    with pytest.raises(HttpError) as caught:
      client.json('http://127.0.0.1:9/api', dict(key=KEY))
    shown = client.redact(f'?query=a&key=other%20key&page=1 {KEY} {urllib.parse.quote_plus(KEY)}')
    assert shown == '?query=a&key=***&page=1 *** ***'
  forms = (KEY, urllib.parse.quote(KEY), urllib.parse.quote_plus(KEY))
  assert caplog.messages and not any(form in caplog.text + str(caught.value) for form in forms)
  assert caught.value.__suppress_context__


def test_the_command_line(server, tmp_path):
  server.add(1)
  server.moods['/api/3/recordings'] = []

  def run(*arguments, **environment):
    return subprocess.run([sys.executable, '-m', 'tools.fetch_xeno_canto', '--out', str(tmp_path / 'o'), '--interval', '0.01',
                           *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
                          env={'PATH': os.environ['PATH'], 'NO_PROXY': '127.0.0.1'} | environment)
  done = run('--query', 'gen:Strix')
  assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith('fetch_xeno_canto: set XENO_CANTO_API_KEY')
  done = run('--query', 'gen:Strix year:2010-2015', '--base_url', server.url, XENO_CANTO_API_KEY=KEY)
  assert done.returncode == 0, done.stderr
  assert 'note: year:2010-2015 is sent as year:">2009" year:"<2016"' in done.stdout and '1 new' in done.stdout
  assert server.queries[-1]['query'] == 'gen:Strix year:">2009" year:"<2016"'
  failed = run('--query', 'gen:Strix', '--base_url', server.url, XENO_CANTO_API_KEY='wrong/key')
  assert failed.returncode == 1 and 'Missing or invalid' in failed.stderr
  for text in (done.stdout, done.stderr, failed.stdout, failed.stderr):
    assert KEY not in text and urllib.parse.quote_plus(KEY) not in text and 'wrong/key' not in text and 'wrong%2Fkey' not in text


def test_retry_after():
  assert polite_http._retry_after(None) is None and polite_http._retry_after('3') == 3.0
