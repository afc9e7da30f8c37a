from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from data_pipeline import bird_counts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=4, unique=True), st.integers(3, 8), st.integers(0, 10 ** 6))
def test_as_many_as_there_are(places, songs, seed):
  rng = np.random.default_rng(seed)
  delays = np.repeat(np.array(places) * 120.0, songs) + rng.uniform(-12, 12, len(places) * songs)
  found = bird_counts.directions(rng.permutation(delays))
  assert found == pytest.approx(np.sort(places) * 120.0, abs=15)


def test_strays_are_no_birds():
  delays = [100.0, 101, 99, 103, 97, 100, 98, 102, -300]
  assert bird_counts.directions(delays) == pytest.approx([100], abs=3)
  assert len(bird_counts.directions([])) == 0
  assert bird_counts.directions([42.0]) == pytest.approx([42])
  assert len(bird_counts.directions([0.0, 30])) == 1 and len(bird_counts.directions([0.0, 300])) == 2
  assert len(bird_counts.directions([0.0, 300, 600])) == 1  # each heard once: none is sure, but somebody sings
