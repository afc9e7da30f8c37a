import pytest

from tests.sgm import small


@pytest.fixture(autouse=True, scope='module')
def unoptimised():
  with small.unoptimised():
    yield
