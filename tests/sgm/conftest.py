"""A data set of a few built-in soundscapes, and a work directory of each task after two steps on it."""

from __future__ import annotations

import pytest

from sgm import train
from sgm.training import sharding
from tests.sgm import small
from tools import build_dataset


@pytest.fixture(scope='session')
def birds(tmp_path_factory):
  """Folder of a data set with all splits."""
  out = tmp_path_factory.mktemp('birds') / 'data'
  sizes = dict(train=16, judge=16, **dict.fromkeys(('val', 'test', 'single', 'pairs'), small.CLIPS))
  build_dataset.build(build_dataset.Options('procedural', str(out), sizes=sizes), say=lambda text: None)
  return str(out)


@pytest.fixture(scope='session')
def train_briefly(tmp_path_factory):
  """train_briefly(config) -> its work directory, trained on one device."""
  def run(config):
    workdir = tmp_path_factory.mktemp(config.task.name)
    with small.unoptimised(), pytest.MonkeyPatch.context() as patch:
      patch.setattr(sharding, 'make_mesh', small.one_device)
      train.train(config, str(workdir))
    return workdir
  return run


@pytest.fixture(scope='session')
def autoencoder_workdir(birds, train_briefly):
  return train_briefly(small.autoencoder_config(birds))


@pytest.fixture(scope='session')
def judge_workdir(birds, train_briefly):
  return train_briefly(small.classifier_config(birds))


@pytest.fixture(scope='session')
def ldm_workdir(birds, train_briefly, autoencoder_workdir):
  return train_briefly(small.ldm_config(birds, autoencoder_workdir))
