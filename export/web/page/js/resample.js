/**
 * How does a photo become the model's input? As in training, bit by bit.
 *
 * Shorter side to round(size / 0.875), centre crop. The filter is Pillow's
 * antialiased bilinear one for 8 bits (Resample.c), in its whole numbers: a
 * canvas would scale by a filter of the browser's own, up to 50 grey levels
 * away. Only what the crop shows is computed.
 */

// Pillow's fixed point: coefficients are multiples of 2^-22.
const ONE = 2 ** 22;

// Pillow's for grey from RGB (ITU-R 601), in 65536ths.
const GREY_WEIGHTS = [19595, 38470, 7471];

// Rows of the photo that are read at once.
const STRIP_ROWS = 128;

/**
 * The size of a whole photo when its crop has the model's size.
 *
 * In whole numbers, halves rounded up, as everywhere else.
 *
 * @param {number} height Of the photo, pixels.
 * @param {number} width Of the photo, pixels.
 * @param {number[]} size [height, width] of the model's input, pixels.
 * @return {number[]} [rows, cols], pixels.
 */
export function resizedShape(height, width, size) {
  const [leastRows, leastCols] = size.map((side) =>
    Math.floor((16 * side + 7) / 14),
  );
  const rows = Math.floor((2 * height * leastCols + width) / (2 * width));
  const cols = Math.floor((2 * width * leastRows + height) / (2 * height));
  return [Math.max(leastRows, rows), Math.max(leastCols, cols)];
}

/**
 * The part of a photo that the model sees.
 *
 * @param {number} height Of the photo, pixels.
 * @param {number} width Of the photo, pixels.
 * @param {number[]} size [height, width] of the model's input, pixels.
 * @return {{top: number, left: number, height: number, width: number}} In
 *     pixels of the photo, fractions allowed.
 */
export function cropOf(height, width, size) {
  if (height === size[0] && width === size[1]) {
    return { top: 0, left: 0, height, width };
  }
  const [rows, cols] = resizedShape(height, width, size);
  const [scaleY, scaleX] = [height / rows, width / cols];
  return {
    top: Math.floor((rows - size[0]) / 2) * scaleY,
    left: Math.floor((cols - size[1]) / 2) * scaleX,
    height: size[0] * scaleY,
    width: size[1] * scaleX,
  };
}

/**
 * The model's input, made of a photo.
 *
 * @param {function(number, number): ArrayLike<number>} readRows Called with
 *     the first row and a number of rows; gives their opaque pixels, RGBA.
 * @param {number} height Of the photo, pixels.
 * @param {number} width Of the photo, pixels.
 * @param {number[]} size [height, width] of the input, pixels.
 * @param {number} channels 3 for RGB, or 1 for grey.
 * @return {Uint8Array} (*size, channels), row by row.
 */
export function evaluationInput(readRows, height, width, size, channels) {
  const same = height === size[0] && width === size[1];
  const [rows, cols] = same ? size : resizedShape(height, width, size);
  const [top, left] = [rows - size[0], cols - size[1]].map((rest) =>
    Math.floor(rest / 2),
  );
  const vertical = taps(height, rows, top, size[0]);
  const horizontal = taps(width, cols, left, size[1]);
  const first = vertical[0].start;
  const last = vertical.at(-1).start + vertical.at(-1).weights.length;
  const narrow = new Uint8Array((last - first) * size[1] * channels);
  for (let strip = first; strip < last; strip += STRIP_ROWS) {
    const count = Math.min(STRIP_ROWS, last - strip);
    const pixels = withChannels(readRows(strip, count), channels);
    for (let row = 0; row < count; row++) {
      const source = row * width * channels;
      const target = (strip - first + row) * size[1] * channels;
      filter(pixels, source, channels, horizontal, channels,
        narrow, target, channels);
    }
  }
  const input = new Uint8Array(size[0] * size[1] * channels);
  const stride = size[1] * channels;
  const shifted = vertical.map(({ start, weights }) => (
    { start: start - first, weights }
  ));
  filter(narrow, 0, stride, shifted, stride, input, 0, stride);
  return input;
}

/** RGBA as RGB, or in grey as Pillow's `convert("L")` makes it. */
function withChannels(pixels, channels) {
  const count = pixels.length / 4;
  const result = new Uint8Array(count * channels);
  const [a, b, c] = GREY_WEIGHTS;
  for (let i = 0, from = 0, to = 0; i < count; i++, from += 4) {
    const red = pixels[from];
    const green = pixels[from + 1];
    const blue = pixels[from + 2];
    if (channels === 1) {
      result[to++] = (red * a + green * b + blue * c + 0x8000) >> 16;
    } else {
      result[to++] = red;
      result[to++] = green;
      result[to++] = blue;
    }
  }
  return result;
}

/**
 * Which pixels along one axis make each output pixel, and by how much.
 *
 * @return {{start: number, weights: Float64Array}[]} Of the outputs from
 *     `first` on; weights are whole numbers that add up to about 2^22.
 */
function taps(inSize, outSize, first, count) {
  const scale = inSize / outSize;
  const support = Math.max(scale, 1);
  const found = [];
  for (let place = first; place < first + count; place++) {
    const centre = (place + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const stop = Math.min(Math.trunc(centre + support + 0.5), inSize);
    const weights = new Float64Array(stop - start);
    let total = 0;
    for (let i = 0; i < weights.length; i++) {
      // The order of operations is Pillow's: the last bit depends on it.
      const away = Math.abs((i + start - centre + 0.5) * (1 / support));
      weights[i] = away < 1 ? 1 - away : 0;
      total += weights[i];
    }
    for (let i = 0; i < weights.length; i++) {
      weights[i] = Math.trunc(0.5 + (weights[i] / total) * ONE);
    }
    found.push({ start, weights });
  }
  return found;
}

/**
 * Filters along one axis: `width` neighbouring values at each tap.
 *
 * Values that belong together lie side by side; `step` is how far the next
 * pixel along the axis is, in the source and in the target.
 */
function filter(source, offset, step, along, width, target, at, targetStep) {
  for (let place = 0; place < along.length; place++) {
    const { start, weights } = along[place];
    for (let k = 0; k < width; k++) {
      let sum = ONE / 2;
      let from = offset + start * step + k;
      for (let i = 0; i < weights.length; i++, from += step) {
        sum += source[from] * weights[i];
      }
      target[at + place * targetStep + k] = Math.floor(sum / ONE);
    }
  }
}
