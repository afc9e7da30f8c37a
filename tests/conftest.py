"""What all tests share: 8 fake devices on the CPU, parsed flags, and the folder of real recordings."""

import os
import pathlib

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('XLA_FLAGS', '--xla_force_host_platform_device_count=8')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import flags
import pytest

flags.FLAGS.mark_as_parsed()


@pytest.fixture(scope='session')
def real_data() -> pathlib.Path:
  """Folder of real recordings with its manifest.csv: SGM_REAL_DATA, or ../shared/data beside the project."""
  default = pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'data'
  folder = pathlib.Path(os.environ.get('SGM_REAL_DATA', default)).resolve()
  if not (folder / 'manifest.csv').exists():
    pytest.skip(f'no real recordings: {folder}/manifest.csv does not exist (set SGM_REAL_DATA)')
  return folder
