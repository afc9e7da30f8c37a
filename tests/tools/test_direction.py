"""tools.direction as a user meets it: tables of several makers in, the same tables with directions out."""

import csv

import numpy as np
import pytest
import soundfile

from data_pipeline import microphones
from data_pipeline.microphones import Setup
from tools import direction
from tools.benchmark_stereo import RATE, placed, song, tone

AZIMUTHS = (-50, 40, -50, 40, 10)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """night.wav: songs at AZIMUTHS, one every 3 s, then a tone; its BirdNET table; copy.wav: one channel twice."""
  folder = tmp_path_factory.mktemp('direction')
  rng = np.random.default_rng(0)
  x = np.concatenate([placed(song(rng), a)[:3 * RATE] for a in AZIMUTHS] + [placed(tone(rng), 30)])
  x = 0.1 * np.pad(x, ((0, 3 * RATE), (0, 0))) + 0.005 * rng.standard_normal((len(x) + 3 * RATE, 2))
  (folder / 'deep').mkdir()
  soundfile.write(folder / 'deep' / 'night.wav', x, RATE)
  soundfile.write(folder / 'copy.wav', x[:, [0, 0]], RATE)
  lines = ['Start (s),End (s),Scientific name,Common name,Confidence,File']
  length = 3.2
  lines += [f'{length * i:.1f},{length * i + length:.1f},Parus major,"Tit, Great",0.9,C:\\cards\\night.wav' for i in range(6)]
  (folder / 'night.csv').write_text('\n'.join(lines) + '\n')
  return folder


def rows_of(path, delimiter=','):
  with open(path, newline='', encoding='utf-8') as f:
    return list(csv.DictReader(f, delimiter=delimiter))


def test_birdnet_with_a_spacing(folder, tmp_path):
  said = []
  heard = direction.run(str(folder / 'night.csv'), [str(folder)], str(tmp_path / 'out.csv'), spacing_m=0.2,
                        birds=str(tmp_path / 'birds.csv'), say=said.append)
  rows = rows_of(tmp_path / 'out.csv')
  assert [r[None] for r in rows if None in r] == [] and len(heard) == len(rows) == 6
  with open(folder / 'night.csv') as f, open(tmp_path / 'out.csv') as g:
    assert all(after.startswith(before.rstrip('\n')) for before, after in zip(f, g, strict=True))
  assert [r['Side'] for r in rows] == ['left', 'right', 'left', 'right', 'right', 'ambiguous']
  assert [float(r['Azimuth (deg)']) for r in rows[:5]] == pytest.approx(AZIMUTHS, abs=1)
  assert rows[5]['Azimuth (deg)'] == '' and rows[5]['Delay (us)'] and {r['Stereo'] for r in rows} == {'true'}
  assert float(rows[0]['Delay (us)']) > 0 > float(rows[1]['Delay (us)'])
  bird, = rows_of(tmp_path / 'birds.csv')
  assert bird['Species'] == 'Parus major' and bird['Detections'] == '6'
  assert len(bird['Delays (us)'].split()) == int(bird['Birds'])
  assert int(bird['Birds']) in (2, 3)  # the one at 10 degrees sang once
  assert said[-1] == f'{tmp_path / "out.csv"}: 6 rows, 1 ambiguous, 2 left, 3 right'


def test_without_a_spacing_there_are_no_degrees(folder, tmp_path):
  direction.run(str(folder / 'night.csv'), [str(folder / 'deep' / 'night.wav')], str(tmp_path / 'out.csv'), weighting='band')
  row = rows_of(tmp_path / 'out.csv')[0]
  assert row['Side'] == 'left' and not [c for c in row if 'deg' in c]


def test_the_setup_record_travels_with_the_recordings(folder, tmp_path):
  path = folder / 'deep' / 'microphones.json'
  microphones.write(path, Setup(spacing_m=0.2, left_channel=2, right_channel=1, front_deg=350.0))
  direction.run(str(folder / 'night.csv'), [str(folder)], str(tmp_path / 'out.csv'))
  path.unlink()
  row = rows_of(tmp_path / 'out.csv')[0]
  assert float(row['Azimuth (deg)']) == pytest.approx(50, abs=1) and row['Side'] == 'right'
  assert float(row['Bearing (deg)']) == pytest.approx(40, abs=1)
  assert float(row['Bearing Behind (deg)']) == pytest.approx(120, abs=1)


def test_raven_and_files_that_have_no_direction(folder, tmp_path):
  table = ('Selection\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\tFile Offset (s)\t'
           'Begin Path\n')
  table += ''.join(f'{i}\t1\t{b}\t{b + 3}\t1000\t7500\tx\t{o}\t{name}\n' for i, (b, o, name) in enumerate(
      [(0, 0, 'night.wav'), (30, 3.2, 'night.wav'), (60, 0.1, 'copy.wav'), (90, 500, 'night.wav')]))
  (tmp_path / 'x.selections.txt').write_text(table)
  said = []
  direction.run(str(tmp_path / 'x.selections.txt'), [str(folder)], str(tmp_path / 'out.txt'), spacing_m=0.2, say=said.append)
  rows = rows_of(tmp_path / 'out.txt', '\t')
  assert [r['Side'] for r in rows] == ['left', 'right', 'dual mono', 'behind the end']
  assert [r['Stereo'] for r in rows] == ['true', 'true', 'dual mono', 'true'] and rows[2]['Delay (us)'] == ''
  assert any('copy.wav: dual mono: no directions' in s for s in said)


def test_label_track(folder, tmp_path):
  (tmp_path / 'labels.txt').write_text('0\t3.2\tGreat tit\n\\\t1000\t7500\n3.2\t6.4\tGreat tit\n16\t19.2\t\n')
  direction.run(str(tmp_path / 'labels.txt'), [str(folder / 'deep' / 'night.wav')], str(tmp_path / 'out.txt'), spacing_m=0.2,
                birds=str(tmp_path / 'birds.csv'), say=lambda text: None)
  rows = rows_of(tmp_path / 'out.txt', '\t')
  assert [(r['Label'], r['Low Freq (Hz)'], r['Side']) for r in rows] == [
      ('Great tit', '1000.0', 'left'), ('Great tit', '', 'right'), ('', '', 'ambiguous')]
  assert {r['Species']: r['Birds'] for r in rows_of(tmp_path / 'birds.csv')}['Great tit'] == '2'


@pytest.mark.parametrize('table, audio, message', [
    ('start,end,file\n0,1,lost.wav\n1,2,night.wav\n', '.',
     "1 of the 2 sound files that the rows name are not in .*: 'lost.wav'"),
    ('start,end\n0,1\n', '.', 'rows name no file, and 2 are given'),
    ('start,end\n0,1\n', 'copy.wav', 'no row has a direction: 1 dual mono'),
    ('start,end\n0,1\n', 'mono.wav', 'no row has a direction: 1 mono'),
    ('begin,stop\n0,1\n', '.', 'not a table of detections'),
    ('start,end\n0,1\n', 'none', 'none: missing'), ('start,end\n0,1\n', 'night.csv', 'no row has a direction: 1 damaged'),
    ('start,end\n0,1\n', 'empty', 'no sound files')])
def test_refusals(folder, tmp_path, table, audio, message):
  if audio == 'mono.wav':
    soundfile.write(tmp_path / 'mono.wav', np.zeros(RATE), RATE)
    audio = tmp_path / 'mono.wav'
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'x.csv').write_text(table)
  audio = str(tmp_path / 'empty' if audio == 'empty' else folder / audio)
  with pytest.raises(ValueError, match=message):
    direction.run(str(tmp_path / 'x.csv'), [audio], str(tmp_path / 'out.csv'), say=lambda text: None)
  assert not (tmp_path / 'out.csv').exists()


@pytest.mark.parametrize('header, out, birds, message', [
    ('start,end,Stereo', 'out.csv', '', "x.csv has a column 'Stereo' already"),
    ('start,end,x', 'lost/out.csv', '', 'out.csv: its folder does not exist'),
    ('start,end,x', 'out.csv', 'lost/birds.csv', 'birds.csv: its folder does not exist')])
def test_what_cannot_be_written_is_refused_before_any_sound_is_heard(tmp_path, header, out, birds, message):
  (tmp_path / 'x.csv').write_text(f'{header}\n0,1,a\n')
  with pytest.raises(ValueError, match=message):  # there is no such sound, which would be told otherwise
    direction.run(str(tmp_path / 'x.csv'), [str(tmp_path / 'none.wav')], str(tmp_path / out),
                  birds=str(tmp_path / birds) if birds else '')
  assert [p.name for p in tmp_path.iterdir()] == ['x.csv']


def test_channels_that_a_file_has_not_are_told_in_its_rows(folder, tmp_path):
  path = folder / 'deep' / 'microphones.json'
  microphones.write(path, Setup(left_channel=3, right_channel=4))
  try:
    with pytest.raises(ValueError, match='no row has a direction: 6 no channels 3 and 4'):
      direction.run(str(folder / 'night.csv'), [str(folder)], str(tmp_path / 'out.csv'), say=lambda text: None)
  finally:
    path.unlink()


def clicks(tmp_path, azimuths, swapped=False):
  """A recording of clicks 4 s apart by microphones half a metre apart, with noise, and its table."""
  rng, click = np.random.default_rng(1), np.zeros(2 * RATE)
  click[RATE:RATE + 40] = rng.standard_normal(40) * np.hanning(40)
  x = np.concatenate([_half_a_metre(click, a) for a in azimuths]) * 0.3
  x += 1e-3 * rng.standard_normal(x.shape)
  soundfile.write(tmp_path / 'clicks.wav', x[:, ::-1] if swapped else x, RATE)
  seconds = len(x) / len(azimuths) / RATE
  (tmp_path / 'clicks.csv').write_text('time_s,azimuth_deg\n' + ''.join(
      f'{seconds * i + 2.2:.1f},{a}\n' for i, a in enumerate(azimuths)))


def _half_a_metre(click, azimuth):
  near = placed(click, 0.0)[:, 0]
  delay = -np.sin(np.radians(azimuth)) * Setup(spacing_m=0.5).widest_us * 1e-6
  turn = np.exp(-2j * np.pi * np.fft.rfftfreq(len(near), 1 / RATE) * delay)
  return np.stack([near, np.fft.irfft(np.fft.rfft(near) * turn, len(near))], axis=1)


@pytest.mark.parametrize('swapped', [False, True])
def test_calibration_by_clicks(tmp_path, capsys, swapped):
  clicks(tmp_path, (-60, -30, 0, 45, 80), swapped)
  out = tmp_path / 'microphones.json'
  microphones.write(out, Setup(device='two omnis'))
  direction.main(['--calibrate', str(tmp_path / 'clicks.csv'), '--audio', str(tmp_path / 'clicks.wav'), '--out', str(out)])
  fitted = microphones.read(out)
  assert fitted.spacing_m == pytest.approx(0.5, abs=0.005) and fitted.device == 'two omnis'
  assert (fitted.left_channel, fitted.right_channel) == ((2, 1) if swapped else (1, 2))
  assert '5 clicks, spacing 0.' in capsys.readouterr().out


def test_calibration_refuses(tmp_path, capsys):
  clicks(tmp_path, (-60, 60, 10))
  run = lambda: direction.main(['--calibrate', str(tmp_path / 'c.csv'), '--audio', str(tmp_path / 'clicks.wav'),
                                '--out', str(tmp_path / 'm.json')])
  for text, message in (('time_s,azimuth_deg\n2.2,-60\n', r'1 click\(s\): expected two or more'),
                        ('time_s\n2\n', "no column 'azimuth_deg'"),
                        ('time_s,azimuth_deg\n2.2,-60\n6.2,100\n', 'line 3, column azimuth_deg: 100'),
                        ('time_s,azimuth_deg\n2.2,-60\n99,60\n', 'end of the file'),
                        ('time_s,azimuth_deg\n2.2,-60\n6.2,60\n10.2,-80\n', 'no spacing explains all 3 directions'),
                        ('time_s,azimuth_deg\n10.2,10\n10.2,5\n', '15 degrees or more')):
    (tmp_path / 'c.csv').write_text(text)
    with pytest.raises(SystemExit, match=message):
      run()
  assert not (tmp_path / 'm.json').exists()


def test_the_command_line(folder, tmp_path, capsys):
  command = ['--detections', str(folder / 'night.csv'), '--audio', str(folder), '--out', str(tmp_path / 'o.csv')]
  direction.main([*command, '--spacing_m', '0.2', '--column', 'species=Common name', '--birds', str(tmp_path / 'b.csv'),
                  '--count_minutes', '1'])
  assert rows_of(tmp_path / 'b.csv')[0]['Species'] == 'Tit, Great' and '6 rows' in capsys.readouterr().out
  for arguments, message in ((['--spacing_m', '20000'], None), (['--max_delay_us', '0'], 'expected more than 0'),
                             (['--column', 'x'], 'WHAT=NAME')):
    with pytest.raises(SystemExit):
      direction.main([*command, *arguments])
    assert message is None or message in capsys.readouterr().err
  with pytest.raises(SystemExit):
    direction.main(['--calibrate', 'c.csv', '--audio', 'x.wav', '--out', 'm.json', '--spacing_m', '1'])
  assert 'finds the spacing' in capsys.readouterr().err
