/** How large is an image, before it is decoded? Read from its first bytes. */

// JPEG frame headers: C4, C8 and CC of that range are something else.
const NO_FRAME = [0xc4, 0xc8, 0xcc];

/**
 * Reads the header of a JPEG, PNG, GIF, BMP or WebP file.
 *
 * @param {Uint8Array} bytes The start of a file.
 * @return {?{type: string, width: number, height: number}} Pixels as stored,
 *     before any rotation; null where the file is of no such type, or too
 *     short to tell.
 */
export function imageHeader(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [type, read] of Object.entries(READERS)) {
    try {
      const sides = read(view);
      if (sides) {
        return { type, width: sides[0], height: sides[1] };
      }
    } catch (error) {
      if (!(error instanceof RangeError)) {
        throw error; // Past the end of the bytes is an answer, too.
      }
    }
  }
  return null;
}

// What gives [width, height], or null where it is no such file.
const READERS = {
  JPEG: (view) => (view.getUint16(0) === 0xffd8 ? jpegSides(view) : null),
  PNG: (view) =>
    view.getUint32(0) === 0x89504e47
      ? [view.getUint32(16), view.getUint32(20)]
      : null,
  GIF: (view) =>
    view.getUint32(0) === 0x47494638
      ? [view.getUint16(6, true), view.getUint16(8, true)]
      : null,
  BMP: (view) =>
    view.getUint16(0) === 0x424d
      ? [18, 22].map((place) => Math.abs(view.getInt32(place, true)))
      : null,
  WebP: (view) =>
    view.getUint32(0) === 0x52494646 && view.getUint32(8) === 0x57454250
      ? webpSides(view)
      : null,
};

function jpegSides(view) {
  let place = 2;
  for (;;) {
    const marker = view.getUint16(place);
    if (marker < 0xff00) {
      return null;
    }
    const kind = marker & 0xff;
    if (kind >= 0xc0 && kind <= 0xcf && !NO_FRAME.includes(kind)) {
      return [view.getUint16(place + 7), view.getUint16(place + 5)];
    }
    // A marker may be preceded by any number of bytes FF.
    place += kind === 0xff ? 1 : 2 + view.getUint16(place + 2);
  }
}

function webpSides(view) {
  const kind = view.getUint32(12);
  if (kind === 0x56503858) {
    // "VP8X": three bytes each, minus one.
    return [24, 27].map((place) =>
      1 + view.getUint16(place, true) + (view.getUint8(place + 2) << 16),
    );
  }
  if (kind === 0x5650384c) {
    // "VP8L": fourteen bits each, minus one.
    const bits = view.getUint32(21, true);
    return [1 + (bits & 0x3fff), 1 + ((bits >> 14) & 0x3fff)];
  }
  return [26, 28].map((place) => view.getUint16(place, true) & 0x3fff);
}
