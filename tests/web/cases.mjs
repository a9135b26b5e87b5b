/** What tests/web_fixtures.py wrote, as JavaScript's arrays. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Where the exports, photos and cases are. */
export const FOLDER = join(ROOT, ".build", "web-test");

const ARRAYS = {
  uint8: Uint8Array,
  float32: Float32Array,
  float64: Float64Array,
};

export const cases = JSON.parse(
  readFileSync(join(FOLDER, "cases.json"), "utf8"),
  (_, value) => (value?.dtype ? decoded(value) : value),
);

function decoded({ dtype, data }) {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  return new ARRAYS[dtype](bytes.buffer);
}

/** The largest absolute difference of two arrays of the same length. */
export function largestDifference(found, expected) {
  if (found.length !== expected.length) {
    return Infinity;
  }
  let largest = 0;
  for (let i = 0; i < found.length; i++) {
    // Math.max keeps NaN.
    largest = Math.max(largest, Math.abs(found[i] - expected[i]));
  }
  return largest;
}
