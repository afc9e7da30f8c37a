"""A web client that asks slowly, tries again with patience, and never tells a secret.

A secret (an API key) may stand in the address of a request, and so in every message that the libraries below make of it.
All text that leaves this module, messages of exceptions and lines of the log, has it replaced by ***.
"""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import json
import logging
import os
import pathlib
import re
import time
from typing import Any, Callable, Mapping
import urllib.parse

import requests
import urllib3

CHUNK = 65536
LONGEST_WAIT = 600.0  # s; a server that asks for more is obeyed by stopping
AGENT = 'sgm (soundscape research; python-requests)'


class HttpError(Exception):
  """A request that failed for good. `status` is that of the answer, None where there was none."""

  def __init__(self, message: str, status: int | None = None):
    super().__init__(message)
    self.status = status


class _Again(Exception):
  """A failure that may pass. `wait`: seconds that the server asks for; `status` as in HttpError."""

  def __init__(self, message: str, wait: float | None = None, status: int | None = None):
    super().__init__(message)
    self.wait, self.status = wait, status


@dataclasses.dataclass
class Client:
  """One conversation with one server.

  Attributes:
    secrets: texts that must never be shown.
    interval: least seconds between the starts of two requests.
    timeout: seconds without a byte after which a request is given up; total: seconds for a whole body.
    retries: further attempts after the first.
    first_wait: seconds before the first further attempt, doubled for each next one, at most 60 (Retry-After goes first).
    sleep, now: the clock.
  """

  secrets: tuple[str, ...] = ()
  interval: float = 1.0
  timeout: float = 30.0
  total: float = 900.0
  retries: int = 5
  first_wait: float = 1.0
  sleep: Callable[[float], None] = time.sleep
  now: Callable[[], float] = time.monotonic

  def __post_init__(self):
    self._session = requests.Session()
    self._session.headers['User-Agent'] = AGENT
    self._last: float | None = None
    self._filter = self._hide
    logging.getLogger('urllib3.connectionpool').addFilter(self._filter)  # it writes whole addresses at level debug

  def close(self) -> None:
    self._session.close()
    logging.getLogger('urllib3.connectionpool').removeFilter(self._filter)

  def __enter__(self) -> 'Client':
    return self

  def __exit__(self, *unused) -> None:
    self.close()

  def redact(self, text: Any) -> str:
    """`text` without secrets, as they are or quoted for an address, and without the value of any `key=`."""
    text = str(text)
    for secret in filter(None, self.secrets):
      for form in {secret, urllib.parse.quote(secret), urllib.parse.quote(secret, safe=''), urllib.parse.quote_plus(secret)}:
        text = text.replace(form, '***')
    return re.sub(r'(?i)\b(key=)[^&\s\'")]+', r'\1***', text)

  def _hide(self, record: logging.LogRecord) -> bool:
    record.msg, record.args = self.redact(record.getMessage()), ()
    return True

  def json(self, url: str, parameters: Mapping[str, str]) -> Any:
    """The JSON at an address, whatever the status it comes with below 500, except 429.

    Raises HttpError: no JSON, or failures that did not pass.
    """
    def take(response: requests.Response) -> Any:
      body = self._body(response)
      try:
        return json.loads(body)
      except ValueError:
        if response.status_code >= 400:
          raise HttpError(f'{self.redact(url)}: status {response.status_code}', response.status_code) from None
        raise _Again(f'the answer is not JSON, or cut short ({len(body)} bytes)') from None
    return self._patiently(url, parameters, take)

  def download(self, url: str, path: pathlib.Path, check: Callable[[pathlib.Path], None]) -> int:
    """Saves what lies at an address as `path`, which appears only when it is whole; returns its bytes.

    Args:
      url: of a sound.
      path: of the file to make; its folder exists.
      check: called with the finished temporary file; its exceptions reach the caller and the file is not kept.

    Raises:
      HttpError: refused, not a sound by its type, or failures that did not pass.
      OSError: the file cannot be written.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')

    def take(response: requests.Response) -> int:
      kind = response.headers.get('Content-Type', '').split(';')[0].strip().lower()
      if response.status_code >= 400:
        raise HttpError(f'{self.redact(url)}: status {response.status_code}', response.status_code)
      if kind.startswith('text/') or kind.endswith(('json', 'xml', 'html')):
        raise HttpError(f'{self.redact(url)}: got {kind} instead of audio', response.status_code)
      with open(temporary, 'wb') as file:
        size = self._body(response, file.write)
      check(temporary)
      os.replace(temporary, path)
      return size
    try:
      return self._patiently(url, {}, take)
    finally:
      temporary.unlink(missing_ok=True)

  def _body(self, response: requests.Response, write: Callable[[bytes], Any] | None = None) -> Any:
    """The bytes of an answer, or their number where `write` takes them. Raises _Again: too slow, or fewer than announced."""
    parts, size, end = [], 0, time.monotonic() + self.total
    # read1 gives what has come: iter_content would wait for a whole chunk however slowly it drips.
    while part := response.raw.read1(CHUNK, decode_content=True):
      (write or parts.append)(part)
      size += len(part)
      if time.monotonic() > end:
        raise _Again(f'the body took more than {self.total:g} s')
    stated = response.headers.get('Content-Length', '')
    if stated.isdecimal() and not response.headers.get('Content-Encoding') and size != int(stated):
      raise _Again(f'short body: {size} of {stated} bytes')
    return size if write else b''.join(parts)

  def _patiently(self, url: str, parameters: Mapping[str, str], take: Callable[[requests.Response], Any]) -> Any:
    for attempt in range(self.retries + 1):
      try:
        return self._once(url, parameters, take)
      except _Again as error:
        reason, wait, status = self.redact(error), error.wait, error.status
      except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        reason, wait, status = self._plain(error), None, None
      except requests.RequestException as error:
        # From None here and below: the chain would show the address with its key.
        raise HttpError(f'{self.redact(url)}: {self._plain(error)}') from None
      if wait is not None and wait > LONGEST_WAIT:
        raise HttpError(f'{self.redact(url)}: {reason}; the server asks to come back in {wait:.0f} s', status) from None
      if attempt < self.retries:
        self.sleep(min(60.0, self.first_wait * 2 ** attempt) if wait is None else wait)
    raise HttpError(f'{self.redact(url)}: {reason}, after {self.retries + 1} attempts', status) from None

  def _once(self, url: str, parameters: Mapping[str, str], take: Callable[[requests.Response], Any]) -> Any:
    if self._last is not None:
      self.sleep(max(0.0, self._last + self.interval - self.now()))
    self._last = self.now()
    # Without compression the size of a body is the one that is announced.
    with self._session.get(url, params=parameters, stream=True, timeout=self.timeout,
                           headers={'Accept-Encoding': 'identity'}) as response:
      if response.status_code == 429 or response.status_code >= 500:
        words = ' '.join(self._body(response)[:200].decode('utf-8', 'replace').split())  # an API may say what is wrong
        raise _Again(f'status {response.status_code}{words and f" ({words})"}',
                     _retry_after(response.headers.get('Retry-After')), response.status_code)
      return take(response)

  def _plain(self, error: Exception) -> str:
    """Few words for what requests wraps many times over."""
    if isinstance(error, requests.Timeout) or 'timed out' in str(error).lower():
      return f'no answer within {self.timeout:g} s'
    if isinstance(error, urllib3.exceptions.ProtocolError):
      return 'short body: the connection broke'
    return f'{type(error).__name__}: {self.redact(error)[:200]}'


def _retry_after(value: str | None) -> float | None:
  """Seconds of a Retry-After header, which gives seconds or a date; None without one."""
  if not value:
    return None
  if value.strip().isdecimal():
    return float(value)
  try:
    then = email.utils.parsedate_to_datetime(value)
  except ValueError:
    return None
  then = then if then.tzinfo else then.replace(tzinfo=datetime.timezone.utc)
  return max(0.0, (then - datetime.datetime.now(datetime.timezone.utc)).total_seconds())
