/** What is on the photo, and which patch is meant? The canvas. */

import { colourOf } from "./colours.js";
import { cellAt, cellRect, patchRect } from "./geometry.js";

const SIDE = 1024; // Of the canvas, the longer one, pixels.
const BOX_COLOUR = "#ffd500";
const CASING = "#000000";
const FRAME = "rgb(0 0 0 / 55%)";
// How much the darkest pixel of the photo darkens the map above it.
const SHADE = 0.4;
// From this opacity of the map on, the photo below it has no colours of its
// own, which could be taken for evidence.
const GREY_FROM = 0.25;

/** Draws photo, map and boxes; tells which patch a person points at. */
export class Stage {
  #canvas;
  #view = null;

  /**
   * @param {HTMLCanvasElement} canvas Where to draw.
   * @param {function(number): void} onCell Told of a cell that is meant.
   */
  constructor(canvas, onCell) {
    this.#canvas = canvas;
    const point = (event) => {
      const cell = this.#cellOf(event);
      if (cell !== null && cell !== this.#view.cell) {
        onCell(cell);
      }
    };
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("keydown", (event) => {
      const cell = this.#view && neighbour(event.key, this.#view);
      if (cell !== null && cell !== undefined) {
        event.preventDefault();
        onCell(cell);
      }
    });
  }

  /**
   * Draws.
   *
   * @param {object} view `picture`, an ImageBitmap; `map`, `limit` and
   *     `opacity` (0..1); `grid` from `Grid`; `cell` that is selected; `boxes`,
   *     cells whose patches are outlined and numbered.
   */
  draw(view) {
    this.#view = view;
    const canvas = this.#canvas;
    const [height, width] = view.grid.imageSize;
    const scale = SIDE / Math.max(height, width);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    // In pixels of the image from here on.
    context.scale(canvas.width / width, canvas.height / height);
    drawPhoto(context, view, 1, Math.min(view.opacity / GREY_FROM, 1));
    context.globalAlpha = view.opacity;
    context.drawImage(shadedMap(view, canvas), 0, 0, width, height);
    context.globalAlpha = 1;
    // One pixel of the screen, in pixels of the image.
    const line = width / (canvas.clientWidth || width);
    drawFrame(context, view, line);
    drawBoxes(context, view, line);
    drawSelection(context, view, line);
  }

  #cellOf(event) {
    if (!this.#view) {
      return null;
    }
    const box = this.#canvas.getBoundingClientRect();
    const [height, width] = this.#view.grid.imageSize;
    const y = ((event.clientY - box.top) / box.height) * height;
    const x = ((event.clientX - box.left) / box.width) * width;
    return cellAt(this.#view.grid, y, x);
  }
}

/** The cell that a key leads to; null for other keys. */
function neighbour(key, { grid, cell }) {
  const [rows, cols] = grid.shape;
  const [row, col] = [Math.floor(cell / cols), cell % cols];
  const moves = {
    ArrowUp: [Math.max(row - 1, 0), col],
    ArrowDown: [Math.min(row + 1, rows - 1), col],
    ArrowLeft: [row, Math.max(col - 1, 0)],
    ArrowRight: [row, Math.min(col + 1, cols - 1)],
    Home: [row, 0],
    End: [row, cols - 1],
    PageUp: [0, col],
    PageDown: [rows - 1, col],
  };
  return key in moves ? moves[key][0] * cols + moves[key][1] : null;
}

/** The photo, some of it, its colours taken away in part. */
function drawPhoto(context, { picture, grid }, alpha, grey) {
  const [height, width] = grid.imageSize;
  context.globalAlpha = alpha;
  context.drawImage(picture, 0, 0, width, height);
  // Not by `filter`, which some browsers lack.
  context.globalCompositeOperation = "saturation";
  context.globalAlpha = grey;
  context.fillStyle = "black";
  context.fillRect(0, 0, width, height);
  context.globalCompositeOperation = "source-over";
  context.globalAlpha = 1;
}

/** The map's colours, shaded by the photo so that one sees where. */
function shadedMap(view, { width, height }) {
  const { map, limit, grid } = view;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.scale(width / grid.imageSize[1], height / grid.imageSize[0]);
  drawPhoto(context, view, SHADE, 1);
  context.globalCompositeOperation = "multiply";
  for (let cell = 0; cell < map.length; cell++) {
    const { top, left, bottom, right } = cellRect(grid, cell);
    context.fillStyle = `rgb(${colourOf(map[cell] / limit).join(" ")})`;
    context.fillRect(left, top, right - left, bottom - top);
  }
  return canvas;
}

/** Around all cells: outside no patch is centred, and white means nothing. */
function drawFrame(context, { map, grid, opacity }, line) {
  const { top, left } = cellRect(grid, 0);
  const { bottom, right } = cellRect(grid, map.length - 1);
  context.globalAlpha = opacity;
  context.strokeStyle = FRAME;
  context.lineWidth = line;
  context.strokeRect(left, top, right - left, bottom - top);
  context.globalAlpha = 1;
}

function drawBoxes(context, { grid, boxes }, line) {
  const size = 13 * line;
  boxes.forEach((cell, place) => {
    const { top, left } = outline(context, patchRect(grid, cell), line, 1.5);
    context.fillStyle = BOX_COLOUR;
    context.fillRect(left, top, size * 1.15, size * 1.25);
    context.fillStyle = CASING;
    context.font = `bold ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(place + 1, left + size * 0.575, top + size * 0.67);
  });
}

function drawSelection(context, { grid, cell }, line) {
  context.setLineDash([4 * line, 3 * line]);
  outline(context, patchRect(grid, cell), line, 1.5, "#ffffff");
  context.setLineDash([]);
  outline(context, cellRect(grid, cell), line, 2, "#ffffff");
}

/** A line on a broader black one: to be seen on every ground. */
function outline(context, rect, line, width, colour = BOX_COLOUR) {
  const { top, left, bottom, right } = rect;
  for (const [style, extra] of [[CASING, 2], [colour, 0]]) {
    context.strokeStyle = style;
    context.lineWidth = (width + extra) * line;
    context.strokeRect(left, top, right - left, bottom - top);
  }
  return rect;
}
