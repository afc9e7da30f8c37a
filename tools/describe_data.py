r"""What is in a data set: species, sound, licences, and what lies on two sides of its splits.

  python -m tools.describe_data --data runs/data

prints tables and writes DATA/description.html (or --out FILE): the same with pictures and sounds, in one file that needs
nothing else. Levels are RMS in dB re full scale.
"""

from __future__ import annotations

import argparse
import base64
import os
import pathlib
import sys
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # tensorflow reads it when imported

import numpy as np
from rich import console as rich_console, markup as rich_markup, table as rich_table

from data_pipeline import habitat
from data_pipeline.scene import VOCALISATIONS
from sgm import render
from tools import data_charts
from tools import data_facts
from tools import pages
from tools import report_charts
from tools import report_files

PICTURES = 8      # clips shown
MOST_LEAKS = 50   # rows on the page
WIDTH = 130       # columns of text


def describe(facts: data_facts.Facts) -> str:
  """The tables as text of at most WIDTH columns, what to beware of at the end."""
  console = rich_console.Console(width=WIDTH)
  with console.capture() as text:
    for title, header, rows in tables(facts):
      made = rich_table.Table(*(rich_table.Column(h, overflow='fold') for h in header), title=title, title_justify='left')
      for row in rows:
        made.add_row(*(rich_markup.escape(_cell(x)) for x in row))
      console.print(made)
    for line in data_facts.warnings(facts) or ['nothing lies in more than one split']:
      console.print(f'note: {line}', markup=False, highlight=False)
  return text.get().rstrip()


def tables(facts: data_facts.Facts) -> list[tuple[str, list[str], list[list[Any]]]]:
  """(title, column names, rows) of every table; cells are text, numbers or None."""
  info, splits = facts.info, list(facts.info.splits)
  made = [(
      f'{info.name}, {len(info.taxonomy)} species of {info.taxonomy.name} {info.taxonomy.year or ""}'.rstrip()
      + f', {info.sample_rate} Hz, {info.channels} channel(s), clips of {info.clip_seconds:g} s',
      ['split', 'clips', 'recordings', 'recordists', 'species', 'hours', 'clip, s', 'RMS dB: 5 %', 'median', '95 %',
       'at full scale', 'no events', *(['equal channels'] if info.channels > 1 else [])],
      [[r['split'], r['clips'], r['recordings'], r['recordists'], r['species'], r['hours'],
        ' – '.join(dict.fromkeys(f'{x:.2f}' for x in (r['shortest'], r['longest']))), r['rms_low'], r['rms'], r['rms_high'],
        r['full_scale'], r['empty'], *([r['alike']] if info.channels > 1 else [])] for r in data_facts.split_table(facts)])]
  made.append((
      'species: clips per split, and what is in them',
      ['species', *splits, 'recordings', 'recordists', 'clips, s', 'events', 'sounding, s', 'low Hz', 'high Hz', 'level dB',
       ' / '.join(VOCALISATIONS)],
      [[f'{r["common"]} ({r["code"]})', *(r['clips'].get(s, 0) for s in splits), r['recordings'], r['recordists'],
        r['seconds'], r['events'], r['sounding'], _round(r['low_hz']), _round(r['high_hz']), r['level_db'],
        ' / '.join(str(n) for n in r['kinds'].values())] for r in data_facts.species_table(facts)]))
  made.append(('licences', ['licence', 'clips', 'recordings', 'derivatives'],
               [[r['licence'], r['clips'], r['recordings'], 'not allowed' if r['no_derivatives'] else '']
                for r in data_facts.licence_table(facts)]))
  drawn = data_facts.plausibility_table(facts)
  if drawn:
    made.append(('plausibility of the scenes, as they were drawn', ['split', 'mode', 'clips', *habitat.VERDICTS, 'mean score'],
                 [[r['split'], r['mode'], r['clips'], *(r['verdicts'].get(v, 0) for v in habitat.VERDICTS), r['score']]
                  for r in drawn]))
  if facts.leaks:
    rows = [[k.kind, k.name, ', '.join(f'{s} {n}' for s, n in k.clips.items()),
             'on purpose' if k.known else 'beware' if k.kind == 'recordist' else 'LEAK'] for k in facts.leaks]
    more = len(rows) - MOST_LEAKS
    made.append(('in more than one split' + (f' (the first {MOST_LEAKS}; {more} more)' if more > 0 else ''),
                 ['what', 'name', 'clips', ''], rows[:MOST_LEAKS]))
  return made


def build(directory: str | os.PathLike, out: str | os.PathLike | None = None) -> tuple[pathlib.Path, str]:
  """Writes the page and returns (its path, the text of `describe`).

  Args:
    directory: a finished data set.
    out: the HTML file; None = description.html in the data set's folder.

  Raises FileNotFoundError, ValueError: `directory` holds no finished data set, or a damaged one.
  """
  facts = data_facts.collect(str(directory))
  page = pathlib.Path(out) if out else pathlib.Path(directory) / 'description.html'
  pages.write(page, 'describe_data_template.html', dict(
      name=pathlib.Path(directory).resolve().name, tables=tables(facts),
      tiles=_tiles(facts), warnings=data_facts.warnings(facts), notes=facts.record.get('notes', []),
      skipped=facts.record.get('skipped', []), fingerprint=facts.info.fingerprint,
      charts=[(title, _uri('.png', picture(facts))) for title, picture in (
          ('Clips per species and split', data_charts.clips), ('Level of the clips', data_charts.levels),
          ("Where the species sing: median edges of their events", data_charts.bands))],
      clips=[_shown(facts, clip) for clip in _choose(facts)]), {'cell': _cell})
  return page, describe(facts)


def _tiles(facts: data_facts.Facts) -> list[tuple[str, str, str]]:
  clips, number = facts.clips, report_charts.number
  bad = sum(not k.known for k in facts.leaks)
  return [('Clips', number(len(clips)), f'{number(sum(c.seconds for c in clips) / 3600)} hours'),
          ('Species', number(len(facts.info.taxonomy)), f'{number(sum(len(c.events) for c in clips))} events'),
          ('Recordings', number(len({c.group for c in clips})),
           f'{number(len({c.recordist for c in clips} - {"", data_facts.UNKNOWN}))} recordists'),
          ('In several splits', number(bad), 'sounds, recordings or recordists, unless on purpose')]


def _choose(facts: data_facts.Facts) -> list[data_facts.Clip]:
  """For each of up to PICTURES species, evenly thinned, the clip of median level; none twice."""
  species = [i for i in range(len(facts.info.taxonomy)) if any(i in c.species for c in facts.clips)]
  if len(species) > PICTURES:
    species = [species[k] for k in np.linspace(0, len(species) - 1, PICTURES).astype(int)]
  chosen: dict[str, data_facts.Clip] = {}
  for i in species:
    mine = sorted((c for c in facts.clips if i in c.species and c.digest not in chosen), key=lambda c: (c.rms_db, c.id))
    if mine:
      chosen[mine[len(mine) // 2].digest] = mine[len(mine) // 2]
  return list(chosen.values())


def _shown(facts: data_facts.Facts, clip: data_facts.Clip) -> dict[str, str]:
  """A clip's picture with its events boxed, and its sound, as the page shows them."""
  info, species = facts.info, facts.info.taxonomy.species
  audio = next(data_facts.examples(info, clip.split, [clip.index]))['audio'] / data_facts.FULL_SCALE  # (N, C)
  S, grid = data_charts.spectrogram(audio, info.sample_rate)
  boxes = [render.Box(*extent, f'{species[s].common}, {VOCALISATIONS[v]}', s) for s, v, *extent, _ in clip.events]
  names = ', '.join(species[s].common for s in sorted(clip.species))
  return {'title': names, 'caption': f'{clip.split}; {clip.id}', 'level': f'{clip.rms_db:.1f} dB RMS, {len(clip.events)} events',
          'licence': ', '.join(x for x in (clip.recordist, clip.licence) if x),
          'image': _uri('.png', render.spectrogram_figure(S, grid, boxes=boxes)),
          'audio': _uri('.wav', render.encode_wav(audio, info.sample_rate)[0])}


def _uri(suffix: str, content: bytes) -> str:
  return f'data:{report_files.MIME[suffix]};base64,{base64.b64encode(content).decode()}'


def _round(x: float | None) -> int | None:
  return None if x is None else round(x)


def _cell(x: Any) -> str:
  return x if isinstance(x, str) else report_charts.number(x)


def main(argv: list[str] | None = None) -> None:
  parser = argparse.ArgumentParser(prog='python -m tools.describe_data', description=__doc__.splitlines()[0])
  parser.add_argument('--data', required=True, metavar='DATA', help='folder of a finished data set')
  parser.add_argument('--out', metavar='FILE', help='the HTML file (default: DATA/description.html)')
  arguments = parser.parse_args(argv)
  try:
    page, text = build(arguments.data, arguments.out)
  except (ValueError, OSError) as error:
    sys.exit(f'describe_data: {error}')
  print(f'{text}\n{page}')


if __name__ == '__main__':
  main()
