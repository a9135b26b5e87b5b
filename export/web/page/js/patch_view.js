/** What does one patch add to each class? */

import { evidenceOf } from "./evidence.js";
import { patchRect, placeOf } from "./geometry.js";
import { signed } from "./numbers.js";
import { element } from "./page.js";

/** The enlarged patch and the table beside it. */
export class PatchView {
  #answer;
  #grid;
  #labels;

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
   * @param {number[]} classIds For the table, those that are chosen first.
   * @param {object} choice As for `MapView.choose`.
   */
  look(cell, classIds, { classId, otherId, centred }) {
    const [row, col] = placeOf(this.#grid, cell);
    const rect = patchRect(this.#grid, cell);
    const cells = this.#grid.shape[0] * this.#grid.shape[1];
    const place = `row ${row + 1}, column ${col + 1}`;
    element("patch-heading").textContent = `Patch in ${place}`;
    this.#drawPixels(rect);
    const rows = classIds.map((id) => ({
      name: this.#labels[id],
      value: evidenceOf(this.#answer, cell, id, centred),
      chosen: id === classId && otherId === null,
    }));
    if (otherId !== null) {
      const name = `${this.#labels[classId]} − ${this.#labels[otherId]}`;
      const value = rows[0].value - rows[1].value;
      rows.unshift({ name, value, chosen: true });
    }
    const largest = Math.max(...rows.map(({ value }) => Math.abs(value)));
    element("patch-rows").replaceChildren(
      ...rows.map((row) => tableRow(row, cells, largest || 1)),
    );
    element("patch-note").textContent =
      `Pixels ${rect.top}–${rect.bottom - 1} × ${rect.left}–` +
      `${rect.right - 1} of the model's input. Contribution = evidence / ` +
      `${cells} patches; over all patches they add up to the ` +
      `${centred ? "logit minus the mean of all logits" : "logit"}.`;
    element("patch-summary").textContent =
      `${place}: ${signed(rows[0].value)} logits for ${rows[0].name}`;
  }

  /** The pixels as the model sees them, not smoothed. */
  #drawPixels({ top, left, bottom, right }) {
    const { pixels } = this.#answer;
    const [height, width] = this.#grid.imageSize;
    const channels = pixels.length / (height * width);
    const canvas = element("patch");
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
}

function tableRow({ name, value, chosen }, cells, largest) {
  const row = document.createElement("tr");
  row.classList.toggle("chosen", chosen);
  const heading = document.createElement("th");
  heading.scope = "row";
  heading.textContent = name;
  const evidence = document.createElement("td");
  const bar = document.createElement("span");
  bar.className = value < 0 ? "diverging against" : "diverging";
  bar.style.setProperty("--part", Math.abs(value) / largest);
  evidence.append(signed(value), bar);
  const contribution = document.createElement("td");
  contribution.textContent = signed(value / cells, 4);
  row.append(heading, evidence, contribution);
  return row;
}
