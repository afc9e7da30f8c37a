"""Events, detections and file names for property tests of formats, and what a round trip may change."""

import dataclasses

from hypothesis import HealthCheck, settings, strategies as st

from data_pipeline.formats.detection import Detection
from data_pipeline.scene import VOCALISATIONS, Event, Scene
from data_pipeline.taxonomy import PROCEDURAL

# Time on a shared machine says nothing about the code.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Non-ASCII, blanks, quotes, both delimiters; no blanks at the ends and no line breaks, which writers refuse.
NAMES = st.text(st.sampled_from('abZ09 _-.,;"\'\\/åßñ鳥'), min_size=1, max_size=12).filter(lambda s: s == s.strip())
CODES = st.sampled_from(PROCEDURAL.codes)


@st.composite
def events(draw):
  onset, low = draw(st.floats(0, 9000)), draw(st.floats(0, 9000))
  return Event(draw(CODES), draw(st.sampled_from(VOCALISATIONS)), onset, onset + draw(st.floats(0.001, 60)), low,
               low + draw(st.floats(1, 9000)), draw(st.floats(-90, 0)), draw(st.none() | st.floats(-90, 90)))


@st.composite
def detections(draw, names=NAMES):
  onset = draw(st.floats(0, 9000))
  return Detection(draw(CODES), onset, onset + draw(st.floats(0.001, 60)), draw(st.floats(0, 1)), draw(names))


SOME_EVENTS = st.lists(events(), max_size=4, unique_by=lambda e: e.onset)
EVENTS_BY_FILE = st.dictionaries(NAMES, st.lists(events(), min_size=1, max_size=3, unique_by=lambda e: round(e.onset, 3)),
                                 max_size=3)
SCENES = st.dictionaries(NAMES, SOME_EVENTS.map(lambda some: Scene(tuple(some), '', '', '', 9100.0)), max_size=3)


def check(written, back, fields=('species', 'vocalisation', 'onset', 'offset', 'low_hz', 'high_hz', 'level_db'), within=1.01e-3):
  """Events or detections come back in order of onset, numbers within `within`."""
  written = sorted(written, key=lambda one: one.onset)
  assert len(written) == len(back)
  for one, other in zip(written, back):
    one, other = dataclasses.asdict(one), dataclasses.asdict(other)
    for field in fields:
      assert one[field] == other[field] or abs(one[field] - other[field]) < within, field
