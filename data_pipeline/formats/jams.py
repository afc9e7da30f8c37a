"""JAMS files: JSON annotations of one sound file, in the namespace `scaper` that soundscape synthesisers write.

The value of each observation holds scaper's fields and all of the Event, so nothing is lost. scaper's `snr` is a level above
its `ref_db`; ours is written with ref_db 0, so that snr is the level re full scale. Format: the JSON schemas of JAMS 0.3.
"""

from __future__ import annotations

import json

from data_pipeline.formats import files, tables
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import Taxonomy

NAMESPACES = ('scaper', 'sound_event')  # 'sound_event' is what scaper called it before
VERSION = '0.3.4'


def write(path: files.Path, events: tables.Events, taxonomy: Taxonomy, duration: float | None = None,
          source_file: str = '') -> None:
  """Writes one annotation with an observation for each event, in order of onset. It appears whole or not at all.

  Args:
    path: file to write.
    events: a Scene or its events.
    taxonomy: of their species codes, which are the labels.
    duration: seconds of the sound file; None: the Scene's, or up to the last offset of bare events.
    source_file: the sound file, '' = not said.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for an event before the start of the file.
  """
  some = tables.in_order(events)
  if duration is None:
    duration = events.duration if isinstance(events, Scene) else max((e.offset for e in some), default=0.0)
  data = []
  for e in some:
    if e.onset < 0:
      raise ValueError(f'jams.write: {e} starts before the file')
    s, seconds = taxonomy.species[taxonomy.index(e.species)], e.offset - e.onset
    data.append({'time': e.onset, 'duration': seconds, 'confidence': 1.0, 'value': {
        'label': s.code, 'source_file': source_file, 'source_time': e.onset, 'event_time': e.onset, 'event_duration': seconds,
        'snr': e.level_db, 'role': 'foreground', 'pitch_shift': None, 'time_stretch': None,
        'common_name': s.common, 'scientific_name': s.scientific, 'vocalisation': e.vocalisation, 'low_hz': e.low_hz,
        'high_hz': e.high_hz, 'level_db': e.level_db, 'azimuth': e.azimuth}})
  annotation = {
      'namespace': NAMESPACES[0], 'time': 0.0, 'duration': float(duration), 'data': data,
      'annotation_metadata': {
          'curator': {'name': '', 'email': ''}, 'annotator': {}, 'version': '', 'corpus': '', 'annotation_tools': '',
          'annotation_rules': '', 'validation': '', 'data_source': ''},
      'sandbox': {'scaper': {'ref_db': 0.0, 'n_events': len(data), 'duration': float(duration)}}}
  files.write_text(path, json.dumps({
      'file_metadata': {'title': '', 'artist': '', 'release': '', 'duration': float(duration), 'identifiers': {},
                        'jams_version': VERSION},
      'annotations': [annotation], 'sandbox': {}}, indent=1, ensure_ascii=False) + '\n')


def read(path: files.Path, taxonomy: Taxonomy, band_hz: tuple[float, float], vocalisation: str = 'song',
         level_db: float = -30.0, skips: list[tables.BadRow] | None = None) -> tuple[Event, ...]:
  """Reads the foreground events of all annotations of NAMESPACES, in their order.

  Args:
    path: file to read.
    taxonomy: must hold the labels, by any of their names.
    band_hz, vocalisation, level_db: for observations that do not say them, as scaper's own. Its snr is no level of ours: it is
      a loudness over the background.
    skips: takes the bad observations; without it the first one raises.

  Raises:
    ValueError: no JAMS, no annotation of NAMESPACES, or an impossible observation or one after the end of the file, with file
      and observation.
    UnknownSpecies: with file, observation and the nearest names.
  """
  content = files.read_json_object(path)
  annotations = files.member(content, 'annotations', list, f'{path}: not JAMS')
  file = content.get('file_metadata')
  seconds = file.get('duration') if isinstance(file, dict) else None
  spaces = [files.member(a, 'namespace', str, f'{path}: not JAMS') for a in annotations]
  if annotations and not set(spaces) & set(NAMESPACES):
    raise ValueError(f'{path}: no annotation of a namespace of {NAMESPACES}; it has {spaces}')
  resolve, events = tables.resolver(taxonomy), []
  for i, annotation in enumerate(annotations, 1):
    if spaces[i - 1] not in NAMESPACES:
      continue
    for n, observation in enumerate(files.member(annotation, 'data', list, f'{path}, annotation {i}'), 1):
      where = f'{path}, annotation {i}, observation {n}'
      with tables.bad_rows(where, skips):
        value = files.member(observation, 'value', dict, where)
        if value.get('role') != 'background':
          event = _event(observation, {k: v for k, v in value.items() if v is not None}, where, resolve,
                         {'low_hz': band_hz[0], 'high_hz': band_hz[1], 'vocalisation': vocalisation, 'level_db': level_db})
          files.before_end(event.onset, seconds)
          events.append(event)
  return tuple(events)


def _event(observation, value, where, resolve, defaults) -> Event:
  onset, seconds = (files.number(observation.get(key), f'{where}, {key!r}') for key in ('time', 'duration'))
  if onset < 0:
    raise ValueError(f"{where}, 'time': {onset} s is before the start: expected 0 or more")
  numbers = {key: files.number(value.get(key, defaults[key]), f'{where}, {key!r}') for key in ('low_hz', 'high_hz', 'level_db')}
  azimuth = files.number(value['azimuth'], f"{where}, 'azimuth'") if 'azimuth' in value else None
  return Event(resolve(files.member(value, 'label', str, where)).code, value.get('vocalisation', defaults['vocalisation']), onset,
               onset + seconds, azimuth=azimuth, **numbers)
