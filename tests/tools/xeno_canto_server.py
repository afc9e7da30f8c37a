"""A server on the loopback that plays the API of xeno-canto and all its moods."""

import contextlib
import http.server
import io
import json
import urllib.parse

import numpy as np
import soundfile

KEY = 'se/cret+key&1'
RATE = 16000
RNG = np.random.default_rng(0)
LEFT, RIGHT = 0.1 * RNG.standard_normal((2, RATE))


def sound(audio=LEFT):
  file = io.BytesIO()
  soundfile.write(file, audio, RATE, format='WAV')
  return file.getvalue()


class Server(http.server.ThreadingHTTPServer):
  """Recordings in pages of `size`; `moods`: path -> list of answers to give before the proper one, ... for ever."""

  daemon_threads = True

  def __init__(self):
    super().__init__(('127.0.0.1', 0), Handler)
    self.url = f'http://127.0.0.1:{self.server_port}'
    self.recordings, self.sounds, self.moods, self.asked, self.queries, self.size = [], {}, {}, [], [], 2

  def add(self, number, body=None, **changed):
    self.recordings.append({
        'id': str(number), 'gen': 'Strix', 'sp': 'aluco', 'en': 'Tawny Owl', 'rec': 'Ann', 'q': 'A', 'length': '0:01',
        'type': 'song',
        'lic': '//creativecommons.org/licenses/by-nc-sa/4.0/', 'url': f'//xeno-canto.org/{number}', 'also': [''],
        'file': f'{self.url}/{number}/download', 'file-name': f'XC{number}-owl.wav'} | changed)
    self.sounds[f'/{number}/download'] = sound() if body is None else body

  def files(self):
    """Paths of sounds that were asked for, without slashes."""
    return [p.strip('/').removesuffix('/download') for p in self.asked if p.endswith('download')]


class Handler(http.server.BaseHTTPRequestHandler):

  protocol_version = 'HTTP/1.1'

  def log_message(self, *unused):
    pass

  def reply(self, status, body, kind, length=None, **headers):
    self.send_response(status)
    self.send_header('Content-Type', kind)
    self.send_header('Content-Length', str(len(body) if length is None else length))
    for name, value in headers.items():
      self.send_header(name.replace('_', '-'), value)
    self.end_headers()
    with contextlib.suppress(OSError):
      self.wfile.write(body)
    if length is not None:
      self.close_connection = True

  def do_GET(self):
    s, parts = self.server, urllib.parse.urlsplit(self.path)
    s.asked.append(parts.path)
    query = dict(urllib.parse.parse_qsl(parts.query))
    moods = s.moods.get(parts.path, [])
    mood = moods[0] if moods else None
    if moods and len(moods) > 1 and moods[1] is not ... or len(moods) == 1:
      moods.pop(0)
    if callable(mood):
      return mood(self)
    if isinstance(mood, tuple):
      status, body, headers = mood
      return self.reply(status, json.dumps(body).encode() if not isinstance(body, bytes) else body, 'application/json', **headers)
    if parts.path == '/api/3/recordings':
      s.queries.append(query)
      if query.get('key') != KEY:
        return self.reply(401, json.dumps({'error': 'client_error', 'message': "Missing or invalid 'key' parameter."}).encode(),
                          'application/json')
      number, pages = int(query['page']), -(-len(s.recordings) // s.size)
      body = {'numRecordings': str(len(s.recordings)), 'numSpecies': '1', 'page': number, 'numPages': pages,
              'recordings': s.recordings[(number - 1) * s.size:number * s.size]}
      return self.reply(200, json.dumps(body).encode(), 'application/json')
    assert 'key' not in query, 'the key goes to the API only'
    if parts.path not in s.sounds:
      return self.reply(404, b'<html>no</html>', 'text/html')
    return self.reply(200, s.sounds[parts.path], 'audio/wav')
