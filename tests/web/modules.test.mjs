/** Do the page's numbers equal those of Pillow, NumPy and bagnet_tf? */

import assert from "node:assert/strict";
import { test } from "node:test";

import { colourOf } from "../../export/web/page/js/colours.js";
import {
  checkAnswer,
  colourLimit,
  contrastMap,
  evidenceMap,
  namedClasses,
  probabilitiesOf,
  ranked,
  strongestPatches,
} from "../../export/web/page/js/evidence.js";
import {
  cellAt,
  cellRect,
  patchRect,
} from "../../export/web/page/js/geometry.js";
import { imageHeader } from "../../export/web/page/js/image_header.js";
import { percent, signed } from "../../export/web/page/js/numbers.js";
import {
  cropOf,
  evaluationInput,
  resizedShape,
} from "../../export/web/page/js/resample.js";
import { cases, largestDifference } from "./cases.mjs";

function resampled({ shape, size, channels, photo }) {
  const [height, width] = shape;
  const readRows = (top, count) => {
    const rows = new Uint8ClampedArray(count * width * 4).fill(255);
    for (let i = 0; i < count * width; i++) {
      rows.set(photo.subarray(3 * (top * width + i)).subarray(0, 3), 4 * i);
    }
    return rows;
  };
  return evaluationInput(readRows, height, width, size, channels);
}

for (const one of [...cases.resized, cases.grey]) {
  const { shape, size, channels, resized, corner } = one;
  test(`${shape} to ${size}, ${channels} channels, as Pillow does`, () => {
    assert.deepEqual(resampled(one), one.input);
    const same = String(shape) === String(size);
    assert.deepEqual(same ? size : resizedShape(...shape, size), resized);
    const { top, left, height, width } = cropOf(...shape, size);
    const scale = shape.map((side, axis) => side / resized[axis]);
    const expected = [corner[0], corner[1], ...size].map(
      (value, i) => value * scale[i % 2],
    );
    assert.ok(largestDifference([top, left, height, width], expected) < 1e-9);
  });
}

for (const { type, files, width, height } of cases.headers) {
  test(`the header of ${type} files`, () => {
    for (const bytes of files) {
      assert.deepEqual(imageHeader(bytes), { type, width, height });
      assert.equal(imageHeader(bytes.subarray(0, 9)), null);
    }
  });
}

test("a JPEG file whose tables come before its frame", () => {
  const bytes = [
    [0xff, 0xd8],
    [0xff, 0xc4, 0, 6, 1, 2, 3, 4],
    [0xff, 0xff, 0xc2, 0, 17, 8, 1, 4, 2, 3],
  ].flat();
  assert.deepEqual(
    imageHeader(Uint8Array.from(bytes)),
    { type: "JPEG", width: 515, height: 260 },
  );
});

test("what is no image has no header", () => {
  for (const text of ["", "hello", "a longer text that is no image at all"]) {
    assert.equal(imageHeader(Buffer.from(text)), null);
  }
});

test("colours are matplotlib's", () => {
  for (const { value, colour } of cases.colours) {
    // Matplotlib rounds values to 256 steps.
    assert.ok(largestDifference(colourOf(value), colour) <= 3, `${value}`);
  }
});

for (const one of cases.evidence) {
  const { head, gridShape, maps } = one;
  const answer = { ...one, numClasses: one.logits.length };
  const centred = head === "softmax";

  test(`evidence of a ${head} head`, () => {
    const expected = maps.map((map) => map.flat());
    const found = maps.map((_, id) => evidenceMap(answer, id, centred));
    found.forEach((map, id) => {
      assert.ok(largestDifference(map, expected[id]) < 1e-5);
    });
    const contrast = contrastMap(answer, 1, 4);
    assert.ok(largestDifference(contrast, one.contrast.flat()) < 1e-5);
    assert.ok(Math.abs(colourLimit(found) - one.limit) < 1e-5);
    assert.ok(
      largestDifference(probabilitiesOf(one.logits, head), one.probabilities) <
        1e-9,
    );
    one.strongest.forEach((cells, id) => {
      const grid = { ...one, shape: gridShape };
      assert.deepEqual(strongestPatches(found[id], grid, 5), cells);
    });
    assert.ok(checkAnswer(answer) < 1e-5);
  });

  test(`answers of another model, ${head}`, () => {
    const changed = (change) => () => checkAnswer({ ...answer, ...change });
    const belongs = /does not belong to metadata.json/;
    assert.throws(changed({ numClasses: 5 }), belongs);
    assert.throws(changed({ gridShape: [1, 2] }), belongs);
    const right = /cannot be right/;
    assert.throws(changed({ logits: one.logits.map((x) => x + 1) }), right);
    assert.throws(changed({ logits: one.logits.map(() => NaN) }), right);
    const patchLogits = one.patchLogits.slice();
    patchLogits[7] = Infinity;
    assert.throws(changed({ patchLogits }), right);
  });
}

test("patches that only touch share no pixels", () => {
  const grid = { shape: [1, 5], receptiveField: 8, stride: 4 };
  const map = Float64Array.from([5, 4, 3, 2, 1]);
  assert.deepEqual(strongestPatches(map, grid, 9), [0, 2, 4]);
  assert.deepEqual(strongestPatches(map, grid, 2), [0, 2]);
  const against = map.map((value) => value - 4);
  assert.deepEqual(strongestPatches(against, grid, 9), [0]);
});

test("an empty map has a colour scale", () => {
  assert.equal(colourLimit([new Float64Array(9)]), 1);
  const one = new Float64Array(1000);
  one[3] = -2;
  assert.equal(colourLimit([one]), 2);
});

test("verdicts are those of bagnet_tf", () => {
  for (const { logits, head, thresholds, named } of cases.verdicts) {
    const found = namedClasses(logits, head, new Map(thresholds));
    assert.deepEqual(found, named, `${head} ${logits}, above ${thresholds}`);
  }
});

test("equal logits are in the order of their classes", () => {
  assert.deepEqual(ranked([1, 3, 1, 3]), [1, 3, 0, 2]);
});

test("cells and patches", () => {
  const grid = {
    shape: [10, 9], imageSize: [105, 97], receptiveField: 33, stride: 8,
  };
  const cell = 2 * 9 + 3;
  assert.deepEqual(
    patchRect(grid, cell), { top: 16, left: 24, bottom: 49, right: 57 },
  );
  assert.deepEqual(
    cellRect(grid, cell), { top: 28.5, left: 36.5, bottom: 36.5, right: 44.5 },
  );
  assert.equal(cellAt(grid, 28.6, 44.4), cell);
  assert.equal(cellAt(grid, -5, -5), 0);
  assert.equal(cellAt(grid, 104, 96), 89);
});

test("numbers", () => {
  const found = [-1.234, 0.001, -0.001, 2].map((value) => signed(value));
  assert.deepEqual(found, ["−1.23", "0.00", "0.00", "+2.00"]);
  const parts = [0, 0.0001, 0.5, 0.99999, 1].map(percent);
  assert.deepEqual(
    parts, ["0.0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100.0 %"],
  );
});
