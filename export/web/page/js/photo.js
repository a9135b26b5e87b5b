/** How does an image file become pixels? Read in a worker, by the browser. */

import { imageHeader } from "./image_header.js";
import { Problem } from "./problem.js";

// Four bytes a pixel in memory: what telephones can hold.
export const MAX_PIXELS = 100e6;
const MAX_BYTES = 200e6;
// A header lies in here, behind whatever a camera writes before it.
const HEADER_BYTES = 1 << 20;

/**
 * Decodes an image file, upright, its colours as they are stored.
 *
 * @param {Blob} file A file; `name` is used if it has one.
 * @return {Promise<ImageBitmap>} To be closed by the caller.
 */
export async function decodePhoto(file) {
  const name = file.name ? `“${file.name}”` : "The photo";
  if (!file.size) {
    throw new Problem(`${name} is empty (0 bytes).`);
  }
  if (file.size > MAX_BYTES) {
    throw new Problem(
      `${name} has ${megabytes(file.size)}; at most ` +
      `${megabytes(MAX_BYTES)} can be read.`,
    );
  }
  const start = await file.slice(0, HEADER_BYTES).arrayBuffer();
  const header = imageHeader(new Uint8Array(start));
  if (header) {
    checkPixels(name, header);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Problem(
      header
        ? `${name} is damaged: it begins as a ${header.type} file, but its ` +
          "pixels cannot be read."
        : `${name} is no image that this browser can read. JPEG, PNG, WebP, ` +
          "GIF and BMP work everywhere.",
    );
  }
  checkPixels(name, bitmap);
  return bitmap;
}

function checkPixels(name, { width, height }) {
  if (width * height > MAX_PIXELS) {
    throw new Problem(
      `${name} is too large: ${width} × ${height} pixels, where at most ` +
      `${MAX_PIXELS / 1e6} million can be read.`,
    );
  }
}

function megabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`;
}

/**
 * A function that reads rows of a bitmap, transparency laid over white.
 *
 * A strip at a time, as telephones refuse canvases of the size of a photo.
 *
 * @param {ImageBitmap} bitmap Decoded.
 * @return {function(number, number): Uint8ClampedArray} See `evaluationInput`.
 */
export function rowReader(bitmap) {
  return (top, count) => {
    const canvas = new OffscreenCanvas(bitmap.width, count);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "white";
    context.fillRect(0, 0, bitmap.width, count);
    context.drawImage(bitmap, 0, -top);
    return context.getImageData(0, 0, bitmap.width, count).data;
  };
}

/**
 * The part of a photo that the model sees, for the screen.
 *
 * @param {ImageBitmap} bitmap Decoded.
 * @param {object} crop From `cropOf`.
 * @param {number} longest Side of the result at most, pixels.
 * @return {ImageBitmap} In the shape of the crop, over white.
 */
export function cropForScreen(bitmap, crop, longest) {
  const scale = longest / Math.max(crop.height, crop.width);
  const [width, height] = [crop.width, crop.height].map((side) =>
    Math.max(1, Math.round(side * scale)),
  );
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const { left, top } = crop;
  context.drawImage(
    bitmap, left, top, crop.width, crop.height, 0, 0, width, height,
  );
  return canvas.transferToImageBitmap();
}
