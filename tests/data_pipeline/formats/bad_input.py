"""The readers of labels as the tests of bad input see them: the rows of a small file of each format, and how it is written."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Callable

from data_pipeline.formats import (
    annotations, birdclef, birdnet, coco, desed, jams, perch, raven, raven_combined, sonic_visualiser)
from data_pipeline.taxonomy import PROCEDURAL

BAND = (0.0, 12000.0)
NOTHING = ('', '?', '????', '-', 'unknown', 'None', 'NA', 'nan', 'null', '2012-00-00')  # where a number or a species should be
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Format:
  """One reader.

  Attributes:
    name: of the test.
    row: i -> the fields of the i-th row, all different, by column.
    read: (path, skips, **options) -> what the reader returns.
    times: the columns of onset, and of offset or length; the offset of row i is i + 1 or 5 (i + 1).
    species, file: columns; '' = none.
    optional: columns that a file may lack.
    delimiters: that its tables may have; '' = none, the rows are JSON or XML.
    place: where row i stands, in messages.
    text: rows -> content of the file; None = a table.
    folder: whether `read` takes the folder of the sound files.
  """

  name: str
  row: Callable[[int], Row]
  read: Callable[..., Any]
  times: tuple[str, ...]
  species: str
  file: str = ''
  optional: tuple[str, ...] = ()
  delimiters: str = ',;'
  place: Callable[[int], str] = lambda i: f'line {i + 2}'
  text: Callable[[list[Row]], str] | None = None
  folder: bool = False

  @property
  def columns(self) -> tuple[str, ...]:
    return tuple(self.row(0))

  def content(self, rows: list[Row]) -> str:
    """A file of rows as its maker writes it."""
    if self.text:
      return self.text(rows)
    lines = [self.columns, *([row[column] for column in self.columns] for row in rows)]
    return ''.join(self.delimiters[0].join(map(str, fields)) + '\n' for fields in lines)


def things(found: Any) -> list[tuple[str, Any]]:
  """What a reader returns, as (file or '', event) pairs."""
  if not isinstance(found, dict):
    return [('', one) for one in found]
  return [(name, one) for name, some in found.items() for one in (some if isinstance(some, tuple) else (some,))]


def _jams(rows: list[Row]) -> str:
  data = [{'time': r.get('time'), 'duration': r.get('duration'), 'value': {k: r.get(k) for k in ('label', 'low_hz', 'high_hz')}}
          for r in rows]
  return json.dumps({'file_metadata': {'duration': 1e6}, 'annotations': [{'namespace': 'scaper', 'data': data}]})


def _coco(rows: list[Row]) -> str:
  names = list(dict.fromkeys(r['category'] for r in rows))
  boxes = [{'image_id': i, 'category_id': names.index(r['category']), 'bbox': [r['onset'], r['low'], r['length'], r['height']]}
           for i, r in enumerate(rows)]
  images = [{'id': i, 'file_name': r['file'], 'width': 1e6} for i, r in enumerate(rows)]
  return json.dumps({'info': {'units': coco.UNITS}, 'images': images, 'annotations': boxes,
                     'categories': [{'id': i, 'name': name} for i, name in enumerate(names)]})


def _svl(rows: list[Row]) -> str:
  quoted = lambda value: str(value).replace('&', '&amp;').replace('"', '&quot;').replace('<', '&lt;')
  points = ''.join('<point ' + ' '.join(f'{k}="{quoted(v)}"' for k, v in r.items()) + ' />\n' for r in rows)
  return ('<sv><data><model sampleRate="1" dataset="0" subtype="box" units="Hz" />\n'
          f'<dataset id="0">{points}</dataset></data></sv>')


FORMATS = (
    Format('birdnet', lambda i: {
        'Start (s)': i, 'End (s)': i + 1, 'Scientific name': 'Vitranthus ascendens', 'Common name': '', 'Confidence': 0.5,
        'File': f'{i}.wav'}, lambda path, skips, **k: birdnet.read(path, PROCEDURAL, skips, **k), ('Start (s)', 'End (s)'),
           'Scientific name', 'File', ('File',), folder=True),
    Format('birdclef 2022', lambda i: {'row_id': f'x_gltpip_{5 * i + 5}', 'target': 'True'},
           lambda path, skips: birdclef.read(path, PROCEDURAL, skips), (), ''),
    Format('birdclef 2021', lambda i: {
        'row_id': f'7_COR_{5 * i + 5}', 'site': 'COR', 'audio_id': '7', 'seconds': 5 * i + 5, 'birds': 'gltpip'},
           lambda path, skips: birdclef.read_soundscapes(path, PROCEDURAL, skips), ('seconds',), 'birds'),
    Format('desed', lambda i: {'filename': f'{i}.wav', 'onset': i, 'offset': i + 1, 'event_label': 'gltpip'},
           lambda path, skips, **k: desed.read(path, PROCEDURAL, skips, **k), ('onset', 'offset'), 'event_label', 'filename',
           delimiters='\t', folder=True),
    Format('desed durations', lambda i: {'filename': f'{i}.wav', 'duration': i + 1},
           lambda path, skips, **k: desed.read_durations(path, skips, **k), ('duration',), '', 'filename', delimiters='\t',
           folder=True),
    Format('perch', lambda i: {
        'Filename': f'{i}.wav', 'Start Time (s)': i, 'End Time (s)': i + 1, 'Low Freq (Hz)': 2000, 'High Freq (Hz)': 4000,
        'Species eBird Code': 'gltpip'}, lambda path, skips, **k: perch.read(path, PROCEDURAL, skips=skips, **k),
           ('Start Time (s)', 'End Time (s)'), 'Species eBird Code', 'Filename', folder=True),
    Format('jams', lambda i: {'time': i, 'duration': 1, 'label': 'gltpip', 'low_hz': 2000, 'high_hz': 4000},
           lambda path, skips: jams.read(path, PROCEDURAL, BAND, skips=skips), ('time', 'duration'), 'label', delimiters='',
           place=lambda i: f'annotation 1, observation {i + 1}', text=_jams),
    Format('coco', lambda i: {'file': f'{i}.wav', 'category': 'gltpip', 'onset': i, 'length': 1, 'low': 2000, 'height': 2000},
           lambda path, skips, **k: coco.read(path, PROCEDURAL, skips=skips, **k), ('onset', 'length'), 'category', 'file',
           delimiters='', place=lambda i: f'annotation {i + 1}', text=_coco, folder=True),
    Format('raven', lambda i: {
        'Selection': i + 1, 'Begin Time (s)': i, 'End Time (s)': i + 1, 'Low Freq (Hz)': 2000, 'High Freq (Hz)': 4000,
        'Species': 'gltpip'}, lambda path, skips: raven.read(path, PROCEDURAL, skips=skips), ('Begin Time (s)', 'End Time (s)'),
           'Species', optional=('Selection',), delimiters='\t'),
    Format('raven combined', lambda i: {
        'Selection': i + 1, 'Begin Time (s)': i, 'End Time (s)': i + 1, 'Low Freq (Hz)': 2000, 'High Freq (Hz)': 4000,
        'Species': 'gltpip', 'File Offset (s)': i, 'Begin Path': f'{i}.wav'},
           lambda path, skips: raven_combined.read(path, PROCEDURAL, skips=skips), ('Begin Time (s)', 'End Time (s)'),
           'Species', 'Begin Path', ('Selection', 'File Offset (s)'), '\t'),
    Format('annotations', lambda i: {
        'label': 'gltpip', 'onset_s': i, 'offset_s': i + 1, 'notated_path': f'{i}.wav', 'low_freq_hz': 2000,
        'high_freq_hz': 4000}, lambda path, skips: annotations.read(path, PROCEDURAL, skips=skips), ('onset_s', 'offset_s'),
           'label', 'notated_path', ('notated_path',)),
    Format('sonic visualiser', lambda i: {'frame': i, 'value': 2000, 'duration': 1, 'extent': 2000, 'label': 'gltpip'},
           lambda path, skips: sonic_visualiser.read(path, PROCEDURAL, BAND, skips=skips), ('frame', 'duration'), 'label',
           delimiters='', place=lambda i: f'layer 1, point {i + 1}', text=_svl),
)
TABLES = tuple(f for f in FORMATS if f.delimiters)
