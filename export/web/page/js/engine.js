/**
 * What runs in the worker? Photos in, answers out, one after the other.
 *
 * Messages in: `{id, task, args}`; out: `{ready: true}` once, then
 * `{id, value}` or `{id, problem}`, in words.
 */

import { checkAnswer } from "./evidence.js";
import { openModel } from "./model.js";
import { cropForScreen, decodePhoto, rowReader } from "./photo.js";
import { inWords } from "./problem.js";
import { cropOf, evaluationInput } from "./resample.js";
import { loadRuntime } from "./runtime.js";

// Sides of the picture on the screen, pixels: sharp on large displays.
const SCREEN_SIDE = 1024;

let loading = null;
let current = null;

const TASKS = { open, classify, run };

/** Opens a model; what was opened before is forgotten. */
async function open({ description, channels, numClasses }) {
  loading ??= loadRuntime();
  let runtime, threads;
  try {
    ({ runtime, threads } = await loading);
  } catch (error) {
    loading = null; // The network may be back at the next try.
    throw error;
  }
  current?.model.delete();
  current = null;
  const { model, verified } = await openModel(runtime, description, channels);
  current = { model, description, channels, numClasses };
  return { verified, threads };
}

/** Decodes, crops and classifies a photo. */
async function classify({ photo }) {
  const { description, channels } = current;
  const bitmap = await decodePhoto(photo);
  try {
    const { width, height } = bitmap;
    const size = description.inputSize;
    const pixels = evaluationInput(
      rowReader(bitmap), height, width, size, channels,
    );
    const crop = cropOf(height, width, size);
    const picture = cropForScreen(bitmap, crop, SCREEN_SIDE);
    return { ...(await run({ pixels })), pixels, picture, width, height };
  } finally {
    bitmap.close();
  }
}

/** Runs the model on pixels that have its size. */
async function run({ pixels }) {
  const { model, description, channels, numClasses } = current;
  const found = await model.run(pixels, channels);
  const answer = { ...found, gridShape: description.gridShape, numClasses };
  return { ...answer, additivityError: checkAnswer(answer) };
}

async function answer({ id, task, args }) {
  try {
    const value = await TASKS[task](args);
    self.postMessage({ id, value }, value.picture ? [value.picture] : []);
  } catch (error) {
    self.postMessage({ id, problem: inWords(error) });
  }
}

// A message may come while another is worked on: in turns, for there is one
// model only.
let last = Promise.resolve();
self.addEventListener("message", ({ data }) => {
  last = last.then(() => answer(data));
});
self.postMessage({ ready: true });
