"""Sonic Visualiser layers (`.svl`, XML): boxes in time and frequency, and regions in time.

Times are frames of the sound file; a box's `value` is its lower edge in Hz and `extent` its height. The label is the common
name and the vocalisation ("Glass pipit song"). Levels do not fit into the format. Sessions (`.sv`) are these, compressed.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.sax import saxutils

from data_pipeline.formats import box, files, tables
from data_pipeline.scene import Event
from data_pipeline.taxonomy import Taxonomy

# Sonic Visualiser starts every file so. It declares nothing, and any other DOCTYPE might: entities that name other files, or
# that grow a thousandfold when they are expanded.
DOCTYPE = '<!DOCTYPE sonic-visualiser>'
KINDS = ('box', 'region')


def write(path: files.Path, events: tables.Events, taxonomy: Taxonomy, sample_rate: int) -> None:
  """Writes one layer of boxes, in order of onset, times rounded to samples. It appears whole or not at all.

  Args:
    path: file to write.
    events: a Scene or its events.
    taxonomy: of their species codes.
    sample_rate: Hz, of the sound file.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for an event shorter than a sample.
  """
  points, frames, edges = [], [0], [0.0]
  for e in tables.in_order(events):
    s = taxonomy.species[taxonomy.index(e.species)]
    onset, offset = round(e.onset * sample_rate), round(e.offset * sample_rate)
    if onset == offset:
      raise ValueError(f'sonic_visualiser.write: {e} is shorter than a sample at {sample_rate} Hz')
    points.append(f'      <point frame="{onset}" value="{e.low_hz:.3f}" duration="{offset - onset}" '
                  f'extent="{e.high_hz - e.low_hz:.3f}" label={saxutils.quoteattr(f"{s.common} {e.vocalisation}")} />\n')
    frames += [onset, offset]
    edges += [e.low_hz, e.high_hz]
  files.write_text(path, (
      f'<?xml version="1.0" encoding="UTF-8"?>\n{DOCTYPE}\n<sv>\n  <data>\n'
      f'    <model id="1" name="" sampleRate="{sample_rate}" start="{min(frames)}" end="{max(frames)}" type="sparse" '
      'dimensions="2" resolution="1" notifyOnAdd="true" dataset="0" subtype="box" '
      f'minimum="{min(edges):.3f}" maximum="{max(edges):.3f}" units="Hz" />\n'
      f'    <dataset id="0" dimensions="2">\n{"".join(points)}    </dataset>\n  </data>\n  <display>\n'
      f'    <layer id="2" type="boxes" name="Boxes" model="1" verticalScale="0" />\n  </display>\n</sv>\n'))


def read(path: files.Path, taxonomy: Taxonomy, band_hz: tuple[float, float], species: str = '', vocalisation: str = 'song',
         level_db: float = -30.0, skips: list[tables.BadRow] | None = None) -> tuple[Event, ...]:
  """Reads the boxes and regions of all layers, in their order; layers of other kinds are left out.

  Args:
    path: file to read, UTF-8.
    taxonomy: must hold the labels, by any of their names, with or without a vocalisation behind them.
    band_hz: (low, high) of regions, which have no frequencies.
    species: any name of the species of points without label: people who draw the boxes of one bird leave it empty.
    vocalisation: for labels that end in neither of scene.VOCALISATIONS.
    level_db: of every event.
    skips: takes the bad points; without it the first one raises.

  Raises:
    ValueError: no such XML, an XML that declares entities, no layer of boxes or regions, or an impossible box, with file, layer
      and point.
    UnknownSpecies: with file, layer, point and the nearest names.
  """
  found = boxes(path, skips)
  return tuple(e for _, e in box.events(found, taxonomy, vocalisation, level_db, skips, band_hz, species))


def boxes(path: files.Path, skips: list[tables.BadRow] | None = None) -> list[box.Box]:
  """The boxes and regions of all layers, in their order. Raises ValueError as `read`."""
  text = files.read_text(path)
  if any(sign in text.replace(DOCTYPE, '', 1) for sign in ('<!DOCTYPE', '<!ENTITY')):
    raise ValueError(f'{path}: declares a document type of its own: expected {DOCTYPE} or none')
  try:
    root = ElementTree.fromstring(text)
  except ElementTree.ParseError as error:
    raise ValueError(f'{path}, line {error.position[0]}: not XML: {error}') from error
  datasets = {d.get('id'): d for d in root.iter('dataset')}
  models = [m for m in root.iter('model') if m.get('subtype') in KINDS]
  if not models:
    kinds = [m.get('subtype') or m.get('type') for m in root.iter('model')]
    raise ValueError(f'{path}: no layer of boxes or regions; it has {kinds}')
  found = []
  for layer, model in enumerate(models, 1):
    where = f'{path}, layer {layer}'
    rate, is_box = files.number(model.get('sampleRate'), f"{where}, 'sampleRate'"), model.get('subtype') == 'box'
    if rate <= 0 or (is_box and model.get('units') != 'Hz') or model.get('dataset') not in datasets:
      raise ValueError(f'{where}: sampleRate {rate}, units {model.get("units")!r}, dataset {model.get("dataset")!r}: '
                       'expected a rate above 0, boxes in Hz and a dataset that is there')
    for n, point in enumerate(datasets[model.get('dataset')].iter('point'), 1):
      with tables.bad_rows(f'{where}, point {n}', skips):
        field = lambda name: files.number(point.get(name), f'{where}, point {n}, {name!r}')
        onset, low, high = field('frame') / rate, None, None
        if is_box:
          low, high = field('value'), field('value') + field('extent')
        if onset < 0:
          raise ValueError(f'frame {point.get("frame")} is before the start: expected 0 or more')
        found.append(box.Box(str(path), f'layer {layer}, point {n}', (point.get('label') or '').strip(), onset,
                             onset + field('duration') / rate, low, high))
  return found
