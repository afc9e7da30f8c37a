"""Spectrogram -> audio: inverse STFT and fast Griffin-Lim, batched and jitted.

Griffin & Lim 1984, "Signal estimation from modified short-time Fourier transform", with the momentum of Perraudin,
Balazs & Sondergaard 2013, "A fast Griffin-Lim algorithm", in librosa's conventions.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from sgm.audio.fourier import irfft
from sgm.audio.spectrogram import Frontend, hann, stft_channels_first


@functools.partial(jax.jit, static_argnames='frontend')
def istft(spectrum: jax.Array, frontend: Frontend) -> jax.Array:
  """Complex (..., T, K, C) -> audio (..., N = T * hop, C): the least-squares inverse of `Frontend.stft`."""
  return jnp.moveaxis(_istft(jnp.moveaxis(spectrum, -1, -3), frontend), -2, -1)


def random_phase(keys: jax.Array, frontend: Frontend, frames: int) -> jax.Array:
  """Uniform phases in radians, (B, T, K, 1), from typed keys (B,); row i depends on keys[i] only.

  All channels of a clip share them: equal channels come out equal, and level differences keep their direction.
  """
  draw = functools.partial(jax.random.uniform, shape=(frames, frontend.bins, 1), minval=-np.pi, maxval=np.pi)
  return jax.vmap(draw)(keys)


@functools.partial(jax.jit, static_argnames=('frontend', 'iterations'))
def griffin_lim(magnitude: jax.Array, frontend: Frontend, phase: jax.Array, iterations: int = 32,
                momentum: float = 0.99) -> jax.Array:
  """Audio whose STFT magnitude is near the one given.

  Args:
    magnitude: (B, T, K, C), nonnegative, in the units of `Frontend.stft`.
    frontend: the geometry.
    phase: initial phase in radians, broadcastable to `magnitude`; see `random_phase`.
    iterations: projections.
    momentum: 0 is the plain algorithm of 1984.

  Returns:
    (B, N = T * hop, C) float32.
  """
  magnitude, phase = (jnp.moveaxis(x, -1, -3) for x in (magnitude, phase))       # (B, C, T, K)
  beta = momentum / (1 + momentum)

  def project(_, carry):
    spectrum, previous = carry
    rebuilt = stft_channels_first(_istft(spectrum, frontend), frontend)
    angles = rebuilt - beta * previous
    return magnitude * angles / (jnp.abs(angles) + jnp.finfo(jnp.float32).tiny), rebuilt

  spectrum = magnitude * jnp.exp(1j * phase)
  spectrum, _ = jax.lax.fori_loop(0, iterations, project, (spectrum, jnp.zeros_like(spectrum)))
  return jnp.moveaxis(_istft(spectrum, frontend), -2, -1)


@functools.partial(jax.jit, static_argnames=('frontend', 'iterations'))
def audio_from_spectrogram(S: jax.Array, frontend: Frontend, keys: jax.Array, iterations: int = 32) -> jax.Array:
  """Spectrogram (B, T, F, C) in [0, 1] -> audio (B, N, C); typed keys (B,), row i depends on S[i] and keys[i] only.

  Cells at the floor come out silent, see `Frontend.to_linear`. Over 24 recordings of birds, 64 mel bands and a range of
  90 dB, the result's own spectrogram differs from S by 0.93, 0.70 and 0.63 dB (rms over bands, mean over frames) after
  8, 32 and 64 iterations.
  """
  return griffin_lim(frontend.to_linear(S), frontend, random_phase(keys, frontend, S.shape[-3]), iterations)


def _istft(spectrum: jax.Array, frontend: Frontend) -> jax.Array:
  """Complex (..., T, K) -> audio (..., N)."""
  frames = irfft(spectrum) * hann(frontend.n_fft)                   # (..., T, n_fft)
  audio = _overlap_add(frames, frontend.hop)
  envelope = _envelope(frontend, spectrum.shape[-2])
  start = frontend.padding
  return audio[..., start:start + envelope.size] / envelope


def _overlap_add(frames, hop: int, xp=jnp):
  """(..., T, n_fft) -> (..., (T + parts - 1) * hop), parts = ceil(n_fft / hop)."""
  *lead, count, length = frames.shape
  parts = -(-length // hop)
  frames = xp.pad(frames, [(0, 0)] * (len(lead) + 1) + [(0, parts * hop - length)])
  frames = frames.reshape(*lead, count, parts, hop)
  shifted = [xp.pad(frames[..., i, :], [(0, 0)] * len(lead) + [(i, parts - 1 - i), (0, 0)]) for i in range(parts)]
  return sum(shifted[1:], shifted[0]).reshape(*lead, (count + parts - 1) * hop)


@functools.lru_cache(maxsize=64)
def _envelope(frontend: Frontend, frames: int) -> np.ndarray:
  """(N,) sum of the squared windows over each sample of the clip."""
  squares = np.broadcast_to(hann(frontend.n_fft) ** 2, (frames, frontend.n_fft))
  return _overlap_add(squares, frontend.hop, np)[frontend.padding:frontend.padding + frames * frontend.hop]
