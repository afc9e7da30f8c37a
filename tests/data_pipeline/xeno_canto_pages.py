"""Recordings as xeno-canto describes them, for tests: one in both dialects, and pages and tables of several."""

import csv

from hypothesis import strategies as st

V3 = {
    'id': '254462', 'gen': 'Pipilo', 'sp': 'maculatus', 'ssp': '', 'grp': 'birds', 'en': 'Spotted Towhee', 'rec': 'Åsa Ö',
    'cnt': 'United States', 'loc': 'Custer, South Dakota', 'lat': '43.6571', 'lon': '-103.4143', 'alt': '1300',
    'type': 'song, Flight call', 'sex': '', 'stage': 'adult', 'method': 'field recording', 'url': 'https://xeno-canto.org/254462',
    'file': 'https://xeno-canto.org/254462/download', 'file-name': 'XC254462-towhee.mp3',
    'sono': {'small': '//xeno-canto.org/s.png', 'full': None}, 'osci': {'small': None},
    'lic': 'https://creativecommons.org/licenses/by-sa/4.0/', 'q': 'A', 'length': '4:13', 'time': '07:17', 'date': '2015-06-23',
    'uploaded': '2015-07-01', 'also': ['Turdus migratorius', ''], 'rmk': 'two lines\r\nhere', 'animal-seen': 'yes',
    'playback-used': 'no', 'temp': None, 'regnr': '', 'auto': 'no', 'dvc': 'SM4', 'mic': 'inbuilt', 'smp': '48000',
    'annotation-set': []}
V2 = {k: v for k, v in V3.items() if k not in ('grp', 'lon', 'annotation-set', 'sono', 'osci')} | {
    'group': 'birds', 'lng': '-103.4143', 'bird-seen': 'yes', 'url': '//xeno-canto.org/254462',
    'file': '//xeno-canto.org/254462/download', 'lic': '//creativecommons.org/licenses/by-sa/4.0/'}
KEYS = sorted(V3.keys() | V2.keys() | {'_meta', 'temperature', 'nr'})


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(
        ['', '?', 'unknown', '2012-00-00', '//a.b/c', '[', "['a'", "{'a': 1}", '[' * 300, '1:2:3', '9' * 5000, '-', '\0']),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=3), st.none(), max_size=2))


def page(*recordings):
  return {'numRecordings': str(len(recordings)), 'numSpecies': '1', 'page': 1, 'numPages': 1, 'recordings': list(recordings)}


def write_csv(path, rows, delimiter=';', mark=''):
  with open(path, 'w', encoding='utf-8', newline='') as f:
    f.write(mark)
    writer = csv.DictWriter(f, list(dict.fromkeys(k for r in rows for k in r)), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
