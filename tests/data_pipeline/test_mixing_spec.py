"""What a configuration may not say."""

import pytest

from data_pipeline.mixing_spec import MixingSpec
from tests.data_pipeline.sources_to_mix import spec


def test_round_trip():
  made = spec(channels=2)
  assert MixingSpec.from_dict(made.to_dict()) == made


@pytest.mark.parametrize('changes, message', [
    (dict(seconds=0), 'seconds is 0: expected a number from 0.1'),
    (dict(channels=3), 'channels is 3'),
    (dict(peak=1.5), 'peak is 1.5'),
    (dict(events=dict(count='uniform(-1, 2)')), 'events.count: .* expected 0 to 1000'),
    (dict(events=dict(snr_db='const(200)')), 'events.snr_db: .* expected -80 to 80'),
    (dict(events=dict(snr_db='normal(0, 5)')), 'events.snr_db: .* can draw -inf to inf'),
    (dict(events=dict(onset='uniform(0, 9)')), 'events.onset: .* expected 0 to 4'),
    (dict(events=dict(species='const(3)')), 'events.species: const\\(3\\) draws numbers'),
    (dict(events=dict(stretch='const(0)')), 'events.stretch'),
    (dict(events=dict(polyphony=(3, 2))), 'least <= most'),
    (dict(events=dict(polyphony=3)), 'events.polyphony is 3: expected two whole numbers'),
    (dict(events=dict(retries=20.5)), 'events.retries is 20.5: expected a whole number'),
    (dict(channels=1.5), 'channels is 1.5: expected a whole number'),
    (dict(channels=2, distance=dict(metres='const(0.5)'), microphones=dict(spacing=2.0)), 'distance.metres: .* expected 1.02'),
    (dict(events=dict(oneset='const(1)')), 'unknown field events.oneset; nearest: onset'),
    (dict(background=dict(level_db='const(3)')), 'background.level_db'),
    (dict(background=dict(layers='const(0)')), 'background.layers'),
    (dict(distance=dict(metres='const(0)')), 'distance.metres'),
    (dict(distance=dict(humidity=0)), 'distance.humidity'),
    (dict(microphones=dict(azimuth='const(270)')), 'microphones.azimuth'),
    (dict(contaminants=dict(duration='const(0)')), 'contaminants.duration'),
])
def test_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    spec(**changes)
