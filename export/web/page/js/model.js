/** How is a .tflite file fetched, checked, compiled and run? */

import { Tensor } from "../vendor/litertjs/core/index.js";
import { Problem, reasonOf } from "./problem.js";

const SIGNATURE = "patch_logits";

/** A compiled model; `run` gives logits and patch logits in one pass. */
export class Model {
  #compiled;
  #description;

  /**
   * @param {object} compiled From LiteRT.js.
   * @param {object} description One of `models` of the metadata.
   */
  constructor(compiled, description) {
    this.#compiled = compiled;
    this.#description = description;
  }

  /**
   * Runs the model.
   *
   * @param {Uint8Array} pixels (height, width, channels), 0..255.
   * @param {number} channels Of the pixels.
   * @return {Promise<{logits: Float32Array, patchLogits: Float32Array,
   *     milliseconds: number}>} The answer, and how long it took.
   */
  async run(pixels, channels) {
    const { inputSize, inputDtype } = this.#description;
    const values =
      inputDtype === "uint8" ? pixels : Float32Array.from(pixels);
    const image = new Tensor(values, [1, ...inputSize, channels]);
    const start = performance.now();
    const outputs = await this.#compiled.run(SIGNATURE, { image });
    try {
      const logits = await outputs.logits.data();
      const patchLogits = await outputs.patch_logits.data();
      const milliseconds = performance.now() - start;
      return {
        logits: logits.slice(), patchLogits: patchLogits.slice(), milliseconds,
      };
    } finally {
      image.delete();
      Object.values(outputs).forEach((tensor) => tensor.delete());
    }
  }

  /** Frees its memory. */
  delete() {
    this.#compiled.delete();
  }
}

/**
 * Fetches a model, compares its hash, and compiles it.
 *
 * @param {object} runtime From `loadRuntime`.
 * @param {object} description One of `models` of the metadata.
 * @param {number} channels That the model must take.
 * @return {Promise<{model: Model, verified: boolean}>} `verified` is false
 *     where the browser cannot hash: on pages that are not secure.
 */
export async function openModel(runtime, description, channels) {
  const bytes = await fetchBytes(description);
  const verified = await checkHash(bytes, description);
  let compiled;
  try {
    compiled = await runtime.loadAndCompile(bytes, { accelerator: "wasm" });
  } catch (error) {
    throw new Problem(
      `${description.path} is no model that LiteRT.js can run ` +
      `(${reasonOf(error)}).`,
    );
  }
  try {
    checkSignature(compiled, description, channels);
  } catch (error) {
    compiled.delete();
    throw error;
  }
  return { model: new Model(compiled, description), verified };
}

async function fetchBytes({ url, path }) {
  let response;
  try {
    // LiteRT.js's own loader would take an error page for a model.
    response = await fetch(url);
    if (response.ok) {
      return new Uint8Array(await response.arrayBuffer());
    }
  } catch (error) {
    throw new Problem(
      `The model ${path} cannot be fetched (${reasonOf(error)}). Is the web ` +
      "server still there?",
    );
  }
  throw new Problem(
    `The model ${path} cannot be fetched (status ${response.status}). Has ` +
    "the whole folder been copied?",
  );
}

async function checkHash(bytes, { path, sha256 }) {
  if (!globalThis.crypto?.subtle) {
    return false;
  }
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const found = Array.from(new Uint8Array(digest), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  if (found !== sha256) {
    throw new Problem(
      `The model ${path} is not the one that metadata.json describes: its ` +
      `sha256 is ${found.slice(0, 12)}…, not ${sha256.slice(0, 12)}….`,
    );
  }
  return true;
}

function checkSignature(compiled, description, channels) {
  const signature = compiled.signatures[SIGNATURE];
  const input = signature?.getInputDetails().find((x) => x.name === "image");
  const outputs = signature?.getOutputDetails().map((x) => x.name) ?? [];
  const wanted = [1, ...description.inputSize, channels].join(" × ");
  const found = input && [...input.shape].join(" × ");
  const { path, inputDtype } = description;
  if (!input || !outputs.includes(SIGNATURE) || !outputs.includes("logits")) {
    throw new Problem(
      `${path} has no signature “${SIGNATURE}”: it is no BagNet of this ` +
      "project.",
    );
  }
  if (found !== wanted || input.dtype !== inputDtype) {
    throw new Problem(
      `The model does not belong to metadata.json: ${path} takes ` +
      `${input.dtype} ${found}, not ${inputDtype} ${wanted}.`,
    );
  }
}
