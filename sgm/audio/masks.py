"""Where an event can be heard: audible masks from stems, and the boxes around them."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from sgm.audio.spectrogram import Frontend


@functools.partial(jax.jit, static_argnames='frontend')
def audible_masks(stems: jax.Array, audio: jax.Array, frontend: Frontend, floor_db: float) -> jax.Array:
  """Cells where a stem holds at least half of the mix's power and lies above the floor.

  Args:
    stems: (..., E, N, C) each event alone, as it sounds in the mix; all-zero rows are padding and get empty masks.
    audio: (..., N, C) the mix.
    frontend: gives the grid.
    floor_db: in dB re a full-scale sine, power averaged over the channels.

  Returns:
    (..., E, T, F) bool. Two stems can both be audible in a cell where they interfere destructively.
  """
  if stems.shape[:-3] + stems.shape[-2:] != audio.shape:
    raise ValueError(f'stems are {stems.shape}, audio is {audio.shape}: expected (..., E, N, C) and (..., N, C)')
  alone = frontend.power(stems).mean(-1)                                         # (..., E, T, F)
  mix = frontend.power(audio).mean(-1)[..., None, :, :]                          # (..., 1, T, F)
  return (alone >= 0.5 * mix) & (alone > 10 ** (floor_db / 10))


def extent(mask: jax.Array, frontend: Frontend) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
  """The box of each mask (..., T, F): onset and offset in s, low and high in Hz, four arrays (...,); NaN when empty.

  The box runs along cell borders: frames are hop / sample_rate long, bands end at `Frontend.band_edges_hz`.
  """
  onset, offset = _span(mask.any(-1))
  low, high = _span(mask.any(-2))
  period, edges = frontend.hop / frontend.sample_rate, jnp.asarray(frontend.band_edges_hz, jnp.float32)
  box = (onset * period, offset * period, edges[low], edges[high])
  return tuple(jnp.where(mask.any((-2, -1)), side, jnp.nan) for side in box)


def _span(hit: jax.Array) -> tuple[jax.Array, jax.Array]:
  """(..., n) bool -> first true index and one past the last, each (...,)."""
  return jnp.argmax(hit, -1), hit.shape[-1] - jnp.argmax(hit[..., ::-1], -1)
