"""The source `recordings`: a folder of sound files sorted by species, or listed in a manifest.

Two kinds of folder are understood: species sub-folders (names, or eBird codes, as folder names), and a manifest.csv in the
folder or in its parent, with the columns `path` (relative to the manifest) and `species_common` or `species_scientific`,
and as far as known `type`, `licence`, `recordist`, `group`, `seconds`, `url`, `quality`, `sex`, `stage`, `site`, and
`environment` and `near` where they are words of Scene.
"""

from __future__ import annotations

import pathlib

from data_pipeline import cells, metadata_files
from data_pipeline.recording import SUFFIXES, Listing, Recording, Skip, group_of, vocalisation_of
from data_pipeline.scene import ENVIRONMENTS, NEARS

NO_SPECIES = 'the manifest names no species'  # why a recording is skipped
TEXTS = ('url', 'quality', 'sex', 'stage', 'site')  # columns of a manifest that are taken as they are


def find(directory: str) -> Listing:
  """The recordings in a folder.

  Raises ValueError where there is no such folder, a manifest lacks a column, or nothing is listed at all.
  """
  folder = pathlib.Path(directory).resolve()
  if not folder.is_dir():
    raise ValueError(f'{directory} is no folder')
  manifest = _manifest_of(folder)
  recordings, skips = _from_manifest(manifest, folder) if manifest else _from_folders(folder)
  if not recordings and not skips:
    raise ValueError(f'{directory} holds neither recordings in species sub-folders nor a manifest.csv that lists any')
  return Listing(tuple(sorted(recordings, key=lambda r: r.name)), tuple(sorted(skips, key=lambda s: s.name)))


def described(folder: pathlib.Path) -> tuple[pathlib.Path, bool, list[Recording], list[Skip]]:
  """What a manifest.csv, or else the names of sub-folders, tell of sounds: for sources that find the sounds by themselves.

  Args:
    folder: absolute, links resolved.

  Returns:
    The folder that names are relative to; whether there is a manifest; recordings, also of no species and of files that are
    not there; broken rows of the manifest.

  Raises ValueError for a manifest without a column `path`.
  """
  manifest = _manifest_of(folder)
  if manifest:
    return manifest.parent, True, *_from_manifest(manifest, folder, anonymous=True)
  return folder, False, _from_folders(folder)[0], []


def _manifest_of(folder: pathlib.Path) -> pathlib.Path | None:
  return next((m for m in (folder / 'manifest.csv', folder.parent / 'manifest.csv') if m.is_file()), None)


def _from_manifest(manifest: pathlib.Path, folder: pathlib.Path,
                   anonymous: bool = False) -> tuple[list[Recording], list[Skip]]:
  """`anonymous`: rows that name no species are recordings too."""
  recordings, skips = [], []
  any_of = () if anonymous else ('species_common', 'species_scientific')
  for line, row in metadata_files.load_table(manifest, ('path',), any_of=any_of):
    where = f'{manifest.name} row {line}'
    if isinstance(row, ValueError):
      skips.append(Skip(where, str(row)))
      continue
    row = {k: cells.text(v) for k, v in row.items()} | {'path': row['path'].strip()}
    path = manifest.parent / row['path']
    if not row['path']:
      skips.append(Skip(where, 'names no path'))
    elif not metadata_files.inside(manifest.parent, path):
      skips.append(Skip(where, f'{row["path"]!r} leads out of the folder'))
    elif not metadata_files.inside(folder, path):
      continue  # a manifest of the parent also lists the folder's neighbours
    elif not (anonymous or row.get('species_common') or row.get('species_scientific')):
      skips.append(Skip(row['path'], NO_SPECIES))
    else:
      recordings.append(Recording(
          path, row['path'], row.get('species_common', ''), row.get('species_scientific', ''),
          vocalisation_of(row.get('type', '')), row.get('licence', ''), row.get('recordist', ''),
          row.get('group') or group_of(path), cells.number(row.get('seconds')), types=row.get('type', ''),
          environment=_word(row.get('environment', ''), ENVIRONMENTS), near=_word(row.get('near', ''), NEARS),
          **{column: row.get(column, '') for column in TEXTS}))
  return recordings, skips


def _word(text: str, known: tuple[str, ...]) -> str:
  return text.lower() if text.lower() in known else ''


def _from_folders(folder: pathlib.Path) -> tuple[list[Recording], list[Skip]]:
  recordings, skips = [], []
  for path in sorted(p for p in folder.rglob('*') if p.is_file()):
    parts = path.relative_to(folder).parts
    name = '/'.join(parts)
    if any(part.startswith('.') for part in parts):
      continue
    if path.suffix.lower() not in SUFFIXES:
      skips.append(Skip(name, f'not one of {", ".join(SUFFIXES)}'))
    elif len(parts) < 2:
      skips.append(Skip(name, 'lies in no species folder'))
    else:
      species = ' '.join(parts[0].replace('_', ' ').split())
      recordings.append(Recording(path, name, species, group=group_of(path)))
  return recordings, skips
