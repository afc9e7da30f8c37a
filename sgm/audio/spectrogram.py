"""Front end: audio -> STFT -> band power -> compressed spectrogram in [0, 1], and back as far as an inverse exists.

Training, sampling and detection all use this one code path, so that they cannot drift apart.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from sgm.audio.fourier import rfft

SCALES = ('mel', 'linear')
DECONVOLUTIONS = 30  # updates of `Frontend.to_linear`: 10 leave 0.8 dB, 30 leave 0.7 dB of round-trip distance


@dataclasses.dataclass(frozen=True)
class Frontend:
  """A spectrogram with fixed geometry. Hashable: pass it as a static argument of `jax.jit`.

  Time: N samples, N a multiple of `hop`, give exactly T = N / hop frames. Frame t stands for the samples
  [t * hop, (t + 1) * hop) and its window is centred on their middle, (t + 0.5) * hop, so frames, label rolls and
  latent cells share one grid. The clip is continued by reflection, (n_fft - hop) / 2 samples on either side: equal to
  `librosa.stft(numpy.pad(x, (n_fft - hop) // 2, 'reflect'), center=False)`.

  Frequency: F triangular bands whose corners are the neighbours' centres, F + 2 points equally spaced from `low_hz` to
  `high_hz` in mel (Slaney's, as librosa's default) or in Hz. Where points lie closer than the STFT's bins a triangle
  is widened to one bin on each side, which interpolates between bins; no band is empty.

  Power: each band is scaled so that a sine of amplitude 1 at the band's centre reads 1, that is 0 dB (centres within two
  bins of 0 Hz or Nyquist also catch the sine's mirror image). Up to one factor per band these are librosa's filters.

  Attributes:
    sample_rate: Hz.
    n_fft: window and transform length in samples, even; Hann window.
    hop: samples between frames, even, at most n_fft / 2.
    bands: number of bands F.
    low_hz, high_hz: outermost corners of the bands, 0 <= low_hz < high_hz <= sample_rate / 2.
    scale: one of SCALES.
    db_range: (lo, hi) in dB re a full-scale sine that [0, 1] stands for.
  """

  sample_rate: int
  n_fft: int
  hop: int
  bands: int
  low_hz: float
  high_hz: float
  scale: str
  db_range: tuple[float, float]

  def __post_init__(self):
    object.__setattr__(self, 'db_range', tuple(self.db_range))  # lists, as read from JSON, do not hash
    if self.sample_rate < 1:
      raise ValueError(f'Frontend.sample_rate is {self.sample_rate}: expected Hz above 0')
    if self.n_fft < 4 or self.n_fft % 2:
      raise ValueError(f'Frontend.n_fft is {self.n_fft}: expected an even number, nearest {max(4, self.n_fft + 1)}')
    if not 2 <= self.hop <= self.n_fft // 2 or self.hop % 2:
      nearest = min(max(2, self.hop + self.hop % 2), self.n_fft // 4 * 2)
      raise ValueError(f'Frontend.hop is {self.hop}: expected an even number in [2, n_fft / 2], nearest {nearest}')
    if not self.low_hz >= 0:
      raise ValueError(f'Frontend.low_hz is {self.low_hz}: expected Hz from 0, nearest 0')
    if not self.high_hz <= self.sample_rate / 2:
      raise ValueError(f'Frontend.high_hz is {self.high_hz}: above Nyquist, nearest {self.sample_rate / 2:g}')
    if not self.low_hz < self.high_hz:
      raise ValueError(f'Frontend.low_hz is {self.low_hz}: expected below high_hz, {self.high_hz}')
    if not 1 <= self.bands <= self.n_fft // 2:
      raise ValueError(f'Frontend.bands is {self.bands}: expected from 1 to n_fft / 2 = {self.n_fft // 2}')
    if self.scale not in SCALES:
      raise ValueError(f'Frontend.scale is {self.scale!r}: expected one of {SCALES}')
    if len(self.db_range) != 2 or not self.db_range[0] < self.db_range[1]:
      lo = min(self.db_range, default=-90.0)
      raise ValueError(f'Frontend.db_range is {self.db_range}: expected (lo, hi) in dB with lo < hi, nearest '
                       f'{(lo, max(lo + 1.0, *self.db_range))}')

  # ---- geometry -----------------------------------------------------------------------------------------------------

  @property
  def bins(self) -> int:
    """Number of STFT bins K."""
    return self.n_fft // 2 + 1

  @property
  def padding(self) -> int:
    """Samples of reflection on either side of the clip."""
    return (self.n_fft - self.hop) // 2

  @property
  def band_hz(self) -> np.ndarray:
    """(F,) centres of the bands in Hz."""
    return _points(self)[1:-1]

  @property
  def band_edges_hz(self) -> np.ndarray:
    """(F + 1,) borders between bands in Hz: band f, on [edges[f], edges[f + 1]], has at least half its peak weight."""
    points = _points(self)
    return (points[1:] + points[:-1]) / 2

  def frames(self, samples: int) -> int:
    """Number of frames of a clip. Raises ValueError unless `samples` is a multiple of hop and longer than the pad."""
    shortest = -(-(self.padding + 1) // self.hop) * self.hop
    if samples % self.hop or samples < shortest:
      nearest = max(shortest, round(samples / self.hop) * self.hop)
      raise ValueError(f'clip of {samples} samples: expected a multiple of hop = {self.hop}, nearest {nearest}')
    return samples // self.hop

  def time_s(self, frame):
    """Seconds at the centre of a frame (its window's centre); frame t spans [t, t + 1) * hop / sample_rate."""
    return (frame + 0.5) * self.hop / self.sample_rate

  # ---- audio -> spectrogram -----------------------------------------------------------------------------------------

  def __call__(self, audio: jax.Array) -> jax.Array:
    """Audio (..., N, C), full scale 1 -> spectrogram (..., T, F, C) in [0, 1]."""
    return self.compress(self.power(audio))

  def stft(self, audio: jax.Array) -> jax.Array:
    """Audio (..., N, C) -> complex (..., T, K, C), unscaled as librosa's: a sine's peak is amplitude * n_fft / 4."""
    return jnp.moveaxis(stft_channels_first(jnp.moveaxis(audio, -1, -2), self), -3, -1)

  def power(self, audio: jax.Array) -> jax.Array:
    """Audio (..., N, C) -> band power (..., T, F, C); a full-scale sine at a band's centre has power 1 there."""
    spectrum = stft_channels_first(jnp.moveaxis(audio, -1, -2), self)            # (..., C, T, K)
    power = _matmul(spectrum.real**2 + spectrum.imag**2, filter_bank(self).T)     # (..., C, T, F)
    return jnp.moveaxis(power, -3, -1)

  def compress(self, power: jax.Array) -> jax.Array:
    """Power -> [0, 1]: dB, linear over `db_range`, clipped outside."""
    lo, hi = self.db_range
    db = 10 * jnp.log10(jnp.maximum(power, 10 ** (lo / 10)))
    return jnp.clip((db - lo) / (hi - lo), 0, 1)

  # ---- and back -----------------------------------------------------------------------------------------------------

  def db(self, S: jax.Array) -> jax.Array:
    """[0, 1] -> dB re a full-scale sine."""
    lo, hi = self.db_range
    return lo + S * (hi - lo)

  def expand(self, S: jax.Array) -> jax.Array:
    """[0, 1] -> power: the inverse of `compress` inside `db_range`."""
    return 10 ** (self.db(S) / 10)

  @functools.partial(jax.jit, static_argnums=0)
  def to_linear(self, S: jax.Array) -> jax.Array:
    """Spectrogram (..., T, F, C) -> STFT magnitude (..., T, K, C), in the units of `stft`, that reads S in the bands.

    Nonnegative deconvolution of the bands: Richardson 1972 and Lucy 1974, that is `DECONVOLUTIONS` multiplicative
    updates of the Kullback-Leibler divergence. Over 24 recordings of birds, audio -> S -> audio -> S differs by 0.7 dB
    then, against 3.0 dB with the clipped pseudo-inverse.
    A cell at the floor, S <= 0, says "at most lo dB" and becomes silence, not a hiss at lo dB.
    """
    bank = jnp.asarray(filter_bank(self))                                        # (F, K)
    target = jnp.moveaxis(jnp.where(S > 0, self.expand(S), 0.0), -1, -3)         # (..., C, T, F)
    # Both guards only meet 0 / 0: frames of silence, and bins outside of every band.
    tiny, gain = 1e-30, jnp.maximum(bank.sum(0), 1e-30)                          # gain: (K,)
    start = _matmul(target, bank / _matmul(bank, bank.sum(0))[:, None])          # a band's power, spread over its bins
    update = lambda _, power: power * _matmul(target / jnp.maximum(_matmul(power, bank.T), tiny), bank) / gain
    power = jax.lax.fori_loop(0, DECONVOLUTIONS, update, start)                  # (..., C, T, K)
    return jnp.moveaxis(jnp.sqrt(power), -3, -1)


def quantise(S: jax.Array, levels: int) -> jax.Array:
  """Amplitude levels k = round(S (A - 1)) as int32 in [0, A - 1], of S in [0, 1] and A = `levels` >= 2."""
  if levels < 2:
    raise ValueError(f'levels is {levels}: expected 2 or more')
  return jnp.round(jnp.clip(S, 0, 1) * (levels - 1)).astype(jnp.int32)


def stft_channels_first(audio: jax.Array, frontend: Frontend) -> jax.Array:
  """Audio (..., N) -> complex (..., T, K): the layout that transforms use; `Frontend.stft` is the public form."""
  frames, hop, n_fft = frontend.frames(audio.shape[-1]), frontend.hop, frontend.n_fft
  lead = [(0, 0)] * (audio.ndim - 1)
  x = jnp.pad(audio.astype(jnp.float32), lead + [(frontend.padding, frontend.padding)], mode='reflect')
  # Measured on CPU at 1024 / 320: one gather and an FFT beat slices put side by side (1.5 times) and a DFT as a matrix
  # product over the needed bins (3 times).
  x = x[..., jnp.arange(frames)[:, None] * hop + jnp.arange(n_fft)]              # (..., T, n_fft)
  return rfft(x * hann(n_fft))


# Accelerators would round the factors to some 10 bits by default: errors of 1e-3, where the floor asks for 1e-4.
_matmul = functools.partial(jnp.matmul, precision='highest')


@functools.lru_cache
def hann(length: int) -> np.ndarray:
  """Periodic Hann window (length,) float32."""
  return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


@functools.lru_cache
def _points(frontend: Frontend) -> np.ndarray:
  """(F + 2,) corners and centres of the bands in Hz."""
  if frontend.scale == 'linear':
    return np.linspace(frontend.low_hz, frontend.high_hz, frontend.bands + 2)
  mel = np.linspace(hz_to_mel(frontend.low_hz), hz_to_mel(frontend.high_hz), frontend.bands + 2)
  return np.asarray(mel_to_hz(mel))


@functools.lru_cache
def filter_bank(frontend: Frontend) -> np.ndarray:
  """(F, K) float32 weights from the squared magnitude of `Frontend.stft` to calibrated band power."""
  bin_hz = frontend.sample_rate / frontend.n_fft
  hz, points = np.arange(frontend.bins) * bin_hz, _points(frontend)
  left, centre, right = points[:-2, None], points[1:-1, None], points[2:, None]
  rise = (hz - centre) / np.maximum(centre - left, bin_hz) + 1
  fall = (centre - hz) / np.maximum(right - centre, bin_hz) + 1
  weights = np.maximum(0, np.minimum(rise, fall))                                # (F, K)
  sine = _hann_transform((centre - hz) / bin_hz) * frontend.n_fft / 4            # (F, K) a unit sine at each centre
  return (weights / (weights * sine**2).sum(1, keepdims=True)).astype(np.float32)


def _hann_transform(x: np.ndarray) -> np.ndarray:
  """Magnitude of a long Hann window's transform `x` bins off its peak, peak 1: sinc(x) / (1 - x^2)."""
  denominator = 1 - x**2
  near = np.abs(denominator) < 1e-9
  return np.where(near, 0.5, np.abs(np.sinc(x) / np.where(near, 1, denominator)))


def hz_to_mel(hz):
  """Slaney's mel scale (Auditory Toolbox, 1998): linear to 1 kHz, then logarithmic, 27 steps to 6.4 kHz."""
  hz = np.asarray(hz, np.float64)
  return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def mel_to_hz(mel):
  """Inverse of `hz_to_mel`."""
  mel = np.asarray(mel, np.float64)
  return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
