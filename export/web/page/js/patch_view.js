/** What does one patch add to each class? */

import { evidenceMap } from "./evidence.js";
import { patchRect, placeOf } from "./geometry.js";
import { signed } from "./numbers.js";

/** The enlarged patch and the table beside it. */
export class PatchView {
  #root;
  #answer;
  #grid;
  #labels;

  /** @param {HTMLElement} root Where the patch's elements are. */
  constructor(root) {
    this.#root = root;
  }

  /**
   * Takes a new answer.
   *
   * @param {object} answer From the classifier.
   * @param {object} grid From `gridOf`.
   * @param {string[]} labels Class names, by class id.
   */
  show(answer, grid, labels) {
    this.#answer = answer;
    this.#grid = grid;
    this.#labels = labels;
  }

  /**
   * Shows the patch of a cell.
   *
   * @param {number} cell Of the grid.
   * @param {number[]} classIds For the table; the first one is chosen.
   * @param {boolean} centred Whether evidence is minus the mean of all classes.
   */
  look(cell, classIds, centred) {
    const [row, col] = placeOf(this.#grid, cell);
    const rect = patchRect(this.#grid, cell);
    const cells = this.#grid.shape[0] * this.#grid.shape[1];
    const place = `row ${row + 1}, column ${col + 1}`;
    this.#find("patch-heading").textContent = `Patch in ${place}`;
    this.#drawPixels(rect);
    const evidence = classIds.map(
      (id) => evidenceMap(this.#answer, id, centred)[cell],
    );
    const largest = Math.max(...evidence.map(Math.abs), Number.MIN_VALUE);
    this.#find("patch-rows").replaceChildren(...classIds.map((id, i) =>
      this.#row(this.#labels[id], evidence[i], cells, largest, i === 0)));
    this.#find("patch-note").textContent =
      `Pixels ${rect.top}–${rect.bottom - 1} × ${rect.left}–` +
      `${rect.right - 1} of the model's input. Contribution = evidence / ` +
      `${cells} patches; over all patches they add up to the ` +
      `${centred ? "logit minus the mean of all logits" : "logit"}.`;
    this.#find("patch-summary").textContent =
      `${place}: ${signed(evidence[0])} logits for ` +
      `${this.#labels[classIds[0]]}`;
  }

  /** The pixels as the model sees them, not smoothed. */
  #drawPixels({ top, left, bottom, right }) {
    const { pixels } = this.#answer;
    const [height, width] = this.#grid.imageSize;
    const channels = pixels.length / (height * width);
    const canvas = this.#find("patch");
    canvas.width = right - left;
    canvas.height = bottom - top;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    for (let y = top, to = 0; y < bottom; y++) {
      for (let x = left; x < right; x++, to += 4) {
        const from = (y * width + x) * channels;
        for (let k = 0; k < 3; k++) {
          image.data[to + k] = pixels[from + (channels === 3 ? k : 0)];
        }
        image.data[to + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }

  #row(label, value, cells, largest, chosen) {
    const row = document.createElement("tr");
    row.classList.toggle("chosen", chosen);
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = label;
    const evidence = document.createElement("td");
    const bar = document.createElement("span");
    bar.className = value < 0 ? "diverging against" : "diverging";
    bar.style.setProperty("--part", Math.abs(value) / largest);
    evidence.append(signed(value), bar);
    const contribution = document.createElement("td");
    contribution.textContent = signed(value / cells, 4);
    row.append(name, evidence, contribution);
    return row;
  }

  #find(id) {
    return this.#root.querySelector(`#${id}`);
  }
}
