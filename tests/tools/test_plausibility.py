"""The command line: a verdict and its reasons, for built-in and real birds, and one clear line for what is wrong."""

import json

import pytest

from tests.tools.avonet import write
from tools import plausibility

PROMPT = 'Forest, Barn owl, Black grouse, river'


def run(capsys, *arguments):
  plausibility.main(list(arguments))
  return capsys.readouterr().out


def test_built_in_birds(capsys):
  text = run(capsys, 'Forest environment, a Hollow owl singing, near a road')
  assert text.splitlines()[0] == 'mixed, 0.55'  # sqrt(1.0 * 0.3)
  assert '  Hollow owl (forest, dense): possible near a road (0.30)' in text and 'P(place | species)' in text
  assert run(capsys, 'No birds, in the rain') == 'unknown\n'


@pytest.fixture
def avonet(tmp_path):
  return write(tmp_path / 'avonet.csv', 'Tyto alba,Human Modified,3,-55.72,58.07', 'Lyrurus tetrix,Forest,3,40.09,70.02')


def test_real_birds(capsys, tmp_path, avonet):
  alone = json.loads(run(capsys, PROMPT, '--avonet', avonet, '--json'))
  assert alone['verdict'] == 'mixed' and 'Barn Owl (farms and towns, open): unlikely in a forest (0.17)' in alone['reasons']
  page = tmp_path / 'page.csv'
  page.write_text("id;gen;sp;also\n1;Tyto;alba;['Lyrurus tetrix']\n2;Lyrurus;tetrix;['Tyto alba']\n")
  together = json.loads(run(capsys, PROMPT, '--avonet', avonet, '--also', str(page), '--json'))
  assert together['score'] > alone['score'] and 'heard together in 2 recordings' in together['reasons'][-1]


@pytest.mark.parametrize('arguments, message', [
    (['Forest, a dodo'], "unknown phrase 'dodo'"), ([PROMPT, '--also', 'x.csv'], '--also tells of real birds'),
    ([PROMPT, '--avonet', 'no.csv'], 'no.csv'), ([PROMPT, '--avonet', 'AVONET', '--year', '1999'], 'no eBird taxonomy of 1999'),
    ([PROMPT, '--avonet', 'AVONET', '--year', '2024'], 'it may be|give the full name|nearest')])
def test_what_is_wrong(avonet, arguments, message):
  with pytest.raises(SystemExit, match=f'plausibility: .*({message})'):
    plausibility.main([avonet if a == 'AVONET' else a for a in arguments])
