"""Impulse responses of rooms to two microphones, by the image sources of pyroomacoustics.

`benchmark_stereo` runs this file, with the interpreter of an environment made for it: it may import nothing else of ours.

  python stereo_rooms.py ROOMS.npz COUNT SEED RATE SPACING_M T60_S APART_DEG

ROOMS.npz: two sources in each room, APART_DEG from each other: `responses` (COUNT, 2 sources, 2 microphones, L) float32, left
and right; `azimuths` (COUNT, 2 sources) degrees, negative = left, -75 to 75.
"""

import sys

import numpy as np
import pyroomacoustics

DISTANCES_M = (2.0, 4.0)


def main(out: str, count: int, seed: int, rate: int, spacing: float, t60: float, apart: float) -> None:
  rng = np.random.default_rng(seed)
  responses, azimuths = [], []
  for _ in range(count):
    size = rng.uniform((7, 9, 3), (10, 12, 4))
    absorption, order = pyroomacoustics.inverse_sabine(t60, size)
    room = pyroomacoustics.ShoeBox(size, fs=rate, materials=pyroomacoustics.Material(absorption), max_order=order)
    middle = np.array([size[0] / 2 + rng.uniform(-0.5, 0.5), rng.uniform(1.5, 2.5), rng.uniform(1.2, 1.8)])
    side, azimuth = np.array([spacing / 2, 0, 0]), rng.uniform(-75, 75)
    pair = azimuth, azimuth + (apart if azimuth + apart <= 75 else -apart)
    away = rng.uniform(*DISTANCES_M)
    for angle in np.radians(pair):
      # They face along y; the room is wide enough for a source at either side.
      distance = min(away, 2.5 / max(abs(np.sin(angle)), 1e-9))
      room.add_source(middle + distance * np.array([np.sin(angle), np.cos(angle), 0]))
    room.add_microphone_array(np.stack([middle - side, middle + side], axis=1))
    room.compute_rir()
    responses.append([[room.rir[m][source] for m in range(2)] for source in range(2)])
    azimuths.append(pair)
  length = max(len(r) for pairs in responses for pair in pairs for r in pair)
  padded = [[[np.pad(r, (0, length - len(r))) for r in pair] for pair in pairs] for pairs in responses]
  np.savez(out, azimuths=np.array(azimuths), responses=np.array(padded, np.float32))


if __name__ == '__main__':
  main(sys.argv[1], *(kind(text) for kind, text in zip((int, int, int, float, float, float), sys.argv[2:], strict=True)))
