/**
 * Where do cells and patches lie in the model's input?
 *
 * A grid is `{shape: [rows, cols], imageSize: [height, width], receptiveField,
 * stride}`, pixels; cell `row * cols + col` sees the square of `receptiveField`
 * pixels that begins at row `stride * row`, column `stride * col`. Rectangles
 * are half-open `{top, left, bottom, right}`.
 */

/**
 * @param {object} answer With `gridShape`.
 * @param {object} description One of `models` of the metadata.
 * @param {object} geometry Of the metadata.
 * @return {object} A grid.
 */
export function gridOf(answer, description, geometry) {
  return {
    shape: answer.gridShape,
    imageSize: description.inputSize,
    receptiveField: geometry.receptive_field,
    stride: geometry.stride,
  };
}

/** The pixels that a cell sees. */
export function patchRect(grid, cell) {
  const [top, left] = placeOf(grid, cell).map((place) => place * grid.stride);
  const side = grid.receptiveField;
  return { top, left, bottom: top + side, right: left + side };
}

/** The square in the middle of a patch that stands for its cell. */
export function cellRect(grid, cell) {
  const rim = (grid.receptiveField - grid.stride) / 2;
  const { top, left } = patchRect(grid, cell);
  return {
    top: top + rim,
    left: left + rim,
    bottom: top + rim + grid.stride,
    right: left + rim + grid.stride,
  };
}

/** The cell at a point of the image, or the nearest one. */
export function cellAt(grid, y, x) {
  const rim = (grid.receptiveField - grid.stride) / 2;
  const [row, col] = [y, x].map((value, axis) => {
    const place = Math.floor((value - rim) / grid.stride);
    return Math.min(Math.max(place, 0), grid.shape[axis] - 1);
  });
  return row * grid.shape[1] + col;
}

/** [row, col] of a cell. */
export function placeOf(grid, cell) {
  return [Math.floor(cell / grid.shape[1]), cell % grid.shape[1]];
}
