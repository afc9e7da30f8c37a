"""What licence texts mean, and what a data set of several of them may be used for."""

import csv

from hypothesis import given, strategies as st
import pytest

from data_pipeline import licences
from data_pipeline.licences import Attribution, Licence


@pytest.mark.parametrize('text, kind, version', [
    ('//creativecommons.org/licenses/by-nc-sa/4.0/', 'by-nc-sa', '4.0'),
    ('https://creativecommons.org/licenses/by-nc-nd/2.5/', 'by-nc-nd', '2.5'),
    ('http://creativecommons.org/licenses/by-nd-nc/1.0/', 'by-nc-nd', '1.0'),
    ('https://creativecommons.org/licenses/by-sa/3.0/nl/deed.en', 'by-sa', '3.0'),
    ('https://creativecommons.org/licenses/by/3.0/', 'by', '3.0'),
    ('https://creativecommons.org/licenses/by-nd/4.0', 'by-nd', '4.0'),
    ('//creativecommons.org/publicdomain/zero/1.0/', 'pd', '1.0'),
    ('https://creativecommons.org/publicdomain/mark/1.0/', 'pd', '1.0'),
    ('http://creativecommons.org/licenses/sampling+/1.0/', 'unknown', ''),
    ('CC BY-NC-SA 4.0', 'by-nc-sa', '4.0'), ('cc-by-nc 4.0', 'by-nc', '4.0'), ('CC_BY_SA', 'by-sa', ''), ('CC BY', 'by', ''),
    ('CC-BY-NC-SA-3.0-DE', 'by-nc-sa', '3.0'), ('CC0-1.0', 'pd', '1.0'), ('cc0', 'pd', ''), ('CC0 1.0 Universal', 'pd', '1.0'),
    ('CC BY\u2011NC 4.0', 'by-nc', '4.0'),
    ('by-nc-sa', 'by-nc-sa', ''), ('BY', 'by', ''),
    ('Creative Commons Attribution-NonCommercial-ShareAlike 3.0', 'by-nc-sa', '3.0'),
    ('Creative Commons Attribution 4.0 International (CC BY 4.0)', 'by', '4.0'),
    ('Creative Commons Attribution Non-Commercial No Derivative Works v2.5', 'by-nc-nd', '2.5'),
    ('Creative Commons Attribution-NoDerivs', 'by-nd', ''), ('Creative Commons 0', 'pd', ''),
    ('Attribution NonCommercial', 'by-nc', ''), ('Attribution', 'by', ''),
    ('Public Domain', 'pd', ''), ('public domain (US National Park Service; credit requested)', 'pd', ''),
    ('CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/)', 'by-nc-sa', '4.0'),
    ('', 'unknown', ''), (None, 'unknown', ''), ('no', 'unknown', ''), ('All rights reserved', 'unknown', ''),
    ('not in the public domain', 'unknown', ''), ('recorded by Ann', 'unknown', ''), ('by Sandy', 'unknown', ''),
    ('CC BY-SA-ND 4.0', 'unknown', ''), ('CC BY 4.0; photos CC BY-ND', 'unknown', ''), ('Creative Commons', 'unknown', ''),
    ('CC BY-Noncommercial', 'unknown', ''), ('Creative Commons Attribution Non-Profit', 'unknown', ''),
    ('MIT (c) 2020 University of Pittsburgh', 'unknown', ''), ('GPL (>= 2) R package', 'unknown', ''),
])
def test_parse(text, kind, version):
  assert licences.parse(text) == Licence(kind, version)


@given(st.one_of(st.text(), st.lists(st.sampled_from(
    ['cc', 'by', 'nc', 'nd', 'sa', 'creative commons', 'attribution', 'no derivs', '-', ' ', '/', '4.0', '0'])).map(''.join)))
def test_any_text_has_a_class(text):
  licence = licences.parse(text)
  assert licence.kind in licences.CLASSES
  assert not (licence.derivatives and licence.forbids_derivatives)
  assert licences.parse(text.upper()).kind in (licence.kind, 'unknown') or not text.isascii()


@pytest.mark.parametrize('kind', licences.CLASSES)
def test_what_a_class_permits(kind):
  licence = Licence(kind)
  assert licence.commercial == (kind in ('pd', 'by', 'by-sa', 'by-nd'))
  assert licence.derivatives == (kind in ('pd', 'by', 'by-sa', 'by-nc', 'by-nc-sa'))
  assert licence.forbids_derivatives == (kind in ('by-nd', 'by-nc-nd'))
  assert licence.share_alike == (kind in ('by-sa', 'by-nc-sa')) and licence.attribution == (kind not in ('pd', 'unknown'))
  if kind not in ('pd', 'unknown'):
    assert licences.parse(f'https://creativecommons.org/licenses/{kind}/4.0/') == Licence(kind, '4.0')


def test_derivatives_of_the_unknown_are_not_allowed():
  assert licences.allows_derivatives('CC BY-NC 4.0')
  assert not licences.allows_derivatives('//creativecommons.org/licenses/by-nd/4.0/')
  assert not licences.allows_derivatives('') and not Licence('unknown').forbids_derivatives


@pytest.mark.parametrize('texts, statement', [
    ([], 'no recordings'),
    (['CC0'], '1 recording: commercial use permitted; derivatives permitted; no names demanded'),
    (['CC0', 'CC BY'], '2 recordings: commercial use permitted; derivatives permitted; recordists must be named'),
    (['CC BY', 'CC BY-NC-SA', 'CC BY-NC-ND'],
     '3 recordings: commercial use not permitted (2 nc); derivatives not permitted (1 nd); '
     'derivatives must be shared alike (1 sa); recordists must be named'),
    (['CC BY-SA', 'CC BY-NC'],
     '2 recordings: commercial use not permitted (1 nc); derivatives permitted; derivatives must be shared alike (1 sa); '
     'by-sa and nc recordings cannot go into one shared work; recordists must be named'),
    (['', 'CC0'], '2 recordings: commercial use not established; derivatives not established; no names demanded; '
                  '1 of unknown licence permit nothing until they are cleared'),
])
def test_terms_of_a_data_set(texts, statement):
  assert licences.terms(texts).statement == statement


def test_no_recordings_permit_nothing():
  assert not licences.terms([]).commercial and not licences.terms([]).derivatives


def test_the_real_licences(real_data):
  with open(real_data / 'manifest.csv', encoding='utf-8-sig', newline='') as f:
    rows = list(csv.DictReader(f))
  kind_of = {r['licence']: licences.parse(r['licence']).kind for r in rows}
  for text, kind in kind_of.items():
    expected = {'CC BY': 'by', 'CC BY-NC-SA': 'by-nc-sa', 'CC': 'pd', 'public domain': 'pd'}.get(
        text.split(' (')[0].split(' [')[0].rstrip('0123456789. '), 'unknown')
    assert kind == expected, text
  terms = licences.terms(r['licence'] for r in rows)
  assert sum(terms.counts.values()) == len(rows) and terms.counts['by-nc-sa'] == 60
  assert not terms.commercial and not terms.derivatives and terms.share_alike and not terms.conflict


def test_attribution(tmp_path):
  path = tmp_path / 'ATTRIBUTION.csv'
  licences.write_attribution(path, [
      Attribution('a/XC1, "x".mp3', 'Strix aluco', 'Åsa; Ö', '//creativecommons.org/licenses/by-sa/4.0/',
                  'https://xeno-canto.org/1'),
      Attribution('b.wav', 'Great Tit', '', '')])
  with open(path, encoding='utf-8', newline='') as f:
    rows = list(csv.DictReader(f))
  assert rows == [
      {'path': 'a/XC1, "x".mp3', 'species': 'Strix aluco', 'recordist': 'Åsa; Ö', 'class': 'by-sa',
       'licence': '//creativecommons.org/licenses/by-sa/4.0/', 'source url': 'https://xeno-canto.org/1'},
      {'path': 'b.wav', 'species': 'Great Tit', 'recordist': '', 'licence': 'unknown', 'class': 'unknown', 'source url': ''}]


@pytest.mark.parametrize('licence, bare', [('CC BY-NC-ND 4.0', True), ('by-nc-nd/2.5', True), ('CC BY-NC-SA 4.0', False),
                                           ('and others', False), ('', False)])
def test_forbidding_derivatives(licence, bare):
  assert licences.parse(licence).forbids_derivatives is bare
