"""What lies beside the folders of mixed clips: tables over all of them, the attribution, figures, a page to listen through."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
from typing import Any, Sequence

import numpy as np

from data_pipeline import habitat, licences
from data_pipeline.formats import birdclef, coco, desed, detection, yolo
from data_pipeline.mixing_spec import MixingSpec
from data_pipeline.taxonomy import Taxonomy
from tools import pages
from tools.mixed_clip import Done, Extras, yolo_picture

LISTENED = 50  # clips on the page, spread over all of them


def write(out: pathlib.Path, done: Sequence[Done], spec: MixingSpec, taxonomy: Taxonomy,
          extras: Extras) -> list[licences.Attribution]:
  """events.tsv (DESED: strong labels), boxes.json (COCO), soundscape_labels.csv (BirdCLEF 2021: 5 s), ATTRIBUTION.csv; yolo/.

  Returns the rows of the last one: whatever is heard in a clip.
  """
  sound = lambda d: f'{d.path}/mix.wav'
  desed.write(out / 'events.tsv', [x for d in done for x in detection.of_events(d.scene, sound(d))], taxonomy)
  desed.write_durations(out / 'durations.tsv', {sound(d): d.scene.duration for d in done})
  coco.write(out / 'boxes.json', {sound(d): d.scene for d in done}, taxonomy, (0.0, spec.sample_rate / 2))
  birdclef.write_soundscapes(out / 'soundscape_labels.csv', [
      w for d in done for w in birdclef.windows(d.scene, *d.path.split('/')[::-1], d.scene.duration, taxonomy.codes)], taxonomy)
  if extras.yolo:
    yolo.write(out / 'yolo', {d.path: d.scene for d in done}, taxonomy, yolo_picture(spec)[0])
  heard = {licences.Attribution(**row) for d in done for row in d.provenance['attribution']}
  rows = sorted(heard, key=dataclasses.astuple)
  licences.write_attribution(out / 'ATTRIBUTION.csv', rows)
  return rows


def summary(done: Sequence[Done]) -> dict[str, Any]:
  """What was mixed, in numbers: events per species, polyphony, the error of the signal-to-noise ratios, clips scaled down, and
  how many scenes were judged plausible, and not."""
  events = [e for d in done for e in d.provenance['events']]
  sounds = events + [c for d in done for c in d.provenance['contaminants']]
  errors = [abs(s['snr_db'] - s['snr_asked_db']) for s in sounds]
  redraws: collections.Counter[str] = collections.Counter()
  for d in done:
    redraws.update(d.provenance['redraws'])
  verdicts = collections.Counter(_judged(d)['verdict'] for d in done if _judged(d))
  snr = [round(float(q), 1) for q in np.quantile([e['snr_db'] for e in events], (0.05, 0.5, 0.95))] if events else []
  return {'clips': len(done), 'events': len(events), 'contaminants': len(sounds) - len(events),
          'events_per_species': dict(sorted(collections.Counter(e['species'] for e in events).items())),
          'clips_per_polyphony': dict(sorted(collections.Counter(d.provenance['polyphony'] for d in done).items())),
          'snr_db_5_50_95': snr, 'snr_error_db_max': max(errors, default=0.0),
          'shorter_than_asked': sum(e['used_s'] < e['asked_s'] - 1e-3 for e in sounds),
          'scaled_down': sum(d.provenance['gain_db'] < 0 for d in done), 'redraws': dict(redraws.most_common()),
          'verdicts': {v: verdicts[v] for v in habitat.VERDICTS if verdicts}}


def _judged(d: Done) -> dict[str, Any]:
  """As habitat.Plausibility.to_dict gives it; empty where nobody judged."""
  return d.provenance['choice'].get('plausibility', {})


def page(out: pathlib.Path, done: Sequence[Done], taxonomy: Taxonomy, figures: dict[str, Any], extras: Extras,
         notes: Sequence[str], name: str) -> None:
  """index.html: clips to listen to, with pictures where there are any."""
  chosen = [done[i] for i in np.unique(np.linspace(0, len(done) - 1, min(LISTENED, len(done))).astype(int))]
  clips = []
  for d in chosen:
    rows = [(f'{taxonomy.resolve(e["species"]).common} ({e["species"]})', e['vocalisation'], e['onset'], e['offset'],
             e['low_hz'] / 1000, e['high_hz'] / 1000, e['snr_db'], e['over_all_else_db'], e['recording'])
            for e in d.provenance['events']]
    places = ' + '.join(b['recording'] for b in d.provenance['background'])
    stems = [f'event_{i:02d}_{e["species"]}' for i, e in enumerate(d.provenance['events'])] if extras.stems else []
    clips.append({'path': d.path, 'prompt': d.prompt, 'rows': rows, 'places': places, 'stems': stems,
                  'contaminants': len(d.provenance['contaminants']), 'gain_db': d.provenance['gain_db'],
                  'judged': _judged(d)})
  pages.write(out / 'index.html', 'mixed_page_template.html', {
      'title': f'Mixed soundscapes: {name}', 'media': "file: 'self'", 'clips': clips, 'figures': figures,
      'pictures': extras.pictures, 'notes': notes, 'total': len(done)}, {})
