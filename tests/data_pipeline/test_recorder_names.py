"""File names of unattended recorders: site and start are read back as they were written."""

import datetime
import string

from hypothesis import given, strategies as st
import pytest

from data_pipeline import recorder_names
from data_pipeline.recorder_names import AUDIOMOTH, WILDLIFE, RecorderName, parse

START = datetime.datetime(2019, 5, 22, 4, 30)
UTC = datetime.timezone.utc


@pytest.mark.parametrize('name, site, maker', [
    ('20190522_043000.WAV', '', AUDIOMOTH), ('20190522_043000T.WAV', '', AUDIOMOTH),
    ('20190522_043000_SYNC.WAV', '', AUDIOMOTH),
    ('24F31901603710F1_20190522_043000.WAV', '24F31901603710F1', AUDIOMOTH), ('pond_20190522_043000T.WAV', 'pond', AUDIOMOTH),
    ('S4A03895_20190522_043000.wav', 'S4A03895', WILDLIFE), ('SMM00123_20190522_043000.wav', 'SMM00123', WILDLIFE),
    ('SITE_0+1_20190522_043000.wav', 'SITE', WILDLIFE), ('OAK-1_0+0_20190522$043000.wav', 'OAK-1', WILDLIFE),
    ('SITE__0__20190522_043000.wav', 'SITE', WILDLIFE), ('SITE_0+1_1_20190522_043000.wav', 'SITE', WILDLIFE),
    ('SITE_20190522$043000.wav', 'SITE', WILDLIFE), ('SITE$20190522_043000.wav', 'SITE', WILDLIFE),
    ('SITE_20190522_043000_1.wav', 'SITE', ''), ('SITE_20190522_043000_000.wav', 'SITE', ''),
    ('SITE_1_20190522_043000.wav', 'SITE_1', ''),
    ('RD-207-03-0_N_20190522_043000.flac', 'RD-207-03-0_N', ''), ('Sheep Camp_20190522_043000_a_note.mp3', 'Sheep Camp', ''),
    ('Fågelsjön-20190522-043000.ogg', 'Fågelsjön', ''), ('20190522_043000_-33.9+151.2.wav', '', AUDIOMOTH),
    ('20190522T043000_x.wav', '', ''), ('20190522_043000.5AFCD4F4.WAV', '', AUDIOMOTH),
    ('a/20190101_000000/S_20190522_043000', 'S', ''),
])
def test_names(name, site, maker):
  assert parse(name) == RecorderName(site, START, maker)


def test_unix_times():
  assert parse('5CE4B8D0.WAV') == RecorderName('', datetime.datetime(2019, 5, 22, 2, 49, 52, tzinfo=UTC), AUDIOMOTH)
  assert parse('5ce4b8d0.wav') == parse('5CE4B8D0.WAV')
  assert parse('58901234.WAV').started.year == 2017
  for name in ('10160435.wav', '20190522.wav', 'DEADBEEF.WAV', '5CE4B8D.WAV', '5CE4B8D0T.WAV', 'SITE_5CE4B8D0.WAV', 'FFFFFFFF'):
    assert parse(name) == RecorderName()


@pytest.mark.parametrize('name, written', [
    ('20190522T043000Z_Site.wav', '2019-05-22T04:30:00+00:00'),
    ('SwiftOne_20190522_043000_-0400.wav', '2019-05-22T04:30:00-04:00'),
    ('20190522T043000+1000_Oak_-12.3+12.7.wav', '2019-05-22T04:30:00+10:00'),
    ('SITE_20190522_043000_250.wav', '2019-05-22T04:30:00.250000'),
])
def test_zones_and_milliseconds(name, written):
  assert parse(name).started.isoformat() == written


@pytest.mark.parametrize('name, site, impossible', [
    ('20191322_043000.WAV', '', '20191322_043000'), ('S_20190522_250000.wav', 'S', '20190522_250000'),
    ('S_20190230$043000.wav', 'S', '20190230$043000'), ('S_00000000_000000.wav', 'S', '00000000_000000'),
    ('S_20190522_043060.wav', 'S', '20190522_043060'), ('19700101_000012.WAV', '', '19700101_000012'),
    ('S_20190522_043000+9900.wav', 'S', '20190522_043000+9900'),
])
def test_times_that_cannot_be(name, site, impossible):
  told = parse(name)
  assert (told.site, told.started, told.impossible) == (site, None, impossible)


@pytest.mark.parametrize('name', [
    '', 'rec1.wav', 'ZOOM0001.WAV', '20190522.wav', '043000T.WAV', 'SITE_120190522_043000.wav', 'SITE_20190522_0430001.wav',
    'SITE_20190522_04300.wav', '2019-05-22_04-30-00.wav', '.wav', '٢٠١٩٠٥٢٢_٠٤٣٠٠٠.wav'])
def test_names_that_tell_nothing(name):
  assert parse(name) == RecorderName()


SITES = st.from_regex(r'[A-Za-z][A-Za-z0-9]{0,6}([_-][A-Z][A-Za-z0-9]{0,4}){0,2}', fullmatch=True)
STARTS = st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2099, 12, 31)).map(lambda t: t.replace(microsecond=0))
MOTH_YEARS = st.datetimes(datetime.datetime(2016, 1, 1), datetime.datetime(2029, 12, 31))
SHAPES = st.sampled_from((
    '{site}_{date}_{time}', '{site}_{date}${time}', '{site}${date}_{time}', '{site}_0+1_{date}_{time}',
    '{site}_0+1_0_{date}_{time}_000', '{site}__1__{date}_{time}', '{site}_{date}_{time}_1', '{site}_{date}_{time}_000',
    '{site}_{date}_{time}T', '{site}-{date}-{time}'))


@given(SITES, STARTS, SHAPES, st.sampled_from(('', '.wav', '.WAV', '.flac', '.mp3')))
def test_round_trip(site, started, shape, suffix):
  told = parse(shape.format(site=site, date=f'{started:%Y%m%d}', time=f'{started:%H%M%S}') + suffix)
  assert (told.site, told.started, told.impossible) == (site, started, '')


@given(STARTS)
def test_round_trip_without_a_site(started):
  assert parse(f'{started:%Y%m%d_%H%M%S}.WAV') == RecorderName('', started, AUDIOMOTH)


@given(MOTH_YEARS.map(lambda t: t.replace(microsecond=0, tzinfo=UTC)))
def test_round_trip_of_unix_times(started):
  assert parse(f'{int(started.timestamp()):08X}.WAV') == RecorderName('', started, AUDIOMOTH)


@given(st.one_of(st.text(max_size=60), st.text(string.digits + '_$+-TZ .', max_size=40),
                 st.from_regex(r'[A_]{0,3}\d{8}[_$T-]\d{6}.{0,6}', fullmatch=True)))
def test_any_name_is_read(name):
  told = parse(name)
  assert told.maker in ('', AUDIOMOTH, WILDLIFE) and told.site == told.site.strip('_$ -')
  assert not (told.started and told.impossible)
  if told.started:
    assert told.started.year >= 1990 and datetime.datetime.fromisoformat(told.started.isoformat()) == told.started


def test_a_real_recorder(real_data):
  names = sorted(p.name for p in (real_data / 'maad').glob('S4A03895_*.wav'))
  told = [parse(name) for name in names]
  assert len(told) == 12 and {(t.site, t.maker) for t in told} == {('S4A03895', recorder_names.WILDLIFE)}
  assert [t.started for t in told] == [datetime.datetime(2019, 5, 22, hour) for hour in range(0, 24, 2)]
