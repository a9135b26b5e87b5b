/**
 * What do patch logits say about a class? Numbers only; nothing is drawn here.
 *
 * An answer holds `logits` (classes) and `patchLogits` (rows, cols, classes),
 * both Float32Array, `gridShape` [rows, cols] and `numClasses`. Maps are
 * Float64Array (rows, cols), logits.
 */

import { placeOf } from "./geometry.js";
import { Problem } from "./problem.js";

// Of the largest patch logit: far above the rounding of 8 bits, far below what
// another model would give.
const ADDITIVITY_TOLERANCE = 0.01;
const SCALE_PERCENTILE = 99;
const EVEN_ODDS = 0.5;

/**
 * What a head makes of logits.
 *
 * @param {ArrayLike<number>} logits One for each class.
 * @param {string} head "softmax" or "sigmoid".
 * @return {Float64Array} 0..1, one for each class.
 */
export function probabilitiesOf(logits, head) {
  const values = Float64Array.from(logits);
  if (head === "sigmoid") {
    return values.map((value) => 1 / (1 + Math.exp(-value)));
  }
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const exponentials = values.map((value) => Math.exp(value - largest));
  const total = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / total);
}

/**
 * Class ids by falling logit; of equal ones the lower first.
 *
 * @param {ArrayLike<number>} logits One for each class.
 * @return {number[]} All class ids.
 */
export function ranked(logits) {
  return Array.from(logits, (_, id) => id)
    .sort((a, b) => logits[b] - logits[a] || a - b);
}

/**
 * Refuses an answer that cannot be that of the described model.
 *
 * @param {object} answer See above.
 * @return {number} Largest |mean of the patch logits - logit|, relative to the
 *     largest patch logit.
 */
export function checkAnswer({ logits, patchLogits, gridShape, numClasses }) {
  const cells = gridShape[0] * gridShape[1];
  if (
    logits.length !== numClasses ||
    patchLogits.length !== cells * numClasses
  ) {
    throw new Problem(
      "The model does not belong to metadata.json: it gives " +
      `${logits.length} logits and ${patchLogits.length} patch logits for ` +
      `${numClasses} labels and ${cells} patches.`,
    );
  }
  const means = new Float64Array(numClasses);
  let largest = 0;
  for (let i = 0; i < patchLogits.length; i++) {
    means[i % numClasses] += patchLogits[i] / cells;
    largest = Math.max(largest, Math.abs(patchLogits[i]));
  }
  let error = 0;
  for (let id = 0; id < numClasses; id++) {
    error = Math.max(error, Math.abs(means[id] - logits[id]));
  }
  // Math.max keeps NaN, and Infinity - Infinity is one.
  const relative = error / Math.max(largest, Number.MIN_VALUE);
  if (!(relative <= ADDITIVITY_TOLERANCE)) {
    throw new Problem(
      "The model's answer cannot be right: its logits are not the mean of " +
      "its patch logits. The file may be damaged, or be no BagNet.",
    );
  }
  return relative;
}

/**
 * What one patch says for a class.
 *
 * @param {object} answer See above.
 * @param {number} cell Of the patch.
 * @param {number} classId Of the class.
 * @param {boolean} centred Whether to take away the mean over all classes:
 *     what all classes share changes no decision of a softmax head.
 * @return {number} Logits.
 */
export function evidenceOf(answer, cell, classId, centred) {
  const { patchLogits, numClasses } = answer;
  const at = cell * numClasses;
  if (!centred) {
    return patchLogits[at + classId];
  }
  let total = 0;
  for (let id = 0; id < numClasses; id++) {
    total += patchLogits[at + id];
  }
  return patchLogits[at + classId] - total / numClasses;
}

/**
 * What each patch says for a class.
 *
 * @param {object} answer See above.
 * @param {number} classId Of the class.
 * @param {boolean} centred As for `evidenceOf`.
 * @return {Float64Array} The map; its mean is the (class-centred) logit.
 */
export function evidenceMap(answer, classId, centred) {
  const cells = answer.patchLogits.length / answer.numClasses;
  return new Float64Array(cells).map((_, cell) =>
    evidenceOf(answer, cell, classId, centred),
  );
}

/**
 * Why one class and not the other: positive values speak for the first.
 *
 * @param {object} answer See above.
 * @param {number} classA A class id.
 * @param {number} classB Another.
 * @return {Float64Array} The map; its mean is the difference of the logits.
 */
export function contrastMap(answer, classA, classB) {
  const other = evidenceMap(answer, classB, false);
  return evidenceMap(answer, classA, false).map((value, i) => value - other[i]);
}

/**
 * End of a symmetric colour scale for maps.
 *
 * The 99th percentile of the absolute values, so that a single cell does not
 * make all others pale; where that is 0 the largest one, or else 1.
 *
 * @param {Float64Array[]} maps All that share the scale.
 * @return {number} Logits, above 0.
 */
export function colourLimit(maps) {
  const values = Float64Array.from(maps.flatMap((map) => [...map]), Math.abs);
  values.sort();
  const place = ((values.length - 1) * SCALE_PERCENTILE) / 100;
  const low = Math.floor(place);
  const high = Math.min(low + 1, values.length - 1);
  const limit = values[low] + (values[high] - values[low]) * (place - low);
  return limit || values.at(-1) || 1;
}

/**
 * The patches that speak most for a class and share no pixels.
 *
 * @param {Float64Array} map Evidence, (rows, cols).
 * @param {object} grid From `gridOf`.
 * @param {number} count How many at most.
 * @return {number[]} Cells (row * cols + col) of positive evidence, by falling
 *     evidence.
 */
export function strongestPatches(map, grid, count) {
  const apart = grid.receptiveField / grid.stride;
  const chosen = [];
  for (const cell of ranked(map)) {
    if (chosen.length === count || map[cell] <= 0) {
      break;
    }
    const [row, col] = placeOf(grid, cell);
    const free = chosen.every((other) => {
      const [otherRow, otherCol] = placeOf(grid, other);
      return Math.max(Math.abs(row - otherRow), Math.abs(col - otherCol)) >=
        apart;
    });
    if (free) {
      chosen.push(cell);
    }
  }
  return chosen;
}

/**
 * What the model says of a photo.
 *
 * A class that has a threshold is taken to be there from that probability on;
 * a class of a sigmoid head without one has 0.5. A softmax head names one
 * class: the most probable one above its threshold, or else the most probable
 * of those that have none.
 *
 * @param {ArrayLike<number>} logits One for each class.
 * @param {string} head "softmax" or "sigmoid".
 * @param {Map<number, number>} thresholds Operating thresholds, by class id.
 * @return {number[]} The ids of the named classes, most probable first.
 */
export function namedClasses(logits, head, thresholds) {
  const probabilities = probabilitiesOf(logits, head);
  const order = ranked(logits);
  const decided = head === "sigmoid"
    ? order : order.filter((id) => thresholds.has(id));
  const above = decided.filter(
    (id) => probabilities[id] >= (thresholds.get(id) ?? EVEN_ODDS),
  );
  if (head === "sigmoid") {
    return above;
  }
  const others = order.filter((id) => !thresholds.has(id));
  return [[...above, ...others, ...order][0]];
}
