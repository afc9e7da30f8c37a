"""From arrays to things a person opens: wav, picture, label files. One folder per clip, there only when complete.

  audio.wav               the sound, 16-bit PCM
  spectrogram.png         the picture, every labelled event boxed
  labels.selections.txt   Raven selection table
  labels.audacity.txt     Audacity label track, with frequency ranges
  scene.json              scene, prompt, seed, versions, provenance, taxonomy, and what was done to the level
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import pathlib
import shutil
import wave
from typing import Any, Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from data_pipeline.formats import audacity, raven
from data_pipeline.scene import Scene
from data_pipeline.taxonomy import Taxonomy

FILES = ('audio.wav', 'spectrogram.png', 'labels.selections.txt', 'labels.audacity.txt', 'scene.json')
PEAK = 0.99  # where a clip that would clip is scaled to

# Okabe & Ito's colours that stand out on a dark spectrogram, told apart with any colour vision.
COLOURS = ('#56B4E9', '#F0E442', '#00D9A3', '#E69F00', '#FF8AC4', '#FFFFFF', '#9BD3FF', '#FFB37A')
_POINTS = 9  # size of the print
_TICKS_HZ = (250, 500, 1000, 2000, 3000, 4000, 6000, 8000, 10000, 12000, 16000, 20000, 24000)


@dataclasses.dataclass(frozen=True)
class Grid:
  """What the cells of a (T, F) spectrogram stand for.

  Attributes:
    duration: seconds, cut into T equal frames.
    band_hz: F centre frequencies in Hz, rising.
    db_range: (lo, hi) in dB re full scale that 0 and 1 of the spectrogram stand for.
    start: seconds where the first frame begins, of a part of a longer recording.
  """

  duration: float
  band_hz: tuple[float, ...]
  db_range: tuple[float, float]
  start: float = 0.0

  def __post_init__(self):
    object.__setattr__(self, 'band_hz', tuple(float(hz) for hz in self.band_hz))
    if len(self.band_hz) < 2 or any(b <= a for a, b in zip(self.band_hz, self.band_hz[1:])):
      raise ValueError(f'Grid.band_hz: expected two or more rising frequencies, got {self.band_hz[:4]} ...')

  def band(self, hz: float) -> float:
    """Height of a frequency in band numbers (0 = centre of the lowest band), cut to the picture's edges."""
    f = np.arange(len(self.band_hz))
    step = self.band_hz[1] - self.band_hz[0], self.band_hz[-1] - self.band_hz[-2]
    known = (self.band_hz[0] - step[0] / 2, *self.band_hz, self.band_hz[-1] + step[1] / 2)
    return float(np.interp(hz, known, (-0.5, *f, len(f) - 0.5)))


@dataclasses.dataclass(frozen=True)
class Box:
  """A labelled rectangle in seconds and Hz. Boxes of one `colour` (any int) look alike."""

  onset: float
  offset: float
  low_hz: float
  high_hz: float
  label: str
  colour: int


def boxes_of(scene: Scene, taxonomy: Taxonomy) -> list[Box]:
  """A Box for each event, labelled with the species' common name and the vocalisation."""
  return [Box(e.onset, e.offset, e.low_hz, e.high_hz, f'{taxonomy.resolve(e.species).common}, {e.vocalisation}',
              taxonomy.index(e.species)) for e in scene.events]


def render_clip(out_dir: str | os.PathLike, *, audio: np.ndarray, sample_rate: int, spectrogram: np.ndarray, grid: Grid,
                scene: Scene, prompt: str, seed: int, versions: Mapping[str, str], provenance: Mapping[str, Any],
                taxonomy: Taxonomy) -> pathlib.Path:
  """Writes one clip's folder. It is built under a temporary name and renamed, so it is never seen half-written.

  Args:
    out_dir: the folder. An earlier clip in it is replaced; anything else in it is refused.
    audio: (N, C) float, full scale 1. Never made louder; a clip whose peak exceeds 1 is scaled to PEAK and the gain
      recorded in scene.json (`audio.gain_db`): the scene's levels are those before it.
    sample_rate: Hz.
    spectrogram: (T, F) in [0, 1].
    grid: the spectrogram's geometry.
    scene: the labels: what the clip was conditioned on.
    prompt, seed, versions, provenance: recorded as they are; provenance holds JSON types.
    taxonomy: of the scene's species.

  Returns:
    The folder's path.

  Raises:
    ValueError: audio that is empty, of the wrong shape or not finite; a species not in the taxonomy.
    FileExistsError: `out_dir` holds files that are no rendered clip.
  """
  out = pathlib.Path(out_dir)
  if out.exists() and (not out.is_dir() or {p.name for p in out.iterdir()} - set(FILES)):
    raise FileExistsError(f'{out} holds something other than a rendered clip: choose another folder')
  wav, level = encode_wav(audio, sample_rate)
  picture = spectrogram_figure(spectrogram, grid, title=prompt, boxes=boxes_of(scene, taxonomy))
  record = {'scene': scene.to_dict(), 'prompt': prompt, 'seed': seed, 'versions': dict(versions),
            'provenance': dict(provenance), 'taxonomy': taxonomy.to_json(), 'audio': level}
  text = json.dumps(record, indent=1, allow_nan=False)

  out.parent.mkdir(parents=True, exist_ok=True)
  partial = out.with_name(f'.{out.name}.{os.getpid()}.tmp')
  shutil.rmtree(partial, ignore_errors=True)
  partial.mkdir()
  try:
    (partial / 'audio.wav').write_bytes(wav)
    (partial / 'spectrogram.png').write_bytes(picture)
    raven.write(partial / 'labels.selections.txt', scene, taxonomy, begin_path='audio.wav')
    audacity.write(partial / 'labels.audacity.txt', scene, taxonomy)
    (partial / 'scene.json').write_text(text + '\n', encoding='utf-8')
    if out.exists():
      shutil.rmtree(out)
    partial.rename(out)
  finally:
    shutil.rmtree(partial, ignore_errors=True)
  return out


def encode_wav(audio: np.ndarray, sample_rate: int) -> tuple[bytes, dict[str, Any]]:
  """(N, C) float -> (a 16-bit PCM wav file, {format, sample_rate, channels, peak, gain_db}).

  `peak` is the largest absolute sample before `gain_db`, which is 0 unless the peak exceeds 1.
  """
  audio = np.asarray(audio, np.float64)
  if audio.ndim != 2 or not audio.size:
    raise ValueError(f'audio has shape {audio.shape}: expected (samples, channels), neither of them 0')
  if not np.isfinite(audio).all():
    raise ValueError(f'audio: {int((~np.isfinite(audio)).sum())} of {audio.size} samples are not finite numbers')
  peak = float(np.abs(audio).max())
  gain = PEAK / peak if peak > 1 else 1.0
  buffer = io.BytesIO()
  with wave.open(buffer, 'wb') as f:
    f.setnchannels(audio.shape[1])
    f.setsampwidth(2)
    f.setframerate(sample_rate)
    f.writeframes(np.round(audio * gain * 32767).astype('<i2').tobytes())
  return buffer.getvalue(), {'format': 'PCM_16', 'sample_rate': sample_rate, 'channels': audio.shape[1], 'peak': peak,
                             'gain_db': 20 * math.log10(gain)}


def spectrogram_figure(spectrogram: np.ndarray, grid: Grid, *, title: str = '', boxes: Sequence[Box] = (),
                       masks: Mapping[str, np.ndarray] | None = None) -> bytes:
  """A spectrogram as PNG: seconds against kHz, level in dB, boxes with their labels, masks as outlines.

  All bands have the same height, as the model sees them: on a mel scale the kHz marks crowd towards the top.

  Args:
    spectrogram: (T, F) in [0, 1].
    grid: its geometry, F bands.
    title: one or two lines above the picture; a longer one is cut.
    boxes: drawn in their colours.
    masks: {name: (T, F) bool}, each outlined in a colour of its own and named in a legend.

  Raises:
    ValueError: shapes that do not fit.
  """
  S = np.asarray(spectrogram)
  frames, bands = S.shape if S.ndim == 2 else (0, 0)
  if not frames or bands != len(grid.band_hz):
    raise ValueError(f'spectrogram has shape {S.shape}: expected (frames, {len(grid.band_hz)})')
  lo, hi = grid.db_range
  figure = Figure(figsize=(5.2, 2.9), dpi=150, facecolor='white')
  canvas = FigureCanvasAgg(figure)
  height = 0.69 if title else 0.75 if masks else 0.81  # room for what stands above
  ax = figure.add_axes((0.10, 0.155, 0.75, height))
  extent = (grid.start, grid.start + grid.duration, -0.5, bands - 0.5)
  image = ax.imshow(lo + (hi - lo) * S.T, origin='lower', aspect='auto', extent=extent, cmap='magma', vmin=lo,
                    vmax=hi, interpolation='nearest')
  _mark_axes(ax, grid)
  bar = figure.colorbar(image, cax=figure.add_axes((0.865, 0.155, 0.017, height)))
  bar.set_label('level, dB', labelpad=1, fontsize=_POINTS)
  bar.outline.set_linewidth(0.6)
  bar.ax.tick_params(length=3, width=0.6, labelsize=_POINTS)
  for i, (name, mask) in enumerate((masks or {}).items()):
    _outline(ax, name, np.asarray(mask, bool), S.shape, extent, COLOURS[i % len(COLOURS)])
  if masks:
    place = {'loc': 'upper right'} if title else {'loc': 'lower right', 'bbox_to_anchor': (1.01, 0.995)}  # above the picture
    ax.legend(**place, ncols=len(masks), fontsize=8, framealpha=0.8, facecolor='black', labelcolor='white', edgecolor='none',
              handlelength=1.2, borderpad=0.35)
  placed: list[tuple[float, float, float, float]] = []
  for box in boxes:
    _draw_box(ax, box, grid, bands, placed)
  if title:
    ax.set_title(_two_lines(title), fontsize=_POINTS, loc='left', pad=6)
  buffer = io.BytesIO()
  canvas.print_png(buffer, metadata={'Software': None})
  return buffer.getvalue()


def _mark_axes(ax, grid: Grid):
  low, high = grid.band_hz[0], grid.band_hz[-1]
  ticks, last = [], -math.inf
  for hz in _TICKS_HZ:
    position = grid.band(hz)
    if low <= hz <= high * 1.02 and position - last > len(grid.band_hz) / 12:  # room for the digits
      ticks.append((position, f'{hz / 1000:g}'))
      last = position
  ax.set_yticks([p for p, _ in ticks], [text for _, text in ticks])
  ax.ticklabel_format(axis='x', useOffset=False)
  ax.set_xlabel('time, s', labelpad=2, fontsize=_POINTS)
  ax.set_ylabel('frequency, kHz', labelpad=1, fontsize=_POINTS)
  ax.tick_params(length=3, width=0.6, labelsize=_POINTS)
  for spine in ax.spines.values():
    spine.set_linewidth(0.6)


def _outline(ax, name, mask, shape, extent, colour):
  if mask.shape != shape:
    raise ValueError(f'mask {name!r} has shape {mask.shape}: expected {shape}')
  ax.plot([], [], color=colour, linewidth=1.6, label=name)  # the legend's entry, also of an empty mask
  # Drawn along the cells' borders: each cell becomes 4 x 4 points, with a rim so that outlines close at the edges.
  fine = np.pad(np.kron(mask.T, np.ones((4, 4))), 1)  # (4F + 2, 4T + 2)
  x = np.linspace(extent[0], extent[1], 4 * shape[0] + 2)
  y = np.linspace(extent[2], extent[3], 4 * shape[1] + 2)
  if mask.any():
    ax.contour(x, y, fine, levels=[0.5], colors=[colour], linewidths=1.1)


def _draw_box(ax, box: Box, grid: Grid, bands: int, placed: list):
  colour = COLOURS[box.colour % len(COLOURS)]
  low, high = grid.band(box.low_hz), grid.band(box.high_hz)
  ax.add_patch(Rectangle((box.onset, low), box.offset - box.onset, high - low, fill=False, edgecolor=colour,
                         linewidth=1.1))
  if not box.label:
    return
  # The label goes where it fits first: above the box, inside its top, below it, then further off in steps of a line.
  width, height = grid.duration * 0.0175 * len(box.label), bands * 0.087  # of this font on this page
  left = grid.start + min(max(box.onset - grid.start, 0.0), max(grid.duration - width, 0.0))
  steps = [high, high - height, low - height, *(high + k * height for k in range(1, 6)),
           *(low - (k + 1) * height for k in range(1, 6))]
  inside = [b for b in steps if -0.5 <= b and b + height <= bands - 0.5] or [bands - 0.5 - height]
  free = [b for b in inside if all(left + width <= l or r <= left or b + height <= d or u <= b for l, r, d, u in placed)]
  bottom = (free or inside)[0]
  placed.append((left, left + width, bottom, bottom + height))
  ax.text(left, bottom + 0.18 * height, f' {box.label}', color=colour, fontsize=8, va='bottom', ha='left',
          clip_on=True, bbox={'facecolor': 'black', 'alpha': 0.55, 'edgecolor': 'none', 'pad': 1.0})


def _two_lines(title: str, width: int = 66) -> str:
  words, lines = title.split(), ['']
  for word in words:
    if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
      lines.append('')
    lines[-1] = f'{lines[-1]} {word}'.strip()[:width]
  if len(lines) > 2:
    lines = [lines[0], lines[1][:width - 2] + ' …']
  # Text comes from people: a dollar sign is a dollar sign, no mathematics.
  return '\n'.join(lines).replace('$', r'\$')
