/** In which colours is evidence drawn? Those of the other pictures. */

// Matplotlib's RdBu_r: ColorBrewer's, readable with every kind of colour
// vision; blue speaks against a class, white is 0, red speaks for it.
const STOPS = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222],
  [209, 229, 240], [247, 247, 247], [253, 219, 199], [244, 165, 130],
  [214, 96, 77], [178, 24, 43], [103, 0, 31],
];

/**
 * The colour of a value.
 *
 * @param {number} value -1 (against) to 1 (for); beyond it the end colours.
 * @return {number[]} Red, green, blue, 0..255.
 */
export function colourOf(value) {
  const place = (Math.min(Math.max(value, -1), 1) + 1) * (STOPS.length - 1) / 2;
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  const part = place - low;
  return STOPS[low].map((stop, k) =>
    Math.round(stop + (STOPS[low + 1][k] - stop) * part),
  );
}

/**
 * All colours from one end to the other, for a legend.
 *
 * @return {string} A CSS gradient to the right.
 */
export function cssGradient() {
  const colours = STOPS.map((stop) => `rgb(${stop.join(" ")})`);
  return `linear-gradient(to right, ${colours.join(", ")})`;
}
