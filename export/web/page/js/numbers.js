/** How are numbers written? With a real minus sign, and no more digits than
 * mean something. */

const MINUS = "−";

/**
 * @param {number} value Such as logits.
 * @param {number} digits After the point.
 * @return {string} With its sign, + included: "+1.20", "−0.31", "0.00".
 */
export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) {
    return text;
  }
  return (value < 0 ? MINUS : "+") + text;
}

/**
 * @param {number} probability 0..1.
 * @return {string} In per cent: "84.3 %", "< 0.1 %".
 */
export function percent(probability) {
  if (probability > 0 && probability < 0.001) {
    return "< 0.1 %";
  }
  if (probability < 1 && probability > 0.999) {
    return "> 99.9 %";
  }
  return `${(100 * probability).toFixed(1)} %`;
}

/**
 * @param {number} bytes Of a file.
 * @return {string} In megabytes: "4.5 MB".
 */
export function fileSize(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
