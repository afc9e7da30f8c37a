import dataclasses

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import description as description_lib
from data_pipeline.description import LOUDNESSES, TIMINGS, DescribedEvent, Description, project, realise
from data_pipeline.scene import ENVIRONMENTS, NEARS, NOISES, VOCALISATIONS
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy, UnknownSpecies

OWLS = Taxonomy.from_rows([('brnowl', 'Barn owl', 'Tyto alba'), ('blagro1', 'Black grouse', 'Lyrurus tetrix')], 'two birds')


def descriptions(said):
  """Strategy of Descriptions; `said`: nothing is left unsaid."""
  unsaid = () if said else ('',)
  event = st.builds(DescribedEvent, st.sampled_from(PROCEDURAL.codes), st.sampled_from(VOCALISATIONS + unsaid),
                    st.sampled_from(TIMINGS[:4] + unsaid), st.sampled_from(LOUDNESSES), st.integers(1, 4))
  return st.builds(Description, st.lists(event, max_size=4).map(tuple), st.sampled_from(ENVIRONMENTS + unsaid),
                   st.sampled_from(NOISES + unsaid), st.sampled_from(NEARS + ('',)))


SAID, UNSAID = descriptions(said=True), descriptions(said=False)
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def described_as(*events, environment='', noise='', near=''):
  return Description(tuple(events), environment, noise, near)


def bird(species='brnowl', vocalisation='song', timing='', loudness='', count=1):
  return DescribedEvent(species, vocalisation, timing, loudness, count)


@settings(deadline=None)
@given(SAID, st.sampled_from([0.8, 2.56, 5.12, 60.0]), seeds)
def test_project_undoes_realise(description, duration, rng):
  scene = realise(description, rng, duration, PROCEDURAL)
  assert project(scene) == description
  assert scene.duration == duration
  assert all(0 <= e.onset < e.offset <= duration for e in scene.events)
  assert [e.onset for e in scene.events] == sorted(e.onset for e in scene.events)
  rounded = [dataclasses.replace(e, **{k: float(np.float32(getattr(e, k))) for k in ('onset', 'offset', 'level_db')})
             for e in scene.events]
  assert project(dataclasses.replace(scene, events=tuple(rounded))) == description  # as a data set stores it


@settings(deadline=None)
@given(UNSAID, seeds)
def test_realise_draws_what_is_unsaid_and_keeps_the_rest(description, rng):
  got = project(realise(description, rng, 2.56, PROCEDURAL))
  assert got.environment and got.noise and got.near == description.near
  for field in ('environment', 'noise'):
    assert getattr(description, field) in ('', getattr(got, field))
  assert all(e.vocalisation and e.timing for e in got.events)
  asked, made = (sum(e.count for e in d.events) for d in (description, got))
  assert made == asked or any(e.count == description_lib.MAX_COUNT for e in got.events)


@pytest.mark.parametrize('onset, offset, timing', [
    (0, 0.5, 'at the start'), (0, 1.99, 'at the start'), (1.0, 2.0, 'in the middle'), (1.4, 2.4, 'in the middle'),
    (1.9, 2.2, 'towards the end'), (2.5, 3, 'towards the end'), (0, 2.1, 'throughout'), (0.9, 3, 'throughout'),
    (2.9, 9, 'towards the end'), (0.5, 9, 'throughout'), (-4, 0.5, 'at the start')])
def test_timing_by_hand(onset, offset, timing):
  assert description_lib.timing_of(onset, offset, 3.0) == timing


@pytest.mark.parametrize('level, loudness', [(-32.1, 'lightly'), (-32, ''), (-22, ''), (-21.9, 'loudly')])
def test_loudness_by_hand(level, loudness):
  assert description_lib.loudness_of(level) == loudness


def test_descriptions_are_canonical():
  a, b = bird(timing='at the start'), bird('blagro1', timing='throughout')
  assert described_as(a, b) == described_as(b, a)
  assert described_as(a, a, b).events == (dataclasses.replace(a, count=2), b)
  assert described_as(*[dataclasses.replace(a, count=9)] * 2).events[0].count == description_lib.MAX_COUNT
  with pytest.raises(ValueError, match="'often'.*throughout"):
    bird(timing='often')
  with pytest.raises(ValueError, match='count is 0'):
    bird(count=0)
  with pytest.raises(ValueError, match="'sea'.*forest"):
    described_as(environment='sea')


def test_realise_follows_profiles():
  profile = {('brnowl', 'call'): {'seconds': (0.3, 0.31), 'low_hz': (500, 600), 'high_hz': (590, 900)}}
  rng = np.random.default_rng(0)
  for _ in range(50):
    described = described_as(bird(vocalisation='call', timing='in the middle'), bird(timing='throughout'))
    scene = realise(described, rng, 4.0, OWLS, profile)
    call, = (e for e in scene.events if e.vocalisation == 'call')
    song, = (e for e in scene.events if e.vocalisation == 'song')
    assert 0.3 <= call.offset - call.onset < 0.3101 and 500 <= call.low_hz <= 600
    assert call.low_hz + 50 <= call.high_hz <= 900
    assert song.offset - song.onset >= 0.75 * 4.0
  with pytest.raises(ValueError, match='duration'):
    realise(described_as(), rng, 0.0, OWLS)


def test_usual_lengths_and_little_overlap():
  rng = np.random.default_rng(0)
  described = described_as(bird(timing='at the start'), bird(vocalisation='call', timing='towards the end', count=2))
  overlaps = 0
  for _ in range(100):
    scene = realise(described, rng, 5.12, OWLS)
    song, = (e for e in scene.events if e.vocalisation == 'song')
    first, second = (e for e in scene.events if e.vocalisation == 'call')
    assert 0.8 <= song.offset - song.onset <= 1.4 and 0.2 <= first.offset - first.onset <= 0.5
    overlaps += first.offset > second.onset
  assert overlaps <= 5


def test_realise_refuses_unknown_species():
  with pytest.raises(UnknownSpecies, match='brnowl'):
    realise(described_as(bird()), np.random.default_rng(0), 2.0, PROCEDURAL)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_leave_unsaid_keeps_a_bird_and_adds_nothing(seed):
  described = Description(
      (DescribedEvent('gltpip', 'song', 'at the start', 'lightly'), DescribedEvent('embdov', 'call', 'throughout', '', 2)),
      'forest', 'noisy', 'river')
  said = description_lib.leave_unsaid(described, np.random.default_rng(seed))
  assert said.events
  for e in said.events:
    [whole] = [w for w in described.events if w.species == e.species]
    assert (e.loudness, e.count) == (whole.loudness, whole.count)
    assert e.vocalisation in ('', whole.vocalisation) and e.timing in ('', whole.timing)
  assert said.environment in ('', 'forest') and said.noise in ('', 'noisy') and said.near in ('', 'river')


def test_no_birds_stay_no_birds():
  assert description_lib.leave_unsaid(Description((), 'rain', '', ''), np.random.default_rng(0)).events == ()
