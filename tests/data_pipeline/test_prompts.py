import re
import subprocess
import sys
import time

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import phrases, prompts
from data_pipeline.description import LOUDNESSES, PARTS, TIMINGS, DescribedEvent, Description, project, realise
from data_pipeline.prompts import PromptError, parse, render
from data_pipeline.scene import ENVIRONMENTS, NEARS, NOISES, VOCALISATIONS, Event, Scene
from data_pipeline.taxonomy import PROCEDURAL, Taxonomy, UnknownSpecies, edition

OWLS = Taxonomy.from_rows([('brnowl', 'Barn owl', 'Tyto alba'), ('blagro1', 'Black grouse', 'Lyrurus tetrix')], 'two birds')
SPLIT = Taxonomy.from_rows([('webowl1', 'Western Barn Owl', 'Tyto alba'), ('eabowl1', 'Eastern Barn Owl', 'Tyto javanica'),
                            ('sonthr1', 'Song Thrush', 'Turdus philomelos')], 'eBird', 2024)
OLD = Taxonomy.from_rows([('brnowl', 'Barn Owl', 'Tyto alba')], 'eBird', 2021)
# Real names that hold words of the grammar, hyphens, full stops, other plurals, other letters.
TRICKY = Taxonomy.from_rows([
    ('sinqua1', 'Singing Quail', 'Dactylortyx thoracicus'), ('raiqua1', 'Rain Quail', 'Coturnix coromandelica'),
    ('rivwar1', 'River Warbler', 'Locustella fluviatilis'), ('orrfra1', 'Orange River Francolin', 'Scleroptila gutturalis'),
    ('bawwar', 'Black-and-white Warbler', 'Mniotilta varia'), ('sthplo1', 'St. Helena Plover', 'Anarhynchus sanctaehelenae'),
    ('ruebus1', "Rüppell's Bustard", 'Heterotetrax rueppelii'), ('barwar1', 'Barred Warbler', 'Curruca nisoria'),
    ('grewar2', 'Two-barred Warbler', 'Phylloscopus plumbeitarsus'), ('gragoo', 'Greylag Goose', 'Anser anser'),
    ('tuftit', 'Tufted Titmouse', 'Baeolophus bicolor'), ('brnboo', 'Brown Booby', 'Sula leucogaster'),
    ('sonthr1', 'Song Thrush', 'Turdus philomelos'), ('eurwoo1', 'Eurasian Woodcock', ''), ('owl', 'Owl', '')], 'tricky')


def descriptions(taxonomy):
  event = st.builds(DescribedEvent, st.sampled_from(taxonomy.codes), st.sampled_from(VOCALISATIONS + ('',)),
                    st.sampled_from(TIMINGS), st.sampled_from(LOUDNESSES), st.integers(1, 4))
  return st.builds(Description, st.lists(event, max_size=4).map(tuple), st.sampled_from(ENVIRONMENTS + ('',)),
                   st.sampled_from(NOISES + ('',)), st.sampled_from(NEARS + ('',)))


@st.composite
def scenes(draw):
  events = []
  for _ in range(draw(st.integers(0, 5))):
    onset = draw(st.floats(0, 4.9))
    events.append(Event(draw(st.sampled_from(PROCEDURAL.codes)), draw(st.sampled_from(VOCALISATIONS)), onset,
                        onset + draw(st.floats(0.05, 6)), 1000.0, 2000.0, draw(st.floats(-60, 0))))
  return Scene(tuple(events), draw(st.sampled_from(ENVIRONMENTS + ('',))), draw(st.sampled_from(NOISES + ('',))),
               draw(st.sampled_from(NEARS + ('',))), 5.0)


seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def described_as(*events, environment='', noise='', near=''):
  return Description(tuple(events), environment, noise, near)


def bird(species='brnowl', vocalisation='song', timing='', loudness='', count=1):
  return DescribedEvent(species, vocalisation, timing, loudness, count)


@settings(deadline=None, max_examples=300)
@given(scenes(), seeds)
def test_parse_undoes_render_of_scenes(scene, rng):
  assert parse(render(scene, rng, PROCEDURAL), PROCEDURAL) == project(scene)


@pytest.mark.parametrize('taxonomy', [PROCEDURAL, TRICKY], ids=lambda t: t.name)
@settings(deadline=None, max_examples=300)
@given(data=st.data(), rng=seeds)
def test_parse_undoes_render_of_descriptions(taxonomy, data, rng):
  description = data.draw(descriptions(taxonomy))
  text = render(description, rng, taxonomy)
  assert parse(text, taxonomy) == description
  assert parse(text.upper(), taxonomy) == description


def test_the_prompt_of_the_readme():
  text = ('Forest environment, a Barn owl singing lightly at the start, lightly noisy environment, near a river, '
          'a Black grouse singing throughout')
  assert parse(text, OWLS) == described_as(
      bird(timing='at the start', loudness='lightly'), bird('blagro1', timing='throughout'),
      environment='forest', noise='lightly noisy', near='river')


@pytest.mark.parametrize('text, expected', [
    ('barn owl', bird(vocalisation='')),
    ('A BARN OWL CALLS', bird(vocalisation='call')),
    ('an owl can be heard', None),
    ('two Barn owls calling in the middle', bird(vocalisation='call', timing='in the middle', count=2)),
    ('Barn owls calling', bird(vocalisation='call', count=2)),
    ('two Black grouse sing all the time', bird('blagro1', timing='throughout', count=2)),
    ('three Black grouses sing', bird('blagro1', count=3)),
    ('the faint song of a Barn owl halfway through', bird(timing='in the middle', loudness='lightly')),
    ('there is one Tyto alba calling loudly', bird(vocalisation='call', loudness='loudly')),
    ('at the beginning a barn owl is softly singing', bird(timing='at the start', loudness='lightly')),
    ('at the beginning, a barn owl is singing', bird(timing='at the start')),
    ('a barn owl, singing, near the end', bird(timing='towards the end')),
    ('brnowl strongly calling early on.', bird(vocalisation='call', timing='at the start', loudness='loudly')),
    ('2 barn owls heard quietly', bird(vocalisation='', loudness='lightly', count=2)),
    ('a pair of barn owls', bird(vocalisation='', count=2)),
])
def test_ways_to_say_a_bird(text, expected):
  if expected is None:
    with pytest.raises(PromptError, match="'owl'.*Barn owl"):
      parse(text, OWLS)
  else:
    assert parse(text, OWLS) == described_as(expected)


@pytest.mark.parametrize('text, expected', [
    ('a Barn owl singing near the end near a river', described_as(bird(timing='towards the end'), near='river')),
    ('near a road and near the end a Barn owl sings', described_as(bird(timing='towards the end'), near='road')),
    ('a Barn owl singing lightly noisy environment', described_as(bird(), noise='lightly noisy')),
    ('a Barn owl singing lightly, noisy environment', described_as(bird(loudness='lightly'), noise='noisy')),
    ('no birds, rain', described_as(environment='rain')),
    ('wind', described_as(environment='wind')),
    ('a forest, one Barn owl singing, a stream', described_as(bird(), environment='forest', near='river')),
    ('a quiet forest by the stream', described_as(environment='forest', noise='quiet', near='river')),
    ('insects in the background & distant traffic', described_as(environment='insects', near='road')),
    ('a barn owl singing, a barn owl singing, two barn owls calling',
     described_as(bird(count=2), bird(vocalisation='call', count=2))),
])
def test_ways_to_say_a_scene(text, expected):
  assert parse(text, OWLS) == expected


@pytest.mark.parametrize('text, code, count', [
    ('a singing quail singing', 'sinqua1', 1), ('rain quail', 'raiqua1', 1), ('river warblers', 'rivwar1', 2),
    ('an Orange River Francolin', 'orrfra1', 1), ('Black and white warbler', 'bawwar', 1), ('st helena plover', 'sthplo1', 1),
    ('St. Helena Plovers', 'sthplo1', 2), ('R\u00fcppell\u2019s bustard', 'ruebus1', 1), ('two barred warblers', 'barwar1', 2),
    ('two two-barred warblers', 'grewar2', 2), ('five greylag geese', 'gragoo', 5), ('song thrush song', 'sonthr1', 1),
    ('an owl', 'owl', 1)])
def test_names_that_hold_words_of_the_grammar(text, code, count):
  [event] = parse(text, TRICKY).events
  assert (event.species, event.count) == (code, count)


BESIDE = {'one': ('a {}', 'one {}', '{}', 'there is a single {}'), 'many': ('two {}', '2 {}', 'a pair of {}')}
CASES = (str, str.lower, str.upper, str.title, str.swapcase)


@pytest.mark.parametrize('taxonomy', [PROCEDURAL, TRICKY], ids=lambda t: t.name)
@settings(deadline=None)
@given(data=st.data(), case=st.sampled_from(CASES), count=st.sampled_from(('one', 'many')))
def test_any_name_is_understood(taxonomy, data, case, count):
  s = data.draw(st.sampled_from(taxonomy.species))
  name = data.draw(st.sampled_from(s.names + (phrases.plural(s.common),) * (count == 'many')))
  text = f'Forest environment, {data.draw(st.sampled_from(BESIDE[count])).format(case(name))} singing near a river'
  assert parse(text, taxonomy) == described_as(bird(s.code, count=1 + (count == 'many')), environment='forest', near='river')


def test_a_prompt_is_rendered_by_common_names_only():
  for name in PROCEDURAL.species[0].names:
    described = parse(f'a {name} singing', PROCEDURAL)
    for seed in range(100):
      assert 'glass pipit' in render(described, np.random.default_rng(seed), PROCEDURAL).lower()


@pytest.mark.parametrize('text, nearest', [
    ('a Glas pipet', 'Glass pipit'), ('a gltpi', 'gltpip'), ('a Vitrantus ascendens', 'Vitranthus ascendens')])
def test_the_nearest_name_is_of_the_kind_that_was_meant(text, nearest):
  with pytest.raises(PromptError, match=f'nearest species: {nearest}'):
    parse(text, PROCEDURAL)


@pytest.mark.parametrize('text, taxonomy, names', [
    ('an owl', OWLS, 'Barn owl'), ('two owls singing', OWLS, 'Barn owl'), ('a THRUSH', SPLIT, 'Song Thrush'),
    ('a barn owl singing', SPLIT, 'Western Barn Owl, Eastern Barn Owl'),
    ('three Barn Owls', SPLIT, 'Western Barn Owl, Eastern Barn Owl'), ('a white warbler', TRICKY, 'Black-and-white Warbler'),
    ('a finch', PROCEDURAL, 'Lesser bell finch, Greater bell finch')])
def test_a_short_name_is_no_guess(text, taxonomy, names):
  with pytest.raises(PromptError, match=f'; give the full name: {names}$'):
    parse(text, taxonomy)


def test_a_long_list_of_candidates_is_cut():
  many = Taxonomy.from_rows([(f'code{i}', f'Number{i} Owl', '') for i in range(20)], 'owls')
  with pytest.raises(PromptError, match='Number7 Owl, and 12 more$'):
    parse('an owl', many)


@pytest.mark.parametrize('text, taxonomy, message', [
    ('two Barn owls singing', PROCEDURAL, "'barn owls' is Barn Owl (brnowl, Tyto alba) of eBird 2023, not among the 12 species "
                                          "of 'procedural'; nearest species: Hollow owl"),
    ('a song thrush', PROCEDURAL, "'song thrush' is Song Thrush (sonthr1, Turdus philomelos) of eBird 2024, not among the 12"),
    ('a Parus major', OWLS, "'parus major' is Great Tit (gretit1, Parus major) of eBird 2024, not among the 2 species of"),
    # Renamed and split between years: said, and left to the reader.
    ('a barn owl', SPLIT, "of eBird 2023, not among the 3 species of 'eBird 2024', where Western Barn Owl (webowl1, Tyto alba) "
                          'shares a name with it'),
    ('a webowl1', OLD, "of eBird 2024, not among the 1 species of 'eBird 2021', where Barn Owl (brnowl, Tyto alba) shares"),
    ('an American barn owl', OLD, 'is American Barn Owl (brnowl, Tyto furcata) of eBird 2024, not among the 1 species')])
def test_real_birds_that_are_not_among_the_species(text, taxonomy, message):
  with pytest.raises(PromptError, match=re.escape(message)):
    parse(text, taxonomy)


def test_pandas_is_loaded_for_errors_only():
  code = ('import sys; import numpy as np; from data_pipeline import prompts, taxonomy; t = taxonomy.PROCEDURAL; '
          "prompts.render(prompts.parse('two gltpip, a Cavistrix longivox', t), np.random.default_rng(0), t); "
          "sys.exit('pandas' in sys.modules or 'tensorflow' in sys.modules)")
  assert subprocess.run([sys.executable, '-c', code]).returncode == 0


@pytest.mark.parametrize('text, message', [
    ('', 'empty'), (' , and', 'empty'), ('!', 'empty'),
    ('rain, a Bran owl singing', "'bran owl' in 'a bran owl singing'; nearest species: Barn owl"),
    ('a Barn owl singing nicely', "'nicely'.*nearest phrases: .*quietly"),
    ('a Barn owl singing at the sea', "'at' in 'a barn owl singing at the sea'"),
    ('forest environment, windy environment', "'windy environment' contradicts the environment 'forest'"),
    ('quiet environment, noisy environment', 'contradicts the noise'),
    ('a Barn owl singing throughout at the start', "'at the start' is a second timing"),
    ('a Barn owl calling singing', 'second vocalisation'),
    ('singing loudly', 'belongs to no bird'),
    ('two, rain', 'belongs to no bird'),
    ('at the start, at the end a Barn owl', 'belongs to no bird'),
    ('no birds, a Barn owl singing', 'no birds'),
    ('99 Barn owls', "'99'"),
])
def test_prompts_that_mean_nothing(text, message):
  with pytest.raises(PromptError, match=message):
    parse(text, OWLS)


def test_render_refuses_unknown_species():
  with pytest.raises(UnknownSpecies, match='brnowl'):
    render(described_as(bird()), np.random.default_rng(0), PROCEDURAL)


def test_render_says_everything_in_many_ways_and_only_the_seed_decides():
  scene = Scene((Event('gltpip', 'song', 0.1, 0.5, 1e3, 2e3, -50.0),), 'forest', 'noisy', 'river', 3.0)
  texts = {render(scene, np.random.default_rng(seed), PROCEDURAL) for seed in range(300)}
  assert len(texts) > 250
  assert render(scene, np.random.default_rng(7), PROCEDURAL) == render(scene, np.random.default_rng(7), PROCEDURAL)
  said = ' '.join(texts).lower()
  for table, value in ((phrases.TIMING, 'at the start'), (phrases.LOUDNESS, 'lightly'), (phrases.ENVIRONMENT, 'forest'),
                       (phrases.NOISE, 'noisy'), (phrases.NEAR, 'river')):
    assert all(form in said for form in table[value][0])


def test_every_bird_of_ebird_can_be_said():
  taxonomy, rng = edition(2024), np.random.default_rng(0)
  for s in taxonomy.species:
    description = described_as(bird(s.code, timing='at the start', count=int(rng.integers(1, 4))), near='river')
    assert parse(render(description, rng, taxonomy), taxonomy) == description
    for name in s.names:
      assert [e.species for e in parse(f'a {name} singing', taxonomy).events] == [s.code], name


def test_speed():
  """It runs once for each training example; the limit is five times what an idle core needs."""
  scene = realise(described_as(*(bird(timing=t) for t in PARTS)), np.random.default_rng(0), 2.56, OWLS)
  rng = np.random.default_rng(0)
  best = float('inf')
  for _ in range(20):
    start = time.process_time()
    for _ in range(100):
      render(scene, rng, OWLS)
    best = min(best, (time.process_time() - start) / 100)
  assert best < 200e-6


def test_the_module_has_the_whole_interface():
  assert prompts.realise is realise and prompts.project is project
