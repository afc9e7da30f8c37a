"""Boxes as ultralytics' YOLO trains on them: a folder with a text file for each spectrogram picture, and what its pixels mean.

  data.yaml                the splits and the names of the classes; what `yolo train data=` is given
  images/<split>/<x>.png   the pictures: spectrograms without axes, the highest frequency in the top row (made elsewhere)
  labels/<split>/<x>.txt   a line for each box: class, centre x, centre y, width, height, as parts of the picture, y downwards
  axes.json                what a picture's edges are in s and Hz, both axes linear, and the names of the classes
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Mapping

from data_pipeline.formats import files, tables
from data_pipeline.scene import Event, Scene
from data_pipeline.taxonomy import Taxonomy

UNITS = 'labels: x * seconds in s, high_hz - y * (high_hz - low_hz) in Hz'


@dataclasses.dataclass(frozen=True)
class Picture:
  """Every picture of a folder: width and height in pixels, seconds from edge to edge, Hz of its lower and its upper edge.

  Raises ValueError for a picture without extent.
  """

  width: int
  height: int
  seconds: float
  low_hz: float
  high_hz: float

  def __post_init__(self):
    if not (self.width > 0 and self.height > 0 and 0 < self.seconds < float('inf')
            and 0 <= self.low_hz < self.high_hz < float('inf')):
      raise ValueError(f'{self}: expected a picture of some extent')

  def box(self, e: Event) -> tuple[float, float, float, float]:
    """(centre x, centre y, width, height) as parts of the picture, cut at its edges and at least a pixel wide and high."""
    hz = self.high_hz - self.low_hz
    left, right = _at_least(e.onset / self.seconds, e.offset / self.seconds, 1 / self.width)
    top, bottom = _at_least((self.high_hz - e.high_hz) / hz, (self.high_hz - e.low_hz) / hz, 1 / self.height)
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top

  def extent(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    """(onset, offset, low Hz, high Hz) of a box. Raises ValueError for one that is not within the picture."""
    edges = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    if min(width, height) <= 0 or min(edges) < -1e-5 or max(edges) > 1 + 1e-5:
      raise ValueError(f'box {x:g} {y:g} {width:g} {height:g}: expected parts of a picture, from 0 to 1')
    left, right, top, bottom = (min(max(edge, 0.0), 1.0) for edge in edges)
    hz = self.high_hz - self.low_hz
    return left * self.seconds, right * self.seconds, self.high_hz - bottom * hz, self.high_hz - top * hz


def write(folder: files.Path, scenes: Mapping[str, Scene], taxonomy: Taxonomy, picture: Picture) -> None:
  """Writes everything but the pictures.

  Args:
    folder: to put it in.
    scenes: by '<split>/<x>', those without events too. Ultralytics wants the splits train and val.
    taxonomy: of their species codes; all of it becomes classes, in its order.
    picture: the geometry of the pictures.

  Raises UnknownSpecies for a code that the taxonomy lacks, ValueError for a name of another form.
  """
  folder = pathlib.Path(folder)
  for name, scene in scenes.items():
    if len(pathlib.PurePosixPath(name).parts) != 2 or '..' in name:
      raise ValueError(f'yolo.write: {name!r}: expected <split>/<name>')
    rows = [(taxonomy.index(e.species), *picture.box(e)) for e in tables.in_order(scene)]
    path = folder / 'labels' / f'{name}.txt'
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, ''.join(f'{number} {x:.7f} {y:.7f} {w:.7f} {h:.7f}\n' for number, x, y, w, h in rows))
  splits = dict.fromkeys(name.split('/')[0] for name in scenes)
  lines = [*(f'{split}: images/{split}' for split in splits), 'names:',  # JSON's texts are YAML's, too
           *(f'  {i}: {json.dumps(code)}' for i, code in enumerate(taxonomy.codes))]
  files.write_text(folder / 'data.yaml', '\n'.join(lines) + '\n')
  axes = {'units': UNITS, 'picture': dataclasses.asdict(picture), 'images': list(scenes),
          'names': [{'code': s.code, 'common_name': s.common, 'scientific_name': s.scientific} for s in taxonomy.species]}
  files.write_text(folder / 'axes.json', json.dumps(axes, indent=1, ensure_ascii=False) + '\n')


def read(folder: files.Path, taxonomy: Taxonomy, vocalisation: str = 'song', level_db: float = -30.0,
         skips: list[tables.BadRow] | None = None) -> dict[str, tuple[Event, ...]]:
  """Reads the events of every picture, in the order of axes.json; a picture without a text file has none.

  Args:
    folder: with axes.json and labels/.
    taxonomy: must hold the classes that boxes use, by their codes.
    vocalisation, level_db: of all events; boxes do not say.
    skips: takes the bad lines; without it the first one raises.

  Raises:
    ValueError: no such folder, or an impossible line, with file and line.
    UnknownSpecies: with file, line and the nearest names.
  """
  path = pathlib.Path(folder) / 'axes.json'
  axes = files.read_json_object(path)
  if axes.get('units') != UNITS:
    raise ValueError(f'{path}: expected units {UNITS!r}')
  fields = files.member(axes, 'picture', dict, str(path))
  picture = Picture(*(files.number(fields.get(f.name), f'{path}, {f.name!r}') for f in dataclasses.fields(Picture)))
  codes = [files.member(one, 'code', str, f'{path}, names {n}')
           for n, one in enumerate(files.member(axes, 'names', list, str(path)))]
  resolve, found = tables.resolver(taxonomy), {}
  for name in files.member(axes, 'images', list, str(path)):
    labels = files.inside(folder, f'labels/{name}.txt')
    events = []
    for n, line in enumerate(files.read_lines(labels) if labels.exists() else (), 1):
      if line.strip():
        with tables.bad_rows(f'{labels}, line {n}', skips):
          numbers = [files.number(text, f'{labels}, line {n}') for text in line.split()]
          if len(numbers) != 5 or numbers[0] not in range(len(codes)):
            raise ValueError(f'{line!r}: expected a class from 0 to {len(codes) - 1} and four numbers')
          onset, offset, low, high = picture.extent(*numbers[1:])
          events.append(Event(resolve(codes[int(numbers[0])]).code, vocalisation, onset, offset, low, high, level_db))
    found[name] = tuple(events)
  return found


def _at_least(low: float, high: float, least: float) -> tuple[float, float]:
  """An interval within [0, 1], no shorter than `least`."""
  low = min(max(low, 0.0), 1.0 - least)
  return low, min(max(high, low + least), 1.0)
