/** How is evidence shown on the photo? Stage, caption, legend, controls. */

import { cssGradient } from "./colours.js";
import {
  colourLimit,
  contrastMap,
  evidenceMap,
  ranked,
  strongestPatches,
} from "./evidence.js";
import { gridOf } from "./geometry.js";
import { signed } from "./numbers.js";
import { element } from "./page.js";
import { Stage } from "./stage.js";

// The classes whose maps share one colour scale.
const SCALE_CLASSES = 5;
const NUM_BOXES = 4;

/** The photo with the map of what is chosen. */
export class MapView {
  #stage;
  #onCell;
  #answer;
  #metadata;
  #choice = { classId: 0, otherId: null, centred: true };
  #cell = 0;

  /** @param {function(number): void} onCell Told which patch is looked at. */
  constructor(onCell) {
    this.#onCell = onCell;
    this.#stage = new Stage(element("canvas"), (cell) => this.#look(cell));
    element("legend-bar").style.backgroundImage = cssGradient();
    for (const id of ["opacity", "boxes"]) {
      element(id).addEventListener("input", () => this.#draw());
    }
    new ResizeObserver(() => this.#draw()).observe(element("canvas"));
  }

  /**
   * Takes a new answer; drawn when classes are chosen.
   *
   * @param {object} answer From the classifier.
   * @param {object} description Of the model.
   * @param {object} metadata From `readMetadata`.
   */
  show(answer, description, metadata) {
    this.#answer?.picture.close();
    this.#answer = answer;
    this.#metadata = metadata;
    this.grid = gridOf(answer, description, metadata.geometry);
    element("shown").hidden = false;
  }

  /**
   * Draws the map of a choice and looks at its strongest patch.
   *
   * @param {{classId: number, otherId: ?number, centred: boolean}} choice A
   *     class, perhaps another to compare it with.
   */
  choose(choice) {
    this.#choice = choice;
    const { classId, otherId } = choice;
    this.map = otherId === null
      ? evidenceMap(this.#answer, classId, choice.centred)
      : contrastMap(this.#answer, classId, otherId);
    this.limit = this.#limit();
    this.#describe();
    this.#look(ranked(this.map)[0]);
  }

  /** The same for the strongest classes, so that their maps compare. */
  #limit() {
    const { classId, otherId, centred } = this.#choice;
    if (otherId !== null) {
      return colourLimit([this.map]);
    }
    const first = ranked(this.#answer.logits).slice(0, SCALE_CLASSES);
    const shown = first.includes(classId) ? first : [...first, classId];
    return colourLimit(
      shown.map((id) => evidenceMap(this.#answer, id, centred)),
    );
  }

  #describe() {
    const { classId, otherId, centred } = this.#choice;
    const { labels } = this.#metadata;
    const [name, other] = [labels[classId], labels[otherId]];
    const measure = centred ? ", compared with the mean of all classes" : "";
    element("caption").textContent = otherId === null
      ? `Red speaks for ${name}, blue against it${measure}.`
      : `Red speaks for ${name}, blue for ${other}.`;
    element("legend-low").textContent = signed(-this.limit, 1);
    element("legend-high").textContent = signed(this.limit, 1);
    element("legend-bar").setAttribute(
      "aria-label",
      `Colours from blue at ${signed(-this.limit, 1)} over white at 0 to red ` +
      `at ${signed(this.limit, 1)} logits per patch`,
    );
  }

  #look(cell) {
    this.#cell = cell;
    this.#draw();
    this.#onCell(cell);
  }

  #draw() {
    if (!this.map) {
      return;
    }
    const boxes = element("boxes").checked
      ? strongestPatches(this.map, this.grid, NUM_BOXES) : [];
    this.#stage.draw({
      picture: this.#answer.picture,
      map: this.map,
      limit: this.limit,
      opacity: element("opacity").value / 100,
      grid: this.grid,
      cell: this.#cell,
      boxes,
    });
  }
}
