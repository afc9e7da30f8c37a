"""What labels mean: names of an edition, a map of labels, or the species of the recording."""

import pytest

from data_pipeline import annotated, annotated_events, annotated_labels, recorded_species
from tests.data_pipeline.annotated_folders import KHZ, TIT, put, reasons, without


@pytest.fixture(autouse=True)
def few_nearest(monkeypatch):
  """Looking for the nearest among all birds takes its time."""
  monkeypatch.setattr(annotated_labels, 'NEAREST', 2)


def test_unknown_labels(tmp_path, monkeypatch):
  put(tmp_path, 'x.wav')
  labels = ('Great Tit', 'Graet Tit', 'Barn Owl', '????', 'BLBI', 'y' * 100, '')
  put(tmp_path, 'x.csv', 'start;end;low_hz;high_hz;label\n' + ''.join(
      f'{i};{i + 1};1000,5;2000;{x}\n' for i, x in enumerate(labels)))
  found = annotated.find(str(tmp_path), 'annotations')
  [r] = found.recordings
  assert [(e.species, e.onset, e.low_hz) for e in r.events] == [('gretit1', 0.0, 1000.5)]
  told = [reasons(found)[f'x.csv line {n}'] for n in range(3, 9)]
  assert 'nearest: ' in told[0] and 'Great Tit' in told[0] and 'map of labels' in told[0]
  assert 'webowl1' in told[1] and 'In 2021' in told[1]
  assert told[2] == "'????' says that nobody knows the species"
  assert told[3].startswith("'BLBI' is no species of eBird 2024; a map of labels")  # past the first NEAREST
  assert len(told[4]) < 200 and told[5] == 'has no label, and other rows of its table have'


def test_labels_of_another_edition(tmp_path):
  put(tmp_path, 'x.wav')
  put(tmp_path, 'x.txt', '0\t1\tBarn Owl\n')
  [r] = annotated.find(str(tmp_path), 'audacity', 2021).recordings
  assert r.events[0].species == 'brnowl'
  with pytest.raises(ValueError, match='no eBird taxonomy of 1999'):
    annotated.find(str(tmp_path), 'audacity', 1999)


def test_a_map_of_labels(tmp_path):
  put(tmp_path, 'x.wav')
  put(tmp_path, 'x.txt', ''.join(f'{i}\t{i + 1}\t{x}\n' for i, x in enumerate(
      ('GT', 'gt call', 'noise', 'NOISE', 'alarm call', 'Great Tit', 'GT2'))))
  labels = {'Gt': 'Parus major', 'noise': '', 'alarm call': 'eurbla', 'GT2': 'great tit call'}
  found = annotated.find(str(tmp_path), 'audacity', labels=labels)
  assert [(e.species, e.vocalisation, e.onset) for e in found.recordings[0].events] == [
      ('gretit1', 'song', 0), ('gretit1', 'call', 1), ('eurbla', 'call', 4), ('gretit1', 'song', 5), ('gretit1', 'call', 6)]
  assert not found.skips and "2 rows are left out, no birds by the map of labels: 'NOISE' (1), 'noise' (1)" in found.notes
  with pytest.raises(ValueError, match="map of labels: 'GT' stands for 'Graet Tit': .*nearest.*Great Tit"):
    annotated.find(str(tmp_path), 'audacity', labels={'GT': 'Graet Tit'})
  with pytest.raises(ValueError, match='and, in another case, for another species'):
    annotated.find(str(tmp_path), 'audacity', labels={'GT': 'Great Tit', 'gt': ''})


@pytest.mark.parametrize('text, found', [
    ('label,species\nSP,Great Tit\nnoise,\nSP,great  tit\n', {'SP': 'Great Tit', 'noise': ''}),
    ('\ufefflabel;species;note\n"a;b";Rüppell\'s Bustard;x\n', {'a;b': "Rüppell's Bustard"}),
    ('label,species\n', {}),
    ('label,species\nSP,Great Tit\n\nsp,Parus major\n', "line 4: 'sp' stands for 'Parus major', in line 2 for 'Great Tit'"),
    ('label,species\nSP,\nSP,x\n', "line 3: 'SP' stands for 'x', in line 2 for 'no bird'"),
    ('label,species\n,x\n', 'line 2: the label is empty'),
    ('label,species\na,b,c\n', 'line 2: has 3 cells'),
    ('name,species\n', 'expected the columns label, species, found name, species'),
])
def test_files_of_labels(tmp_path, text, found):
  path = put(tmp_path, 'labels.csv', text)
  if isinstance(found, dict):
    assert annotated_labels.read_labels(path) == found
  else:
    with pytest.raises(ValueError, match=f'labels.csv.*{found}'):
      annotated_labels.read_labels(path)


def test_species_of_a_manifest(tmp_path):
  """Rows without label are of the recording's species, and the rest of the manifest is kept."""
  put(tmp_path, 'manifest.csv', 'path,species_common,species_scientific,type,licence,recordist,environment,group\n'
      'd/a.wav,,Parus major,call,CC0,Ann,Forest,g\nd/b.wav,Grey Ghost,,,,,hot spring,\nd/c.wav,,,,CC0,,,\n'
      'd/d.wav,Barn Owl,,,,,,\nd/gone.wav,Great Tit,,,,,,\n')
  for name in 'abcde':
    put(tmp_path, f'd/{name}.wav')
  put(tmp_path, 'd/selec_table.csv', KHZ + ''.join(f'{n}.wav,1,0.5,1.25,3,5\n' for n in 'abcde'))
  found = annotated.find(str(tmp_path / 'd'), 'annotations')
  a, b = found.recordings
  assert a.events == (without(TIT, vocalisation='call'),) and b.events == (without(TIT, species='greyghost'),)
  assert (a.name, a.scientific, a.licence, a.recordist, a.environment, a.group) == (
      'd/a.wav', 'Parus major', 'CC0', 'Ann', 'forest', 'g')
  assert (b.common, b.environment, b.group) == ('Grey Ghost', '', 'b')
  told = reasons(found)
  assert told['d/selec_table.csv line 4'] == told['d/selec_table.csv line 6'] == annotated_events.NO_SPECIES
  assert told['d/selec_table.csv line 5'].startswith("of its recording: 'Barn Owl' names no one species")
  assert {n for n in told if n.endswith('.wav')} == {'d/c.wav', 'd/d.wav', 'd/e.wav'}
  assert found.notes[0] == '2 rows without label are of the species of their recording'
  species = recorded_species.of(found.recordings, 2024)
  assert species.taxonomy.codes == ('gretit1', 'greyghost') and not species.refused


def test_species_of_a_folder(tmp_path):
  """Labels such as 'A' are of the folder's species; not where the folder's name may be that of a site."""
  for folder in ('Parus_major', 'site A', 'Grey Ghost', 'Barn Owl'):
    put(tmp_path, f'{folder}/x.wav')
    put(tmp_path, f'{folder}/x.txt', '0\t1\tA\n1\t2\tcall\n' if folder != 'Grey Ghost' else '0\t1\t\n1\t2\n')
  found = annotated.find(str(tmp_path), 'audacity')
  assert [(r.name, r.common, [(e.species, e.vocalisation) for e in r.events]) for r in found.recordings] == [
      ('Grey Ghost/x.wav', 'Grey Ghost', [('greyghost', 'song')] * 2),
      ('Parus_major/x.wav', 'Parus major', [('gretit1', 'song'), ('gretit1', 'call')])]
  assert "2 rows have labels that name no species, and are of that of their recording: 'A' (1), 'call' (1)" in found.notes
  told = reasons(found)
  assert "'A'" in told['site A/x.txt line 1'] and 'map of labels' in told['site A/x.txt line 1']
  assert told['Barn Owl/x.txt line 1'].startswith("of its recording: 'Barn Owl' names no one species")


def test_where_labels_name_species_the_others_do_not(tmp_path):
  """Rain in the folder of a tit is no tit, and the name of a site or of an empty recording is no species."""
  for name in ('Parus major/x', 'site A/y', 'site A/z', 'Parus major/silent'):
    put(tmp_path, f'{name}.wav')
  put(tmp_path, 'Parus major/x.txt', '0\t1\train\n1\t2\tgretit1\n')
  put(tmp_path, 'Parus major/silent.txt')
  put(tmp_path, 'site A/y.txt', '0\t1\tGreat Tit\n')
  put(tmp_path, 'site A/z.txt', '0\t1\train\n')
  found = annotated.find(str(tmp_path), 'audacity')
  assert [(r.name, r.common, len(r.events)) for r in found.recordings] == [
      ('Parus major/silent.wav', '', 0), ('Parus major/x.wav', 'Parus major', 1), ('site A/y.wav', '', 1)]
  assert sorted(reasons(found)) == ['Parus major/x.txt line 1', 'site A/z.txt line 1', 'site A/z.wav']
