"""Impulse responses of rooms to two microphones, by the image sources of pyroomacoustics.

`benchmark_stereo` runs this file, with the interpreter of an environment made for it: it may import nothing else of ours.

  python stereo_rooms.py ROOMS.npz COUNT SEED RATE SPACING_M T60_S

ROOMS.npz: `responses` (COUNT, 2, L) float32, left and right; `azimuths` (COUNT,) degrees, negative = left, -75 to 75.
"""

import sys

import numpy as np
import pyroomacoustics

DISTANCES_M = (2.0, 4.0)


def main(out: str, count: int, seed: int, rate: int, spacing: float, t60: float) -> None:
  rng = np.random.default_rng(seed)
  responses, azimuths = [], []
  for _ in range(count):
    size = rng.uniform((7, 9, 3), (10, 12, 4))
    absorption, order = pyroomacoustics.inverse_sabine(t60, size)
    room = pyroomacoustics.ShoeBox(size, fs=rate, materials=pyroomacoustics.Material(absorption), max_order=order)
    middle = np.array([size[0] / 2 + rng.uniform(-0.5, 0.5), rng.uniform(1.5, 2.5), rng.uniform(1.2, 1.8)])
    side, azimuth = np.array([spacing / 2, 0, 0]), rng.uniform(-75, 75)
    # They face along y; the room is wide enough for a source at either side.
    distance = min(rng.uniform(*DISTANCES_M), 2.5 / max(abs(np.sin(np.radians(azimuth))), 1e-9))
    ahead = np.array([np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth)), 0])
    room.add_source(middle + distance * ahead)
    room.add_microphone_array(np.stack([middle - side, middle + side], axis=1))
    room.compute_rir()
    responses.append([room.rir[0][0], room.rir[1][0]])
    azimuths.append(azimuth)
  length = max(len(r) for pair in responses for r in pair)
  np.savez(out, azimuths=np.array(azimuths),
           responses=np.array([[np.pad(r, (0, length - len(r))) for r in pair] for pair in responses], np.float32))


if __name__ == '__main__':
  main(sys.argv[1], *(kind(text) for kind, text in zip((int, int, int, float, float), sys.argv[2:])))
