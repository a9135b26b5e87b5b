/** What does the model say, and what did one patch add? The right-hand side. */

import { Combobox } from "./combobox.js";
import { namedClasses, probabilitiesOf, ranked } from "./evidence.js";
import { thresholdsOf } from "./metadata.js";
import { percent, signed } from "./numbers.js";
import { element } from "./page.js";
import { PatchView } from "./patch_view.js";

const NUM_CLASSES = 5;

/** Verdict, classes to choose from, and the patch that is looked at. */
export class AnswerView {
  #onChoice;
  #patchView = new PatchView();
  #answer;
  #metadata;
  #order = [];
  #classId = 0;
  #otherId = null;
  #pickers;

  /**
   * @param {function(object): void} onChoice Told what is chosen: `{classId,
   *     otherId, centred}`.
   */
  constructor(onChoice) {
    this.#onChoice = onChoice;
    const picker = (name, choose, optional) => new Combobox(
      element(`${name}-input`), element(`${name}-list`), choose, optional,
    );
    this.#pickers = [
      picker("class", (id) => this.#choose(id, this.#otherId), false),
      picker("other", (id) => this.#choose(this.#classId, id), true),
    ];
    element("other-clear").addEventListener("click", () => {
      this.#choose(this.#classId, null);
      element("other-input").focus();
    });
    element("centred").addEventListener("input", () => {
      this.#choose(this.#classId, this.#otherId);
    });
  }

  /**
   * Shows a new answer, and chooses the class that the model names.
   *
   * @param {object} answer From the classifier.
   * @param {object} grid From `gridOf`.
   * @param {object} metadata From `readMetadata`.
   */
  show(answer, grid, metadata) {
    this.#answer = answer;
    this.#metadata = metadata;
    this.#order = ranked(answer.logits);
    this.#patchView.show(answer, grid, metadata.labels);
    this.#pickers.forEach((picker) => (picker.labels = metadata.labels));
    const several = metadata.labels.length > 1;
    element("other-choice").hidden = !several;
    const named = this.#tellVerdict();
    element("answer").hidden = false;
    element("patch-panel").hidden = false;
    this.#choose(named[0] ?? this.#order[0], null);
  }

  /** Shows what the patch of a cell says. */
  showPatch(cell) {
    const first = this.#order.slice(0, NUM_CLASSES);
    const chosen = [this.#classId, this.#otherId].filter((id) => id !== null);
    const classIds = [...new Set([...chosen, ...first])];
    this.#patchView.look(cell, classIds, this.#choice);
  }

  get #choice() {
    return {
      classId: this.#classId,
      otherId: this.#otherId,
      centred: this.#hasCentred && element("centred").checked,
    };
  }

  /** A sigmoid head says of each class by itself whether it is there. */
  get #hasCentred() {
    const { head, labels } = this.#metadata;
    return head === "softmax" && labels.length > 1;
  }

  #choose(classId, otherId) {
    const two = otherId !== null && otherId !== classId;
    this.#classId = classId;
    this.#otherId = two ? otherId : null;
    this.#pickers[0].value = this.#classId;
    this.#pickers[1].value = this.#otherId;
    element("other-clear").hidden = !two;
    // In a difference it cancels.
    element("centred-choice").hidden = !this.#hasCentred || two;
    this.#listClasses();
    this.#onChoice(this.#choice);
  }

  /** Writes what the model says; gives the classes that it names. */
  #tellVerdict() {
    const { labels, head } = this.#metadata;
    const { logits } = this.#answer;
    const thresholds = thresholdsOf(this.#metadata);
    const named = namedClasses(logits, head, thresholds);
    const probabilities = probabilitiesOf(logits, head);
    const words = (id) => `${labels[id]} ${percent(probabilities[id])}`;
    const [best, second] = this.#order;
    let title = named.map((id) => labels[id]).join(", ");
    const sure = named.map((id) => percent(probabilities[id])).join(", ");
    let detail = `${sure} probable`;
    if (!named.length) {
      title = labels.length === 1 ? `Not ${labels[0]}` : "None of the classes";
      detail = `most probable: ${words(best)}`;
    } else if (head === "softmax") {
      const other = named[0] === best ? second : best;
      detail += `, before ${words(other)}`;
    }
    element("verdict-title").textContent = title;
    element("verdict-detail").textContent = detail;
    return named;
  }

  #listClasses() {
    const { labels, head } = this.#metadata;
    const probabilities = probabilitiesOf(this.#answer.logits, head);
    const items = this.#order.slice(0, NUM_CLASSES).map((id) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(id === this.#classId));
      button.addEventListener("click", () => {
        this.#choose(id, this.#otherId);
        // The list was made anew: the focus stays where it was.
        element("classes").querySelector("[aria-pressed=true]").focus();
      });
      const name = document.createElement("span");
      name.textContent = labels[id];
      const value = document.createElement("span");
      value.textContent = percent(probabilities[id]);
      const bar = document.createElement("span");
      bar.className = "bar";
      bar.style.width = `${100 * probabilities[id]}%`;
      button.append(name, value, bar);
      item.append(button);
      return item;
    });
    element("classes").replaceChildren(...items);
  }
}
