// Spectrograms as surfaces over time and frequency, turned together by dragging or with the arrow keys.
'use strict';
(() => {
  const canvases = [...document.querySelectorAll('canvas[data-surface]')];
  const view = {turn: -0.6, tilt: 0.75};
  const HEIGHT = 0.35; // of the loudest cell, in units of the longer side
  const STOPS = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]]; // magma

  const colours = Array.from({length: 256}, (_, i) => {
    const at = i / 255 * (STOPS.length - 1), k = Math.min(Math.floor(at), STOPS.length - 2);
    return 'rgb(' + STOPS[k].map((low, c) => Math.round(low + (at - k) * (STOPS[k + 1][c] - low))).join(',') + ')';
  });

  const surfaces = canvases.map(canvas => ({
    canvas, frames: Number(canvas.dataset.frames), bands: Number(canvas.dataset.bands),
    values: Uint8Array.from(atob(canvas.dataset.surface), c => c.charCodeAt(0)), // (frames, bands)
  }));

  function draw({canvas, frames, bands, values}) {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext('2d');
    pen.scale(ratio, ratio);
    pen.font = '11px sans-serif';
    const [cos, sin] = [Math.cos(view.turn), Math.sin(view.turn)], lean = Math.sin(view.tilt), rise = Math.cos(view.tilt);
    const unit = Math.min(0.6 * width, 0.72 * height); // room for the labels, however it is turned
    const project = (x, y, z) => { // x: time, y: frequency, both -1/2 to 1/2; z: 0 to 1
      const across = x * cos - y * sin, away = x * sin + y * cos;
      return [width / 2 + unit * across, height * 0.5 - unit * (away * lean + (z - 0.3) * HEIGHT * rise)];
    };
    const at = Array.from({length: frames * bands}, (_, i) =>
      project(Math.floor(i / bands) / (frames - 1) - 0.5, i % bands / (bands - 1) - 0.5, values[i] / 255));
    // What is far is drawn first: no cell of a surface over a grid hides one that is nearer.
    const order = (count, falling) => Array.from({length: count}, (_, i) => falling ? count - 1 - i : i);
    for (const t of order(frames - 1, sin > 0)) {
      for (const f of order(bands - 1, cos > 0)) {
        const i = t * bands + f, corners = [i, i + 1, i + bands + 1, i + bands];
        pen.fillStyle = pen.strokeStyle = colours[Math.max(...corners.map(k => values[k]))];
        pen.beginPath();
        corners.forEach(k => pen.lineTo(...at[k]));
        pen.closePath();
        pen.fill();
        pen.stroke(); // closes the seams
      }
    }
    pen.fillStyle = getComputedStyle(canvas).color;
    pen.textAlign = 'center';
    const nearSide = cos > 0 ? -0.5 : 0.5, nearEnd = sin > 0 ? -0.5 : 0.5;
    const label = (text, x, y) => { const [u, v] = project(x, y, 0); pen.fillText(text, u, v + 4); };
    label('0 s', -0.4, nearSide * 1.16);
    label(canvas.dataset.seconds + ' s', 0.4, nearSide * 1.16);
    label(canvas.dataset.low, nearEnd * 1.2, -0.4);
    label(canvas.dataset.high, nearEnd * 1.2, 0.4);
  }

  let asked = false;
  function redraw() {
    if (!asked) {
      asked = true;
      requestAnimationFrame(() => { asked = false; surfaces.forEach(draw); });
    }
  }

  function turn(right, up) {
    view.turn += right;
    view.tilt = Math.min(Math.max(view.tilt + up, 0.15), Math.PI / 2);
    redraw();
  }

  for (const canvas of canvases) {
    canvas.addEventListener('pointerdown', event => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener('pointermove', event => {
      if (event.buttons) turn(event.movementX / 150, event.movementY / 150);
    });
    canvas.addEventListener('keydown', event => {
      const step = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1]}[event.key];
      if (step) {
        event.preventDefault();
        turn(...step);
      }
    });
  }
  window.addEventListener('resize', redraw);
  redraw();
})();
