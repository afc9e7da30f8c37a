r"""Whether the birds of a prompt fit its place and each other: a score, and why.

  python -m tools.plausibility "Forest environment, a Hollow owl singing, near a road"
  python -m tools.plausibility "Forest, Barn owl, Black grouse, river" --avonet AVONET1_BirdLife.csv [--also PAGE.json ...]

Without a table the built-in birds are meant, which have one of their own. AVONET (Tobias et al. 2022) is not part of this
project: doi.org/10.6084/m9.figshare.16586228. The score is a ranking made of judgements (data_pipeline/habitat.py), no
probability of a real scene.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Sequence

from rich import console as rich_console, markup as rich_markup, table as rich_table

from data_pipeline import habitat, homes, prompts, taxonomy as taxonomy_lib, xeno_canto

YEAR = 2021  # of eBird's editions the one whose names are nearest to AVONET's


def judge(prompt: str, avonet: str | None = None, also: Sequence[str] = (), year: int = YEAR
          ) -> tuple[habitat.Habitats, list[str], habitat.Plausibility]:
  """What is known, the codes of the prompt's species, and the verdict.

  Args:
    prompt: in the grammar of `prompts`.
    avonet: AVONET's table; None = the built-in birds.
    also: saved pages of xeno-canto's API, .json or .csv, whose lists of further birds tell who is heard together.
    year: eBird's edition that the names in the prompt are of, with `avonet`.

  Raises ValueError: a prompt that cannot be understood, a file that is no such table, an unknown edition.
  """
  known = read(taxonomy_lib.edition(year), avonet, also) if avonet or also else habitat.BUILT_IN
  said = prompts.parse(prompt, known.taxonomy)
  codes = list(dict.fromkeys(e.species for e in said.events))
  return known, codes, known.judge(codes, said.environment, said.near)


def read(taxonomy: taxonomy_lib.Taxonomy, avonet: str | None, also: Sequence[str]) -> habitat.Habitats:
  """What AVONET's table and saved pages of xeno-canto's API tell of the species of a taxonomy, see `judge`."""
  if also and not avonet:
    raise ValueError('--also tells of real birds: it needs --avonet as well')
  records = [r for path in also for r in xeno_canto.read(path)[0]]
  return habitat.Habitats(taxonomy, homes.read_avonet(avonet, taxonomy) if avonet else {},
                          homes.heard_together([(r.scientific, r.background) for r in records], taxonomy))


def table(known: habitat.Habitats, codes: Sequence[str]) -> str:
  """P(place | species) of the species whose homes are known, as text; '' for none."""
  codes = [c for c in codes if c in known.homes]
  if not codes:
    return ''
  console = rich_console.Console(width=130)
  made = rich_table.Table('P(place | species)', *habitat.PLACES)
  joint = known.joint(codes)
  for code, row in zip(codes, joint / joint.sum(1, keepdims=True)):
    name = known.taxonomy.species[known.taxonomy.index(code)].common
    made.add_row(rich_markup.escape(name), *(f'{p:.2f}' for p in row))
  with console.capture() as text:
    console.print(made)
  return text.get().rstrip()


def main(argv: list[str] | None = None) -> None:
  parser = argparse.ArgumentParser(prog='python -m tools.plausibility', description=__doc__.splitlines()[0])
  parser.add_argument('prompt')
  parser.add_argument('--avonet', metavar='CSV', help="AVONET1_BirdLife.csv, for real birds (default: the built-in birds)")
  parser.add_argument('--also', metavar='FILE', nargs='+', default=[],
                      help="saved pages of xeno-canto's API: who is heard together")
  parser.add_argument('--year', type=int, default=YEAR,
                      help=f"eBird's edition of the names (default {YEAR}, nearest to AVONET)")
  parser.add_argument('--json', action='store_true', help='print score, verdict and reasons as JSON')
  arguments = parser.parse_args(argv)
  try:
    known, codes, found = judge(arguments.prompt, arguments.avonet, arguments.also, arguments.year)
  except (ValueError, OSError) as error:
    sys.exit(f'plausibility: {error}')
  if arguments.json:
    print(json.dumps({'score': found.score, 'verdict': found.verdict, 'reasons': found.reasons}, indent=1))
    return
  score = '' if found.score is None else f', {found.score:.2f}'
  print('\n'.join([found.verdict + score, *(f'  {reason}' for reason in found.reasons), *filter(None, [table(known, codes)])]))


if __name__ == '__main__':
  main()
