/** How does the page ask the worker? */

import { Problem } from "./problem.js";

/** The worker, as functions that return promises. */
export class Classifier {
  #worker;
  #ready;
  #waiting = new Map();
  #count = 0;

  /** Starts the worker; what it needs is fetched when a model is opened. */
  constructor() {
    // A worker from a URL would not be bound by the page's
    // Content-Security-Policy; one from a blob is. It is a classic one, since
    // LiteRT.js loads its runtime by importScripts; modules come by import().
    const engine = JSON.stringify(new URL("engine.js", import.meta.url).href);
    const source = `import(${engine}).catch((error) => self.postMessage(
      { failure: String(error?.message ?? error) }));`;
    const blob = new Blob([source], { type: "text/javascript" });
    const url = URL.createObjectURL(blob);
    this.#worker = new Worker(url);
    this.#ready = new Promise((resolve, reject) => {
      const fail = (reason) => reject(new Problem(
        `The page's own files cannot be loaded (${reason}). Has the whole ` +
        "folder been copied?",
      ));
      this.#worker.onerror = (event) => {
        fail(event.message);
        // After the start: it has died, and will answer nobody.
        this.#waiting.forEach((one) => one.reject(event));
        this.#waiting.clear();
      };
      this.#worker.onmessage = ({ data }) => {
        URL.revokeObjectURL(url);
        if (data.failure) {
          fail(data.failure);
        } else if (data.ready) {
          resolve();
        } else {
          this.#settle(data);
        }
      };
    });
    this.#ready.catch(() => {}); // Told by whoever asks first.
  }

  /**
   * Opens a model.
   *
   * @param {object} description One of `models` of the metadata.
   * @param {object} metadata From `readMetadata`.
   * @return {Promise<{verified: boolean, threads: boolean}>} Whether the
   *     file's hash was compared, and whether it runs on several threads.
   */
  open(description, metadata) {
    const args = {
      description,
      channels: metadata.input.channels,
      numClasses: metadata.labels.length,
    };
    return this.#ask("open", args);
  }

  /**
   * Classifies a photo.
   *
   * @param {Blob} photo An image file.
   * @return {Promise<object>} `logits`, `patchLogits`, `gridShape`,
   *     `numClasses`, `milliseconds` of inference, `additivityError`; `pixels`,
   *     the model's input; `picture`, the same part of the photo for the
   *     screen; `width` and `height` of the photo.
   */
  classify(photo) {
    return this.#ask("classify", { photo });
  }

  /**
   * Runs the model on pixels that already have its size.
   *
   * @param {Uint8Array} pixels (height, width, channels), 0..255.
   * @return {Promise<object>} As `classify`, without what is about the photo.
   */
  run(pixels) {
    return this.#ask("run", { pixels });
  }

  async #ask(task, args) {
    await this.#ready;
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, task, args });
    });
  }

  #settle({ id, value, problem }) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (problem) {
      reject(new Problem(problem));
    } else {
      resolve(value);
    }
  }
}
