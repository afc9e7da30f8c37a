"""Saved metadata of Freesound: JSON of its API v2, one sound or a page of results.

Freesound knows no species: a sound has a name, tags and a description, and serves as an environment or a noise. What it is
of is taken from words of its name and tags. The audio lies beside the metadata under the names that Freesound gives:
12345__user__name.wav, or 12345_678-hq.mp3 for a preview.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Any, Mapping

from data_pipeline import cells, metadata_files
from data_pipeline.formats import files
from data_pipeline.recording import Listing, Recording, Skip

PREVIEWS = ('preview-hq-ogg', 'preview-hq-mp3', 'preview-lq-ogg', 'preview-lq-mp3')  # best first

# Words of a name or tag -> scene.ENVIRONMENTS and scene.NEARS. Of several that fit the first one holds: rain drowns wind, and
# both drown insects; a forest is the place of all three.
ENVIRONMENT_WORDS = {
    'rain': 'rain rains raining rainy rainfall rainstorm raindrops drizzle downpour thunderstorm',
    'wind': 'wind winds windy gust gusts gusty breeze gale storm stormy',
    'insects': 'insect insects cricket crickets cicada cicadas grasshopper grasshoppers katydid katydids',
    'forest': 'forest forests rainforest woods woodland woodlands jungle',
}
NEAR_WORDS = {
    'river': 'river rivers stream streams creek creeks brook brooks',
    'road': 'road roads traffic highway motorway street streets',
}
BIRD_WORDS = frozenset((
    'bird birds birdsong birdsongs birdcall birdcalls birdlife dawnchorus blackbird blackbirds chicken chickens crow crows '
    'cuckoo cuckoos dove doves duck ducks finch finches geese goose gull gulls hen hens nightingale nightingales owl owls '
    'parrot parrots pigeon pigeons raven ravens robin robins rooster roosters seagull seagulls songbird songbirds sparrow '
    'sparrows thrush thrushes warbler warblers woodpecker woodpeckers wren wrens').split()) | {'dawn chorus'}
NEGATIONS = ('no', 'not', 'without')  # before a word: 'forest, no birds'


@dataclasses.dataclass(frozen=True)
class FreesoundRecord:
  """One sound as Freesound describes it; '' , () or None where it does not tell.

  Attributes:
    id: its number in digits. name: as its maker calls it, never to be used as a path.
    latitude, longitude: degrees. created: YYYY-MM-DD.
    licence: its address or name. type: 'wav', 'flac', ...
    channels, sample_rate (Hz), bit_depth, bytes, seconds: of the original.
    rating: mean of 0 to 5 stars, None for unrated; downloads: number of them.
    download_url: the original (needs a login); preview_url: the best lossy preview.
    path: where the sound lies, once `find` has found it.
  """

  id: str
  name: str
  tags: tuple[str, ...]
  description: str
  latitude: float | None
  longitude: float | None
  created: str
  licence: str
  type: str
  channels: int | None
  sample_rate: int | None
  bit_depth: int | None
  bytes: int | None
  seconds: float | None
  rating: float | None
  downloads: int | None
  recordist: str
  pack: str
  url: str
  download_url: str
  preview_url: str
  path: pathlib.Path | None = None

  @property
  def lossy(self) -> bool:
    """Whether the file found is a preview, which keeps neither the rate nor always the channels of the original."""
    return self.path is not None and bool(re.search(r'-[hl]q$', self.path.stem))

  @property
  def words(self) -> frozenset[str]:
    """Words of the name and the tags in lower case, and neighbouring pairs of them; denied ones left out."""
    found: set[str] = set()
    for text in (self.name, *self.tags):
      before = ''
      for word in re.findall(r'[^\W\d_]+', text.lower()):
        if before not in NEGATIONS:
          found |= {word, f'{before} {word}'}
        before = word
    return frozenset(found)

  @property
  def environment(self) -> str:
    """One of scene.ENVIRONMENTS, '' where no word tells."""
    return _first(ENVIRONMENT_WORDS, self.words)

  @property
  def near(self) -> str:
    """One of scene.NEARS, '' where no word tells."""
    return _first(NEAR_WORDS, self.words)

  @property
  def speaks_of_birds(self) -> bool:
    return not BIRD_WORDS.isdisjoint(self.words)

  def recording(self, folder: pathlib.Path) -> Recording:
    """As the builder of data sets takes it, of no species; `path` must be set and below `folder`.

    `started` stays unknown: `created` is the day of the upload. The length does, since it is that of the whole sound.
    """
    return Recording(
        path=self.path, name=self.path.relative_to(folder).as_posix(), licence=self.licence, recordist=self.recordist,
        group=f'FS{self.id}', url=self.url, continuous=True, environment=self.environment, near=self.near)


def _first(table: Mapping[str, str], words: frozenset[str]) -> str:
  return next((name for name, listed in table.items() if not words.isdisjoint(listed.split())), '')


def record(row: Mapping[str, Any]) -> FreesoundRecord:
  """One sound. Raises ValueError, saying why it is none: no object, no number, neither name nor tags, broken tags."""
  if not isinstance(row, dict):
    raise ValueError(f'{type(row).__name__} is no sound')
  number = re.fullmatch(r'0*([1-9]\d{0,11})(?:\.0)?', cells.text(row.get('id')), re.ASCII)
  if not number:
    raise ValueError(f'id: {cells.text(row.get("id"))[:40]!r} is no number of Freesound')
  try:
    tags = cells.names(row.get('tags'))
  except ValueError as error:
    raise ValueError(f'tags: {error}') from error
  name = cells.text(row.get('name'))
  if not name and not tags:
    raise ValueError(f'sound {number[1]} has neither a name nor tags')
  latitude, longitude = _place(row.get('geotag'))
  previews = row.get('previews') if isinstance(row.get('previews'), dict) else {}
  stars = cells.number(row.get('avg_rating'), 0.0, 5.0)
  return FreesoundRecord(
      id=number[1], name=name, tags=tags, description=cells.text(row.get('description')), latitude=latitude,
      longitude=longitude, created=cells.date(row.get('created')),
      licence=cells.address(row.get('license')) or cells.text(row.get('license')),
      type=cells.text(row.get('type')).lower(), channels=cells.whole(row.get('channels'), 1, 1000),
      sample_rate=cells.whole(row.get('samplerate'), 1000, 2_000_000), bit_depth=cells.whole(row.get('bitdepth'), 1, 64),
      bytes=cells.whole(row.get('filesize'), 0, 10 ** 15), seconds=cells.number(row.get('duration'), 0.0, 1e7),
      rating=stars if cells.whole(row.get('num_ratings'), 0, 10 ** 9) != 0 else None,
      downloads=cells.whole(row.get('num_downloads'), 0, 10 ** 12), recordist=cells.text(row.get('username')),
      pack=cells.address(row.get('pack')) or cells.text(row.get('pack')),
      url=cells.address(row.get('url')) or f'https://freesound.org/s/{number[1]}/',
      download_url=cells.address(row.get('download')),
      preview_url=next(filter(None, (cells.address(previews.get(k)) for k in PREVIEWS)), ''))


def _place(geotag: Any) -> tuple[float | None, float | None]:
  """Degrees of a geotag, '41.40 2.16'; both or none."""
  parts = cells.text(geotag).split()
  if len(parts) != 2:
    return None, None
  latitude, longitude = cells.number(parts[0], -90.0, 90.0), cells.number(parts[1], -180.0, 180.0)
  return (latitude, longitude) if latitude is not None and longitude is not None else (None, None)


def parse(page: Any, where: str) -> tuple[list[FreesoundRecord], list[Skip]]:
  """The records of decoded JSON: a page of results, a list of pages or sounds, or one sound.

  Args:
    page: what json.loads gave.
    where: name of the file, for messages.

  Raises:
    ValueError: it is an error of the API (its own words are quoted), or none of these.
  """
  return metadata_files.records_of(
      ((f'{where} sound {number}', row) for number, row in enumerate(
          metadata_files.rows_of_pages(page, 'results', lambda one: _rows(one, where)), 1)), record)


def _rows(page: Any, where: str) -> list[Any]:
  if not isinstance(page, dict):
    raise ValueError(f'{where}: expected a sound or a page of results of Freesound, found {type(page).__name__}')
  if isinstance(page.get('results'), list):
    return page['results']
  if 'id' in page:
    return [page]
  if 'detail' in page:
    raise ValueError(f'{where}: Freesound answered with an error: {cells.text(page["detail"]) or "(unnamed)"}')
  raise ValueError(f'{where}: expected a sound or a page of results of Freesound, found the keys '
                   f'{", ".join(sorted(map(str, page))[:8]) or "(none)"}')


def read(path: files.Path) -> tuple[list[FreesoundRecord], list[Skip]]:
  """The records of one saved file; one skip for each that is none. Raises ValueError naming the file."""
  path = pathlib.Path(path)
  page = files.read_json(path)
  try:
    return parse(page, path.name)
  except ValueError as error:
    raise ValueError(f'{path}: {str(error).removeprefix(f"{path.name}: ")}') from error


def number_in(path: pathlib.Path) -> str:
  """The number of Freesound that the name of a file begins with, '' where there is none."""
  found = re.match(r'0*([1-9]\d*)(?=_|-|$)', path.stem, re.ASCII)
  return found[1] if found else ''


def find(directory: str) -> tuple[list[FreesoundRecord], list[Skip]]:
  """The sounds of a folder that have both metadata and sound, sorted by path, and what was left out.

  The sound is not opened. Raises ValueError where there is no such folder, or it holds no metadata at all.
  """
  pairs, skips = metadata_files.find(directory, 'Freesound', ('.json',), read, number_in)
  return [dataclasses.replace(r, path=path) for r, path in pairs], skips


def listing(directory: str) -> Listing:
  """The sounds of a folder as environments, as `find` finds them; those that speak of birds are counted in a note.

  Raises ValueError as `find`.
  """
  folder = pathlib.Path(directory).resolve()
  records, skips = find(directory)
  notes = []
  for count, what in (
      (sum(r.speaks_of_birds for r in records), 'speak of birds in their name or tags, which nobody has labelled: heard in the '
       'background of a clip, such birds are missing from its labels'),
      (sum(not r.environment and not r.near for r in records), 'have no word of a known environment in their name or tags'),
      (sum(r.lossy for r in records), 'are lossy previews')):
    if count:
      notes.append(f'{count} of {len(records)} sounds {what}')
  recordings = (r.recording(folder) for r in records)
  return Listing(tuple(sorted(recordings, key=lambda r: r.name)), tuple(skips), tuple(notes))
