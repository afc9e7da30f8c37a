"""Boxes as JSON in the manner of COCO: `images` are clips, `annotations` their boxes, `categories` the taxonomy.

A box is [onset s, low Hz, duration s, height Hz] and not in pixels, which depend on somebody's spectrogram; `info.units` says
so, and a file without that line is refused. An image states its extent: `width` is its duration in s, `height` its band in Hz.
"""

from __future__ import annotations

import json
from typing import Mapping

from data_pipeline.formats import files, tables
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import Taxonomy

UNITS = {'bbox': '[onset, low, duration, height] in [s, Hz, s, Hz]', 'width': 's', 'height': 'Hz', 'y': 'upwards from low_hz'}


def write(path: files.Path, scenes: Mapping[str, Scene], taxonomy: Taxonomy, band_hz: tuple[float, float]) -> None:
  """Writes all clips, those without events too. It appears whole or not at all.

  Args:
    path: file to write.
    scenes: by sound file.
    taxonomy: of their species codes; all of it becomes categories, numbered from 1 in class order.
    band_hz: (low, high) extent of every clip in Hz, as (0, sample rate / 2).

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for a band without extent.
  """
  low, high = (float(edge) for edge in band_hz)
  if not 0 <= low < high:
    raise ValueError(f'coco.write: band_hz is {band_hz}: expected 0 <= low < high')
  images, annotations = [], []
  for image, (name, scene) in enumerate(scenes.items(), 1):
    images.append({'id': image, 'file_name': name, 'width': scene.duration, 'height': high - low, 'duration_s': scene.duration,
                   'low_hz': low, 'high_hz': high})
    for e in tables.in_order(scene):
      seconds, height = e.offset - e.onset, e.high_hz - e.low_hz
      annotations.append({
          'id': len(annotations) + 1, 'image_id': image, 'category_id': taxonomy.index(e.species) + 1,
          'bbox': [e.onset, e.low_hz, seconds, height], 'area': seconds * height, 'iscrowd': 0, 'vocalisation': e.vocalisation,
          'level_db': e.level_db, 'azimuth': e.azimuth})
  categories = [{'id': i, 'name': s.code, 'common_name': s.common, 'scientific_name': s.scientific}
                for i, s in enumerate(taxonomy.species, 1)]
  info = {'description': 'boxes of vocalisations in time and frequency', 'units': UNITS, 'taxonomy': taxonomy.name,
          'taxonomy_year': taxonomy.year}
  files.write_text(path, json.dumps({'info': info, 'images': images, 'annotations': annotations, 'categories': categories},
                                    indent=1, ensure_ascii=False) + '\n')


def read(path: files.Path, taxonomy: Taxonomy, vocalisation: str = 'song', level_db: float = -30.0,
         skips: list[tables.BadRow] | None = None, folder: files.Path | None = None) -> dict[str, tuple[Event, ...]]:
  """Reads the events of every clip, in order of images and then of annotations.

  Args:
    path: file to read.
    taxonomy: must hold the names of the categories that boxes use, by any of their names.
    vocalisation, level_db: for annotations that do not say them.
    skips: takes the bad annotations; without it the first one raises.
    folder: where the sound files lie: images of files that lead out of it or are not there are bad, and left out with all
      their boxes; None = not looked at.

  Returns:
    Events by file_name; without `folder`, check foreign names with files.inside before opening them.

  Raises:
    ValueError: no such JSON, boxes in other units, or an impossible box or one after the end of its clip, with file and
      annotation.
    UnknownSpecies: with file, annotation and the nearest names.
  """
  content = files.read_json_object(path)
  info = content.get('info')
  units = info.get('units') if isinstance(info, dict) else None
  if not isinstance(units, dict) or units.get('bbox') != UNITS['bbox']:
    raise ValueError(f'{path}: boxes in unknown units, pixels perhaps: expected info.units.bbox {UNITS["bbox"]!r}')
  images = _by_id(content, 'images', 'file_name', path)
  categories = _by_id(content, 'categories', 'name', path)
  if len({image['file_name'] for image in images.values()}) < len(images):
    raise ValueError(f'{path}: two images have one file_name')
  resolve, sound, found = tables.resolver(taxonomy), files.sound_of(folder), {}
  for n, (number, one) in enumerate(images.items(), 1):
    with tables.bad_rows(f'{path}, images {n}', skips):
      sound(one['file_name'])
      found[number] = []
  for n, box in enumerate(files.member(content, 'annotations', list, str(path)), 1):
    where = f'{path}, annotation {n}'
    with tables.bad_rows(where, skips):
      edges = files.member(box, 'bbox', list, where)
      if len(edges) != 4:
        raise ValueError(f'bbox {edges}: expected four numbers')
      onset, low, seconds, height = (files.number(edge, f"{where}, 'bbox'") for edge in edges)
      if onset < 0:
        raise ValueError(f'bbox {edges} is before the start: expected an onset of 0 or more')
      image, category = (files.member(box, key, int, where) for key in ('image_id', 'category_id'))
      if image not in images or category not in categories:
        raise ValueError(f'no image {image}' if image not in images else f'no category {category}')
      if image not in found:
        continue  # one line has been said about the image
      files.before_end(onset, images[image].get('width'))
      level, azimuth = box.get('level_db'), box.get('azimuth')
      found[image].append(Event(
          resolve(categories[category]['name']).code, box.get('vocalisation') or vocalisation, onset, onset + seconds, low,
          low + height, level_db if level is None else files.number(level, f"{where}, 'level_db'"),
          None if azimuth is None else files.number(azimuth, f"{where}, 'azimuth'")))
  return {images[number]['file_name']: tuple(events) for number, events in found.items()}


def _by_id(content, key: str, name: str, path: files.Path) -> dict[int, dict]:
  """The objects of a list by their id, each with the text `name`."""
  found: dict[int, dict] = {}
  for n, one in enumerate(files.member(content, key, list, str(path)), 1):
    number = files.member(one, 'id', int, f'{path}, {key} {n}')
    if number in found:
      raise ValueError(f'{path}, {key} {n}: id {number} stands there twice')
    files.member(one, name, str, f'{path}, {key} {n}')
    found[number] = one
  return found
