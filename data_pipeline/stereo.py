"""What the two channels of a recording are to each other: many stereo files are one channel written twice.

  told = stereo.classify('night.wav')
  told.kind                 # one of KINDS; only in 'true' are there two microphones, and directions to be found
  told.lag_us, told.gain_db # of a copy: how much later and how much louder the right channel is

A copy may have another gain, the other sign and a delay of up to MAX_LAG_SECONDS. Delays are searched first: a copy that is one
sample late looks unlike at lag 0. Coding with losses adds noise to a copy, see `stereo_bands`. Files are read forward once, in
blocks: memory does not grow with their length.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Iterable, Sequence

import numpy as np
from scipy import fft

from data_pipeline import lags, stereo_bands, stream
from data_pipeline.stereo_bands import Bands

KINDS = ('mono', 'dual mono', 'scaled', 'inverted', 'delayed', 'one dead', 'silent', 'true')
BLOCK_SECONDS = 4.0
SHORTEST_SECONDS = 0.1    # a shorter rest at the end tells nothing
MAX_LAG_SECONDS = 0.02
# Of the quieter channel, what is no copy of the other. 22 copies among real recordings left -37 dB or less (those that were
# coded with losses again and again), 50 of two microphones -22 or more.
RESIDUAL_DB = -30.0
DEAD_DB = -40.0           # a channel so far under the other, and no copy of it, is the noise of its own input
STEP = 2.0 ** -15         # of 16 bits: differences that rounding and dither make are none
LAG_SAMPLES = 0.05        # a copy this late is delayed
GAIN_DB = 0.1             # a copy this much louder or softer is scaled
CODED = ('.mp3', '.ogg')   # with losses: see stereo_bands


@dataclasses.dataclass(frozen=True)
class Stereo:
  """The two channels of a file.

  Attributes:
    kind: one of KINDS.
    lag_us: by how much the right channel is later; gain_db: by how much louder. The medians over the blocks; 0 for kinds
      without two channels. Of true stereo they say little.
    residual_db: what of the quieter channel is no copy of the other, in dB of its power: at most 0, at least -120.
    shares: kind -> share of the audible time whose blocks, each by itself, are of that kind. A microphone that fails in the
      middle of the night shows here.
  """

  kind: str
  lag_us: float = 0.0
  gain_db: float = 0.0
  residual_db: float = -120.0
  shares: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Block:
  """Two channels over some seconds. `powers`: left, right; `lag`: samples by which right is later; `gain`: of right, signed;
  `unlike`: power in the quieter channel that is no copy of the other; `bands`: of coded blocks that are no plain copy."""

  seconds: float
  powers: tuple[float, float]
  lag: float
  gain: float
  unlike: float
  bands: Bands | None = None


def classify(path: str | os.PathLike, pair: tuple[int, int] | None = None) -> Stereo:
  """The kind of a file.

  Args:
    path: any sound that `stream` reads.
    pair: the left and the right channel, counted from 0; may be left out where there are no more than two.

  Raises:
    BadRecording: cannot be read to its end.
    ValueError: more than two channels and no `pair`, or a pair that the file does not have.
  """
  known = stream.info(path)
  if known.channels == 1 and pair is None:
    return Stereo('mono')
  left, right = channel_pair(known, pair)
  blocks = (block[:, [left, right]] for block in stream.blocks(path, BLOCK_SECONDS))
  return of_blocks(blocks, known.sample_rate, pathlib.Path(path).suffix.lower() in CODED)


def channel_pair(known: stream.Info, pair: tuple[int, int] | None) -> tuple[int, int]:
  """The left and the right channel of a file, counted from 0. Raises ValueError as `classify`, for a mono file too."""
  if pair is None and known.channels == 2:
    return 0, 1
  if pair is None:
    raise ValueError(f'{known.path}: has {known.channels} channel(s): expected two, or the numbers of the left and the right '
                     'one')
  if len(set(pair)) != 2 or not all(0 <= c < known.channels for c in pair):
    raise ValueError(f'{known.path}: channels {" and ".join(str(c + 1) for c in pair)} were asked: expected two different ones '
                     f'of the {known.channels} there are')
  return pair


def of_blocks(blocks: Iterable[np.ndarray], sample_rate: int, coded: bool = False) -> Stereo:
  """The kind of consecutive blocks (n, 2), of some seconds each; see `classify`. `coded`: with losses."""
  found = [compare(b, sample_rate, coded) for b in blocks if len(b) >= SHORTEST_SECONDS * sample_rate]
  audible = [b for b in found if max(b.powers) > STEP ** 2]
  if not audible:
    return Stereo('silent')
  seconds = np.array([b.seconds for b in audible])
  kinds = [_kind([b]) for b in audible]
  shares = {k: float(seconds[[k == one for one in kinds]].sum() / seconds.sum()) for k in KINDS if k in kinds}
  # Blocks in which one channel is dead say nothing of the others, unless they are the most.
  alive = [b for b, k in zip(audible, kinds) if k != 'one dead']
  if shares.get('one dead', 0.0) > 0.5:
    return Stereo('one dead', 0.0, float(np.median([_gain_db(b) for b in audible])), 0.0, shares)
  return Stereo(_kind(alive), float(np.median([b.lag for b in _copies(alive)[1]])) / sample_rate * 1e6,
                float(np.median([_gain_db(b) for b in alive])), _residual_db(alive), shares)


def compare(block: np.ndarray, sample_rate: int, coded: bool = False) -> Block:
  """One block (n, 2): the lag of the highest correlation, to a part of a sample, and what is left when it is made up for."""
  x = block.astype(np.float64) - block.mean(0, dtype=np.float64)
  n, powers = len(x), (x ** 2).mean(0)
  seconds, powers = n / sample_rate, (float(powers[0]), float(powers[1]))
  if min(powers) <= 1e-20:
    return Block(seconds, powers, 0.0, 0.0, min(powers))
  size = fft.next_fast_len(2 * n, real=True)
  spectra = fft.rfft(np.ascontiguousarray((x / np.sqrt(n * np.array(powers))).T, np.float32), size)  # (2, K)
  correlation = fft.irfft(np.conj(spectra[0]) * spectra[1], size)  # at lag l: sum of left[i] right[i + l], at most 1
  most = min(round(MAX_LAG_SECONDS * sample_rate), n // 4)
  lag, height = lags.peak(correlation, most)
  gain, unlike = height * float(np.sqrt(powers[1] / powers[0])), 1 - height ** 2
  if abs(height) >= 0.7:  # else half of the power is no copy: no need to look closer
    gain, unlike = _aligned(x, lag)
  bands = stereo_bands.compare(spectra, size, sample_rate, most) if coded and unlike > 10 ** (RESIDUAL_DB / 10) else None
  return Block(seconds, powers, lag, gain, max(0.0, unlike) * min(powers), bands)


def _aligned(x: np.ndarray, lag: float) -> tuple[float, float]:
  """Gain of the right channel, moved back by `lag`, and the share of power that is no copy; without the ends, where the transform
  wraps round."""
  n = len(x)
  right = fft.irfft(fft.rfft(x[:, 1]) * np.exp(2j * np.pi * fft.rfftfreq(n) * lag), n) if abs(lag) > 1e-4 else x[:, 1]
  cut = int(np.ceil(abs(lag))) + lags.TAPS if abs(lag) > 1e-4 else 0
  left, right = x[cut:n - cut, 0], right[cut:n - cut]
  common, a, b = left @ right, left @ left, right @ right
  return common / max(a, 1e-30), 1 - common ** 2 / max(a * b, 1e-30)


def _residual_db(blocks: Sequence[Block]) -> float:
  # Rounding of both channels, dithered, is half a step squared; it is no difference.
  unlike = sum(max(0.0, b.unlike - STEP ** 2 / 2) * b.seconds for b in blocks)
  return float(10 * np.log10(np.clip(unlike / max(sum(min(b.powers) * b.seconds for b in blocks), 1e-30), 1e-12, 1.0)))


def _gain_db(b: Block) -> float:
  return float(10 * np.log10(max(b.powers[1], 1e-20) / max(b.powers[0], 1e-20)))


def _copies(blocks: Sequence[Block]) -> tuple[bool, Sequence[Block]]:
  """Whether these are copies, so far as coding lets it be told, and the blocks, coded copies with lag and sign of their bands.

  Their own lags are more exact, where both found the same top of the correlation.
  """
  if _residual_db(blocks) <= RESIDUAL_DB:
    return True, blocks
  bands = [b.bands for b in blocks if b.bands]
  if not bands or not stereo_bands.copied(bands):
    return False, blocks
  lag = lambda b: b.lag if abs(b.lag - b.bands.lag) < 0.5 else b.bands.lag
  return True, [dataclasses.replace(b, lag=lag(b), gain=b.bands.sign * abs(b.gain)) if b.bands else b for b in blocks]


def _kind(blocks: Sequence[Block]) -> str:
  """One of 'one dead', 'true' and the kinds of copies, of blocks that can be heard."""
  copies, blocks = _copies(blocks)
  unlike = not copies
  if all(min(b.powers) <= 10 ** (DEAD_DB / 10) * max(b.powers) and (unlike or min(b.powers) < STEP ** 2) for b in blocks):
    return 'one dead'
  late = np.array([b.lag for b in blocks])
  # Copies whose lag changes were made by nobody: a bird in a silent place is heard by both microphones alike.
  if unlike or np.mean(abs(late - np.median(late)) > 1.0) > 0.1:
    return 'true'
  if abs(np.median(late)) >= LAG_SAMPLES:
    return 'delayed'
  if np.median([b.gain for b in blocks]) < 0:
    return 'inverted'
  return 'scaled' if abs(np.median([_gain_db(b) for b in blocks])) >= GAIN_DB else 'dual mono'
