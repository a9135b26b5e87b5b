/** How is one of a thousand classes found? By typing a part of its name. */

/** A text field with a list of what matches (ARIA's combobox pattern). */
export class Combobox {
  #input;
  #list;
  #labels = [];
  #shown = [];
  #active = -1;
  #value = null;
  #onChange;
  #optional;

  /**
   * @param {HTMLInputElement} input With role="combobox".
   * @param {HTMLUListElement} list With role="listbox".
   * @param {function(?number): void} onChange Told of the chosen class id.
   * @param {boolean} optional Whether an empty field means "none": null.
   */
  constructor(input, list, onChange, optional) {
    this.#input = input;
    this.#list = list;
    this.#onChange = onChange;
    this.#optional = optional;
    input.addEventListener("input", () => this.#open(input.value));
    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => this.#open(""));
    input.addEventListener("blur", () => this.#leave());
    input.addEventListener("keydown", (event) => this.#key(event));
    // Before the field loses the focus.
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", ({ target }) => {
      const option = target.closest("[role=option]");
      if (option) {
        this.#choose(Number(option.dataset.classId));
      }
    });
  }

  /** @param {string[]} labels Class names, by class id. */
  set labels(labels) {
    this.#labels = labels;
  }

  /** @param {?number} classId What the field shows. */
  set value(classId) {
    this.#value = classId;
    this.#input.value = classId === null ? "" : this.#labels[classId];
  }

  #open(text) {
    const wanted = text.trim().toLocaleLowerCase();
    const ids = this.#labels.map((_, id) => id);
    this.#shown = ids.filter((id) =>
      this.#labels[id].toLocaleLowerCase().includes(wanted));
    this.#list.replaceChildren(...this.#shown.map((id) => this.#option(id)));
    if (!this.#shown.length) {
      const nothing = document.createElement("li");
      nothing.textContent = "No class has that in its name";
      this.#list.append(nothing);
    }
    this.#list.hidden = false;
    this.#input.setAttribute("aria-expanded", "true");
    const chosen = this.#shown.indexOf(this.#value);
    this.#activate(wanted && this.#shown.length ? 0 : chosen);
  }

  #option(id) {
    const option = document.createElement("li");
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", String(id === this.#value));
    option.id = `${this.#list.id}-${id}`;
    option.dataset.classId = id;
    option.textContent = this.#labels[id];
    return option;
  }

  #activate(place) {
    const options = this.#list.querySelectorAll("[role=option]");
    options[this.#active]?.classList.remove("active");
    this.#active = place;
    const option = options[place];
    option?.classList.add("active");
    option?.scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", option?.id ?? "");
  }

  #key(event) {
    const closed = this.#list.hidden;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (closed) {
        this.#open("");
        return;
      }
      const count = this.#shown.length;
      this.#activate(count ? (this.#active + step + count) % count : -1);
    } else if (event.key === "Enter" && !closed) {
      event.preventDefault();
      if (this.#active >= 0) {
        this.#choose(this.#shown[this.#active]);
      }
    } else if (event.key === "Escape") {
      this.value = this.#value;
      this.#close();
    }
  }

  #choose(classId) {
    this.#close();
    this.value = classId;
    this.#onChange(classId);
  }

  #leave() {
    const emptied = this.#optional && !this.#input.value.trim();
    this.#close();
    if (emptied && this.#value !== null) {
      this.value = null;
      this.#onChange(null);
    } else {
      this.value = this.#value; // What was typed, but not chosen, is dropped.
    }
  }

  #close() {
    this.#list.hidden = true;
    this.#active = -1;
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
  }
}
