"""Absorption against the table of ISO 9613-2 (computed from ISO 9613-1), the tail against its definition."""

import numpy as np
import pytest

from data_pipeline import air

OCTAVES = 1000 * 10 ** (0.3 * np.arange(-4, 4))  # exact mid-band frequencies of 63 Hz to 8 kHz


@pytest.mark.parametrize('celsius, humidity, db_per_km', [
    (10, 70, (0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117)),
    (20, 70, (0.1, 0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6)),
    (30, 70, (0.1, 0.3, 1.0, 3.1, 7.4, 12.7, 23.1, 59.3)),
    (15, 20, (0.3, 0.6, 1.2, 2.7, 8.2, 28.2, 88.8, 202)),
    (15, 80, (0.1, 0.3, 1.1, 2.4, 4.1, 8.3, 23.7, 82.8)),
])
def test_absorption_is_that_of_the_standard(celsius, humidity, db_per_km):
  np.testing.assert_allclose(1000 * air.absorption_db(OCTAVES, celsius, humidity), db_per_km, atol=0.051, rtol=0.003)


def test_silence_of_zero_hertz():
  assert air.absorption_db(np.zeros(1), 15, 70)[0] == 0


def test_the_tail_decays_as_asked_and_has_its_energy():
  rate, rt60 = 16000, 0.5
  tail = np.concatenate([air.tail(rt60, 12.0, rate, 2, np.random.default_rng(i)) for i in range(20)])  # (40, n)
  energy = np.square(tail).mean(0)
  assert abs(10 * np.log10(energy.sum()) + 12) < 0.2
  at = lambda s: energy[round(s * rate) - 200:round(s * rate) + 200].mean()
  assert abs(10 * np.log10(at(0.05) / at(0.25)) - 60 * 0.2 / rt60) < 0.6
  assert air.tail(0.0, 10.0, rate, 1, np.random.default_rng(0)).shape == (1, 0)
