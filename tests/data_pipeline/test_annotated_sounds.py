"""Whose sound a row of a table is of, by its path or the name of its table; nothing leads out of the folder."""

from data_pipeline import annotated
from tests.data_pipeline.annotated_folders import RAVEN, events_of, put, raven_row, reasons


def test_paths_of_other_machines(tmp_path):
  """What counts is the place in the folder; a name that lies in two places is taken where its path says which."""
  folder = tmp_path / 'data'
  for name in ('one/a.wav', 'two/a.wav', 'one/b.flac', 'C.wav'):
    put(folder, name)
  rows = ''.join(raven_row(i, i + 0.5, path, i, 'gretit1') for i, path in enumerate((
      'C:\\Users\\x\\one\\a.wav', '/home/y/two/a.wav', '/home/y/b.wav', f'{folder}/two/a.wav', 'a.wav', '/mnt/three/a.wav',
      'c.WAV', 'data/one/b.flac', 'three/b.wav')))
  put(folder, 'all.txt', f'{RAVEN}\tBegin Path\tFile Offset (s)\tSpecies\n{rows}')
  found = annotated.find(str(folder), 'raven')
  assert {n: [e.onset for e in events] for n, events in events_of(found).items()} == {
      'C.wav': [6], 'one/a.wav': [0], 'one/b.flac': [2, 7], 'two/a.wav': [1, 3]}
  assert reasons(found) == {'all.txt line 6': 'may be any of one/a.wav, two/a.wav',
                            'all.txt line 7': 'may be any of one/a.wav, two/a.wav',
                            'all.txt line 10': "'three/b.wav' is no sound file of the folder"}
  assert found.notes[-1] == '1 rows name their sound by a path of another machine: the file of that name was taken'


def test_nothing_leads_out_of_the_folder(tmp_path):
  outside = put(tmp_path, 'other/out.wav')
  folder = tmp_path / 'data'
  put(folder, 'sub/in.wav')
  (folder / 'link.wav').symlink_to(outside)
  (folder / 'deep').symlink_to(tmp_path / 'other')
  (folder / 'table.txt').symlink_to(put(tmp_path, 'other/table.txt', '0\t1\tGreat Tit\n'))
  rows = ''.join(raven_row(i, i + 0.5, path, i, 'gretit1') for i, path in enumerate((
      '../other/out.wav', str(outside), 'link.wav', 'deep/out.wav', '../data/sub/../../other/out.wav', '../../in.wav',
      'a\0b', 'sub/../sub/in.wav', '..', '/', 'x' * 5000)))
  put(folder, 'sub/all.txt', f'{RAVEN}\tBegin Path\tFile Offset (s)\tSpecies\n{rows}')
  found = annotated.find(str(folder), 'raven')
  assert {n: [e.onset for e in events] for n, events in events_of(found).items()} == {'sub/in.wav': [7]}
  told = reasons(found)
  assert told['table.txt'] == told['link.wav'] == 'leads out of the folder'
  assert told['sub/all.txt line 2'] == "'../other/out.wav' is no sound file of the folder"  # from sub/ it would lie inside
  assert told['sub/all.txt line 6'] == "'../data/sub/../../other/out.wav' is no sound file of the folder"
  assert told['sub/all.txt line 7'] == "'../../in.wav' leads out of the folder"
  assert len(told) == 12 and all('\n' not in r and len(r) < 200 for r in told.values())


def test_tables_in_a_tree_of_their_own(tmp_path):
  """A table of one site is none of a sound of another that has its name."""
  for name in ('audio/one/x.wav', 'audio/two/x.wav', 'audio/two/z.wav', 'audio/y.wav'):
    put(tmp_path, name)
  for name in ('labels/one/x.txt', 'labels/one/z.txt', 'labels/three/x.txt', 'labels/y.txt', 'audio/one/z.txt'):
    put(tmp_path, name, '0\t1\tGreat Tit\n')
  found = annotated.find(str(tmp_path), 'audacity')
  assert sorted(events_of(found)) == ['audio/one/x.wav', 'audio/y.wav']
  assert sorted(reasons(found)) == ['audio/one/z.txt line 1', 'audio/two/x.wav', 'audio/two/z.wav', 'labels/one/z.txt line 1',
                                    'labels/three/x.txt line 1']


def test_a_table_among_other_sounds(tmp_path):
  for name in ('north/r.wav', 'south/q.wav'):
    put(tmp_path, name)
  put(tmp_path, 'north/q.txt', '0\t1\tGreat Tit\n')
  found = annotated.find(str(tmp_path), 'audacity')
  assert not found.recordings and sorted(reasons(found)) == ['north/q.txt line 1', 'north/r.wav', 'south/q.wav']


def test_two_sounds_of_one_name(tmp_path):
  put(tmp_path, 'x.wav')
  put(tmp_path, 'x.mp3')
  put(tmp_path, 'x.txt', '0\t1\tGreat Tit\n')
  put(tmp_path, 'x.mp3.txt', '0\t1\tGreat Tit\n' * 2)
  found = annotated.find(str(tmp_path), 'audacity')
  assert [(r.name, len(r.events)) for r in found.recordings] == [('x.mp3', 1)]
  assert reasons(found)['x.txt line 1'] == 'names no sound file, and may be any of x.mp3, x.wav'
  assert '1 events stood in the tables twice' in found.notes
